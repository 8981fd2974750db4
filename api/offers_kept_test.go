package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

// browser is a page that comes back as the same visitor.
type browser struct{ Token, Visitor, VisitorKey string }

// browse asks for a token as the page of a browser; with its zero value, of a new one.
func (s *server) browse(b browser, anonymousID string) browser {
	s.t.Helper()
	body := `{"claims":{"anonymous_id":"` + anonymousID + `"},"visitor_key":"` + b.VisitorKey + `"}`
	r := s.do("POST", "/api/v1/connectors/"+ship+"/token", body, "Origin: "+page, "Content-Type: application/json")
	var answer struct {
		browser
		Key string `json:"visitor_key"`
	}
	if err := json.Unmarshal(r.body, &answer); err != nil || b.Visitor != "" && answer.Visitor != b.Visitor {
		s.t.Fatalf("token: %d %s", r.status, r.body)
	}
	answer.VisitorKey = answer.Key
	return answer.browser
}

// present waits until so many visitors are there.
func (s *server) present(n int) {
	s.t.Helper()
	storetest.Eventually(s.t, fmt.Sprintf("%d are there", n), func() bool {
		return len(ask[listed[visitorSeen]](s, "/visitors?live=true").Items) == n
	})
}

// signedOut is the browser of a user, who was signed in before, and is not now.
func (s *server) signedOut() browser {
	s.t.Helper()
	s.update(userMessage("u1", anonymousIDs(anonymous)))
	b := s.browse(browser{}, anonymous)
	page := s.listen(b.Token)
	page.expect("user.update")
	storetest.Eventually(s.t, "the visitor is the user", func() bool {
		records := must(s.store.Visitors(s.t.Context(), ship, []string{b.Visitor}))
		return len(records) == 1 && records[0].UserID == "u1"
	})
	page.cancel()
	s.present(0)
	return s.browse(b, second)
}

func shortGrace(c *api.Config) { c.Visitors.Grace = time.Second }

// An offer that waited for somebody whom only the store knows counts as delivered.
func TestOfferToWhoWasKnown(t *testing.T) {
	s := start(t, options{noHull: true, config: shortGrace})
	b := s.signedOut()
	s.postOffer(`{"id":"o1","to":{"segment":"VIP"},"data":1}`)
	for page := s.listen(b.Token); string(page.next().Event) != "offer"; {
	}
	storetest.Eventually(t, "it is counted", func() bool { return ask[struct{ Delivered int }](s, "/offers/o1").Delivered == 1 })
}

// A person is sent an offer once, also when one of the browsers is signed out.
func TestOfferOnceOverBrowsers(t *testing.T) {
	s := start(t, options{noHull: true, config: shortGrace})
	s.listen(s.signedOut().Token)
	s.listen(s.token(claim("anonymous_id", anonymous))).expect("user.update")
	s.present(2)
	for _, to := range []string{`{"all":true}`, `{"segment":"VIP"}`} {
		if live := s.postOffer(`{"to":` + to + `,"data":1}`); live != 1 {
			t.Errorf("to %s: sent to %d persons, want 1", to, live)
		}
	}
}

// moody is a store that is away when it wants.
type moody struct {
	store.Store
	claims, visitors atomic.Bool
}

func (m *moody) wrap(s store.Store) store.Store {
	m.Store = s
	return m
}

func (m *moody) Visitors(ctx context.Context, connectorID string, ids []string) ([]store.Visitor, error) {
	if m.visitors.Load() {
		return nil, store.ErrUnavailable
	}
	return m.Store.Visitors(ctx, connectorID, ids)
}

func (m *moody) ClaimOffers(ctx context.Context, connectorID string, claims []store.Claim) ([]bool, error) {
	if m.claims.Load() {
		return nil, store.ErrUnavailable
	}
	return m.Store.ClaimOffers(ctx, connectorID, claims)
}

// says waits for a line of the log.
func (s *server) says(line string) {
	s.t.Helper()
	storetest.Eventually(s.t, "the log has: "+line, func() bool { return strings.Contains(s.log.String(), line) })
}

