package stream

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loop writes to the sockets whose number leads to it.
type loop struct {
	broker  *Broker
	stride  int       // how many loops there are
	epoll   int       // file descriptor
	event   int       // an eventfd, which ends epoll_wait
	sockets []*socket // by descriptor / stride
	wheel   *wheel
	due     []frame
	joined  []byte
	junk    [4096]byte

	mu          sync.Mutex
	first, last *socket // the queue of those that were woken
	asleep      bool    // in epoll_wait, or about to be
	stopped     bool    // nothing is queued any more
}

func newLoop(b *Broker, stride int) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	l := &loop{broker: b, stride: stride, epoll: epoll, event: -1, wheel: newWheel()}
	if l.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = l.control(unix.EPOLL_CTL_ADD, l.event, unix.EPOLLIN)
	}
	if err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("making an eventfd: %w", err)
	}
	return l, nil
}

func (l *loop) closeFiles() {
	unix.Close(l.epoll)
	if l.event >= 0 {
		unix.Close(l.event)
	}
}

func (l *loop) control(op, fd int, events uint32) error {
	return unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// open writes the head and what is due, in one go, and leaves the stream to the
// loop, unless it has ended already. It is called by the request's goroutine.
func (l *loop) open(fd int, head []byte, sub *Subscriber) {
	s := &socket{loop: l, sub: sub, fd: int32(fd)}
	s.queued.Store(true) // as it will be; until then nobody need wake it
	s.oldest = l.wheel.before(l.broker.cfg.MaxAge - jitter(l.broker.cfg.MaxAge/10))
	s.written()
	limit(fd, l.broker.cfg.WriteTimeout)
	sub.attach(s)
	due, got := sub.take([]frame{{bytes: head}})
	if err := s.send(join(make([]byte, 0, 1024), due), due, got == takenLast); err != nil {
		s.leave(failed(err))
	} else if got == takenLast && s.rest == nil {
		s.leave(sub.ending.reason)
	} else if !l.add(s) {
		s.leave(ReasonDrain)
	}
}

// leave ends a stream that no loop has, or has any more. It is out of the index
// before its page sees the end.
func (s *socket) leave(reason Reason) {
	s.loop.broker.Unsubscribe(s.sub, reason)
	if reason == ReasonSlow { // the system need not try on
		unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	var junk [1024]byte
	unix.Read(int(s.fd), junk[:]) // closing with something unread would take back what was written
	unix.Close(int(s.fd))
}

// add queues s, whose queued is set, and tells whether the loop still runs.
func (l *loop) add(s *socket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	if l.last == nil {
		l.first = s
	} else {
		l.last.behind = s
	}
	l.last = s
	l.ringLocked()
	return true
}

var one = []byte{1, 0, 0, 0, 0, 0, 0, 0} // eventfd(2): a number of eight bytes

func (l *loop) ringLocked() {
	if l.asleep {
		l.asleep = false
		unix.Write(l.event, one) // it can fail only when it would wake the loop anyway
	}
}

// stop makes run return soon.
func (l *loop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.ringLocked()
}

// run serves the loop's streams until stop is called, and closes those that are
// left.
func (l *loop) run() error {
	defer l.close()
	events := make([]unix.EpollEvent, batch)
	for {
		n, err := unix.EpollWait(l.epoll, events, l.sleep())
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for sockets: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			l.ready(e)
		}
		woken, stopped := l.wakeUp()
		l.each(woken)
		l.wheel.turn(l.fire)
		if stopped {
			return nil
		}
	}
}

// sleep is for how many milliseconds epoll_wait may wait.
func (l *loop) sleep() int {
	timeout := l.wheel.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first != nil || l.stopped {
		return 0
	}
	l.asleep = true
	return timeout
}

// wakeUp takes the queue.
func (l *loop) wakeUp() (woken *socket, stopped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	woken, l.first, l.last, l.asleep = l.first, nil, nil, false
	return woken, l.stopped
}

// each looks at those that were woken. One that is woken again from now on is
// queued again.
func (l *loop) each(woken *socket) {
	for s := woken; s != nil; {
		next := s.behind
		s.behind = nil
		s.queued.Store(false)
		s.mu.Lock()
		if s.state == fresh {
			l.register(s)
		}
		switch {
		case s.state != live:
		case s.failed != 0:
			l.drop(s, failed(s.failed))
		case s.rest == nil:
			l.write(s, false)
		case !s.armed:
			l.arm(s)
		}
		s.mu.Unlock()
		s = next
	}
}

// close ends what is left.
func (l *loop) close() {
	l.stop()
	woken, _ := l.wakeUp()
	l.each(woken)
	for _, s := range l.sockets {
		if s != nil {
			s.mu.Lock()
			l.drop(s, ReasonDrain)
			s.mu.Unlock()
		}
	}
	l.closeFiles()
}

const always = unix.EPOLLIN | unix.EPOLLRDHUP

// register makes the loop responsible for s.
func (l *loop) register(s *socket) {
	i := int(s.fd) / l.stride
	for len(l.sockets) <= i {
		l.sockets = append(l.sockets, nil)
	}
	l.sockets[i] = s
	s.state = live
	events := uint32(always)
	if s.armed = s.rest != nil; s.armed {
		events |= unix.EPOLLOUT
	}
	if err := l.control(unix.EPOLL_CTL_ADD, int(s.fd), events); err != nil {
		l.drop(s, ReasonError)
		return
	}
	l.wheel.put(s, s.due())
}

// ready does what a socket, or the eventfd, is ready for.
func (l *loop) ready(e unix.EpollEvent) {
	if int(e.Fd) == l.event {
		unix.Read(l.event, l.junk[:8])
		return
	}
	s := l.sockets[int(e.Fd)/l.stride]
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Events&unix.EPOLLERR != 0:
		errno, _ := unix.GetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_ERROR)
		l.drop(s, failed(unix.Errno(errno)))
	case e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0:
		l.drop(s, ReasonGone)
	case e.Events&unix.EPOLLIN != 0 && !l.ignore(s):
		l.drop(s, ReasonGone)
	case e.Events&unix.EPOLLOUT != 0 && s.rest != nil:
		l.writeRest(s)
	}
}

