package streamtest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"hullbeam/stream"
)

// Server is one node with the transport under test.
type Server struct {
	// Broker was made with the configuration given and with Farewell.
	Broker *stream.Broker
	// Serve hands an open stream to the transport, from within a handler.
	Serve func(w http.ResponseWriter, r *http.Request, s *stream.Subscriber)
	// Listen serves h on a socket until the test ends. A client that does not
	// read the bodies it opens must hold back nobody else.
	Listen func(t *testing.T, h http.Handler) (url string, client *http.Client)
}

// Farewell is what the suite's pages are told when they follow user no more.
func Farewell(user string) *stream.Event { return hidden(user, 0) }

const (
	connector = "c1"
	patience  = 30 * time.Second // for what should be there at once
)

// Run is the suite that every transport passes. serve makes a node; the suite's
// configurations are shorter than Config.Validate lets pass.
func Run(t *testing.T, serve func(t *testing.T, cfg stream.Config) Server) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, start)
	}{
		{"head", testHead},
		{"greeting", testGreeting},
		{"who gets an update", testReceivers},
		{"two topics, two users", testTwoUsers},
		{"topics that are gone", testGone},
		{"versions", testVersions},
		{"unchanged", testUnchanged},
		{"follow", testFollow},
		{"signed", testSigned},
		{"hiding", testHiding},
		{"conflation", testConflation},
		{"offers", testOffers},
		{"offers of a slow reader", testBehind},
		{"slow reader", testSlow},
		{"dead reader", testDead},
		{"client leaves", testLeaves},
		{"end", testEnd},
		{"end without the user", testEndWithout},
		{"maximal age", testMaxAge},
		{"heartbeat", testHeartbeat},
		{"silence above the write timeout", testSilence},
		{"drain", testDrain},
		{"maximal streams", testMaxStreams},
		{"metrics", testMetrics},
		{"everything at once", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, func(change func(*stream.Config)) *node {
				cfg := stream.DefaultConfig()
				if change != nil {
					change(&cfg)
				}
				return newNode(t, serve(t, cfg))
			})
		})
	}
}

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

