//go:build unix

package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hullbeam/stream/streamtest"
)

// site is nginx, or a node, as pages and operators reach it.
type site struct {
	url string
	log string // nginx's
}

// client has a connection for each request, as pages have that are not one
// browser's.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// post sends a body as a page does, which also says for whom it asks.
func (s *site) post(t *testing.T, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Origin": {origin}, "Content-Type": {"application/json"},
		"Authorization": {"Bearer " + adminKey}, "X-Forwarded-For": {"192.0.2.1"}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func (s *site) token(t *testing.T) string {
	t.Helper()
	res, text := s.post(t, "/api/v1/connectors/c/token", `{"claims":{"anonymous_id":"`+visitor+`"}}`)
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Token == "" {
		t.Fatalf("a token is answered %s %s", res.Status, text)
	}
	return answer.Token
}

// put tells of the visitor's user.
func (s *site) put(t *testing.T, n int) {
	t.Helper()
	res, text := s.post(t, "/api/v1/connectors/c/users", `{"user":{"id":"u","anonymous_ids":["`+visitor+`"],`+plan(n)+`}}`)
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("an update is answered %s %s", res.Status, text)
	}
}

func plan(n int) string { return fmt.Sprintf(`"plan":"plan %d"`, n) }

// get asks for a stream.
func (s *site) get(ctx context.Context, token, lastID string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/stream?token="+url.QueryEscape(token), nil)
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{"Origin": {origin}, "Accept": {"text/event-stream"}, "Accept-Encoding": {"gzip, deflate, br"}}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	return client.Do(req)
}

// page has a stream open.
type page struct {
	header http.Header
	events chan streamtest.Event // closed when the stream has ended
	lastID string                // of those that were looked at
}

// stream opens a stream, which is answered 200.
func (s *site) stream(t *testing.T, token, lastID string) *page {
	t.Helper()
	res, err := s.get(t.Context(), token, lastID)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("the stream is answered %s %s", res.Status, text)
	}
	p := &page{res.Header, make(chan streamtest.Event, 1000), lastID}
	go func() {
		defer res.Body.Close()
		defer close(p.events)
		for e, err := range streamtest.Read(res.Body) {
			if err != nil {
				return
			}
			p.events <- e
		}
	}()
	return p
}

// await waits for an event of this type, and passes others over. Empty: any.
func (p *page) await(t *testing.T, kind string) streamtest.Event {
	t.Helper()
	timeout := time.After(soon)
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				t.Fatalf("the stream has ended, without %q", kind)
			}
			p.lastID = e.ID
			if kind == "" || e.Type == kind {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %q in %v", kind, soon)
		}
	}
}

// hasEnded passes over what has come, and tells whether the stream has ended.
func (p *page) hasEnded() bool {
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				return true
			}
			p.lastID = e.ID
		default:
			return false
		}
	}
}
