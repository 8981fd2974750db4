package bench

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
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

// opening says how a stream is to be opened.
type opening struct {
	topic         int32
	anonymousID   string
	token         string // taken in place of one that is asked for
	lastEventID   string
	receiveBuffer int // bytes; 0: the system's
	watched       bool
}

type streamState uint8

const (
	connecting streamState = iota
	asking                 // for the token
	waiting                // for the head of the event stream
	open
	stalled // open, and not read
	ended
)

// stream is one page that listens, at its end of the connection.
type stream struct {
	response
	fd            int32
	slot          int32
	index         int32 // in the order of opening
	topic         int32 // whose marks it is to get
	state         streamState
	watched       bool // its last event id and token are kept
	receiveBuffer int
	last          uint32   // newest sequence number that arrived
	version       int64    // of the last id
	due           int64    // when it was to be opened
	seen          []uint64 // one bit for each sequence number that arrived
	request       []byte   // not sent yet
	watch         *watch
}

// watch is what is kept of a stream that will come back.
type watch struct {
	token, lastEventID string
	local              netip.AddrPort
	kinds              map[string]int
}

// tally is what a loop has counted since the last take.
type tally struct {
	latency, opened                             hist
	delivered, duplicated, backwards, conflated int64
	stale, misrouted                            int64
	lastArrival                                 int64
}

func (t *tally) merge(o *tally) {
	t.latency.merge(&o.latency)
	t.opened.merge(&o.opened)
	t.delivered += o.delivered
	t.duplicated += o.duplicated
	t.backwards += o.backwards
	t.conflated += o.conflated
	t.stale += o.stale
	t.misrouted += o.misrouted
	t.lastArrival = max(t.lastArrival, o.lastArrival)
}

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

// token tells whether the request that is to be sent opens the stream.
func (s *stream) token() bool { return len(s.request) > 0 && s.request[0] == 'G' }

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

func (l *loop) read(s *stream) {
	for s.state < stalled {
		n, err := receive(s.fd, l.buffer[:])
		if errors.Is(err, errAgain) {
			return
		}
		if err != nil || n == 0 {
			l.broken(s, err)
			return
		}
		l.current = s
		if _, err := s.feed(l.buffer[:n], l); err != nil {
			l.fail(s, err.Error())
			return
		}
		l.step(s)
		if n < len(l.buffer) {
			return
		}
	}
}

// broken ends a stream that the server has ended.
func (l *loop) broken(s *stream, err error) {
	why := "end of the connection"
	if err != nil {
		why = err.Error()
	}
	switch {
	case s.state < open:
		l.fail(s, "no answer: "+why)
	default:
		l.fail(s, "the server ended the stream: "+why)
	}
}

// step goes on with the opening of s after what was read.
func (l *loop) step(s *stream) {
	switch {
	case s.state == ended: // by its first event
	case s.state == asking && s.phase == complete:
		token := member(s.carry, "token")
		if s.status != 201 || token == "" {
			l.refused(s, "token")
			return
		}
		if s.watch != nil {
			s.watch.token = token
		}
		s.request = l.engine.server.streamRequest(int(s.index), token, "")
		s.response = response{}
		if l.engine.direct {
			s.state = waiting
			l.write(s)
			return
		}
		s.state = connecting
		if err := l.reconnect(s); err != nil {
			l.fail(s, "connect: "+err.Error())
		}
	case s.state == waiting && s.phase != inHead && (s.status != 200 || !s.sse):
		if s.phase == complete || s.status == 200 {
			l.refused(s, "stream")
		}
	case s.state == waiting && s.phase != inHead:
		s.state = open
		l.opening--
		if s.watch != nil {
			s.watch.local = localAddress(s.fd)
		}
		l.engine.ready.Add(1)
		if plain := l.engine.server.streamPath != ""; plain || !l.engine.churn {
			l.tally.opened.add(l.now - s.due)
			l.tally.lastArrival = l.now
			if l.engine.churn { // other servers have no first event
				l.end(s)
			}
		}
	case s.phase == complete:
		l.fail(s, "the server ended the stream")
	}
}

// refused gives up an opening that was answered with an error.
func (l *loop) refused(s *stream, what string) {
	status := strconv.Itoa(int(s.status))
	code := member(s.carry, "code")
	if s.status == 429 || s.status == 503 {
		l.engine.limit(limitKeys(what, int(s.status)))
	}
	l.fail(s, strings.TrimSpace(what+" "+status+" "+code))
}

// limitKeys are the settings whose limits answer so.
func limitKeys(what string, status int) string {
	switch {
	case status == 429 && what == "token":
		return "limits.tokens_per_address"
	case what == "stream":
		return "limits.streams_per_address, limits.streams_per_connector or stream.max_streams"
	}
	return ""
}

// event implements receiver for the stream that is read.
func (l *loop) event(e event) {
	s := l.current
	if s.state == ended {
		return
	}
	if s.watch != nil {
		s.watch.kinds[string(e.kind)]++
		if len(e.id) > 0 {
			s.watch.lastEventID = string(e.id)
		}
	}
	if string(e.kind) == "close" {
		l.engine.note("close: " + member(e.data, "message"))
	}
	if l.engine.churn {
		if s.state < open { // the head came with it, and step has not seen it
			l.opening--
			l.engine.ready.Add(1)
		}
		l.tally.opened.add(l.now - s.due)
		l.tally.lastArrival = l.now
		l.end(s)
		return
	}
	if l.engine.sink != nil {
		l.engine.sink(&l.tally, s, e, l.now)
	}
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