// page reads one stream.
type page struct {
	*opening
	t      *testing.T
	head   *http.Response
	read   func() (Event, error, bool)
	leave  func()
	reason stream.Reason // when it has ended
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

func newEvent(f stream.Fields) *stream.Event {
	e, err := stream.NewEvent(f)
	if err != nil {
		panic(err)
	}
	return e
}

func greeting(data string) *stream.Event {
	return newEvent(stream.Fields{Type: "room.joined", Data: []byte(data), Retry: 1234 * time.Millisecond})
}

func greeted(data string) Event { return Event{"room.joined", data, "", 1234} }

// update is the data of a user.update and where in it the names stand.
func update(user string, version uint64, signed bool, names ...string) (data []byte, start, end int) {
	data = fmt.Appendf(nil, `{"user":%q,"version":%d,"signed":%t,"events":[`, user, version, signed)
	start = len(data)
	list, _ := json.Marshal(append([]string{}, names...))
	data = append(data, list[1:len(list)-1]...)
	return append(data, "]}"...), start, len(data)
}

// shown is a state of user that pages show, published to topics.
func shown(user string, version uint64, topics string, names ...string) *stream.Publication {
	event := func(signed bool) *stream.Event {
		data, start, end := update(user, version, signed, names...)
		return newEvent(stream.Fields{
			Type: "user.update", Data: data, ID: stream.ID{Version: version, Tag: user},
			NamesStart: start, NamesEnd: end, Effect: stream.Shows,
		})
	}
	return &stream.Publication{
		User: user, Version: version, Topics: strings.Fields(topics), Unsigned: event(false), Signed: event(true),
	}
}

// wantShown is shown as a page gets it whose topic is not signed.
func wantShown(user string, version uint64, names ...string) Event {
	data, _, _ := update(user, version, false, names...)
	return Event{"user.update", string(data), stream.ID{Version: version, Tag: user}.String(), -1}
}

// hidden tells a page not to show user; version 0: as a farewell.
func hidden(user string, version uint64) *stream.Event {
	f := stream.Fields{Type: "user.private", Data: []byte(user), Effect: stream.Hides}
	if version > 0 {
		f.ID = stream.ID{Version: version, Tag: user}
	}
	return newEvent(f)
}

func hides(user string, version uint64, topics string) *stream.Publication {
	e := hidden(user, version)
	return &stream.Publication{User: user, Version: version, Topics: strings.Fields(topics), Unsigned: e, Signed: e}
}

func wantHidden(user string, version uint64) Event {
	return Event{"user.private", user, stream.ID{Version: version, Tag: user}.String(), -1}
}

// wantFarewell is Farewell, which has no id and so leaves the one before.
func wantFarewell(user string, version uint64, tag string) Event {
	return Event{"user.private", user, stream.ID{Version: version, Tag: tag}.String(), -1}
}

// publish publishes p and checks how many streams took it.
func (n *node) publish(t *testing.T, p *stream.Publication, want int) {
	t.Helper()
	if got, _ := n.Publish(connector, p); got != want {
		t.Errorf("version %d of %s: taken by %d streams, want %d", p.Version, p.User, got, want)
	}
}

func testHead(t *testing.T, start start) {
	// The head must not wait for a first event: a page, and many a proxy, would
	// give up.
	p := start(nil).open(t, "a")
	if p.head.StatusCode != http.StatusOK {
		t.Errorf("status %d", p.head.StatusCode)
	}
	for name, want := range map[string]string{
		"Content-Type":      "text/event-stream",
		"Cache-Control":     "no-cache, no-store, no-transform",
		"X-Accel-Buffering": "no",
		"Content-Length":    "",
		"Content-Encoding":  "",
	} {
		if got := p.head.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func testGreeting(t *testing.T, start start) {
	n := start(nil)
	// Whatever is published while a stream opens, its greeting comes first, and
	// the newest state follows it.
	p := n.open(t, "a", func(s *stream.Subscriber) {
		n.publish(t, shown("u", 2, "a", "published"), 1)
		s.Greet(greeting("first"), greeting("second"))
		s.Follow(shown("u", 1, "a"), 0)
	})
	p.want(greeted("first"), greeted("second"), wantShown("u", 2, "published"))
	n.publish(t, shown("u", 3, "a"), 1)
	p.want(wantShown("u", 3))

	// An event may be told later, too, and may hold line ends of all kinds.
	p.sub.Greet(newEvent(stream.Fields{Data: []byte("a\rb\nc\r\nd\n")}))
	p.want(Event{"message", "a\nb\nc\nd\n", "3-u", -1})
}

func testReceivers(t *testing.T, start start) {
	n := start(nil)
	var pages []*page
	for range 20 {
		pages = append(pages, n.open(t, "email:u anonymous_id:u other:u"))
	}
	other := n.open(t, "email:other")
	n.publish(t, shown("u", 1, "id:u"), 0)
	n.publish(t, shown("u", 2, "other:u"), 20)
	for _, p := range pages {
		p.want(wantShown("u", 2))
	}
	// However many topics match, an update comes once.
	n.publish(t, shown("u", 3, "id:u email:u anonymous_id:u other:u"), 20)
	n.publish(t, shown("other", 4, "email:other"), 1)
	n.publish(t, shown("u", 5, "email:u"), 20)
	if got, _ := n.Publish("c2", shown("u", 6, "email:u")); got != 0 {
		t.Errorf("another connector's publication was taken by %d streams", got)
	}
	for _, p := range pages {
		p.sub.End(stream.ReasonRevoked, 0)
		for version := uint64(2); version < 5; {
			e := p.next()
			if last := version; !wantUpdate(e, "u", &version) || version <= last {
				t.Fatalf("after version %d: %+v", last, e)
			}
		}
		p.wantClose(stream.ReasonRevoked)
	}
	other.want(wantShown("other", 4))
}

// wantUpdate tells whether e is a user.update of user, and its version.
func wantUpdate(e Event, user string, version *uint64) bool {
	var data struct {
		User    string
		Version uint64
	}
	err := json.Unmarshal([]byte(e.Data), &data)
	*version = data.Version
	return err == nil && e.Type == "user.update" && data.User == user && e.ID == fmt.Sprintf("%d-%s", data.Version, user)
}

func testTwoUsers(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "id:1 email:1 anonymous_id:1")
	n.publish(t, shown("visitor", 10, "anonymous_id:1"), 1)
	p.want(wantShown("visitor", 10))
	// A better topic gets a user, whose version says nothing against the other's.
	n.publish(t, shown("lead", 5, "email:1"), 1)
	p.want(wantFarewell("visitor", 10, "visitor"), wantShown("lead", 5))
	n.publish(t, shown("visitor", 11, "anonymous_id:1"), 0)
	n.publish(t, shown("customer", 6, "id:1"), 1)
	p.want(wantFarewell("lead", 5, "lead"), wantShown("customer", 6))
	n.publish(t, shown("lead", 12, "email:1 anonymous_id:1"), 0)
	// The same topic leads to somebody else, and then late news of the former.
	n.publish(t, shown("other", 20, "id:1"), 1)
	n.publish(t, shown("customer", 7, "id:1"), 0)
	p.want(wantFarewell("customer", 6, "customer"), wantShown("other", 20))
	if got := p.sub.Following(); got != "other" {
		t.Errorf("follows %q", got)
	}

	// Nobody is taken leave of who was not shown.
	p = n.open(t, "id:2 email:2", func(*stream.Subscriber) {
		n.publish(t, shown("lead", 1, "email:2"), 1)
		n.publish(t, shown("customer", 2, "id:2"), 1)
	})
	p.want(wantShown("customer", 2))

	// Between two writes, the one who was shown is.
	p = n.openSeen(t, stream.ID{Version: 1, Tag: "visitor"}, "id:3 email:3 anonymous_id:3", func(s *stream.Subscriber) {
		s.Follow(shown("visitor", 1, ""), 2)
		n.publish(t, shown("lead", 1, "email:3"), 1)
		n.publish(t, shown("customer", 2, "id:3"), 1)
	})
	p.want(Event{"user.private", "visitor", "", -1}, wantShown("customer", 2))
}

func testGone(t *testing.T, start start) {
	n := start(nil)
	gone := func(p *stream.Publication, topics string) *stream.Publication {
		p.Gone = strings.Fields(topics)
		return p
	}
	p := n.open(t, "email:1 anonymous_id:1")
	n.publish(t, shown("u", 1, "email:1 anonymous_id:1"), 1)
	p.want(wantShown("u", 1))
	// Another of its topics still leads there.
	n.publish(t, gone(shown("u", 2, "anonymous_id:1"), "email:1"), 1)
	p.want(wantShown("u", 2))
	// And is the one that counts from now on.
	n.publish(t, shown("lead", 1, "email:1"), 1)
	p.want(wantFarewell("u", 2, "u"), wantShown("lead", 1))
	// What a stream does not follow may go.
	n.publish(t, gone(shown("u", 3, ""), "anonymous_id:1"), 0)
	n.publish(t, gone(shown("lead", 2, "id:lead"), "email:1"), 0)
	p.want(wantFarewell("lead", 1, "lead"))
	if ms := p.wantClose(stream.ReasonIdentity); ms < 1500 || ms >= 4500 {
		t.Errorf("asked to come back in %d ms, want 1500 to 4500", ms)
	}

	// A page that was shown nobody gets no farewell.
	p = n.open(t, "email:2")
	n.publish(t, hides("u", 1, "email:2"), 1)
	n.publish(t, gone(hides("u", 2, ""), "email:2"), 0)
	p.wantClose(stream.ReasonIdentity)
	if got := p.sub.Following(); got != "" {
		t.Errorf("follows %q", got)
	}
}

func testVersions(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	later := func(version uint64, generation uint32, name string) *stream.Publication {
		s := shown("u", version, "a", name)
		s.Generation = generation
		return s
	}
	n.publish(t, later(5, 2, "first"), 1)
	p.want(wantShown("u", 5, "first"))
	n.publish(t, later(4, 2, "older"), 0)
	n.publish(t, later(4, 3, "older under newer settings"), 0)
	n.publish(t, later(5, 2, "the same"), 0)
	n.publish(t, later(5, 1, "the same under older settings"), 0)
	n.publish(t, later(5, 3, "newer settings"), 1)
	p.want(wantShown("u", 5, "newer settings"))
	n.publish(t, later(6, 3, "newer"), 1)
	p.want(wantShown("u", 6, "newer"))
}

func testUnchanged(t *testing.T, start start) {
	n := start(nil)
	state := func(version uint64, plan string, names ...string) *stream.Publication {
		data, start, end := update(plan, 0, false, names...)
		e := newEvent(stream.Fields{
			Type: "user.update", Data: data, ID: stream.ID{Version: version, Tag: "u"}, NamesStart: start, NamesEnd: end, Effect: stream.Shows,
		})
		return &stream.Publication{User: "u", Version: version, Topics: []string{"a"}, Unsigned: e, Signed: e}
	}
	p := n.open(t, "a")
	var version uint64
	publish := func(what string, told int, publication func(version uint64) *stream.Publication) {
		t.Helper()
		version++
		if _, got := n.Publish(connector, publication(version)); got != told {
			t.Errorf("%s: %d streams have something to tell, want %d", what, got, told)
		}
	}
	shows := func(what string, told int, plan string, names ...string) {
		t.Helper()
		publish(what, told, func(version uint64) *stream.Publication { return state(version, plan, names...) })
		if told > 0 {
			data, _, _ := update(plan, 0, false, names...)
			p.want(Event{"user.update", string(data), stream.ID{Version: version, Tag: "u"}.String(), -1})
		}
	}
	shows("the first state", 1, "free")
	shows("what the page shows", 0, "free")
	shows("the same with an event", 1, "free", "Paid")
	shows("the same again", 0, "free")
	shows("another state", 1, "pro")
	shows("the first again", 1, "free")
	publish("the user may not be seen", 1, func(version uint64) *stream.Publication { return hides("u", version, "a") })
	p.want(wantHidden("u", version))
	shows("what the page showed before", 1, "free")
}

func testFollow(t *testing.T, start start) {
	n := start(nil)
	// A state that the page has seen is followed from there.
	p := n.openSeen(t, stream.ID{Version: 5, Tag: "u"}, "a b", func(s *stream.Subscriber) {
		s.Follow(shown("u", 5, ""), 1)
	})
	if got := p.sub.Following(); got != "u" {
		t.Errorf("follows %q", got)
	}
	n.publish(t, shown("u", 4, "b"), 0)
	n.publish(t, shown("u", 5, "b"), 0)
	n.publish(t, shown("u", 6, "b"), 1)
	p.want(wantShown("u", 6))
	// A better topic's user found later replaces the one followed; a worse does not.
	p.sub.Follow(shown("late", 2, ""), 0)
	p.want(wantFarewell("u", 6, "u"), wantShown("late", 2))
	p.sub.Follow(shown("u", 7, ""), 1)
	n.publish(t, shown("late", 3, "a"), 1)
	p.want(wantShown("late", 3))
	// For this stream alone.
	q := n.open(t, "a")
	p.sub.Follow(shown("late", 4, ""), 0)
	n.publish(t, shown("late", 5, "a"), 2)
	q.want(wantShown("late", 5))
}

func testSigned(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "id:1! anonymous_id:1")
	q := n.open(t, "anonymous_id:1")
	want := func(version uint64, signed bool) Event {
		data, _, _ := update("u", version, signed)
		return Event{"user.update", string(data), stream.ID{Version: version, Tag: "u"}.String(), -1}
	}
	n.publish(t, shown("u", 1, "anonymous_id:1"), 2)
	p.want(want(1, false)) // its signed topic does not lead here
	q.want(want(1, false))
	n.publish(t, shown("u", 2, "id:1 anonymous_id:1"), 2)
	p.want(want(2, true))
	q.want(want(2, false))
}

func testHiding(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	n.publish(t, hides("u", 1, "a"), 1) // the page does not know the user
	n.publish(t, shown("u", 2, "a"), 1)
	p.want(wantShown("u", 2))
	n.publish(t, hides("u", 3, "a"), 1)
	p.want(wantHidden("u", 3))
	n.publish(t, hides("u", 4, "a"), 1) // once
	n.publish(t, shown("u", 5, "a"), 1)
	p.want(wantShown("u", 5))

	// On open it is told instead of the snapshot, whatever was shown,
	p = n.open(t, "b", func(s *stream.Subscriber) { s.Follow(hides("v", 1, ""), 0) })
	p.want(wantHidden("v", 1))
	// but not again to a page that has seen it.
	p = n.openSeen(t, stream.ID{Version: 1, Tag: "v"}, "b", func(s *stream.Subscriber) {
		s.Follow(hides("v", 1, ""), 0)
	})
	n.publish(t, hides("v", 2, "b"), 2)
	n.publish(t, shown("v", 3, "b"), 2)
	p.want(wantShown("v", 3))

	// Who was shown in an earlier stream of the page is hidden in this one.
	p = n.openSeen(t, stream.ID{Version: 1, Tag: "w"}, "d", func(s *stream.Subscriber) {
		s.Follow(shown("w", 1, ""), 0)
	})
	n.publish(t, hides("w", 2, "d"), 1)
	p.want(wantHidden("w", 2))
}

func testConflation(t *testing.T, start start) {
	n := start(nil)
	names := func(from, to int) (names []string) {
		for i := from; i <= to; i++ {
			names = append(names, fmt.Sprintf(`"%d"\\`, i)) // needs escapes
		}
		return names
	}
	published := func(states ...*stream.Publication) func(*stream.Subscriber) {
		return func(*stream.Subscriber) {
			for _, p := range states {
				n.publish(t, p, 1)
			}
		}
	}
	p := n.open(t, "a", published(
		shown("u", 1, "a", "one"), shown("u", 2, "a"), shown("u", 3, "a", "two", "three"), shown("u", 4, "a", "four")))
	p.want(wantShown("u", 4, "one", "two", "three", "four"))
	n.publish(t, shown("u", 5, "a", "five"), 1)
	p.want(wantShown("u", 5, "five"))

	p = n.open(t, "b", published(shown("u", 1, "b", names(1, 40)...), shown("u", 2, "b", names(41, 70)...), shown("u", 3, "b")))
	p.want(wantShown("u", 3, names(7, 70)...))

	// A user's names go with the user, and with what hid them.
	p = n.open(t, "d e", published(shown("v", 1, "e", "v's"), shown("u", 2, "d", "u's")))
	p.want(wantShown("u", 2, "u's"))
	p = n.open(t, "f", published(shown("u", 1, "f", "before"), hides("u", 2, "f"), shown("u", 3, "f", "after")))
	p.want(wantShown("u", 3, "after"))

	// Names that do not fit beside the state are dropped, the oldest first.
	long := strings.Repeat("n", 30_000)
	p = n.open(t, "g", published(shown("u", 1, "g", "1"+long), shown("u", 2, "g", "2"+long), shown("u", 3, "g", "3"+long)))
	p.want(wantShown("u", 3, "2"+long, "3"+long))
}

// offer is an event that is not conflated, of about size bytes.
func offer(i, size int) *stream.Event {
	return newEvent(stream.Fields{Type: "offer", Data: fmt.Appendf(nil, `{"id":"%d","data":"%s"}`, i, pad[:size]), ID: stream.ID{Version: uint64(i + 1), Tag: "o"}})
}

func wantOffer(i, size int) Event {
	return Event{"offer", fmt.Sprintf(`{"id":"%d","data":"%s"}`, i, pad[:size]), fmt.Sprintf("%d-o", i+1), -1}
}

// testOffers: each comes, in order, to those of its topic or to all, also what
// came before the stream was served.
func testOffers(t *testing.T, start start) {
	n := start(nil)
	send := func(topic string, i, want int) {
		t.Helper()
		if got := n.Send(n.SubscribersOf(connector, topic), offer(i, 10)); got != want {
			t.Fatalf("offer %d to %s: taken by %d, want %d", i, topic, got, want)
		}
	}
	send("a", 0, 0)
	a := n.open(t, "a b", func(s *stream.Subscriber) {
		s.Greet(greeting("a"))
		send("a", 1, 1)
		send("b", 2, 1)
		n.publish(t, shown("u", 1, "a"), 1)
	})
	b := n.open(t, "b")
	send("b", 3, 2)
	if got := n.Send(n.Subscribers(connector), offer(4, 10)); got != 2 {
		t.Fatalf("taken by %d", got)
	}
	if got := n.Send(n.Subscribers("another"), offer(5, 10)); got != 0 {
		t.Fatalf("of another connector taken by %d", got)
	}
	a.want(greeted("a"), wantOffer(1, 10), wantOffer(2, 10), wantShown("u", 1), wantOffer(3, 10), wantOffer(4, 10))
	b.want(wantOffer(3, 10), wantOffer(4, 10))
	for i := range 500 { // more than may wait, to readers who keep up
		send("b", i, 2)
		a.want(wantOffer(i, 10))
		b.want(wantOffer(i, 10))
	}
	a.sub.End(stream.ReasonRevoked, 0)
	send("b", 6, 1)
	a.wantClose(stream.ReasonRevoked)
	b.want(wantOffer(6, 10))
}

// testBehind: offers wait for a reader who does not read, up to the bound; then
// the stream ends, and what it had taken comes first, whole and in order.
func testBehind(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout, c.Backlog = patience, 8 })
	slow, quick := n.open(t, "a"), n.open(t, "a")
	sent := 0
	for began := time.Now(); ; sent++ {
		if time.Since(began) > patience {
			t.Fatalf("%d offers of 60 KB wait", sent)
		}
		if n.Send(n.SubscribersOf(connector, "a"), offer(sent, len(pad))) == 1 {
			quick.want(wantOffer(sent, len(pad)))
			break
		}
		quick.want(wantOffer(sent, len(pad))) // which paces this loop
	}
	if got := n.Send(n.SubscribersOf(connector, "a"), offer(sent+1, len(pad))); got != 1 {
		t.Fatalf("taken by %d, of which one has ended", got)
	}
	for i := range sent + 1 {
		e := slow.next()
		if e == wantOffer(i, len(pad)) {
			continue
		}
		if e.Type != "close" || !strings.HasPrefix(e.Data, `{"message":"behind"`) || sent-i > 8 {
			t.Fatalf("instead of offer %d of %d: %.80v", i, sent, e)
		}
		break
	}
	slow.wantEnd(stream.ReasonBehind)
}

