package stream

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a stream as its loop keeps it. Only who has mu writes to it, which is
// its loop, or a publisher that has woken it.
type socket struct {
	loop   *loop
	sub    *Subscriber
	behind *socket // in the loop's queue; its last one's is guarded by the loop's mu
	prev   *socket // in the wheel's slot, as next; the loop's alone, as oldest, at and junk
	next   *socket
	oldest tick   // when it reaches its maximal age
	at     tick   // the wheel's slot; 0: in none
	junk   uint32 // bytes that the page has sent
	fd     int32
	queued atomic.Bool // it is in the queue, or will be put there, or is being written to by who woke it

	mu     sync.Mutex
	rest   *rest // what the socket could not take yet
	beat   tick  // when the next heartbeat is due
	state  socketState
	armed  bool       // the loop is told when there is room for the rest
	failed unix.Errno // of a publisher's write: the loop is to drop it
}

type socketState uint8

const (
	fresh socketState = iota // the loop does not know it yet
	live
	closed
)

// rest is what remains of a write that the socket did not take whole.
type rest struct {
	frames   []frame
	sent     int  // bytes of the first frame
	last     bool // the stream ends behind it
	events   bool // it had more than a heartbeat
	began    time.Time
	deadline tick
}

// wake has the stream written to soon, by w's owner if w has room and else by the
// loop. It is called with the subscriber's lock held.
func (s *socket) wake(w *woken) {
	if s == nil || s.queued.Swap(true) {
		return
	}
	if w == nil || !w.add(s) {
		s.loop.add(s)
	}
}

// woken are the sockets that a publisher has woken and writes to itself when it
// holds no lock any more. For a few that costs less, and is sooner, than to wake
// another thread; for many the loops are there, which write side by side.
type woken struct {
	sockets [directWrites]*socket
	n       int
}

// directWrites is to how many streams a publisher writes itself.
const directWrites = 16

func (w *woken) add(s *socket) bool {
	if w.n == len(w.sockets) {
		return false
	}
	w.sockets[w.n] = s
	w.n++
	return true
}

// write writes to them. What does not go at once is left to the loops.
func (w *woken) write() {
	for _, s := range w.sockets[:w.n] {
		if !s.mu.TryLock() {
			s.loop.add(s)
			continue
		}
		s.direct()
		s.mu.Unlock()
	}
}

// direct writes what is due, with mu held by who has set queued.
func (s *socket) direct() {
	if s.state != live || s.rest != nil {
		s.loop.add(s)
		return
	}
	s.queued.Store(false)
	var room [4]frame
	due, got, ok := s.sub.takeUnlessEnding(room[:0])
	if len(due) > 0 {
		text := due[0].bytes
		if len(due) > 1 {
			text = join(nil, due)
		}
		s.failed, _ = errors.AsType[unix.Errno](s.send(text, due, false))
		s.written()
	}
	if !ok || got == takenPart || s.failed != 0 || s.rest != nil {
		s.wake(nil)
	}
}

// send writes text, which is the frames due. What the socket does not take is kept
// as the rest.
func (s *socket) send(text []byte, due []frame, last bool) error {
	began, b := time.Now(), s.loop.broker
	n, err := send(s.fd, text)
	if err != nil {
		return err
	}
	if n == len(text) {
		b.metrics.wrote(due, began)
		return nil
	}
	s.rest = &rest{frames: slices.Clone(due), last: last, events: hasEvents(due), began: began, deadline: s.loop.wheel.after(b.cfg.WriteTimeout)}
	b.metrics.delivered(s.rest.skip(n), time.Now())
	return nil
}

// skip leaves out the next n bytes, and returns the frames that end there.
func (r *rest) skip(n int) (done []frame) {
	all := r.frames
	for r.sent += n; len(r.frames) > 0 && r.sent >= len(r.frames[0].bytes); r.frames = r.frames[1:] {
		r.sent -= len(r.frames[0].bytes)
	}
	return all[:len(all)-len(r.frames)]
}

func join(dst []byte, frames []frame) []byte {
	for _, f := range frames {
		dst = append(dst, f.bytes...)
	}
	return dst
}

// send sends what the socket takes at once. The scheduler is not told of the
// system call, since it does not wait: among thousands in a row that is a tenth of
// the whole.
func send(fd int32, b []byte) (n int, err error) {
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		return int(sent), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

// written draws when the next heartbeat is due.
func (s *socket) written() {
	heartbeat := s.loop.broker.cfg.Heartbeat
	s.beat = s.loop.wheel.before(heartbeat - jitter(heartbeat/5))
}

// due is when the loop must look at the stream whatever happens.
func (s *socket) due() tick {
	if s.rest != nil {
		return s.rest.deadline
	}
	return min(s.beat, s.oldest)
}
