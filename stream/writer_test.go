package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/r3labs/sse/v2"
	"go.uber.org/goleak"

	"hullbeam/stream"
	"hullbeam/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWriter is the suite for the portable transport.
func TestWriter(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("HTTP %d", version), func(t *testing.T) {
			streamtest.Run(t, func(t *testing.T, cfg stream.Config) streamtest.Server {
				b := stream.New(cfg, streamtest.Farewell)
				return streamtest.Server{
					Broker: b,
					Serve:  func(w http.ResponseWriter, r *http.Request, s *stream.Subscriber) { b.Serve(w, r, s) },
					Listen: func(t *testing.T, h http.Handler) (string, *http.Client) {
						return listen(t, version, cfg, h)
					},
				}
			})
		})
	}
}

// listen serves h on a socket with small buffers, so that a reader who does not
// read is noticed soon.
func listen(t testing.TB, version int, cfg stream.Config, h http.Handler) (url string, client *http.Client) {
	const buffer = 64 << 10
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != version {
			t.Errorf("served over %s, want HTTP/%d", r.Proto, version)
		}
		h.ServeHTTP(w, r)
	}))
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if c, ok := conn.(*tls.Conn); ok {
			conn = c.NetConn()
		}
		conn.(*net.TCPConn).SetWriteBuffer(buffer)
		return ctx
	}
	if version == 2 {
		server.EnableHTTP2 = true
		server.Config.HTTP2 = &http.HTTP2Config{WriteByteTimeout: cfg.WriteTimeout}
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	client = server.Client()
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			conn.(*net.TCPConn).SetReadBuffer(buffer)
		}
		return conn, err
	}
	return server.URL, client
}

// A stream's deadline over HTTP/2 bounds its wait for the client's window, but not
// for the connection below it: a page that vanished without a word would hold
// its streams for as long as TCP tries, were it not for WriteByteTimeout.
func TestHTTP2ConnectionStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stream.DefaultConfig()
		b := stream.New(cfg, streamtest.Farewell)
		ended := make(chan stream.Reason, 1)
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		server := &http.Server{
			Protocols: protocols,
			HTTP2:     &http.HTTP2Config{WriteByteTimeout: cfg.WriteTimeout},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := b.Subscribe(grant("a"), stream.OnEnd(func(r stream.Reason) { ended <- r }))
				if err != nil {
					t.Error(err)
					return
				}
				b.Serve(w, r, s)
			}),
		}
		conn, served := net.Pipe()
		go server.Serve(&oneListener{conn: served})
		defer server.Close()
		vanish := make(chan struct{})
		transport := &http.Transport{Protocols: protocols, DialContext: func(context.Context, string, string) (net.Conn, error) {
			return &stalling{Conn: conn, stalled: vanish, closed: make(chan struct{})}, nil
		}}
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport}).Get("http://test/")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(vanish)
		b.Publish("c", shows(t, "u", 1, "a")) // still read, since the client waits for it
		synctest.Wait()
		began := time.Now()
		b.Publish("c", shows(t, "u", 2, "a"))
		got := <-ended
		if took := time.Since(began); got != stream.ReasonGone && got != stream.ReasonSlow || took > cfg.WriteTimeout {
			t.Errorf("ended after %v because of %s", took, got)
		}
		response.Body.Close()
		conn.Close()
	})
}

// stalling is a connection that is not read any more from some time on.
type stalling struct {
	net.Conn
	stalled, closed chan struct{}
	once            sync.Once
}