// big is a state of user of about 60 KB.
func big(user string, version uint64, topic string) *stream.Publication {
	data := fmt.Appendf(nil, `{"user":%q,"version":%d,"pad":"%s"}`, user, version, pad)
	e := newEvent(stream.Fields{Type: "user.update", Data: data, ID: stream.ID{Version: version, Tag: user}, Effect: stream.Shows})
	return &stream.Publication{User: user, Version: version, Topics: []string{topic}, Unsigned: e, Signed: e}
}

var pad = strings.Repeat("p", 60_000)

func testSlow(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout = patience })
	slow, quick := n.open(t, "a"), n.open(t, "a")
	const states = 500 // 30 MB, above what any socket buffer takes
	for version := range uint64(states) {
		n.publish(t, big("u", version+1, "a"), 2)
	}
	for _, p := range []*page{quick, slow} {
		read := 0
		for last, version := uint64(0), uint64(0); version < states; last = version {
			if e := p.next(); !wantUpdate(e, "u", &version) || version <= last {
				t.Fatalf("after version %d: version %d, %.80v", last, version, e)
			}
			read++
		}
		if read > states/2 {
			t.Errorf("%d of %d states were queued for a reader", read, states)
		}
	}
}

func testDead(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout = time.Second })
	dead, quick := n.open(t, "a"), n.open(t, "a")
	var version uint64
	for began := time.Now(); len(dead.ended) == 0; {
		if time.Since(began) > patience {
			t.Fatal("a stream that nobody reads is still open")
		}
		version++
		n.Publish(connector, big("u", version, "a"))
		for got := uint64(0); got < version; { // which paces this loop
			if e := quick.next(); !wantUpdate(e, "u", &got) {
				t.Fatalf("got %.80v", e)
			}
		}
	}
	dead.wantReason(stream.ReasonSlow)
	n.publish(t, shown("u", version+1, "a"), 1)
	quick.want(wantShown("u", version+1))
}

