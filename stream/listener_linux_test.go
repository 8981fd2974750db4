package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hullbeam/store/storetest"
	"hullbeam/stream"
	"hullbeam/stream/streamtest"
)

// TestListener is the suite for streams whose requests net/http never sees.
func TestListener(t *testing.T) {
	streamtest.Run(t, func(t *testing.T, cfg stream.Config) streamtest.Server {
		b := stream.New(cfg, streamtest.Farewell)
		r := react(t, b)
		var order atomic.Int64
		return streamtest.Server{
			Broker: b,
			Serve: func(w http.ResponseWriter, r *http.Request, s *stream.Subscriber) {
				order.Add(1)
				b.Serve(w, r, s)
			},
			Listen: func(t *testing.T, h http.Handler) (string, *http.Client) {
				url, client := listenBefore(t, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					h.ServeHTTP(w, r)
					order.Add(1) // of a refusal, which is sent next
				}))
				client.Transport = ordered{client.Transport, &order}
				return url, client
			},
		}
	})
}

// listenBefore serves h to requests for a stream alone, with small buffers as
// listen does.
func listenBefore(t *testing.T, r *stream.Reactor, h http.Handler) (url string, client *http.Client) {
	const buffer = 64 << 10
	small := func(option int) func(_, _ string, raw syscall.RawConn) error {
		return func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, buffer) })
		}
	}
	l, err := (&net.ListenConfig{Control: small(unix.SO_SNDBUF)}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	before, err := r.Listen(l.(*net.TCPListener), "/stream", &http.Server{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("net/http serves %s %s", r.Method, r.URL)
	}))
	server.Listener.Close()
	server.Listener = before
	server.Start()
	t.Cleanup(server.Close)
	client = server.Client()
	client.Transport.(*http.Transport).DialContext = (&net.Dialer{Control: small(unix.SO_RCVBUF)}).DialContext
	return server.URL + "/stream", client
}

// Only what is a request for a stream, whole and alone, is answered here. All
// else is net/http's, which gets it untouched.
func TestListenerLeavesOthers(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	r := react(t, b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(who string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("X-By", who)
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "%s %s %s %s", r.URL, r.Header.Get("Last-Event-ID"), r.RemoteAddr, body)
		})
	}
	before, err := r.Listen(l.(*net.TCPListener), "/s", &http.Server{Handler: answer("stream")})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer("net/http")}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(before) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	const host = "Host: test\r\n"
	long := "X: " + strings.Repeat("x", 9000) + "\r\n"
	for _, test := range []struct {
		name, request string
		by            string
		status        int
	}{
		{"a stream", "GET /s?token=t HTTP/1.1\r\n" + host + "Last-Event-ID: 7\r\n\r\n", "stream", 403},
		{"without a query", "GET /s HTTP/1.1\r\nhost: test\r\n\r\n", "stream", 403},
		{"a long head", "GET /s HTTP/1.1\r\n" + host + long + "\r\n", "stream", 403},
		{"a longer head", "GET /s HTTP/1.1\r\n" + host + long + long + "\r\n", "net/http", 403},
		{"in two parts", "GET /s?token=t HTTP/1.1\r\n" + host + "|Last-Event-ID: 7\r\n\r\n", "net/http", 403},
		{"another path", "GET /stream HTTP/1.1\r\n" + host + "\r\n", "net/http", 403},
		{"another method", "OPTIONS /s HTTP/1.1\r\n" + host + "\r\n", "net/http", 403},
		{"HTTP/1.0", "GET /s HTTP/1.0\r\n" + host + "\r\n", "stream", 403},
		{"HTTP/1.2", "GET /s HTTP/1.2\r\n" + host + "\r\n", "net/http", 403},
		{"an empty line of LF", "GET /s HTTP/1.1\r\n" + host + "A: b\n\nC: d\r\n\r\n", "net/http", 403},
		{"a body", "GET /s HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", "net/http", 403},
		{"a body to come", "GET /s HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\n|abc", "net/http", 403},
		{"chunks", "GET /s HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n|3\r\nabc\r\n0\r\n\r\n", "net/http", 403},
		{"two requests", "GET /s HTTP/1.1\r\n" + host + "\r\nGET /x HTTP/1.1\r\n" + host + "\r\n", "net/http", 403},
		{"no host", "GET /s HTTP/1.1\r\n\r\n", "", 400},
		{"two hosts", "GET /s HTTP/1.1\r\n" + host + host + "\r\n", "", 400},
		{"no fields", "GET /s HTTP/1.1\r\nnothing\r\n" + host + "\r\n", "", 400},
		{"a folded field", "GET /s HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n", "stream", 403},
		{"a NUL", "GET /s HTTP/1.1\r\n" + host + "A: \x00\r\n\r\n", "", 400},
		{"bare LF", "GET /s HTTP/1.1\n" + host + "\n\n", "net/http", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for i, part := range strings.Split(test.request, "|") {
				if i > 0 {
					storetest.Eventually(t, "the first part has been read", func() bool { return taken(t, conn) })
				}
				io.WriteString(conn, part)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != test.status || response.Header.Get("X-By") != test.by {
				t.Errorf("%d by %q, want %d by %q; error %v", response.StatusCode, response.Header.Get("X-By"), test.status, test.by, err)
			}
			if test.by == "stream" && (!response.Close || !strings.Contains(string(body), conn.LocalAddr().String())) {
				t.Errorf("%+v %s", response, body)
			}
			if strings.Contains(test.request, "abc") && !strings.HasSuffix(string(body), "abc") {
				t.Errorf("body: %s", body)
			}
			if strings.Contains(test.request, "token=t") && !strings.HasPrefix(string(body), "/s?token=t 7 ") {
				t.Errorf("request: %s", body)
			}
		})
	}
	silent, err := net.Dial("tcp", l.Addr().String()) // holds nobody up
	if err != nil {
		t.Fatal(err)
	}
	silent.Close()
}