func (c *stalling) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.stalled:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *stalling) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// The largest event must pass through a reader that we did not write, whose
// limit is 64 KiB, as well as the small ones around it.
func TestForeignReader(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	small := event(t, stream.Fields{Type: "small", Data: []byte("{}"), ID: stream.ID{Version: 1, Tag: "u"}})
	rest := len(event(t, stream.Fields{Type: "large", Data: nil}).Frame())
	large := event(t, stream.Fields{Type: "large", Data: bytes.Repeat([]byte("d"), stream.MaxEvent-rest)})
	if got := len(large.Frame()); got != stream.MaxEvent {
		t.Fatalf("the largest event has %d bytes, want %d", got, stream.MaxEvent)
	}
	url, _ := listen(t, 1, stream.DefaultConfig(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := b.Subscribe(grant("a"), nil)
		if err != nil {
			t.Error(err)
			return
		}
		s.Greet(small, large, small)
		s.End(stream.ReasonRevoked, 0)
		b.Serve(w, r, s)
	}))
	var got []string
	client := sse.NewClient(url)
	defer client.Connection.CloseIdleConnections()
	if err := client.SubscribeRawWithContext(t.Context(), func(e *sse.Event) {
		got = append(got, fmt.Sprintf("%s %s %d", e.Event, e.ID, len(e.Data)))
	}); err != nil {
		t.Error(err)
	}
	want := []string{"small 1-u 2", fmt.Sprintf("large 1-u %d", stream.MaxEvent-rest), "small 1-u 2", "close 1-u 41"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A ResponseWriter that knows no deadlines, or panics, must leave no stream
// behind in the index.
func TestServeUnfitWriter(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	for name, w := range map[string]http.ResponseWriter{"no deadlines": httptest.NewRecorder(), "panics": nil} {
		var got []stream.Reason
		s, err := b.Subscribe(grant("a"), stream.OnEnd(func(r stream.Reason) { got = append(got, r) }))
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			b.Serve(w, httptest.NewRequest("GET", "/", nil), s)
		}()
		if diff := cmp.Diff([]stream.Reason{stream.ReasonError}, got); diff != "" || b.Streams() != 0 {
			t.Errorf("%s: %d streams, reasons -want +got:\n%s", name, b.Streams(), diff)
		}
	}
}

// browser is a client in memory, on a connection without any buffer, so that
// time can be faked and a reader that does not read stops the writer at once.
type browser struct {
	conn  net.Conn
	sub   *stream.Subscriber
	ended chan stream.Reason
	read  func() (streamtest.Event, error, bool)
}

// browse opens a stream of topic at b in a synctest bubble.
func browse(t *testing.T, b *stream.Broker, topic string) *browser {
	t.Helper()
	conn, served := net.Pipe()
	c := &browser{conn: conn, ended: make(chan stream.Reason, 2)}
	subscribed := make(chan *stream.Subscriber, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := b.Subscribe(grant(topic), stream.OnEnd(func(r stream.Reason) { c.ended <- r }))
		if err != nil {
			t.Error(err)
			return
		}
		subscribed <- s
		b.Serve(w, r, s)
	})}
	go server.Serve(&oneListener{conn: served})
	t.Cleanup(func() { conn.Close(); server.Close() })
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.sub = <-subscribed
	next, stop := pull(streamtest.Read(response.Body))
	t.Cleanup(stop)
	c.read = next
	return c
}

// oneListener accepts one connection.
type oneListener struct {
	mu   sync.Mutex
	conn net.Conn
}

func (l *oneListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stream.DefaultConfig()
		b := stream.New(cfg, streamtest.Farewell)
		c := browse(t, b, "a")
		last := time.Now()
		gaps := map[time.Duration]bool{}
		for range 50 {
			if e, err, _ := c.read(); e.Type != "heartbeat" || e.Data != "{}" {
				t.Fatalf("got %+v, error %v", e, err)
			}
			gap := time.Since(last)
			if gap < cfg.Heartbeat*4/5 || gap > cfg.Heartbeat {
				t.Errorf("a heartbeat after %v of silence", gap)
			}
			gaps[gap], last = true, time.Now()
		}
		if len(gaps) < 10 {
			t.Errorf("%d different gaps of 50: streams beat together", len(gaps))
		}
		// An event is a sign of life, too.
		time.Sleep(10 * time.Second) // of the bubble's time
		c.sub.Greet(event(t, stream.Fields{Type: "hello"}))
		c.read()
		last = time.Now()
		c.read()
		if gap := time.Since(last); gap < cfg.Heartbeat*4/5 || gap > cfg.Heartbeat {
			t.Errorf("a heartbeat %v after an event", gap)
		}
	})
}

// What wakes a stream without having it write anything used to put off its next
// heartbeat: one whose hidden user changed every few seconds never beat.
func TestHeartbeatIsNotPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stream.DefaultConfig()
		b := stream.New(cfg, streamtest.Farewell)
		c := browse(t, b, "a")
		began := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		var publisher sync.WaitGroup
		publisher.Go(func() {
			for version := uint64(1); ctx.Err() == nil; version++ {
				b.Publish("c", hides("u", version, "a"))
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		})
		if e, err, _ := c.read(); e.Type != "heartbeat" || time.Since(began) > cfg.Heartbeat {
			t.Errorf("after %v: %+v, error %v", time.Since(began), e, err)
		}
		stop()
		publisher.Wait()
	})
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stream.DefaultConfig()
		cfg.Heartbeat = 5 * time.Minute
		b := stream.New(cfg, streamtest.Farewell)
		began := time.Now()
		ages := make(chan time.Duration)
		const streams = 50
		for range streams {
			c := browse(t, b, "a")
			go func() {
				last := streamtest.Event{}
				for {
					e, _, ok := c.read()
					if !ok {
						break
					}
					last = e
				}
				if want := `{"message":"max_age","reconnect_in_ms":0}`; last.Type != "close" || last.Data != want {
					t.Errorf("ended with %+v", last)
				}
				ages <- time.Since(began)
			}()
		}
		different := map[time.Duration]bool{}
		for range streams {
			age := <-ages
			if age < cfg.MaxAge*9/10 || age > cfg.MaxAge {
				t.Errorf("closed at the age of %v", age)
			}
			different[age] = true
		}
		if len(different) < streams/2 {
			t.Errorf("%d different ages of %d", len(different), streams)
		}
	})
}

func TestDeadReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := stream.DefaultConfig()
		b := stream.New(cfg, streamtest.Farewell)
		dead, quick := browse(t, b, "a"), browse(t, b, "a")
		began := time.Now()
		b.Publish("c", shows(t, "u", 1, "a"))
		quick.read()
		if got := time.Since(began); got != 0 {
			t.Errorf("a reader had to wait %v for another", got)
		}
		if got := <-dead.ended; got != stream.ReasonSlow || time.Since(began) != cfg.WriteTimeout {
			t.Errorf("ended after %v because of %s", time.Since(began), got)
		}
	})
}

func TestEndIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
		c := browse(t, b, "a")
		time.Sleep(time.Second) // of the bubble's time
		began := time.Now()
		c.sub.End(stream.ReasonRevoked, 0)
		e, _, _ := c.read()
		_, err, more := c.read()
		if reason := <-c.ended; e.Type != "close" || more || err != nil || reason != stream.ReasonRevoked || time.Since(began) != 0 {
			t.Errorf("after %v: %+v, error %v, %s", time.Since(began), e, err, reason)
		}
		// Without a reader, the end waits for its deadline and no longer.
		c = browse(t, b, "a")
		began = time.Now()
		c.sub.End(stream.ReasonRevoked, 0)
		if reason := <-c.ended; reason != stream.ReasonSlow || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %s", time.Since(began), reason)
		}
	})
}

func TestDrainSpreads(t *testing.T) {
	for _, test := range []struct {
		streams      int
		window, took time.Duration
	}{
		{0, 30 * time.Second, 0},
		{1, 30 * time.Second, 10 * time.Millisecond},
		{200, 30 * time.Second, 2 * time.Second},
		{200, time.Second, time.Second},
		{200, 0, 0},
	} {
		t.Run(fmt.Sprintf("%d streams in %v", test.streams, test.window), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := stream.DefaultConfig()
				cfg.Drain = test.window
				b := stream.New(cfg, streamtest.Farewell)
				var pages []*browser
				for range test.streams {
					pages = append(pages, browse(t, b, "a"))
				}
				began := time.Now()
				var mu sync.Mutex
				var at, back []time.Duration
				var readers sync.WaitGroup
				for _, c := range pages {
					readers.Go(func() {
						e, _, _ := c.read()
						ended := time.Since(began)
						var ms int
						fmt.Sscanf(e.Data, `{"message":"shutting_down","reconnect_in_ms":%d}`, &ms)
						mu.Lock()
						at, back = append(at, ended), append(back, time.Duration(ms)*time.Millisecond)
						mu.Unlock()
						c.read()
					})
				}
				if err := b.Drain(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > test.took {
					t.Errorf("took %v, want at most %v", took, test.took)
				}
				readers.Wait()
				if len(at) < 200 || test.took == 0 {
					return
				}
				for name, times := range map[string][]time.Duration{"ends": at, "returns": back} {
					slices.Sort(times)
					if times[0] > test.took/10 || times[50] < test.took/8 || times[100] < test.took/3 || times[100] > test.took*2/3 || times[199] > test.took {
						t.Errorf("%s are not spread over %v: %v", name, test.took, times)
					}
				}
			})
		})
	}
}

func TestDrainIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
		s, err := b.Subscribe(grant("a"), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Drain(ctx); err == nil || !strings.Contains(err.Error(), "draining 1 streams") {
			t.Errorf("error %v", err)
		}
		if !b.Draining() {
			t.Error("is not draining")
		}
		// Whoever waits is told, not only the first.
		drained := make(chan error, 2)
		for range 2 {
			go func() { drained <- b.Drain(t.Context()) }()
		}
		time.Sleep(time.Second) // of the bubble's time
		b.Unsubscribe(s, stream.ReasonDrain)
		for range 2 {
			if err := <-drained; err != nil {
				t.Error(err)
			}
		}
	})
}
