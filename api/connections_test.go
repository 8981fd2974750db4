package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
	"hullbeam/store/storetest"
	"hullbeam/stream"
)

// dial opens a connection and says something.
func (s *server) dial(say string) *net.TCPConn {
	s.t.Helper()
	conn := must(net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))).(*net.TCPConn)
	s.t.Cleanup(func() { conn.Close() })
	must(conn.Write([]byte(say)))
	return conn
}

// closed waits until the server has closed a connection, and returns what came before.
func closed(t *testing.T, conn net.Conn) (said string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	text, err := io.ReadAll(conn)
	if late, ok := err.(net.Error); ok && late.Timeout() {
		t.Fatal("the server has not closed the connection in 30 s")
	}
	return string(text)
}

const (
	halfHead = "POST " + tokenPath + " HTTP/1.1\r\nHost: beam.example\r\n"
	halfBody = halfHead + "Origin: " + page + "\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
)

// Of too many connections the one is closed whose client has been waited for longest.
func TestConnectionsThatWait(t *testing.T) {
	for name, say := range map[string]string{
		"for a head":           halfHead,
		"for a body":           halfBody,
		"for the next request": "GET /healthz HTTP/1.1\r\nHost: beam.example\r\n\r\n",
		"for HTTP/2":           "PRI * HTTP",
		"for its frames":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{config: func(c *api.Config) {
				c.Limits.Connections, c.Limits.HeaderTimeout, c.Limits.ReadTimeout = 3, time.Minute, time.Minute
			}})
			ended := make(chan struct{}, 3)
			for range 3 {
				conn := s.dial(say)
				go func() {
					io.Copy(io.Discard, conn)
					ended <- struct{}{}
				}()
			}
			if status := s.send("GET /healthz HTTP/1.1\r\nHost: beam.example\r\n\r\n").status; status != 200 {
				t.Errorf("another visitor: got %d", status)
			}
			select {
			case <-ended:
			case <-time.After(20 * time.Second): // less than any time-out
				t.Error("none of those that wait was closed")
			}
			if n := s.metric("hullbeam_limits_total", "limit", "limits.connections"); n != 1 {
				t.Errorf("counted: got %v, want 1", n)
			}
		})
	}
}

// A request that is worked on is not cut off: the newest connection is told to come back.
func TestConnectionsAtWork(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	s := start(t, options{store: func(*store.Config) {}, config: func(c *api.Config) { c.Limits.Connections = 3 },
		wrap: func(of store.Store) store.Store { g.Store = of; return g }})
	token := s.token(claim("anonymous_id", anonymous))
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	storetest.Eventually(t, "that connection has ended", func() bool { return s.api.Connections() == 0 }) // else one of the next makes room
	body := func(i int) string {
		return fmt.Sprintf(`{"token":%q,"url":"%s/","view":"view-%d"}`, token, page, i)
	}
	view := func(i int) string {
		return fmt.Sprintf("POST /api/v1/pages HTTP/1.1\r\nHost: beam.example\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body(i)), body(i))
	}
	var working []*net.TCPConn
	for i := range 3 {
		working = append(working, s.dial(view(i)))
	}
	storetest.Eventually(t, "all are worked on", func() bool { return g.waiting.Load() == 3 })
	if r := s.send(view(3)); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("one more: got %d %v", r.status, r.header)
	}
	if r := s.send("GET /healthz HTTP/1.1\r\nHost: beam.example\r\n\r\n"); r.status != http.StatusOK {
		t.Errorf("whether the node is alive: got %d", r.status)
	}
	close(g.open)
	for i, conn := range working {
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusAccepted {
			t.Errorf("number %d: %v %v", i+1, res, err)
		}
	}
	if r := s.send(view(4)); r.status != http.StatusAccepted {
		t.Errorf("when they are done: got %d", r.status)
	}
}

