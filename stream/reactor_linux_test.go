package stream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
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

// react gives b a reactor that runs until the test has ended.
func react(t testing.TB, b *stream.Broker) *stream.Reactor {
	t.Helper()
	r, err := stream.NewReactor(b)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		// A handler that finds the reactor stopped ends its stream itself.
		storetest.Eventually(t, "no stream is left behind the reactor", func() bool { return b.Streams() == 0 })
	})
	return r
}

// TestReactor is the suite for the reactor.
func TestReactor(t *testing.T) {
	streamtest.Run(t, func(t *testing.T, cfg stream.Config) streamtest.Server {
		b := stream.New(cfg, streamtest.Farewell)
		react(t, b)
		var order atomic.Int64
		return streamtest.Server{
			Broker: b,
			Serve: func(w http.ResponseWriter, r *http.Request, s *stream.Subscriber) {
				order.Add(1)
				b.Serve(w, r, s)
			},
			Listen: func(t *testing.T, h http.Handler) (string, *http.Client) {
				url, client := listen(t, 1, cfg, h)
				client.Transport = ordered{client.Transport, &order}
				return url, client
			},
		}
	})
}

// ordered tells the race detector that a response comes after the handler sent
// it. Of what goes through net it knows that by itself.
type ordered struct {
	http.RoundTripper
	order *atomic.Int64
}

func (o ordered) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.RoundTripper.RoundTrip(r)
	o.order.Load()
	return response, err
}

// CloseIdleConnections is the wrapped transport's, for http.Client.
func (o ordered) CloseIdleConnections() { o.RoundTripper.(*http.Transport).CloseIdleConnections() }

// dial opens a stream over a connection of its own, of which a small part at most
// waits in the kernel, and returns what is read behind the response's head.
func dial(t testing.TB, url string) (net.Conn, *http.Response) {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10)
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1460) // not loopback's 64 KiB, which do not fit
		})
	}}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: test\r\n\r\nnobody asked for this")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return conn, response
}

// subscribing serves streams of topic a at b, and tells about each.
func subscribing(t testing.TB, b *stream.Broker, before func(*stream.Subscriber)) (url string, ended chan stream.Reason) {
	ended = make(chan stream.Reason, 1000)
	url, _ = listen(t, 1, stream.DefaultConfig(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := b.Subscribe(grant("a"), stream.OnEnd(func(r stream.Reason) { ended <- r }))
		if err != nil {
			t.Error(err)
			return
		}
		before(s)
		w.Header().Set("X-Request-Id", "its own")
		b.Serve(w, r, s)
	}))
	return url, ended
}

// What the caller set is in the head, the stream has no goroutine, and what its
// client sends has no effect until it leaves.
func TestReactorTakesOver(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	react(t, b)
	url, ended := subscribing(t, b, func(s *stream.Subscriber) { s.Greet(event(t, stream.Fields{Type: "hello"})) })
	conn, response := dial(t, url) // after which the server's goroutines are there
	before := runtime.NumGoroutine()
	if h := response.Header; h.Get("X-Request-Id") != "its own" || h.Get("Content-Type") != "text/event-stream" || h.Get("Date") == "" ||
		!response.Close || len(response.TransferEncoding) > 0 || response.ContentLength != -1 {
		t.Errorf("head %+v", response)
	}
	const streams = 50
	conns := []net.Conn{conn}
	for range streams {
		conn, _ := dial(t, url)
		conns = append(conns, conn)
	}
	storetest.Eventually(t, "streams have no goroutines", func() bool { return runtime.NumGoroutine() <= before+streams/5 })
	for i := range 5 {
		for _, conn := range conns {
			if _, err := conn.Write(make([]byte, 10_000)); err != nil {
				t.Fatalf("write %d: %v", i, err)
			}
		}
	}
	if n, _ := b.Publish("c", shows(t, "u", 1, "a")); n != streams+1 {
		t.Errorf("taken by %d streams, want %d", n, streams+1)
	}
	for _, conn := range conns {
		conn.Close()
		if reason := <-ended; reason != stream.ReasonGone {
			t.Errorf("ended because of %s", reason)
		}
	}
}

