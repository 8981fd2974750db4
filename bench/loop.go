package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// loop reads a share of the streams, on a thread of its own.
type loop struct {
	engine  *engine
	number  int
	poller  *poller
	streams []*stream // by slot
	free    []int32
	spare   map[netip.AddrPort][]int32 // connections for requests of tokens
	opening int
	started int64
	at      int64 // when the present wish was heard
	from    int64 // what had been started by then
	buffer  [64 << 10]byte
	now     int64
	expired int64 // when openings that take too long were looked for
	current *stream

	mu    sync.Mutex // held while sockets are read
	tally tally
}

func (l *loop) run() {
	runtime.LockOSThread()
	for !l.engine.stop.Load() {
		n, err := l.poller.wait(l.openDue())
		if err != nil {
			l.engine.note("epoll: " + err.Error())
			return
		}
		if now := clock(); now-l.expired > int64(time.Second) {
			l.expired = now
			l.expire()
		}
		l.mu.Lock()
		l.now = clock()
		for i := range n {
			slot, what := l.poller.ready(i)
			l.handle(l.streams[slot], what)
		}
		l.mu.Unlock()
	}
}

// openDue opens what is due and returns how long there is nothing else to do.
func (l *loop) openDue() time.Duration {
	e, loops := l.engine, int64(len(l.engine.loops))
	all := e.want.Load()
	want := all / loops
	if all%loops > int64(l.number) {
		want++
	}
	if l.started >= want {
		l.at = 0
		return 20 * time.Millisecond
	}
	if l.at == 0 {
		l.at, l.from = clock(), l.started
	}
	for l.started < want && l.opening < max(1, e.atOnce/int(loops)) {
		now := clock()
		due := now
		if e.rate > 0 {
			due = l.at + int64(float64((l.started-l.from)*loops)*1e9/e.rate)
			if due > now {
				return min(time.Duration(due-now), 20*time.Millisecond)
			}
		}
		l.mu.Lock()
		l.open(due)
		l.mu.Unlock()
	}
	return 20 * time.Millisecond
}

// expire gives up openings that take too long.
func (l *loop) expire() {
	if l.opening == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := clock()
	for _, s := range l.streams {
		if s.state < open && now-s.due > openingTimeout {
			l.fail(s, fmt.Sprintf("no answer in %v", time.Duration(openingTimeout)))
		}
	}
}

func (l *loop) open(due int64) {
	e := l.engine
	index := int(l.started)*len(e.loops) + l.number
	l.started++
	e.started.Add(1)
	o := e.plan(index)
	s := &stream{index: int32(index), topic: o.topic, due: due, watched: o.watched, state: connecting, receiveBuffer: o.receiveBuffer}
	if o.watched {
		s.watch = &watch{token: o.token, lastEventID: o.lastEventID, kinds: map[string]int{}}
	}
	l.opening++
	askToken := e.server.streamPath == "" && o.token == ""
	if !askToken || !l.takeSpare(s) {
		fd, err := dial(e.server.address(index), e.server.source(index), o.receiveBuffer)
		s.fd = fd
		if err != nil {
			l.fail(s, "connect: "+err.Error())
			return
		}
	}
	if n := len(l.free); n > 0 {
		s.slot, l.free = l.free[n-1], l.free[:n-1]
		l.streams[s.slot] = s
	} else {
		s.slot = int32(len(l.streams))
		l.streams = append(l.streams, s)
	}
	switch {
	case e.server.streamPath != "":
		s.request = e.server.plainRequest(index, o.anonymousID)
	case askToken:
		s.request = e.server.tokenRequest(index, o.anonymousID)
	default:
		s.request = e.server.streamRequest(index, o.token, o.lastEventID)
	}
	if err := l.poller.add(s.fd, s.slot, writable); err != nil {
		l.fail(s, "epoll: "+err.Error())
	}
}

// takeSpare gives s a connection that a token came over before, if there is one.
func (l *loop) takeSpare(s *stream) bool {
	to := l.engine.server.address(int(s.index))
	for fds := l.spare[to]; len(fds) > 0; fds = l.spare[to] {
		s.fd, l.spare[to] = fds[len(fds)-1], fds[:len(fds)-1]
		if idle(s.fd) {
			return true
		}
		closeSocket(s.fd) // the server did it, too: it was idle for long
	}
	return false
}

// reconnect gives s, which has its token, a connection of its own, as a proxy
// would; the other one is for the next token.
func (l *loop) reconnect(s *stream) error {
	to := l.engine.server.address(int(s.index))
	if err := l.poller.drop(s.fd); err != nil {
		return err
	}
	l.spare[to] = append(l.spare[to], s.fd)
	var err error
	if s.fd, err = dial(to, l.engine.server.source(int(s.index)), s.receiveBuffer); err != nil {
		return err
	}
	return l.poller.add(s.fd, s.slot, writable)
}

// fail gives up the opening of s, or s itself when it is broken.
func (l *loop) fail(s *stream, why string) {
	switch {
	case s.state == ended:
		return
	case s.state < open:
		l.opening--
		l.engine.failed.Add(1)
	default:
		l.engine.dropped.Add(1)
	}
	l.engine.note(why)
	l.end(s)
}

func (l *loop) end(s *stream) {
	if s.state == ended {
		return
	}
	s.state = ended
	s.carry, s.request = nil, nil
	if s.fd >= 0 {
		closeSocket(s.fd)
		if int(s.slot) < len(l.streams) && l.streams[s.slot] == s {
			l.free = append(l.free, s.slot)
		}
	}
}

func (l *loop) handle(s *stream, what readiness) {
	switch {
	case s.state == ended:
	case s.state == stalled:
		if what&broken != 0 {
			l.end(s) // the server may drop it: that is what Slow is about
		}
	case s.state == connecting:
		if err := connected(s.fd); err != nil {
			l.fail(s, "connect: "+err.Error())
			return
		}
		s.state = asking
		if s.token() {
			s.state = waiting
		}
		l.write(s)
	case len(s.request) > 0:
		l.write(s)
	default:
		l.read(s)
	}
}

// write sends what is left of the request.
func (l *loop) write(s *stream) {
	n, err := send(s.fd, s.request)
	if err != nil && !errors.Is(err, errAgain) {
		l.fail(s, "sending the request: "+err.Error())
		return
	}
	want := writable
	if s.request = s.request[n:]; len(s.request) == 0 {
		s.request, want = nil, readable
	}
	if err := l.poller.mod(s.fd, s.slot, want); err != nil {
		l.fail(s, "epoll: "+err.Error())
	}
}
