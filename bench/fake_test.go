package bench_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a server of the contract that bench is written against, with faults of
// which the real one has none: bench must see them.
type fake struct {
	t  *testing.T
	mu sync.Mutex
	// by topic, the streams that are open
	streams map[string][]chan string
	latest  map[string]string // by topic, the latest update as an event
	offered map[string]string // by topic, the latest offer as an event
	open    int
	asked   int // for metrics
	version int
	count   int // events sent

	fault  string // "", lose, twice, back, old, limit, refuse, retry, grow, mute, deaf, end, patient
	tokens int
	visits visits
}

func startFake(t *testing.T, fault string) (*fake, string) {
	f, handler := newFake(t, fault)
	s := httptest.NewUnstartedServer(handler)
	if fault != "patient" { // else it waits for ever
		s.Config.ReadHeaderTimeout = time.Second
	}
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return f, s.URL
}

func newFake(t *testing.T, fault string) (*fake, http.Handler) {
	f := &fake{t: t, streams: map[string][]chan string{}, latest: map[string]string{}, offered: map[string]string{}, version: 1795323698150943, fault: fault}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/connectors/demo/token", f.token)
	mux.HandleFunc("GET /api/v1/stream", f.stream)
	mux.HandleFunc("POST /api/v1/connectors/demo/offers", f.offers)
	mux.HandleFunc("POST /api/v1/connectors/demo/users", f.users)
	mux.HandleFunc("POST /smart-notifier", f.notifier)
	mux.HandleFunc("GET /metrics", f.metrics)
	f.visitors(mux)
	return f, mux
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Claims struct {
			AnonymousID string `json:"anonymous_id"`
		}
	}
	if f.fault != "patient" {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
	}
	if !f.decode(r, &body) {
		return
	}
	f.mu.Lock()
	f.tokens++
	limited := f.fault == "limit" && f.tokens > 5
	f.mu.Unlock()
	if limited {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"code":"rate_limited"}`)
		return
	}
	if len(body.Claims.AnonymousID) < 16 || r.Header.Get("Origin") == "" {
		f.t.Errorf("got claims %+v, origin %q", body.Claims, r.Header.Get("Origin"))
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"token":%q,"topics":[],"visitor":%q}`, "anonymous_id:"+body.Claims.AnonymousID, "v_"+body.Claims.AnonymousID)
}

// decode is false for a body that did not come in time.
func (f *fake) decode(r *http.Request, v any) bool {
	err := json.NewDecoder(r.Body).Decode(v)
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
	if err != nil && !late {
		f.t.Errorf("%s: %v", r.URL.Path, err)
	}
	return err == nil
}

func (f *fake) stream(w http.ResponseWriter, r *http.Request) {
	topic, events := r.FormValue("token"), make(chan string, 1000)
	f.mu.Lock()
	f.streams[topic] = append(f.streams[topic], events)
	first := f.unseen(f.offered[topic], r) + f.unseen(f.latest[topic], r)
	f.open++
	f.mu.Unlock()
	defer f.gone(topic, events)
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "retry: 3000\nevent: room.joined\ndata: {}\n\n"+first)
	flush := http.NewResponseController(w)
	flush.Flush()
	for n := 0; f.fault != "end" || n < 3; n++ {
		select {
		case e := <-events:
			if f.fault != "patient" {
				flush.SetWriteDeadline(time.Now().Add(time.Second))
			}
			if _, err := io.WriteString(w, e); err != nil || flush.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// gone forgets a stream.
func (f *fake) gone(topic string, events chan string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	f.streams[topic] = slices.DeleteFunc(f.streams[topic], func(c chan string) bool { return c == events })
}

// unseen is an event unless the page's last one was this or a newer one. Ids here are of one
// length.
func (f *fake) unseen(e string, r *http.Request) string {
	if _, id, ok := strings.Cut(e, "\nid: "); ok && strings.TrimSpace(id) <= r.Header.Get("Last-Event-ID") {
		return ""
	}
	return e
}

// metrics are those of a server that does not grow, but with that fault.
func (f *fake) metrics(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	grown := 0
	if f.fault == "grow" {
		f.asked++
		grown = f.asked
	}
	fmt.Fprintf(w, "# HELP go_goroutines of those\nhullbeam_streams %d\ngo_goroutines %d\nprocess_open_fds %d\n", f.open, 20+grown, 30+f.open)
	fmt.Fprintf(w, "process_resident_memory_bytes 4.2e+07\ngo_memstats_heap_inuse_bytes 1e+07\n")
}

// publish sends an event to the streams of a topic, as the fault says.
func (f *fake) publish(topic, kind, data string, kept bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	version := f.version
	if f.fault == "back" && f.version%10 == 0 {
		version -= 1000
	}
	e := fmt.Sprintf("event: %s\ndata: %s\nid: %d-tag\n\n", kind, data, version)
	switch {
	case kept:
		f.latest[topic] = e
	case f.fault == "mute":
		return
	default:
		f.offered[topic] = e
	}
	for _, s := range f.streams[topic] {
		f.count++
		switch {
		case f.fault == "deaf":
			continue
		case f.fault == "lose" && f.count > 40 && f.count%3 != 0:
			continue
		case f.fault == "twice" && f.count%10 == 0:
			s <- e
		}
		select {
		case s <- e:
		default: // nobody reads it any more
		}
	}
}

func (f *fake) operator(r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer key" {
		f.t.Errorf("%s: no key", r.URL.Path)
	}
}

func (f *fake) offers(w http.ResponseWriter, r *http.Request) {
	f.operator(r)
	var body struct {
		To        struct{ Topic string }
		Data      json.RawMessage
		ExpiresIn string `json:"expires_in"`
	}
	f.decode(r, &body)
	f.publish(body.To.Topic, "offer", fmt.Sprintf(`{"id":"o","data":%s}`, body.Data), false)
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"id":"o","live":1}`)
}

type message struct {
	User map[string]json.RawMessage
}

func (f *fake) take(messages []message) {
	for _, m := range messages {
		var ids []string
		if err := json.Unmarshal(m.User["anonymous_ids"], &ids); err != nil || len(ids) != 1 {
			f.t.Errorf("got anonymous_ids %s", m.User["anonymous_ids"])
			continue
		}
		f.publish("anonymous_id:"+ids[0], "user.update", fmt.Sprintf(`{"user":{"plan":%s}}`, m.User["plan"]), true)
	}
}

func (f *fake) users(w http.ResponseWriter, r *http.Request) {
	f.operator(r)
	var messages []message
	f.decode(r, &messages)
	f.take(messages)
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{}`)
}

func (f *fake) notifier(w http.ResponseWriter, r *http.Request) {
	var body struct {
		NotificationID string `json:"notification_id"`
		Channel        string
		Configuration  struct{ Secret string }
		Messages       []message
	}
	f.decode(r, &body)
	if r.Header.Get("X-Signed") != body.NotificationID || body.Channel != "user:update" || body.Configuration.Secret != "s3cr3t" {
		f.t.Errorf("got %+v, signed %q", body, r.Header.Get("X-Signed"))
	}
	f.mu.Lock()
	f.tokens++
	refused := f.fault == "refuse" || f.fault == "retry" && f.tokens%7 == 0
	f.mu.Unlock()
	if refused {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"flow_control":{"type":"retry"}}`)
		return
	}
	f.take(body.Messages)
	io.WriteString(w, strings.Repeat(" ", 5000)+`{"flow_control":{"type":"next"}}`)
}
