//go:build unix

package fronttest

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

const (
	// Origin is the pages', which the connector allows.
	Origin   = "https://page.test"
	adminKey = "an admin key for the tests of proxies"
)

// A Site is a proxy, or a node, as pages and operators reach it.
type Site struct {
	URL    string
	Client *http.Client
	Log    string // the file of the proxy's log
}

// Apart has a connection for each request, as pages have that are not one browser's.
var Apart = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// Direct is a node without a proxy in front.
func (n *Node) Direct() *Site { return &Site{URL: "http://" + n.Addr, Client: Apart} }

// Post sends a body as a page does, which also says for whom it asks.
func (s *Site) Post(t *testing.T, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Origin": {Origin}, "Content-Type": {"application/json"},
		"Authorization": {"Bearer " + adminKey}, "X-Forwarded-For": {"192.0.2.1"}}
	res, err := s.Client.Do(req)
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

// Token is what a visitor's page gets, who is known by an anonymous id.
func (s *Site) Token(t *testing.T, visitor string) string {
	t.Helper()
	res, text := s.Post(t, "/api/v1/connectors/c/token", `{"claims":{"anonymous_id":"`+visitor+`"}}`)
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Token == "" {
		t.Fatalf("a token is answered %s %s", res.Status, text)
	}
	return answer.Token
}

// Put tells of the visitor's user.
func (s *Site) Put(t *testing.T, visitor string, n int) {
	t.Helper()
	res, text := s.Post(t, "/api/v1/connectors/c/users", `{"user":{"id":"u-`+visitor+`","anonymous_ids":["`+visitor+`"],`+Plan(n)+`}}`)
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("an update is answered %s %s", res.Status, text)
	}
}

// Plan is what the payload has of the n-th update.
func Plan(n int) string { return fmt.Sprintf(`"plan":"plan %d"`, n) }

// Get asks for a stream.
func (s *Site) Get(ctx context.Context, token, lastID string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/stream?token="+url.QueryEscape(token), nil)
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{"Origin": {Origin}, "Accept": {"text/event-stream"}, "Accept-Encoding": {"gzip, deflate, br"}}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	return s.Client.Do(req)
}

// A Page has a stream open.
type Page struct {
	Header http.Header
	Proto  string                // HTTP/1.1 or HTTP/2.0
	Events chan streamtest.Event // closed when the stream has ended
	LastID string                // of those that were looked at
}

// Stream opens a stream, which is answered 200.
func (s *Site) Stream(t *testing.T, token, lastID string) *Page {
	t.Helper()
	res, err := s.Get(t.Context(), token, lastID)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("the stream is answered %s %s", res.Status, text)
	}
	return NewPage(res, lastID)
}

// NewPage reads the stream of an answer, until it ends.
func NewPage(res *http.Response, lastID string) *Page {
	p := &Page{res.Header, res.Proto, make(chan streamtest.Event, 1000), lastID}
	go func() {
		defer res.Body.Close()
		defer close(p.Events)
		for e, err := range streamtest.Read(plain(res)) {
			if err != nil {
				return
			}
			p.Events <- e
		}
	}()
	return p
}

// Await waits for an event of this type, and passes others over. Empty: any.
func (p *Page) Await(t *testing.T, kind string) streamtest.Event {
	t.Helper()
	e, err := p.Next(kind, Soon)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Next is Await for those who may be told that no such event came in time.
func (p *Page) Next(kind string, limit time.Duration) (streamtest.Event, error) {
	timeout := time.After(limit)
	for {
		select {
		case e, ok := <-p.Events:
			if !ok {
				return e, fmt.Errorf("the stream has ended, without %q", kind)
			}
			p.LastID = e.ID
			if kind == "" || e.Type == kind {
				return e, nil
			}
		case <-timeout:
			return streamtest.Event{}, fmt.Errorf("no event %q in %v", kind, limit)
		}
	}
}

// HasEnded passes over what has come, and tells whether the stream has ended.
func (p *Page) HasEnded() bool {
	for {
		select {
		case e, ok := <-p.Events:
			if !ok {
				return true
			}
			p.LastID = e.ID
		default:
			return false
		}
	}
}
