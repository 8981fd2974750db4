package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
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
	tcp     *net.TCPListener
	socket  *os.File // the same, where one can wait and accept without net
	raw     syscall.RawConn
	prefix  []byte // of a request for a stream
	handler http.Handler
	ctx     context.Context // of its requests

	next    chan *arrival // to a worker that waits for one
	closing chan struct{}
	close   func() error
	workers sync.WaitGroup
}

const (
	// maxHead is what a request may have to be read here. It is more than a
	// stream's URL and the usual headers.
	maxHead = 16 << 10
	// workerIdle is how long a goroutine, whose stack has grown by then, waits for
	// another request.
	workerIdle = time.Second
	// deferred is for how many seconds the system holds a connection back that
	// says nothing. Nearly all requests are whole, then, when it is accepted.
	deferred = 1
)

// Listen returns l without the requests for a stream, GET path over plain
// HTTP/1.1, which h answers with a ResponseWriter that Broker.Serve takes the
// connection from: anything else that h answers ends the connection. Whatever is
// not such a request at the first look, whole and alone, l gives out. Closing what
// is returned closes l, and waits for h. Its errors are the operating system's.
func (r *Reactor) Listen(l *net.TCPListener, path string, h http.Handler) (net.Listener, error) {
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
		tcp: l, socket: socket, raw: raw, prefix: []byte("GET " + path), handler: h,
		ctx:  context.WithValue(context.Background(), http.LocalAddrContextKey, l.Addr()),
		next: make(chan *arrival), closing: make(chan struct{}),
	}
	ours.close = sync.OnceValue(func() error {
		close(ours.closing)
		err := errors.Join(ours.socket.Close(), ours.tcp.Close())
		ours.workers.Wait()
		return err
	})
	return ours, nil
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
	}
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
			return -1, nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: os.NewSyscallError("accept4", err)}
		}
	}
}

// arrival is a request for a stream.
type arrival struct {
	fd      int
	request *http.Request
}

// heads are what requests are read into.
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
	if !bytes.HasSuffix(line, []byte(" HTTP/1.1")) || bytes.Index(text, endOfHead)+len(endOfHead) != len(text) {
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

// address is a peer's address as net writes it.
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
		l.workers.Go(func() { l.work(a) })
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
	defer w.end()
	l.handler.ServeHTTP(w, a.request)
}

// response is the answer to a request for a stream: the connection for who takes
// it, or else a whole response.
type response struct {
	fd     int // -1: taken
	header http.Header
	status int // 0: not set yet
	body   bytes.Buffer
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// take gives the connection away.
func (w *response) take() (fd int) {
	fd, w.fd = w.fd, -1
	return fd
}

// end sends what was written, unless the connection was taken. A page that asks
// for a stream and is refused has next to nothing to be told: what the system
// does not take at once is lost.
func (w *response) end() {
	if w.fd < 0 {
		return
	}
	defer unix.Close(w.fd)
	if w.status == 0 {
		return
	}
	w.header.Set("Content-Length", strconv.Itoa(w.body.Len()))
	send(int32(w.fd), append(headOf(w.status, w.header), w.body.Bytes()...))
}

// responseOf finds the response behind what middleware wraps it in.
func responseOf(w http.ResponseWriter) *response {
	for {
		switch v := w.(type) {
		case *response:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}
