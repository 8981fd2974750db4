//go:build unix

package compose

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hullbeam/internal/fronttest"
	"hullbeam/internal/proctest"
)

const visitor = "a-visitor-of-nginx-0001"

// Pages behind nginx are served as without it: at once, each event by itself, with
// heartbeats; a node that stops or dies costs a page nothing but a reconnection.
func TestNginx(t *testing.T) {
	nodes := startNodes(t, 2)
	front := startNginx(t, nodes[0].Addr, nodes[1].Addr)
	token := front.Token(t, visitor)

	watching := front.Stream(t, token, "")
	if e := watching.Await(t, ""); e.Type != "room.joined" {
		t.Errorf("the first event is %s", e.Type)
	}
	if got := watching.Header; got.Get("Content-Type") != "text/event-stream" || got.Get("Content-Encoding") != "" {
		t.Errorf("the stream is %q, encoded %q", got.Get("Content-Type"), got.Get("Content-Encoding"))
	}
	watching.Await(t, "user.error") // nobody knows the visitor
	for i := range 5 {
		front.Put(t, visitor, i)
		if e := watching.Await(t, "user.update"); !strings.Contains(e.Data, fronttest.Plan(i)) {
			t.Errorf("%s came, want %s", e.Data, fronttest.Plan(i))
		}
	}
	watching.Await(t, "heartbeat")

	t.Run("a node that dies", func(t *testing.T) {
		pages := []*fronttest.Page{watching, front.Stream(t, token, "")} // one at each
		nodes[0].Kill()
		ended := func() (gone []*fronttest.Page) {
			for _, p := range pages {
				if p.HasEnded() {
					gone = append(gone, p)
				}
			}
			return gone
		}
		proctest.Within(fronttest.Soon, func() bool { return len(ended()) > 0 })
		front.Put(t, visitor, 100) // while the page is away
		if n := len(ended()); n != 1 {
			t.Fatalf("%d of 2 streams ended with the node that died", n)
		}
		began := time.Now()
		back := front.Stream(t, token, ended()[0].LastID)
		if e := back.Await(t, "user.update"); !strings.Contains(e.Data, fronttest.Plan(100)) {
			t.Errorf("after its return the page is told %s", e.Data)
		}
		t.Logf("the page has reconnected in %v", time.Since(began))
	})
	nodes[0].StartAgain(t)

	t.Run("a node that stops", func(t *testing.T) {
		stopping := nodes[1]
		stopping.Crowd(t, 900) // 10 ms each: it takes 9 s
		stopping.Cmd.Process.Signal(syscall.SIGTERM)
		if !proctest.Within(fronttest.Soon, func() bool { return stopping.Refuses(t, token) }) {
			t.Fatal("a node that stops does not answer 503: nothing is tested")
		}
		for range 12 {
			p := front.Stream(t, token, "")
			if e := p.Await(t, ""); e.Type != "room.joined" {
				t.Errorf("the first event is %s", e.Type)
			}
		}
		if stopping.HasEnded() {
			t.Fatal("the node has stopped too early: not all was tested")
		}
	})

	t.Run("no node at all", func(t *testing.T) {
		for _, n := range nodes {
			n.Kill()
		}
		if res, err := front.Get(t.Context(), token, ""); err == nil {
			t.Errorf("the stream is answered %s: an EventSource would give up for good", res.Status)
			res.Body.Close()
		}
	})

	if log := proctest.ReadFile(t, front.Log); strings.Contains(log, token) || !strings.Contains(log, "/api/v1/stream") {
		t.Errorf("the log has no streams, or a token:\n%.2000s", log)
	}
}

// What nginx does by itself, before nodes that are made for it: these do not say
// X-Accel-Buffering, and one of two refuses.
func TestNginxAlone(t *testing.T) {
	const ticks = 4
	next := make(chan struct{}, ticks) // the last one has come
	var asked [2]atomic.Int64
	var forwarded atomic.Pointer[string]
	var addrs []string
	for i := range asked {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[i].Add(1)
			body, _ := io.ReadAll(r.Body)
			switch {
			case i > 0:
				w.WriteHeader(http.StatusServiceUnavailable)
			case strings.HasSuffix(r.URL.Path, "/stream"):
				conn, _, _ := http.NewResponseController(w).Hijack()
				defer conn.Close() // which ends the body
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
				for range ticks {
					io.WriteString(conn, "data: tick\n\n")
					<-next
				}
			default:
				forwarded.Store(new(r.Header.Get("X-Forwarded-For")))
				w.Write(body)
			}
		}))
		t.Cleanup(s.Close)
		addrs = append(addrs, s.Listener.Addr().String())
	}
	front := startNginx(t, addrs...)

	p := front.Stream(t, strings.Repeat("t", 7<<10), "") // as long as a token may be
	// Each is sent when the one before it has come.
	for range ticks {
		p.Await(t, "")
		next <- struct{}{}
	}
	for range 6 {
		res, text := front.Post(t, "/api/v1/connectors/c/token", `{"claims":{}}`)
		if res.StatusCode != http.StatusOK || text != `{"claims":{}}` {
			t.Errorf("a token is answered %s %q, want the node that gives one", res.Status, text)
		}
	}
	if got := *forwarded.Load(); got != "127.0.0.1" {
		t.Errorf("X-Forwarded-For is %q: what the client said of itself is in it", got)
	}
	before := asked[0].Load() + asked[1].Load()
	front.Post(t, "/smart-notifier", "{}")
	if n := asked[0].Load() + asked[1].Load() - before; n != 1 {
		t.Errorf("a notification was sent to %d nodes", n)
	}
	if res, _ := front.Post(t, "/smart-notifier", strings.Repeat(" ", 21<<20)); res.StatusCode == http.StatusRequestEntityTooLarge {
		t.Error("nginx says to Hull that a notification is too large: only a node's words are understood")
	}
	if res, err := http.Get(front.URL + "/metrics"); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("/metrics: %v, %v", res, err)
	}
}