// Streams have a bound of their own, whatever carries them.
func TestConnectionsOfStreams(t *testing.T) {
	for name, row := range map[string]struct {
		transport string
		http2     bool
	}{"reactor": {stream.TransportAuto, false}, "portable": {stream.TransportPortable, false}, "HTTP/2": {stream.TransportPortable, true}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{config: func(c *api.Config) { c.Limits.Connections, c.Stream.Transport = 2, row.transport }})
			var events []*bufio.Reader
			for range 4 {
				client := &http.Transport{Protocols: &http.Protocols{}}
				client.Protocols.SetHTTP1(!row.http2)
				client.Protocols.SetUnencryptedHTTP2(row.http2)
				t.Cleanup(client.CloseIdleConnections)
				req := must(http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/stream?token="+s.token(claim("anonymous_id", anonymous)), nil))
				res, err := client.RoundTrip(req)
				if err != nil || res.StatusCode != 200 {
					t.Fatalf("%v %v", res, err)
				}
				t.Cleanup(func() { res.Body.Close() })
				events = append(events, bufio.NewReader(res.Body))
			}
			s.update(`{"user":{"id":"5f00000000000000000000a1","anonymous_ids":["` + anonymous + `"],"plan":"pro"}}`)
			for i, of := range events {
				for line := ""; !strings.HasPrefix(line, "event: user.update"); {
					var err error
					if line, err = of.ReadString('\n'); err != nil {
						t.Fatalf("stream %d has ended: %v", i+1, err)
					}
				}
			}
		})
	}
}

// What comes little by little has an end, and is counted.
func TestSlowRequests(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) {
		c.Limits.HeaderTimeout, c.Limits.ReadTimeout, c.Limits.WriteTimeout, c.Limits.IdleTimeout = time.Second, 2*time.Second, time.Second, time.Second
	}})
	for _, row := range []struct {
		name, say, limit, want string
	}{
		{"a head", halfHead, "limits.header_timeout", ""},
		{"a preface of HTTP/2", "PRI * HT", "limits.header_timeout", ""},
		{"a body", halfBody, "limits.read_timeout", "HTTP/1.1 400"},
		{"a next request", "GET /healthz HTTP/1.1\r\nHost: beam.example\r\n\r\n", "", "HTTP/1.1 200"},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := s.dial(row.say)
			ended := make(chan struct{})
			defer func() { <-ended }()
			go func() { // a byte at a time
				defer close(ended)
				for row.limit != "" {
					if _, err := conn.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			}()
			before := s.metric("hullbeam_limits_total", "limit", row.limit)
			if said := closed(t, conn); !strings.HasPrefix(said, row.want) {
				t.Errorf("said: %q", said)
			}
			conn.Close()
			storetest.Eventually(t, "it is counted", func() bool {
				return row.limit == "" || s.metric("hullbeam_limits_total", "limit", row.limit) > before
			})
		})
	}
	t.Run("an answer", func(t *testing.T) {
		conn := s.dial("")
		conn.SetReadBuffer(4096)
		conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
		for {
			_, err := conn.Write([]byte("GET /openapi.yaml HTTP/1.1\r\nHost: beam.example\r\n\r\n"))
			if late, ok := err.(net.Error); ok && late.Timeout() {
				t.Fatal("the server has not closed the connection in 30 s")
			} else if err != nil {
				return // it does not take requests whose answers nobody reads
			}
		}
	})
}

// A head is taken up to limits.header, and refused above it, by as much as net/http may have
// read at once.
func TestHeader(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.Header = 20 << 10 }})
	ask := func(size int) int {
		head := "GET /healthz HTTP/1.1\r\nHost: beam.example\r\nX-Long: "
		return s.send(head + strings.Repeat("x", size-len(head)-4) + "\r\n\r\n").status
	}
	if got := ask(20 << 10); got != 200 {
		t.Errorf("at the edge: got %d, want 200", got)
	}
	if got := ask(24<<10 + 1); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("above it: got %d, want 431", got)
	}
}

// A connection over HTTP/2 whose page has reset its stream waits as any other.
func TestConnectionsAfterResetStreams(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.Connections = 2 }})
	for range 2 {
		client := &http.Transport{Protocols: &http.Protocols{}}
		client.Protocols.SetUnencryptedHTTP2(true)
		t.Cleanup(client.CloseIdleConnections)
		ctx, cancel := context.WithCancel(t.Context())
		req := must(http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/stream?token="+s.token(claim("anonymous_id", anonymous)), nil))
		res, err := client.RoundTrip(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v %v", res, err)
		}
		cancel()
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	storetest.Eventually(t, "the streams have ended", func() bool { return len(s.broker.Subscribers(ship)) == 0 })
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	storetest.Eventually(t, "another visitor is answered", func() bool {
		return s.send("GET /healthz HTTP/1.1\r\nHost: beam.example\r\n\r\n").status == 200
	})
}