func testLeaves(t *testing.T, start start) {
	n := start(nil)
	p, stays := n.open(t, "a b"), n.open(t, "b")
	n.publish(t, shown("u", 1, "b"), 2)
	p.leave()
	p.wantReason(stream.ReasonGone)
	n.publish(t, shown("u", 2, "a b"), 1)
	if n.Reaches(connector, []string{"a"}) || !n.Reaches(connector, []string{"b"}) {
		t.Error("the index does not know who left")
	}
	if got := n.Subscribers(connector); len(got) != 1 || got[0] != stays.sub {
		t.Errorf("%d subscribers", len(got))
	}

	// One that leaves while it is written to has left, too.
	p = n.open(t, "d")
	p.leave()
	for version := uint64(1); len(p.ended) == 0; version++ {
		n.Publish(connector, shown("u", version, "d"))
	}
	p.wantReason(stream.ReasonGone)
}

func testEnd(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	n.publish(t, shown("u", 1, "a"), 1)
	p.sub.End(stream.ReasonOrigin, 1500*time.Millisecond)
	p.sub.End(stream.ReasonRevoked, 0) // too late
	n.publish(t, shown("u", 2, "a"), 0)
	p.want(wantShown("u", 1))
	if ms := p.wantClose(stream.ReasonOrigin); ms != 1500 {
		t.Errorf("asked to come back in %d ms, want 1500", ms)
	}
	if got := n.Streams(); got != 0 {
		t.Errorf("%d streams", got)
	}

	// A stream may end before it is served, and still says why.
	p = n.open(t, "a", func(s *stream.Subscriber) {
		s.Greet(greeting("hello"))
		s.End(stream.ReasonRevoked, 0)
	})
	p.want(greeted("hello"))
	p.wantClose(stream.ReasonRevoked)
}