// Whatever the socket takes at a time, nothing is lost, doubled or out of order.
func FuzzPartialWrites(f *testing.F) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	react(f, b)
	subs := make(chan *stream.Subscriber, 1)
	url, ended := subscribing(f, b, func(s *stream.Subscriber) { subs <- s })
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		_, response := dial(t, url)
		s := <-subs
		const events = 200
		var want, got []string
		var sent sync.WaitGroup
		told := make([]*stream.Event, events)
		for i := range told {
			data := fmt.Sprintf("%d %s", i, strings.Repeat("d", random.IntN(60_000)>>random.IntN(16)))
			want = append(want, data)
			told[i] = event(t, stream.Fields{Data: []byte(data)})
		}
		cuts := rand.New(rand.NewPCG(seed, 1))
		sent.Go(func() {
			for len(told) > 0 {
				n := min(1+cuts.IntN(8), len(told))
				if cuts.IntN(2) == 0 {
					s.Greet(told[:n]...) // by its loop
				} else {
					for _, e := range told[:n] {
						b.Send(b.SubscribersOf("c", "a"), e) // by this goroutine, if the socket takes it
					}
				}
				told = told[n:]
				time.Sleep(time.Duration(cuts.IntN(2000)) * time.Microsecond)
			}
			s.End(stream.ReasonRevoked, 0)
		})
		for e, err := range streamtest.Read(&halting{response.Body, random}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Data)
		}
		sent.Wait()
		want = append(want, `{"message":"revoked","reconnect_in_ms":0}`)
		if !slices.Equal(got, want) {
			t.Errorf("got %d events, want %d", len(got), len(want))
		}
		if reason := <-ended; reason != stream.ReasonRevoked {
			t.Errorf("ended because of %s", reason)
		}
	})
}

// halting reads little at a time, and pauses now and then.
type halting struct {
	io.Reader
	random *rand.Rand
}

func (h *halting) Read(p []byte) (int, error) {
	if h.random.IntN(50) == 0 {
		time.Sleep(time.Millisecond)
	}
	return h.Reader.Read(p[:min(len(p), 1+h.random.IntN(5000))])
}

// What a slow reader has not taken stays the one copy that all share, and takes
// little, however far it has read.
func TestReactorSlowReaderIsSmall(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	react(t, b)
	url, _ := subscribing(t, b, func(*stream.Subscriber) {})
	const streams, offers = 10, 240
	var bodies []io.Reader
	for range streams {
		_, response := dial(t, url)
		bodies = append(bodies, response.Body)
	}
	offer := event(t, stream.Fields{Type: "offer", Data: []byte(strings.Repeat("x", 32<<10))})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range offers {
		if n := b.Send(b.SubscribersOf("c", "a"), offer); n != streams {
			t.Fatalf("taken by %d streams", n)
		}
	}
	// On, far beyond what the sockets hold: the first rest has been written by then,
	// and what came meanwhile been taken.
	for _, body := range bodies {
		if _, err := io.CopyN(io.Discard, body, 400<<10); err != nil {
			t.Fatal(err)
		}
	}
	if grown := max(heap(), before) - before; grown > streams*64<<10 {
		t.Errorf("%d KiB for %d slow readers of offers that are shared", grown>>10, streams)
	}
}

// A reader who reads without a pause is not dropped, however much waits for it.
func TestReactorSteadyReader(t *testing.T) {
	cfg := stream.DefaultConfig()
	cfg.WriteTimeout = 3 * time.Second // a busy machine itself pauses
	b := stream.New(cfg, streamtest.Farewell)
	react(t, b)
	url, ended := subscribing(t, b, func(*stream.Subscriber) {})
	_, response := dial(t, url)
	offer := event(t, stream.Fields{Type: "offer", Data: []byte(strings.Repeat("x", 32<<10))})
	for range 100 {
		b.Send(b.SubscribersOf("c", "a"), offer)
	}
	buffer := make([]byte, 32<<10)
	// It takes what waits for it longer than a write may take.
	for began := time.Now(); time.Since(began) < 4*cfg.WriteTimeout/3; time.Sleep(50 * time.Millisecond) {
		if _, err := io.ReadFull(response.Body, buffer); err != nil {
			t.Fatalf("%v, ended because of %s after %v", err, <-ended, time.Since(began))
		}
	}
}

// A page that vanishes without a word, as a phone in a tunnel does, is noticed
// when its stream's write timeout has passed, also when it has next to nothing to
// be told, and nobody else is held up.
func TestVanished(t *testing.T) {
	for _, transport := range []string{stream.TransportAuto, stream.TransportPortable} {
		t.Run(transport, func(t *testing.T) { testVanished(t, transport) })
	}
}

