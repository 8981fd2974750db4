package bench_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fake is a server of the contract that bench is written against, with faults of
// which the real one has none: bench must see them.
type fake struct {
	t  *testing.T
	mu sync.Mutex
	// by topic, the streams that are open
	streams map[string][]chan string
	latest  map[string]string // by topic, the latest update as an event
	version int
	count   int // events sent

	fault  string // "", lose, twice, back, old, limit, refuse, retry
	tokens int
	visits visits
}

func startFake(t *testing.T, fault string) (*fake, string) {
	f, handler := newFake(t, fault)
	s := httptest.NewServer(handler)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return f, s.URL
}

func newFake(t *testing.T, fault string) (*fake, http.Handler) {
	f := &fake{t: t, streams: map[string][]chan string{}, latest: map[string]string{}, version: 1795323698150943, fault: fault}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/connectors/demo/token", f.token)
	mux.HandleFunc("GET /api/v1/stream", f.stream)
	mux.HandleFunc("POST /api/v1/connectors/demo/offers", f.offers)
	mux.HandleFunc("POST /api/v1/connectors/demo/users", f.users)
	mux.HandleFunc("POST /smart-notifier", f.notifier)
	f.visitors(mux)
	return f, mux
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Claims struct {
			AnonymousID string `json:"anonymous_id"`
		}
	}
	f.decode(r, &body)
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

func (f *fake) decode(r *http.Request, v any) {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		f.t.Errorf("%s: %v", r.URL.Path, err)
	}
}

func (f *fake) stream(w http.ResponseWriter, r *http.Request) {
	topic, events := r.FormValue("token"), make(chan string, 1000)
	f.mu.Lock()
	f.streams[topic] = append(f.streams[topic], events)
	first := f.latest[topic]
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "retry: 3000\nevent: room.joined\ndata: {}\n\n"+first)
	flush := http.NewResponseController(w)
	flush.Flush()
	for {
		select {
		case e := <-events:
			if _, err := io.WriteString(w, e); err != nil || flush.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
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
	if kept {
		f.latest[topic] = e
	}
	for _, s := range f.streams[topic] {
		f.count++
		switch {
		case f.fault == "lose" && f.count > 40 && f.count%3 != 0:
			continue
		case f.fault == "twice" && f.count%10 == 0:
			s <- e
		}
		s <- e
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