// testEndWithout: the last that a page is told of a user who is taken from it is that they are,
// whatever is published meanwhile.
func testEndWithout(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	n.publish(t, shown("u", 1, "a"), 1)
	p.want(wantShown("u", 1))
	p.sub.EndWithout("another", stream.ReasonRevoked, 0)
	p.wantClose(stream.ReasonRevoked)

	version := uint64(1)
	for range 50 {
		p := n.open(t, "a")
		var publishing sync.WaitGroup
		taken := make(chan struct{})
		publishing.Go(func() {
			for first := true; ; first = false {
				version++
				if count, _ := n.Publish(connector, shown("u", version, "a")); count == 0 {
					return // the stream has ended
				}
				if first {
					close(taken)
				}
			}
		})
		<-taken
		p.next() // so it was shown
		p.sub.EndWithout("u", stream.ReasonRevoked, 0)
		publishing.Wait()
		e := p.next()
		for e.Type == "user.update" {
			e = p.next()
		}
		if e.Type != "user.private" || e.Data != "u" {
			t.Fatalf("got %+v, want user.private of u", e)
		}
		p.wantClose(stream.ReasonRevoked)
	}
}

func testMaxAge(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.MaxAge = 50 * time.Millisecond })
	n.open(t, "a").wantClose(stream.ReasonMaxAge)
}

