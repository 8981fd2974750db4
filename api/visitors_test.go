package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store/storetest"
)

// visitorSeen is a visitor as operators are told.
type visitorSeen struct {
	Visitor  string
	Live     bool
	User     *struct{ ID, Name, Email string }
	Segments []string
	Stated   *struct{ Email string } `json:"stated_email"`
	Page     *struct{ URL, Title, Referrer string }
	Tabs     []struct{ Tab, URL string }
	Streams  int
	Views    int
}

// listed is a list as operators get it.
type listed[T any] struct {
	Items []T
	Next  string `json:"next_cursor"`
}

// ask asks an operators' route below the connector's.
func ask[T any](s *server, path string) (answer T) {
	s.t.Helper()
	r := s.do("GET", "/api/v1/connectors/"+ship+path, "", adminKey)
	if r.status != http.StatusOK || r.header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("%s: %d %s", path, r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &answer); err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return answer
}

// pageView is the body of a view of a page of this path, in a tab.
func pageView(token, tab, path, title string) string {
	text, _ := json.Marshal(map[string]string{
		"token": token, "tab": tab, "view": tab + path2id(path), "url": page + path, "title": title, "referrer": "https://search.example/?q=secret",
		"local_time": "2026-01-01T10:00:00+02:00",
	})
	return string(text)
}

func path2id(path string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, path)
}

func (s *server) visitorOf(token string) string { return must(s.tokens.OpenGrant(token)).Visitor }

func TestVisitorsAreLive(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Visitors.Grace = time.Second }})
	s.update(userMessage("u1", `"name":"Ada"`, anonymousIDs(anonymous)))
	token := s.token(claim("anonymous_id", anonymous))
	me := s.visitorOf(token)
	listener := s.listen(token)
	s.viewed(pageView(token, "tab-1", "/products/1?coupon=x#y", "One"))
	s.viewed(pageView(token, "tab-2", "/pricing", "Pricing"))

	live := ask[listed[visitorSeen]](s, "/visitors?live=true")
	if len(live.Items) != 1 {
		t.Fatalf("live: %+v", live)
	}
	v := live.Items[0]
	if v.Visitor != me || !v.Live || v.User == nil || v.User.ID != "u1" || v.Streams != 1 || v.Views != 2 || len(v.Tabs) != 2 {
		t.Errorf("got %+v", v)
	}
	if v.Page == nil || v.Page.URL != page+"/pricing" || v.Page.Referrer != "https://search.example/" {
		t.Errorf("the page: %+v", v.Page)
	}
	listener.cancel()
	storetest.Eventually(t, "the visitor has left", func() bool {
		return len(ask[listed[visitorSeen]](s, "/visitors?live=true").Items) == 0
	})
	if v := ask[visitorSeen](s, "/visitors/"+me); v.Live || v.Views != 2 || v.User == nil || v.Page.Title != "Pricing" {
		t.Errorf("remembered: %+v", v)
	}
}

// liveStream is the live view's event stream, read line by line.
type liveStream struct {
	t    testing.TB
	scan *bufio.Scanner
}

