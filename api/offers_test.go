package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

// offerSeen is an offer as operators are told.
type offerSeen struct {
	ID                                                string
	To, Data                                          json.RawMessage
	Sent, Delivered, Seen, Clicked, Dismissed, Capped int
}

func (s *server) sendOffer(body string) reply {
	s.t.Helper()
	return s.do("POST", "/api/v1/connectors/"+ship+"/offers", body, adminKey)
}

// sent sends an offer and checks how many persons were there for it.
func (s *server) sent(body string, live int) {
	s.t.Helper()
	r := s.sendOffer(body)
	if r.status != http.StatusAccepted || !strings.HasSuffix(string(r.body), fmt.Sprintf(`"live":%d}`, live)) {
		s.t.Fatalf("%s: %d %s, want %d live", body, r.status, r.body, live)
	}
}

// offers are the ids of all offers that come, up to one with the id last.
func (l *listener) offers(last string) (ids []string) {
	l.t.Helper()
	for {
		e := l.next()
		if string(e.Event) != "offer" {
			continue
		}
		var o struct{ ID string }
		if err := json.Unmarshal(e.Data, &o); err != nil {
			l.t.Fatal(err)
		}
		if o.ID == last {
			return ids
		}
		ids = append(ids, o.ID)
	}
}

// wantOffers checks which offers have come to a visitor: one more is sent, behind them.
func (s *server) wantOffers(l *listener, want ...string) {
	s.t.Helper()
	last := fmt.Sprintf("last-%d", time.Now().UnixNano())
	s.sent(`{"id":"`+last+`","to":{"visitor":"`+l.visitor+`"},"data":1,"expires_in":"1ms"}`, 1)
	if got := l.offers(last); strings.Join(got, " ") != strings.Join(want, " ") {
		s.t.Errorf("got the offers %v, want %v", got, want)
	}
}

func TestOffersAreForThoseWhomTheyName(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Offers.Cap = 0 }})
	s.update(userMessage("u1", anonymousIDs(anonymous)))
	vip := s.token(claim("anonymous_id", anonymous))
	other := s.token(claim("anonymous_id", second))
	a, b := s.listen(vip), s.listen(other)
	s.viewed(pageView(vip, "t", "/products/1", "One"))
	s.viewed(pageView(other, "t", "/products/1/reviews", "Reviews"))
	for i, c := range []struct {
		to   string
		a, b bool
	}{
		{`{"visitor":"` + a.visitor + `"}`, true, false},
		{`{"topic":"anonymous_id:` + second + `"}`, false, true},
		{`{"topic":"id:u1"}`, false, false}, // nobody has proven it
		{`{"segment":"VIP"}`, true, false},
		{`{"segment":"vip"}`, false, false},
		{`{"page":"/products/*"}`, true, false},
		{`{"page":"/products/**"}`, true, true},
		{`{"page":"https://www.harbor.example/products/1/*"}`, false, true},
		{`{"page":"/"}`, false, false},
		{`{"all":true}`, true, true},
	} {
		live := 0
		var wantA, wantB []string
		id := fmt.Sprintf("o%d", i)
		if c.a {
			live, wantA = live+1, []string{id}
		}
		if c.b {
			live, wantB = live+1, []string{id}
		}
		s.sent(`{"id":"`+id+`","to":`+c.to+`,"data":1,"expires_in":"1ms"}`, live)
		s.wantOffers(a, wantA...)
		s.wantOffers(b, wantB...)
	}
}

func TestOfferIDsAreIdempotencyKeys(t *testing.T) {
	s := start(t, options{noHull: true})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	body := `{"id":"o1","to":{"all":true},"data":{"n":1},"expires_in":"10m"}`
	s.sent(body, 1)
	s.sent(body, 1)
	s.sent(`{"expires_in":"10m0s","id":"o1","data":{ "n": 1 },"to":{"all":true}}`, 1) // the same in other words
	for _, other := range []string{
		`{"id":"o1","to":{"all":true},"data":{"n":2},"expires_in":"10m"}`,
		`{"id":"o1","to":{"all":true},"data":{"n":1},"expires_in":"11m"}`,
		`{"id":"o1","to":{"page":"/"},"data":{"n":1},"expires_in":"10m"}`,
	} {
		if r := s.sendOffer(other); r.status != http.StatusConflict || r.code() != "conflict" {
			t.Errorf("%s: %d %s", other, r.status, r.body)
		}
	}
	s.wantOffers(l, "o1")
	if o := ask[offerSeen](s, "/offers/o1"); o.Sent != 1 || string(o.Data) != `{"n":1}` || string(o.To) != `{"all":true}` {
		t.Errorf("got %+v", o)
	}
	if r := s.do("GET", "/api/v1/connectors/"+ship+"/offers/unknown", "", adminKey); r.code() != "not_found" {
		t.Errorf("an unknown offer: %d %s", r.status, r.body)
	}
	if list := ask[listed[offerSeen]](s, "/offers?limit=1"); len(list.Items) != 1 || list.Next == "" {
		t.Errorf("a part of the list: %+v", list)
	}
}

