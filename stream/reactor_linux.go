package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Reactor is the transport of streams over plain HTTP/1.1: it takes a stream's
// connection from net/http and writes to the socket from one of a few loops, so
// that a stream has no goroutine, buffer, channel or timer of its own.
type Reactor struct {
	loops     []*loop
	listeners []*listener
	// dup is held for a new descriptor: when the kernel's table of them grows, all
	// who want one wait in the kernel, and each would take a thread for good.
	dup sync.Mutex
}

const (
	maxLoops = 4
	// unsent bounds what a socket takes before its reader has it, so that one who
	// does not read is noticed soon, and what is not taken is still conflated.
	unsent = 16 << 10
	// batch is how many sockets one epoll_wait tells about.
	batch = 256
)

// NewReactor makes b hand the streams that it can to a reactor, unless its
// Config.Transport says otherwise. It must be called before b serves its first
// stream, and the streams are written to while Run runs. Its errors are the
// operating system's.
func NewReactor(b *Broker) (*Reactor, error) {
	r := &Reactor{}
	if b.cfg.Transport == TransportPortable {
		return r, nil
	}
	n := min(runtime.GOMAXPROCS(0), maxLoops)
	for range n {
		l, err := newLoop(b, n)
		if err != nil {
			for _, l := range r.loops {
				l.closeFiles()
			}
			return nil, err
		}
		r.loops = append(r.loops, l)
	}
	b.reactor = r
	return r, nil
}

// Run writes streams until ctx ends, and closes those that are left then without
// a word: Drain comes first. It is called once, behind Listen, and returns when
// what was started has ended: requests for streams are given some seconds. Its
// other errors are the operating system's.
func (r *Reactor) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range r.loops {
		group.Go(l.run)
	}
	<-ctx.Done()
	var late error
	for _, l := range r.listeners {
		late = errors.Join(late, l.finish())
	}
	for _, l := range r.loops {
		l.stop()
	}
	return errors.Join(group.Wait(), late)
}

// serve takes a stream over, up to its end, if its request came over plain
// HTTP/1. If not, nothing has happened.
func (r *Reactor) serve(w http.ResponseWriter, req *http.Request, s *Subscriber) (taken bool) {
	if r == nil || req.TLS != nil || req.ProtoMajor != 1 {
		return false
	}
	if _, ok := req.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); !ok {
		return false
	}
	var fd int
	if own := responseOf(w); own != nil {
		fd = own.take()
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // as net does
	} else {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return false
		}
		if fd, err = r.descriptor(conn); err != nil {
			s.index.broker.Unsubscribe(s, ReasonError)
			return true
		}
	}
	r.loops[fd%len(r.loops)].open(fd, headOf(http.StatusOK, w.Header()), s)
	return true
}

// descriptor is the socket of conn, without all that net keeps for it: conn is
// closed.
func (r *Reactor) descriptor(conn net.Conn) (fd int, err error) {
	defer conn.Close()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, fmt.Errorf("%T is no TCP connection", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	r.dup.Lock()
	defer r.dup.Unlock()
	if failed := raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }); failed != nil {
		return -1, failed
	}
	return fd, err
}

// limit has the system notice soon that a reader stalls, and at all that one has
// vanished.
func limit(fd int, timeout time.Duration) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds()))
}

// limitConn is limit for a connection, under TLS too.
func limitConn(conn net.Conn, timeout time.Duration) {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { limit(int(fd), timeout) })
	}
}
