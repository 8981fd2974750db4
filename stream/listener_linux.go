package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/sys/unix"
)

// listener gives out the connections of a TCP listener, but those that begin with
// a whole request for a stream it keeps for itself: what net/http does for a
// connection, most of which is undone when it is taken over, costs as much as the
// rest of opening a stream.
type listener struct {
	tcp    *net.TCPListener
	socket *os.File // the same, where one can wait and accept without net
	raw    syscall.RawConn
	prefix []byte // of a request for a stream
	server *http.Server
	ctx    context.Context // of its requests
	cancel context.CancelFunc

	next    chan *arrival // to a worker that waits for one
	closing chan struct{}
	idle    chan struct{} // closed when it is closed and no worker is left
	close   func() error

	mu      sync.Mutex
	workers int
	closed  bool
}

const (
	// maxHead is what a request may have to be read here. It is more than a
	// stream's URL and the usual headers.
	maxHead = 16 << 10
	// workerIdle is how long a goroutine, whose stack has grown by then, waits for
	// another request.
	workerIdle = time.Second
	// grace is how long requests under way have to end once they are told to.
	grace = 5 * time.Second
	// deferred is for how many seconds the system holds a connection back that
	// says nothing. Nearly all requests are whole, then, when it is accepted.
	deferred = 1
)

// Listen returns l without the requests for a stream, GET path over plain HTTP/1,
// which the server's handler answers at once, with a ResponseWriter that
// Broker.Serve takes the connection from: anything else that it answers ends the
// connection. Whatever is not such a request at the first look, whole and alone, is
// given out, for the server to serve. To close what is returned closes l. Requests
// under way then go on until Run ends. Its errors are the operating system's.
func (r *Reactor) Listen(l *net.TCPListener, path string, server *http.Server) (net.Listener, error) {
	if len(r.loops) == 0 {
		return l, nil
	}
	socket, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("sharing the listener's socket: %w", err)
	}
	raw, err := socket.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferred) // without it, more is given out
		})
	}
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("preparing the listener's socket: %w", err)
	}
	ours := &listener{
		tcp: l, socket: socket, raw: raw, prefix: []byte("GET " + path), server: server,
		next: make(chan *arrival), closing: make(chan struct{}), idle: make(chan struct{}),
	}
	ours.ctx, ours.cancel = context.WithCancel(context.WithValue(context.Background(), http.LocalAddrContextKey, l.Addr()))
	ours.close = sync.OnceValue(func() error {
		close(ours.closing)
		ours.change(0, true)
		return errors.Join(ours.socket.Close(), ours.tcp.Close())
	})
	r.listeners = append(r.listeners, ours)
	return ours, nil
}

// change counts workers, and closes. A listener that is closed takes no more.
func (l *listener) change(workers int, closed bool) (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if workers > 0 && l.closed {
		return false
	}
	before := l.closed && l.workers == 0
	l.workers, l.closed = l.workers+workers, l.closed || closed
	if l.closed && l.workers == 0 && !before {
		close(l.idle)
	}
	return true
}

// finish closes the listener and has the requests under way end soon.
func (l *listener) finish() error {
	l.close() // it may be closed
	l.cancel()
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-l.idle:
		return nil
	case <-late.C:
		return errors.New("a request for a stream is still being answered")
	}
}

func (l *listener) Addr() net.Addr { return l.tcp.Addr() }
func (l *listener) Close() error   { return l.close() }

// Accept waits for a connection that is not for us.
func (l *listener) Accept() (net.Conn, error) {
	for {
		fd, from, err := l.accept()
		if err != nil {
			return nil, err
		}
		if a := l.read(fd, from); a != nil {
			l.answer(a)
			continue
		}
		file := os.NewFile(uintptr(fd), "tcp")
		conn, err := net.FileConn(file) // which has a descriptor of its own
		file.Close()
		if err == nil {
			return conn, nil
		}
		if !errors.Is(err, unix.ENOTCONN) { // it has left
			return nil, l.failed("dup", err)
		}
	}
}

// failed is an error that net/http waits after and goes on, as when there are no
// descriptors left.
func (l *listener) failed(call string, err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err
	}
	return &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: os.NewSyscallError(call, errno)}
}