// An offer that cannot be sent when its visitor comes is sent when the store is back.
func TestOfferWaitsForTheStore(t *testing.T) {
	away := &moody{}
	s := start(t, options{noHull: true, store: func(*store.Config) {}, wrap: away.wrap})
	token := s.token(claim("anonymous_id", anonymous))
	s.postOffer(`{"to":{"visitor":"` + s.visitorOf(token) + `"},"data":1}`)
	away.claims.Store(true)
	page := s.listen(token)
	s.says("sending the offers that wait")
	away.claims.Store(false)
	for string(page.next().Event) != "offer" {
	}
}

// An offer that was kept but not sent is sent when the operator posts it again.
func TestOfferPostedAgain(t *testing.T) {
	away := &moody{}
	s := start(t, options{noHull: true, store: func(*store.Config) {}, wrap: away.wrap})
	token := s.token(claim("anonymous_id", anonymous))
	page := s.listen(token)
	s.postOffer(`{"id":"first","to":{"visitor":"` + s.visitorOf(token) + `"},"data":1}`)
	for string(page.next().Event) != "offer" {
	}
	away.claims.Store(true)
	body := `{"id":"o1","to":{"visitor":"` + s.visitorOf(token) + `"},"data":1}`
	if r := s.do("POST", "/api/v1/connectors/"+ship+"/offers", body, adminKey); r.status != 503 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	away.claims.Store(false)
	s.postOffer(body)
	page.expect("offer")
	s.postOffer(body)
	s.nothing(page)
}

// What a live view cannot read it reads when the store is back.
func TestLiveViewWaitsForTheStore(t *testing.T) {
	away := &moody{}
	s := start(t, options{noHull: true, store: func(*store.Config) {}, wrap: away.wrap})
	token := s.token(claim("anonymous_id", anonymous))
	s.listen(token)
	l := s.live()
	l.expect("visitor.joined")
	l.expect("live.ready")
	away.visitors.Store(true)
	s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"ada@harbor.example"}`)
	s.says("reading who is live")
	away.visitors.Store(false)
	l.expect("visitor.identified", "ada@harbor.example")
}

// An offer that was sent long ago, came just now and went down with its connection comes
// again, whatever the page saw of newer events.
func TestOldOfferIsResumed(t *testing.T) {
	var ago atomic.Int64
	ago.Store(int64(time.Hour))
	s := start(t, options{noHull: true, now: func() time.Time { return time.Now().Add(-time.Duration(ago.Load())) }})
	s.postOffer(`{"id":"o1","to":{"segment":"VIP"},"data":1}`)
	ago.Store(0)
	s.update(userMessage("u1", anonymousIDs(anonymous)))
	token := s.token(claim("anonymous_id", anonymous))
	page := s.listen(token)
	saw := page.expect("user.update")
	page.expect("offer")
	storetest.Eventually(t, "it is delivered", func() bool { return ask[struct{ Delivered int }](s, "/offers/o1").Delivered == 1 })
	page.cancel()
	s.listen(token, "Last-Event-ID: "+string(saw.ID)).expect("offer")
}

// A receipt counts at a node that knows the visitor as who it was before.
func TestClusterReceiptOfWhoTheVisitorWas(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true, canary: 5 * time.Second})
	before, now := c.all[0], c.all[1]
	before.update(userMessage("u1", anonymousIDs(anonymous)))
	before.update(userMessage("u2", anonymousIDs(second)))
	b := before.browse(browser{}, anonymous)
	page := before.listen(b.Token)
	page.expect("user.update")
	page.cancel()
	b = before.browse(b, second)
	page = now.listen(b.Token)
	page.expect("user.update")
	now.postOffer(`{"id":"o1","to":{"all":true},"data":1}`)
	page.expect("offer")
	storetest.Eventually(t, "the visitor is the other user", func() bool {
		records := must(now.store.Visitors(t.Context(), ship, []string{b.Visitor}))
		return len(records) == 1 && records[0].UserID == "u2"
	})
	if r := before.beacon("/api/v1/offers/o1/receipt", receipt(b.Token, "clicked")); r.status != 202 {
		t.Errorf("%d %s", r.status, r.body)
	}
}
