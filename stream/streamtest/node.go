package streamtest

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/stream"
)

// start starts a node with the default configuration, changed.
type start func(change func(*stream.Config)) *node

// node is a server and its side of the streams that the suite opens.
type node struct {
	*stream.Broker
	serve  func(http.ResponseWriter, *http.Request, *stream.Subscriber)
	url    string
	client *http.Client

	mu       sync.Mutex
	openings map[string]*opening
}

// opening is what the node does for one request.
type opening struct {
	grant  stream.Grant
	seen   *stream.ID               // the stream waits, and its page has seen that; nil: it does not
	before func(*stream.Subscriber) // called between Subscribe and Serve
	sub    *stream.Subscriber
	err    error // of Subscribe
	ended  chan stream.Reason
}

func newNode(t *testing.T, s Server) *node {
	n := &node{Broker: s.Broker, serve: s.Serve, openings: map[string]*opening{}}
	n.url, n.client = s.Listen(t, n)
	t.Cleanup(n.client.CloseIdleConnections)
	return n
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	o := n.openings[r.URL.Query().Get("open")]
	n.mu.Unlock()
	ended := stream.OnEnd(func(reason stream.Reason) { o.ended <- reason })
	if o.seen != nil {
		o.sub, o.err = n.Await(o.grant, ended, *o.seen)
	} else {
		o.sub, o.err = n.Subscribe(o.grant, ended)
	}
	if o.err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	o.before(o.sub)
	n.serve(w, r, o.sub)
}

// publish publishes p and checks how many streams took it.
func (n *node) publish(t *testing.T, p *stream.Publication, want int) {
	t.Helper()
	if got, _ := n.Publish(connector, p); got != want {
		t.Errorf("version %d of %s: taken by %d streams, want %d", p.Version, p.User, got, want)
	}
}

// open opens a stream of topics, which are signed when they end in an
// exclamation mark. It returns when the page has the head of the response.
func (n *node) open(t *testing.T, topics string, before ...func(*stream.Subscriber)) *page {
	t.Helper()
	return n.openOpening(t, &opening{}, topics, before)
}

// openSeen is open for a page that has seen a state; before calls Follow.
func (n *node) openSeen(t *testing.T, seen stream.ID, topics string, before ...func(*stream.Subscriber)) *page {
	t.Helper()
	return n.openOpening(t, &opening{seen: &seen}, topics, before)
}

func (n *node) openOpening(t *testing.T, o *opening, topics string, before []func(*stream.Subscriber)) *page {
	t.Helper()
	g := stream.Grant{Connector: connector}
	for name := range strings.FieldsSeq(topics) {
		name, signed := strings.CutSuffix(name, "!")
		g.Topics = append(g.Topics, stream.Topic{Name: name, Signed: signed})
	}
	o.grant, o.ended = g, make(chan stream.Reason, 2)
	o.before = func(s *stream.Subscriber) {
		for _, do := range before {
			do(s)
		}
	}
	n.mu.Lock()
	id := strconv.Itoa(len(n.openings))
	n.openings[id] = o
	n.mu.Unlock()

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"?open="+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{opening: o, t: t, leave: cancel}
	if p.head, err = n.client.Do(request); err != nil {
		t.Fatalf("opening a stream: %v", err)
	}
	t.Cleanup(func() { p.head.Body.Close() })
	read, stop := iter.Pull2(Read(p.head.Body))
	t.Cleanup(stop)
	p.read = read
	return p
}

// page reads one stream.
type page struct {
	*opening
	t      *testing.T
	head   *http.Response
	read   func() (Event, error, bool)
	leave  func()
	reason stream.Reason // when it has ended
}

// next is the next event.
func (p *page) next() Event {
	p.t.Helper()
	e, err, ok := p.read()
	if err != nil || !ok {
		p.t.Fatalf("instead of an event: the end of the body, error %v", err)
	}
	return e
}

// want reads as many events as are wanted.
func (p *page) want(events ...Event) {
	p.t.Helper()
	for i, want := range events {
		if diff := cmp.Diff(want, p.next()); diff != "" {
			p.t.Fatalf("event %d: -want +got:\n%s", i+1, diff)
		}
	}
}

// wantEnd reads up to the end of the body, of which nothing is left but what is
// wanted, and waits until the stream has ended.
func (p *page) wantEnd(reason stream.Reason, events ...Event) {
	p.t.Helper()
	p.want(events...)
	if e, err, ok := p.read(); ok || err != nil {
		p.t.Fatalf("instead of the end of the body: %v, error %v", e, err)
	}
	p.wantReason(reason)
}

func (p *page) wantReason(want stream.Reason) {
	p.t.Helper()
	select {
	case p.reason = <-p.ended:
		if p.reason != want {
			p.t.Fatalf("ended because of %s, want %s", p.reason, want)
		}
	case <-time.After(patience):
		p.t.Fatalf("has not ended, want %s", want)
	}
}

// wantClose reads the close event and the end behind it, and returns in how many
// milliseconds the page is asked to come back.
func (p *page) wantClose(reason stream.Reason) int64 {
	p.t.Helper()
	e := p.next()
	var data struct {
		Message     stream.Reason `json:"message"`
		ReconnectIn *int64        `json:"reconnect_in_ms"`
	}
	if err := json.Unmarshal([]byte(e.Data), &data); err != nil || e.Type != "close" || data.Message != reason || data.ReconnectIn == nil {
		p.t.Fatalf("got %+v, want close because of %s", e, reason)
	}
	p.wantEnd(reason)
	return *data.ReconnectIn
}