// ignore reads what a page has no reason to send, and tells whether it is still
// there.
func (l *loop) ignore(s *socket) bool {
	n, err := unix.Read(int(s.fd), l.junk[:])
	s.junk += uint32(max(n, 0))
	return n > 0 && s.junk < maxIgnored || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

// write writes what s is to be told in one go; if there is nothing and beat is
// set, a heartbeat. Whatever does not fit waits, and what is due later stays in
// the subscriber's slot until that has been written.
func (l *loop) write(s *socket, beat bool) {
	var got taken
	l.due, got = s.sub.take(l.due[:0])
	if len(l.due) == 0 && beat {
		l.due = append(l.due, frame{bytes: heartbeatEvent.frame})
	}
	if len(l.due) == 0 {
		return
	}
	b := l.due[0].bytes
	if len(l.due) > 1 {
		l.joined = join(l.joined[:0], l.due)
		b = l.joined
	}
	err := s.send(b, l.due, got == takenLast)
	clear(l.due) // a waiting loop holds no frame
	l.wrote(s, err, got == takenLast)
	switch {
	case s.state != live:
	case s.rest != nil:
		l.arm(s)
	case got == takenPart:
		s.wake(nil) // behind the others
	}
}

// arm has the loop told when there is room for the rest of a write.
func (l *loop) arm(s *socket) {
	s.armed = true
	if err := l.control(unix.EPOLL_CTL_MOD, int(s.fd), always|unix.EPOLLOUT); err != nil {
		l.drop(s, ReasonError)
		return
	}
	l.wheel.put(s, s.due())
}

// writeRest goes on with a write that the socket did not take whole.
func (l *loop) writeRest(s *socket) {
	r := s.rest
	for len(r.frames) > 0 {
		text := r.frames[0].bytes[r.sent:]
		n, err := send(s.fd, text)
		if err != nil {
			l.drop(s, failed(err))
			return
		}
		if l.broker.metrics.delivered(r.skip(n), time.Now()); n < len(text) {
			return
		}
	}
	if r.events {
		l.broker.metrics.write.Observe(time.Since(r.began).Seconds())
	}
	s.rest, s.armed = nil, false
	if err := l.control(unix.EPOLL_CTL_MOD, int(s.fd), always); err != nil {
		l.drop(s, ReasonError)
		return
	}
	if l.wrote(s, nil, r.last); s.state == live {
		l.write(s, false) // what came meanwhile
	}
}

// wrote is what follows a write.
func (l *loop) wrote(s *socket, err error, ended bool) {
	switch {
	case err != nil:
		l.drop(s, failed(err))
	case ended && s.rest == nil:
		l.drop(s, s.sub.ending.reason)
	default:
		s.written()
		l.wheel.put(s, s.due())
	}
}

// fire does what s is due for.
func (l *loop) fire(s *socket, now tick) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.rest != nil && now >= s.rest.deadline:
		l.drop(s, ReasonSlow)
		return
	case s.rest != nil:
	case now >= s.oldest:
		s.oldest = math.MaxUint32
		s.sub.End(ReasonMaxAge, 0) // which wakes it
	case now >= s.beat:
		l.write(s, true)
	}
	if s.state == live {
		l.wheel.put(s, s.due())
	}
}

// drop ends a stream that the loop has registered.
func (l *loop) drop(s *socket, reason Reason) {
	l.wheel.remove(s)
	l.sockets[int(s.fd)/l.stride] = nil
	s.state, s.rest = closed, nil
	l.control(unix.EPOLL_CTL_DEL, int(s.fd), 0) // close does it too, unless a child process has the socket for a moment
	s.leave(reason)
}