func testHeartbeat(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.Heartbeat = 20 * time.Millisecond })
	p := n.open(t, "a", func(s *stream.Subscriber) { s.Greet(greeting("hello")) })
	p.want(greeted("hello"))
	for range 3 {
		p.want(Event{"heartbeat", "{}", "", -1})
	}
}

// Over HTTP/2 a write deadline is a timer that ends the stream when it passes,
// whether anything is being written or not: with the defaults, each stream that
// was silent for 10 s died before its first heartbeat at 15 s.
func testSilence(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout, c.Heartbeat = time.Second, 1200*time.Millisecond })
	p := n.open(t, "a", func(s *stream.Subscriber) { s.Greet(greeting("hello")) })
	p.want(greeted("hello"), Event{"heartbeat", "{}", "", -1}, Event{"heartbeat", "{}", "", -1})
	n.publish(t, shown("u", 1, "a"), 1)
	p.want(wantShown("u", 1))
}

func testDrain(t *testing.T, start start) {
	n := start(nil)
	pages := []*page{n.open(t, "a"), n.open(t, "b"), n.open(t, "c")}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- n.Drain(ctx) }()
	for _, p := range pages {
		p.wantClose(stream.ReasonDrain)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if p := n.open(t, "a"); p.err != stream.ErrDraining {
		t.Errorf("a stream opened at a stopping node: error %v", p.err)
	}
	if got := n.Streams(); got != 0 {
		t.Errorf("%d streams", got)
	}
}