func (s *server) live() *liveStream {
	s.t.Helper()
	req, _ := http.NewRequestWithContext(s.t.Context(), "GET", s.URL+"/api/v1/connectors/"+ship+"/live", nil)
	name, value, _ := strings.Cut(adminKey, ": ")
	req.Header.Set(name, value)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("live: %v %v", res, err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	scan := bufio.NewScanner(res.Body)
	scan.Buffer(nil, 1<<20)
	return &liveStream{s.t, scan}
}

// next is the next event but heartbeats.
func (l *liveStream) next() (event, data string) {
	l.t.Helper()
	for l.scan.Scan() {
		switch line := l.scan.Text(); {
		case strings.HasPrefix(line, "event: "):
			event = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		case line == "" && event != "heartbeat":
			return event, data
		}
	}
	l.t.Fatalf("the live view has ended: %v", l.scan.Err())
	return "", ""
}

func (l *liveStream) expect(event string, parts ...string) (data string) {
	l.t.Helper()
	got, data := l.next()
	if got != event {
		l.t.Fatalf("got %s %s, want %s", got, data, event)
	}
	for _, part := range parts {
		if !strings.Contains(data, part) {
			l.t.Fatalf("%s: got %s, want %s in it", event, data, part)
		}
	}
	return data
}

// offered reads as far as an operator has been told that an offer was sent to one person, and
// that it was delivered. To how many it was sent is known when all nodes have said it: it
// may have been delivered before that.
func (l *liveStream) offered(id string) {
	l.t.Helper()
	told := map[string]string{}
	for told["offer.sent"] == "" || told["offer.delivered"] == "" {
		event, data := l.next()
		told[event] = data
	}
	if sent := told["offer.sent"]; !strings.Contains(sent, `"id":"`+id+`"`) || !strings.Contains(sent, `"live":1`) {
		l.t.Errorf("offer.sent: got %s", sent)
	}
	if got, want := told["offer.delivered"], `{"id":"`+id+`","delivered":1}`; got != want {
		l.t.Errorf("offer.delivered: got %s, want %s", got, want)
	}
}

func TestLiveView(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Visitors.Grace = time.Second }})
	first := s.token(claim("anonymous_id", second))
	s.listen(first)
	l := s.live()
	l.expect("visitor.joined", s.visitorOf(first))
	l.expect("live.ready", `"live":1`)

	token := s.token(claim("anonymous_id", anonymous))
	me := s.visitorOf(token)
	listener := s.listen(token)
	l.expect("visitor.joined", me, `"user":null`)
	s.viewed(pageView(token, "tab-1", "/cart", "Cart"))
	l.expect("visitor.page", me, "/cart", `"views":1`)
	s.update(userMessage("u1", `"name":"Ada"`, anonymousIDs(anonymous)))
	l.expect("visitor.identified", me, `"id":"u1"`)
	if r := s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"Ada@harbor.example"}`); r.status != 202 {
		t.Fatal(r)
	}
	l.expect("visitor.identified", me, `"stated_email":{"email":"ada@harbor.example"`)
	r := s.do("POST", "/api/v1/connectors/"+ship+"/offers", `{"id":"o1","to":{"page":"/ca*"},"data":1}`, adminKey)
	if r.status != 202 || !strings.Contains(string(r.body), `"live":1`) {
		t.Fatalf("offer: %d %s", r.status, r.body)
	}
	l.offered("o1")
	s.beacon("/api/v1/offers/o1/receipt", receipt(token, "seen"))
	l.expect("offer.receipt", `"event":"seen"`, `"seen":1`, me)
	listener.cancel()
	l.expect("visitor.left", me)
}

// What a visitor has typed and looked at is not shown any more once they are erased, though
// they are still there.
func TestErasedVisitorIsNotShownAsBefore(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	s.listen(token)
	s.viewed(pageView(token, "tab-1", "/cart", "Cart"))
	if r := s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"ada@harbor.example"}`); r.status != 202 {
		t.Fatal(r)
	}
	shown := func(v visitorSeen) bool { return v.Stated != nil && v.Views == 1 && v.Page != nil }
	storetest.Eventually(t, "the visitor is shown", func() bool {
		live := ask[listed[visitorSeen]](s, "/visitors?live=true").Items
		return len(live) == 1 && shown(live[0])
	})
	s.erase("/api/v1/connectors/" + ship + "/visitors/" + s.visitorOf(token))
	storetest.Eventually(t, "nothing of before is shown", func() bool {
		v := ask[visitorSeen](s, "/visitors/"+s.visitorOf(token))
		return v.Live && v.Stated == nil && v.Views == 0 && v.Page == nil
	})
}

// An operator is told that all were named, also while they turn from page to page.
func TestLiveViewIsReady(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Visitors.LiveRate, c.Limits.PagesPerVisitor = 4, 0 }})
	var tokens []string
	for i := range 3 {
		tokens = append(tokens, s.token(claim("anonymous_id", fmt.Sprintf("anonymous-%09d", i))))
		s.listen(tokens[i])
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-ended }()
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			for _, token := range tokens {
				s.viewed(pageView(token, "tab-1", fmt.Sprintf("/%d", n), "One of many"))
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond): // more often than an operator is told
			}
		}
	}()
	l, n := s.live(), 0
	for event, _ := l.next(); event != "live.ready"; event, _ = l.next() {
		if n++; n > 20 {
			t.Fatal("20 events of 3 visitors, and it is not ready")
		}
	}
}

// Globs are of addresses as people write them, and as browsers do.
func TestVisitorsByPage(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	s.viewed(pageView(token, "tab-1", "/über uns/team", "Us"))
	for glob, want := range map[string]int{
		"/über uns/*": 1, "/%C3%BCber%20uns/*": 1, page + "/über*/team": 1, page + "/**": 1, "*": 1, "/*": 0, "/uber uns/*": 0,
	} {
		if got := len(ask[listed[visitorSeen]](s, "/visitors?live=true&page="+url.QueryEscape(glob)).Items); got != want {
			t.Errorf("%s: %d visitors, want %d", glob, got, want)
		}
	}
}

// Of a visitor who leaves and comes back an operator is told once a second, too.
func TestLiveViewOfWhoComesBack(t *testing.T) {
	s := start(t, options{noHull: true, config: shortGrace})
	l := s.live()
	l.expect("live.ready")
	token := s.token(claim("anonymous_id", anonymous))
	page := s.listen(token)
	l.expect("visitor.joined")
	left := time.Now()
	page.cancel()
	l.expect("visitor.left") // after a grace period of a second
	s.listen(token)
	l.expect("visitor.joined")
	if after := time.Since(left); after < 1900*time.Millisecond {
		t.Errorf("told again %v after the visitor left, want the grace period and a second", after)
	}
}
