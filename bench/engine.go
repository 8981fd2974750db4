package bench

import (
	"errors"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// readiness is what a socket is ready for.
type readiness uint8

const (
	readable readiness = 1 << iota
	writable
	broken
)

var errAgain = errors.New("not now")

// clock is nanoseconds since this process began to count: monotonic, so that
// differences of it are durations.
func clock() int64 { return int64(time.Since(clockStart)) + 1 } // 0 is "not yet"

var clockStart = time.Now()

const (
	maxOpening     = 64 // streams that are opened at a time: more would only wait for each other
	openingTimeout = int64(30 * time.Second)
	maxStreams     = 19800 // of one process
)

// engine opens streams and reads them, in a few loops.
type engine struct {
	server  *server
	plan    func(index int) opening
	sink    func(*tally, *stream, event, int64) // under the loop's lock
	rate    float64                             // openings a second; 0: as fast as possible
	churn   bool                                // a stream is closed at its first event
	direct  bool                                // a stream is opened over the connection of its token
	atOnce  int                                 // openings at a time, over all loops
	loops   []*loop
	want    atomic.Int64
	started atomic.Int64
	ready   atomic.Int64
	failed  atomic.Int64
	dropped atomic.Int64 // ended by the server
	limited atomic.Int64 // refused with 429 or 503
	stop    atomic.Bool
	running sync.WaitGroup

	mu      sync.Mutex
	reasons map[string]int
	limits  map[string]bool // keys of the limits that were met
}

// newEngine makes an engine of so many loops; run starts it.
func newEngine(s *server, threads int) (*engine, error) {
	e := &engine{server: s, atOnce: maxOpening, reasons: map[string]int{}, limits: map[string]bool{}}
	for i := range threads {
		p, err := newPoller()
		if err != nil {
			e.close()
			return nil, err
		}
		e.loops = append(e.loops, &loop{engine: e, number: i, poller: p, spare: map[netip.AddrPort][]int32{}})
	}
	return e, nil
}

func (e *engine) run() {
	for _, l := range e.loops {
		e.running.Go(l.run)
	}
}

// close closes all streams and waits for the loops.
func (e *engine) close() {
	e.stop.Store(true)
	e.running.Wait()
	for _, l := range e.loops {
		for _, s := range l.streams {
			l.end(s)
		}
		l.streams = nil
		for _, fds := range l.spare {
			for _, fd := range fds {
				closeSocket(fd)
			}
		}
		l.poller.close()
	}
}

// note counts what went wrong.
func (e *engine) note(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.reasons) < 20 || e.reasons[why] > 0 {
		e.reasons[why]++
	}
}

// limit remembers which limits were met.
func (e *engine) limit(keys string) {
	e.limited.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limits[keys] = true
}

func (e *engine) noted() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.reasons)
}

// each calls f for every stream that is open, while none is read.
func (e *engine) each(f func(*stream)) {
	for _, l := range e.loops {
		l.mu.Lock()
		for _, s := range l.streams {
			if s.state == open || s.state == stalled {
				f(s)
			}
		}
		l.mu.Unlock()
	}
}

// locked calls f while no stream is read.
func (e *engine) locked(f func()) {
	for _, l := range e.loops {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	f()
}

// peek returns what was counted so far, without the durations.
func (e *engine) peek() (t tally) {
	for _, l := range e.loops {
		l.mu.Lock()
		part := l.tally
		part.latency, part.opened = hist{}, hist{}
		t.merge(&part)
		l.mu.Unlock()
	}
	return t
}

// take returns what was counted since the last take.
func (e *engine) take() (t tally) {
	for _, l := range e.loops {
		l.mu.Lock()
		t.merge(&l.tally)
		l.tally = tally{}
		l.mu.Unlock()
	}
	return t
}

// stall stops the reading of the stream with this index.
func (e *engine) stall(index int32) (w *watch) {
	for _, l := range e.loops {
		l.mu.Lock()
		for _, s := range l.streams {
			if s.index == index && s.state == open {
				s.state = stalled
				w = s.watch
				if err := l.poller.mod(s.fd, s.slot, 0); err != nil {
					e.note("epoll: " + err.Error())
				}
			}
		}
		l.mu.Unlock()
	}
	return w
}

// release closes the stream that was stalled.
func (e *engine) release() {
	for _, l := range e.loops {
		l.mu.Lock()
		for _, s := range l.streams {
			if s.state == stalled {
				l.end(s)
			}
		}
		l.mu.Unlock()
	}
}