func testMaxStreams(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.MaxStreams = 2 })
	p := n.open(t, "a")
	n.open(t, "b")
	for range 2 { // a refused stream takes no place
		if p := n.open(t, "c"); p.err != stream.ErrFull {
			t.Errorf("a third stream of two: error %v", p.err)
		}
	}
	p.leave()
	p.wantReason(stream.ReasonGone)
	if p := n.open(t, "c"); p.err != nil {
		t.Error(p.err)
	}
}

func testMetrics(t *testing.T, start start) {
	n := start(nil)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(n.Metrics()...)
	p, q := n.open(t, "a"), n.open(t, "b")
	state := newEvent(stream.Fields{Data: []byte("state"), Accepted: time.Now(), Path: stream.PathBus, Exemplar: prometheus.Labels{"request_id": "r1"}})
	n.publish(t, &stream.Publication{User: "u", Version: 1, Topics: []string{"a", "b"}, Unsigned: state}, 2)
	p.want(Event{"message", "state", "", -1})
	q.want(Event{"message", "state", "", -1})
	p.sub.End(stream.ReasonRevoked, 0)
	p.wantClose(stream.ReasonRevoked)
	var want strings.Builder
	want.WriteString(`
# HELP hullbeam_stream_closes_total Event streams ended, by reason, counted when the stream is out of the index.
# TYPE hullbeam_stream_closes_total counter
`)
	for _, reason := range stream.Reasons {
		count := 0
		if reason == stream.ReasonRevoked {
			count = 1
		}
		fmt.Fprintf(&want, "hullbeam_stream_closes_total{reason=%q} %d\n", reason, count)
	}
	want.WriteString(``)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want.String()), "hullbeam_stream_closes_total"); err != nil {
		t.Error(err)
	}
	// Each stream's delivery and writes are counted, behind its write: the page may be faster.
	until := func(what string, path string, want uint64) {
		t.Helper()
		for began := time.Now(); observations(t, registry, what, path) != want; {
			if time.Since(began) > patience {
				t.Fatalf("%d of %s counted by path %q, want %d", observations(t, registry, what, path), what, path, want)
			}
		}
	}
	until("hullbeam_delivery_seconds", "bus", 2)
	until("hullbeam_delivery_seconds", "local", 0)
	if got := observations(t, registry, "hullbeam_write_seconds", ""); got < 2 {
		t.Errorf("%d writes counted to two streams", got)
	}
	if diff := cmp.Diff([]string{"request_id=r1"}, exemplars(t, registry)); diff != "" {
		t.Errorf("exemplars of deliveries: -want +got:\n%s", diff)
	}
}

