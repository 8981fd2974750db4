package stream

import (
	"bytes"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a stream as its loop keeps it, which alone touches it once it has
// been added, but for what wake needs.
type socket struct {
	loop   *loop
	sub    *Subscriber
	behind *socket // in the loop's queue; its last one's is guarded by the loop's mu
	prev   *socket // in the wheel's slot, as next
	next   *socket
	rest   *rest // what the socket could not take yet
	fd     int32
	beat   tick // when the next heartbeat is due
	end    tick // when it reaches its maximal age
	at     tick // the wheel's slot; 0: in none
	state  socketState
	queued atomic.Bool // it is in the queue, or will be put there
}

type socketState uint8

const (
	fresh socketState = iota // the loop does not know it yet
	live
	closed
)

// rest is what remains of a write that the socket did not take whole.
type rest struct {
	bytes    []byte
	due      []frame // whose latency is to be counted at the end, without their bytes
	last     bool    // the stream ends behind it
	deadline tick
}

// wake has the loop look at the stream soon. It is called with the subscriber's
// lock held.
func (s *socket) wake() {
	if s != nil && !s.queued.Swap(true) {
		s.loop.add(s)
	}
}

// send writes b, which ends with the frames due. What the socket does not take
// is kept as the rest.
func (s *socket) send(b []byte, due []frame, last bool) error {
	n, err := send(s.fd, b)
	if err != nil {
		return err
	}
	if n == len(b) {
		s.loop.broker.written(due)
		return nil
	}
	s.rest = &rest{bytes: bytes.Clone(b[n:]), last: last, deadline: s.loop.wheel.after(s.loop.broker.cfg.WriteTimeout)}
	for _, f := range due {
		s.rest.due = append(s.rest.due, frame{accepted: f.accepted})
	}
	return nil
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
	return min(s.beat, s.end)
}