func (l *listener) accept() (fd int, from unix.Sockaddr, err error) {
	for {
		failed := l.raw.Read(func(socket uintptr) bool {
			fd, from, err = unix.Accept4(int(socket), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			return !errors.Is(err, unix.EAGAIN)
		})
		switch {
		case failed != nil:
			return -1, nil, net.ErrClosed
		case err == nil:
			return fd, from, nil
		case errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR):
		default:
			return -1, nil, l.failed("accept4", err)
		}
	}
}

// arrival is a request for a stream.
type arrival struct {
	fd      int
	request *http.Request
}

// heads are what requests are read into: Accept may be called more than once at a
// time.
var heads = sync.Pool{New: func() any { return &head{buffered: bufio.NewReaderSize(nil, 4<<10)} }}

type head struct {
	text     [maxHead]byte
	reader   bytes.Reader
	buffered *bufio.Reader
}

// read takes the request from a connection if it is one for us. If not, the
// connection is as it was.
func (l *listener) read(fd int, from unix.Sockaddr) *arrival {
	h := heads.Get().(*head)
	defer heads.Put(h)
	n, _, err := unix.Recvfrom(fd, h.text[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil || !l.isOurs(h.text[:n]) {
		return nil
	}
	h.reader.Reset(h.text[:n])
	h.buffered.Reset(&h.reader)
	request, err := http.ReadRequest(h.buffered)
	if err != nil || !plain(request) {
		return nil
	}
	if consumed, _, err := unix.Recvfrom(fd, h.text[:n], unix.MSG_DONTWAIT); err != nil || consumed != n {
		unix.Close(fd) // nobody else reads it: this does not happen
		return nil
	}
	request.RemoteAddr = address(from)
	return &arrival{fd, request.WithContext(l.ctx)}
}

// isOurs tells whether text is a whole head, and nothing more, of a request for a
// stream.
func (l *listener) isOurs(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, l.prefix)
	if !ok || len(rest) == 0 || rest[0] != ' ' && rest[0] != '?' {
		return false
	}
	line, fields, _ := bytes.Cut(rest, crlf)
	if !bytes.HasSuffix(line, []byte(" HTTP/1.1")) && !bytes.HasSuffix(line, []byte(" HTTP/1.0")) ||
		bytes.Index(text, endOfHead)+len(endOfHead) != len(text) || bytes.Count(text, lf) != bytes.Count(text, crlf) {
		return false
	}
	hosts := 0
	for field := range bytes.SplitSeq(fields, crlf) {
		if len(field) >= len(host) && bytes.EqualFold(field[:len(host)], host) {
			hosts++
		}
	}
	return hosts == 1
}

// plain tells whether there is nothing about a request that net/http's server
// would refuse or answer in a way of its own.
func plain(r *http.Request) bool {
	if r.Body != http.NoBody || r.Host == "" || !httpguts.ValidHostHeader(r.Host) || len(r.Header["Expect"]) > 0 {
		return false
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
			return false
		}
	}
	return true
}

var crlf, endOfHead, host = []byte("\r\n"), []byte("\r\n\r\n"), []byte("host:")

// address is a peer's address as net writes it, but for the zone, which is a number.
func address(of unix.Sockaddr) string {
	switch a := of.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 {
			addr = addr.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(a.Port)).String()
	}
	return ""
}

// answer has a worker answer a request.
func (l *listener) answer(a *arrival) {
	select {
	case l.next <- a:
	default:
		if !l.change(1, false) {
			unix.Close(a.fd)
			return
		}
		go func() {
			defer l.change(-1, false)
			l.work(a)
		}()
	}
}

// work answers requests until none comes for a while.
func (l *listener) work(a *arrival) {
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		l.serve(a)
		idle.Reset(workerIdle)
		select {
		case a = <-l.next:
		case <-idle.C:
			return
		case <-l.closing:
			return
		}
	}
}

func (l *listener) serve(a *arrival) {
	w := &response{fd: a.fd, header: http.Header{}}
	defer func() {
		if p := recover(); p != nil { // as net/http does
			w.status = 0
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				l.logf("http: panic serving %s: %v\n%s", a.request.RemoteAddr, p, debug.Stack())
			}
		}
		w.end()
	}()
	l.server.Handler.ServeHTTP(w, a.request)
}

func (l *listener) logf(format string, args ...any) {
	if l.server.ErrorLog != nil {
		l.server.ErrorLog.Printf(format, args...)
	} else {
		log.Printf(format, args...)
	}
}