// observations is how many a histogram has.
func observations(t *testing.T, registry *prometheus.Registry, name, path string) (count uint64) {
	for _, m := range gathered(t, registry, name) {
		if len(m.Label) == 0 || m.Label[0].GetValue() == path {
			count += m.Histogram.GetSampleCount()
		}
	}
	return count
}

// exemplars are those of the delivery latencies' buckets.
func exemplars(t *testing.T, registry *prometheus.Registry) (list []string) {
	for _, m := range gathered(t, registry, "hullbeam_delivery_seconds") {
		for _, bucket := range m.Histogram.Bucket {
			for _, label := range bucket.GetExemplar().GetLabel() {
				list = append(list, label.GetName()+"="+label.GetValue())
			}
		}
	}
	return list
}

func gathered(t *testing.T, registry *prometheus.Registry, name string) []*dto.Metric {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.Metric
		}
	}
	return nil
}

// testConcurrent is a small site with all of its parts: users whose states are
// stored and published out of order, and pages that come, read and leave.
func testConcurrent(t *testing.T, start start) {
	n := start(nil)
	const users, pages, states = 5, 40, 300
	site := &site{latest: make([]uint64, users)}
	user := func(i int) (name, topics string) {
		return fmt.Sprintf("u%d", i), fmt.Sprintf("id:%d anonymous_id:%d", i, i)
	}
	open := func(i int) *page {
		name, topics := user(i)
		return n.open(t, topics, func(s *stream.Subscriber) {
			s.Greet(greeting(name))
			if version := site.get(i); version > 0 {
				s.Follow(shown(name, version, topics), rand.IntN(2))
			}
		})
	}
	// Each reads on until its user's last version, whenever it came.
	read := func(p *page, i int, leave bool) {
		defer p.leave()
		name, _ := user(i)
		if e, err, ok := p.read(); !ok || e != greeted(name) {
			t.Errorf("greeted with %+v, error %v", e, err)
			return
		}
		for last, version := uint64(0), uint64(0); version < states; last = version {
			e, err, ok := p.read()
			if !ok || !wantUpdate(e, name, &version) || version <= last {
				t.Errorf("%s: after version %d: %+v, error %v", name, last, e, err)
				return
			}
			if leave && version > states/2 {
				return
			}
		}
	}
	var all []*page
	var readers, writers sync.WaitGroup
	for j := range pages {
		p := open(j % users)
		all = append(all, p)
		readers.Go(func() { read(p, j%users, j%3 == 0) })
	}
	for i := range users {
		name, topics := user(i)
		for range 2 {
			writers.Go(func() {
				for {
					version := site.put(i, states)
					if version == 0 {
						return
					}
					n.Publish(connector, shown(name, version, topics))
				}
			})
		}
	}
	for j := range pages {
		p := open(j % users)
		all = append(all, p)
		readers.Go(func() { read(p, j%users, j%3 == 0) })
	}
	writers.Wait()
	readers.Wait()
	for _, p := range all {
		p.wantReason(stream.ReasonGone)
	}
	if got := n.Streams(); got != 0 {
		t.Errorf("%d streams", got)
	}
	if got := len(n.Subscribers(connector)); got != 0 {
		t.Errorf("%d subscribers", got)
	}
	for i := range users {
		if _, topics := user(i); n.Reaches(connector, strings.Fields(topics)) {
			t.Errorf("%s still lead to a stream", topics)
		}
	}
	for _, p := range all {
		if len(p.ended) > 0 {
			t.Errorf("done was called again, with %s", <-p.ended)
		}
	}
}

// site is a store: it gives versions, and remembers the last.
type site struct {
	mu     sync.Mutex
	latest []uint64
}

func (s *site) get(user int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest[user]
}

// put is the next version; 0 above the last.
func (s *site) put(user int, last uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest[user] == last {
		return 0
	}
	s.latest[user]++
	return s.latest[user]
}