// taken tells whether all that was said on a connection has been read at its other end.
func taken(t *testing.T, conn net.Conn) bool {
	t.Helper()
	sockets, err := os.ReadFile("/proc/thread-self/net/tcp") // the process's may be those of the network that cutOff made
	if err != nil {
		t.Fatal(err)
	}
	port := func(a net.Addr) string { return fmt.Sprintf(":%04X", a.(*net.TCPAddr).Port) }
	for line := range strings.Lines(string(sockets)) {
		f := strings.Fields(line) // a number, the address, its peer's, the state, bytes to be sent and to be read
		if strings.HasSuffix(f[1], port(conn.RemoteAddr())) && strings.HasSuffix(f[2], port(conn.LocalAddr())) {
			const established = "01"
			return f[3] == established && strings.HasSuffix(f[4], ":00000000")
		}
	}
	return false
}

// A listener that is closed accepts nothing more. What it answers goes on, until
// the reactor ends, which tells it to.
func TestListenerCloses(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	r, err := stream.NewReactor(b)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, ended := make(chan context.Context, 1), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- r.Context()
		<-r.Context().Done()
		close(ended)
	})}
	before, err := r.Listen(l.(*net.TCPListener), "/s", server)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- r.Run(ctx) }()
	served := make(chan error, 1)
	go func() { served <- server.Serve(before) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /s HTTP/1.1\r\nHost: test\r\n\r\n")
	request := <-entered
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
	before.Close() // does nothing
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("something still listens")
	}
	if request.Err() != nil {
		t.Error("a request ends because its listener was closed")
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	default:
		t.Error("the reactor did not wait for a request")
	}
}

// A handler that panics ends its connection, and nothing else, as in net/http.
func TestListenerOutlivesPanics(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	r := react(t, b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	said := &lockedBuffer{}
	server := &http.Server{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "abort" {
				panic(http.ErrAbortHandler)
			}
			panic("a fault")
		}),
		ErrorLog: log.New(said, "", 0),
	}
	before, err := r.Listen(l.(*net.TCPListener), "/s", server)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(before) })
	for _, query := range []string{"?abort", "?fault"} {
		response, err := http.Get("http://" + l.Addr().String() + "/s" + query)
		if err == nil {
			response.Body.Close()
			t.Errorf("%s: answered %s", query, response.Status)
		}
	}
	server.Close()
	serving.Wait()
	if text := said.String(); strings.Count(text, "http: panic serving") != 1 || !strings.Contains(text, "a fault") {
		t.Errorf("said %s", text)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// What is taken here is a request as net/http would have read it.
func FuzzListener(f *testing.F) {
	for _, text := range []string{
		"GET /s?token=t HTTP/1.1\r\nHost: test\r\nLast-Event-ID: 7\r\n\r\n", "GET /s HTTP/1.1\r\nhost:\r\nhost: b\r\n\r\n",
		"GET /s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "GET /s? HTTP/1.1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ours := stream.ReadAsListener("/s", text)
		if ours == nil {
			return
		}
		want := make(chan *http.Request, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { want <- r })}
		near, far := net.Pipe()
		defer near.Close()
		near.SetDeadline(time.Now().Add(10 * time.Second))
		go server.Serve(&oneListener{conn: far})
		go io.WriteString(near, text)
		if response, err := http.ReadResponse(bufio.NewReader(near), nil); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%q is taken, and answered %+v, %v by net/http", text, response, err)
		}
		theirs := <-want
		theirs.Header.Del("Host")
		if ours.URL.String() != theirs.URL.String() || ours.Host != theirs.Host || fmt.Sprint(ours.Header) != fmt.Sprint(theirs.Header) {
			t.Errorf("%q is read as %v %v, by net/http as %v %v", text, ours.URL, ours.Header, theirs.URL, theirs.Header)
		}
		if ours.Method != "GET" || ours.URL.Path != "/s" {
			t.Errorf("%q is %s %s", text, ours.Method, ours.URL)
		}
	})
}