func testVanished(t *testing.T, transport string) {
	cfg := stream.DefaultConfig()
	cfg.Transport = transport
	cfg.WriteTimeout, cfg.Heartbeat = time.Second, 200*time.Millisecond
	b := stream.New(cfg, streamtest.Farewell)
	react(t, b)
	ended := make(chan stream.Reason, 1)
	far, cut := cutOff(t)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := b.Subscribe(grant("b"), stream.OnEnd(func(r stream.Reason) { ended <- r }))
		if err != nil {
			t.Error(err)
			return
		}
		b.Serve(w, r, s)
	})}
	t.Cleanup(func() { server.Close() })
	go server.Serve(far.listener)
	io.WriteString(far.conn, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	if response, err := http.ReadResponse(bufio.NewReader(far.conn), nil); err != nil || response.StatusCode != 200 {
		t.Fatalf("%+v, error %v", response, err)
	}
	url, _ := subscribing(t, b, func(*stream.Subscriber) {})
	_, near := dial(t, url)
	cut()
	began := time.Now()
	version := uint64(1)
	b.Publish("c", shows(t, "u", version, "a"))
	for e, err := range streamtest.Read(near.Body) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "heartbeat" {
			continue
		}
		if want := fmt.Sprintf("u@%d", version); e.Data != want {
			t.Fatalf("the other stream got %.80s, want %s", e.Data, want)
		}
		select {
		case reason := <-ended:
			if reason != stream.ReasonSlow {
				t.Errorf("ended because of %s", reason)
			}
			return
		case <-time.After(5 * time.Millisecond): // until the near stream is told more
			if time.Since(began) > 20*time.Second { // it would be minutes, if the system's own limit ended it
				t.Fatal("the stream of a page that vanished is still open")
			}
		}
		version++
		b.Publish("c", shows(t, "u", version, "a"))
	}
}

// distant are both ends of a network of their own.
type distant struct {
	listener net.Listener
	conn     net.Conn
}

// cutOff makes a network on which nothing arrives any more once cut is called.
func cutOff(t *testing.T) (d distant, cut func()) {
	var control int
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with the goroutine
		made <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("making a network namespace: %w", err)
			}
			if control, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
				return err
			}
			if err := loopback(control, true); err != nil {
				return err
			}
			if d.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return err
			}
			d.conn, err = net.Dial("tcp", d.listener.Addr().String())
			return err
		}()
	}()
	if err := <-made; errors.Is(err, unix.EPERM) && os.Getenv("CI") == "" {
		t.Skipf("only for who may: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.conn.Close()
		unix.Close(control)
	})
	return d, func() {
		if err := loopback(control, false); err != nil {
			t.Fatal(err)
		}
	}
}

// loopback brings up or takes down lo in the network of the socket control.
func loopback(control int, up bool) error {
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if up {
		lo.SetUint16(unix.IFF_UP)
	}
	return unix.IoctlIfreq(control, unix.SIOCSIFFLAGS, lo)
}

// A stopping reactor ends what Drain has left, and takes nothing more.
func TestReactorStops(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	r, err := stream.NewReactor(b)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(ctx) }()
	url, ended := subscribing(t, b, func(*stream.Subscriber) {})
	const streams = 20
	for range streams {
		dial(t, url)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	dial(t, url)
	for range streams + 1 {
		if reason := <-ended; reason != stream.ReasonDrain {
			t.Errorf("ended because of %s", reason)
		}
	}
	if n := b.Streams(); n != 0 {
		t.Errorf("%d streams", n)
	}
}

// What the reactor cannot take over goes the portable way.
func TestReactorLeavesOthers(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	react(t, b)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := b.Subscribe(grant("a"), nil)
		if err != nil {
			t.Error(err)
			return
		}
		s.End(stream.ReasonRevoked, 0)
		b.Serve(w, r, s)
	})
	for name, start := range map[string]func(*httptest.Server){
		"TLS":    (*httptest.Server).StartTLS,
		"HTTP/2": func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	} {
		server := httptest.NewUnstartedServer(handler)
		start(server)
		response, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || !strings.Contains(string(body), "event: close\n") || response.TLS == nil {
			t.Errorf("%s: %q, error %v, %+v", name, body, err, response)
		}
		response.Body.Close()
		server.Close()
	}
	recorder := httptest.NewRecorder()
	handler(recorder, httptest.NewRequest("GET", "/", nil)) // no deadlines, so no stream; but no panic
	if n := b.Streams(); n != 0 {
		t.Errorf("%d streams", n)
	}
}

// BenchmarkReactor is a delivery with all that belongs to it, to streams over real
// sockets. The readers are of the same process.
func BenchmarkReactor(b *testing.B) {
	for _, streams := range []int{1, 100} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			broker := stream.New(stream.DefaultConfig(), streamtest.Farewell)
			react(b, broker)
			url, _ := subscribing(b, broker, func(*stream.Subscriber) {})
			var read atomic.Int64
			for range streams {
				_, response := dial(b, url)
				go io.Copy(counting{&read}, response.Body)
			}
			p := publication("a")
			size := int64(len(p.Unsigned.Frame()))
			b.ReportAllocs()
			sent := int64(0)
			for b.Loop() {
				renew(p)
				if n, _ := broker.Publish("c", p); n != streams {
					b.Fatalf("taken by %d", n)
				}
				for sent += size * int64(streams); read.Load() < sent; {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*streams), "ns/delivery")
		})
	}
}

// counting counts what is written to it.
type counting struct{ n *atomic.Int64 }

func (c counting) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func TestSocketSize(t *testing.T) {
	if size := stream.SocketSize; size > 100 {
		t.Errorf("a stream takes %d bytes of the reactor, want at most 100", size)
	}
}