// An offer that is sent while a visitor is between two pages comes with the next, and
// once it was seen it does not come again.
func TestOffersWaitForTheNextPage(t *testing.T) {
	s := start(t, options{noHull: true})
	key := s.visitorKey()
	token := s.token(again(key))
	l := s.listen(token)
	l.cancel()
	storetest.Eventually(t, "the page is left", func() bool { return s.broker.Streams() == 0 })
	s.sent(`{"id":"o1","to":{"visitor":"`+l.visitor+`"},"data":1}`, 0)
	next := s.listen(s.token(again(key)))
	for string(next.next().Event) != "offer" {
	}
	if r := s.beacon("/api/v1/offers/o1/receipt", receipt(token, "dismissed")); r.status != http.StatusAccepted {
		t.Fatalf("receipt: %d %s", r.status, r.body)
	}
	s.wantOffers(next)
	s.wantOffers(s.listen(s.token(again(key))))
	storetest.Eventually(t, "the funnel counts it", func() bool {
		o := ask[offerSeen](s, "/offers/o1")
		return o.Sent == 1 && o.Delivered == 1 && o.Dismissed == 1
	})
}

// visitorKey is a new visitor's.
func (s *server) visitorKey() string {
	s.t.Helper()
	r := s.do("POST", "/api/v1/connectors/"+ship+"/token", claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json")
	var answer struct {
		Key string `json:"visitor_key"`
	}
	if err := json.Unmarshal(r.body, &answer); err != nil || answer.Key == "" {
		s.t.Fatalf("token: %d %s", r.status, r.body)
	}
	return answer.Key
}

// again is a token request of a visitor who was there before.
func again(key string) string {
	return `{"claims":{"anonymous_id":"` + anonymous + `"},"visitor_key":"` + key + `"}`
}

// A person with two browsers gets an offer in the one that was used last; one with two
// tabs in both, which agree on who shows it.
func TestOffersComeOnceToAPerson(t *testing.T) {
	s := start(t, options{noHull: true})
	s.update(userMessage("u1", anonymousIDs(anonymous)))
	first, last := s.token(claim("anonymous_id", anonymous)), s.token(claim("anonymous_id", anonymous))
	old := s.listen(first)
	tabs := []*listener{s.listen(last), s.listen(last)}
	s.sent(`{"id":"o1","to":{"all":true},"data":1}`, 1)
	for _, tab := range tabs {
		s.wantOffersOf(tab, tabs, "o1")
	}
	s.wantOffers(old)
	s.wantOffers(s.listen(first))
}

// wantOffersOf is wantOffers for one of several tabs, which get what is sent behind, too.
func (s *server) wantOffersOf(l *listener, tabs []*listener, want ...string) {
	s.t.Helper()
	if l == tabs[0] {
		s.sent(`{"id":"last","to":{"visitor":"`+l.visitor+`"},"data":1,"expires_in":"1ms"}`, 1)
	}
	if got := l.offers("last"); strings.Join(got, " ") != strings.Join(want, " ") {
		s.t.Errorf("got the offers %v, want %v", got, want)
	}
}

func TestOfferCap(t *testing.T) {
	clock := clockAt(time.Now())
	s := start(t, options{noHull: true, now: clock.now, store: func(*store.Config) {}, config: func(c *api.Config) { c.Offers.Cap = 2 }})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	for i, live := range []int{1, 1, 0} {
		s.sent(fmt.Sprintf(`{"id":"o%d","to":{"all":true},"data":1}`, i), live)
	}
	s.sent(`{"id":"direct","to":{"visitor":"`+l.visitor+`"},"data":1}`, 1)
	s.wantOffers(l, "o0", "o1", "direct")
	if o := ask[offerSeen](s, "/offers/o2"); o.Capped != 1 || o.Sent != 0 {
		t.Errorf("got %+v", o)
	}
}

// Whoever enters a segment, or turns to a page, gets the offers to it that wait.
func TestOffersWaitForSegmentsAndPages(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	l := s.listen(token)
	s.sent(`{"id":"segment","to":{"segment":"VIP"},"data":1}`, 0)
	s.sent(`{"id":"page","to":{"page":"/pricing"},"data":1}`, 0)
	s.viewed(pageView(token, "t", "/pricing", "Pricing"))
	if got := l.offers("page"); len(got) > 0 {
		t.Errorf("got %v before", got)
	}
	s.update(userMessage("u1", anonymousIDs(anonymous)))
	if got := l.offers("segment"); len(got) > 0 {
		t.Errorf("got %v before", got)
	}
}

func TestExpiredOffersDoNotWait(t *testing.T) {
	clock := clockAt(time.Now())
	s := start(t, options{noHull: true, now: clock.now, store: func(*store.Config) {}})
	token := s.token(claim("anonymous_id", anonymous))
	visitor := s.visitorOf(token)
	s.sent(`{"id":"short","to":{"visitor":"`+visitor+`"},"data":1,"expires_in":"10m"}`, 0)
	s.sent(`{"id":"long","to":{"visitor":"`+visitor+`"},"data":1,"expires_in":"11m"}`, 0)
	clock.pass(10 * time.Minute)
	if got := s.listen(token).offers("long"); len(got) > 0 {
		t.Errorf("got %v, which have expired", got)
	}
}
