package api_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

const streamsPath = "/api/v1/connectors/" + ship + "/streams"

func ofTopic(topic string) string { return streamsPath + "?topic=" + url.QueryEscape(topic) }

// revoke ends streams as an operator.
func (s *server) revoke(path string) {
	s.t.Helper()
	if r := s.do("DELETE", path, "", adminKey); r.status != http.StatusNoContent || len(r.body) > 0 {
		s.t.Fatalf("revoke %s: %d %s", path, r.status, r.body)
	}
}

// refuses tells whether a token is refused, by every route that takes one.
func (s *server) refuses(token string) bool {
	s.t.Helper()
	posts := []string{
		s.beacon("/api/v1/pages", `{"token":"`+token+`","url":"https://www.harbor.example/","tab":"t1"}`).code(),
		s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"ada@harbor.example"}`).code(),
		s.beacon("/api/v1/offers/o1/receipt", `{"token":"`+token+`","event":"seen"}`).code(),
	}
	if !slices.Contains(posts, "token_invalid") {
		return false
	}
	if code := s.do("GET", "/api/v1/stream?token="+token, "").code(); code != "token_invalid" || len(slices.Compact(posts)) > 1 {
		s.t.Errorf("not by every route: a stream %s, others %v", code, posts)
	}
	return true
}

func (l *listener) expectRevoked() {
	l.t.Helper()
	if e := l.expect("close"); !strings.Contains(string(e.Data), `"revoked"`) {
		l.t.Errorf("got %s", e.Data)
	}
}

// A user's streams end, and their tokens are refused, by whatever topic they were opened;
// others go on, and a new token is good.
func TestRevokeUser(t *testing.T) {
	s := start(t, options{private: everyClaim})
	s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	s.update(userMessage("u2", plan("free"), `"email":"bo@harbor.example"`))
	adas := []string{s.token(claim("anonymous_id", anonymous)), s.token(claim("email", "ada@harbor.example")), s.token(claim("id", "u1"))}
	bos := s.token(claim("email", "bo@harbor.example"))
	other := s.listen(bos)
	other.expectPlan("free")
	var pages []*listener
	for _, token := range adas {
		page := s.listen(token)
		page.expectPlan("pro")
		pages = append(pages, page)
	}
	s.revoke(ofTopic("email:ADA@harbor.example"))
	for i, page := range pages {
		page.expectRevoked()
		if !s.refuses(adas[i]) {
			t.Errorf("token %d is good still", i)
		}
	}
	s.listen(s.token(claim("email", "ada@harbor.example"))).expectPlan("pro")
	if s.refuses(bos) {
		t.Error("another user's token is refused")
	}
	s.update(userMessage("u2", plan("team"), `"email":"bo@harbor.example"`))
	other.expectPlan("team")
	if got := s.metric("hullbeam_revocations_total", "of", "user"); got != 1 {
		t.Errorf("counted: %v", got)
	}
}

// So do those of a topic that leads to nobody, and all of a connector.
func TestRevokeTopicAndConnector(t *testing.T) {
	s := start(t, options{private: everyClaim})
	nobodys, others := s.token(claim("anonymous_id", anonymous)), s.token(claim("anonymous_id", second))
	page := s.listen(others)
	s.revoke(ofTopic("anonymous_id:" + anonymous))
	if !s.refuses(nobodys) || s.refuses(others) {
		t.Errorf("refused: %v %v", s.refuses(nobodys), s.refuses(others))
	}
	s.revoke(streamsPath)
	page.expect("cache.miss")
	page.expect("user.error")
	page.expectRevoked()
	if !s.refuses(others) || s.refuses(s.token(claim("anonymous_id", second))) {
		t.Error("the token from before is good, or that from after is not")
	}
	for _, of := range []string{"topic", "connector"} {
		if got := s.metric("hullbeam_revocations_total", "of", of); got != 1 {
			t.Errorf("%s: counted %v", of, got)
		}
	}
}

// What is not clear ends nothing.
func TestRevokeRefusals(t *testing.T) {
	s := start(t, options{private: everyClaim})
	token := s.token(claim("anonymous_id", anonymous))
	for name, c := range map[string]struct{ path, code string }{
		"an empty topic":       {streamsPath + "?topic=", "invalid_request"},
		"no kind":              {streamsPath + "?topic=ada", "invalid_request"},
		"another kind":         {ofTopic("visitor:v_1"), "invalid_request"},
		"two topics":           {ofTopic("id:a") + "&topic=id:b", "invalid_request"},
		"a misspelt parameter": {streamsPath + "?topics=id:u1", "invalid_request"},
		"too long":             {ofTopic("id:" + strings.Repeat("x", 2000)), "invalid_request"},
		"an unknown connector": {"/api/v1/connectors/5c0fa1fbe6e53d5e4b1affff/streams", "connector_unknown"},
	} {
		if r := s.do("DELETE", c.path, "", adminKey); r.code() != c.code {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := s.do("DELETE", streamsPath, ""); r.code() != "unauthorized" {
		t.Errorf("without a key: %d %s", r.status, r.body)
	}
	if s.refuses(token) {
		t.Error("a token was revoked")
	}
}

// A restart forgets nothing.
func TestRevocationsStay(t *testing.T) {
	o := options{private: everyClaim, directory: t.TempDir()}
	var revoked, good string
	t.Run("before", func(t *testing.T) {
		s := start(t, o)
		revoked, good = s.token(claim("anonymous_id", anonymous)), s.token(claim("anonymous_id", second))
		s.revoke(ofTopic("anonymous_id:" + anonymous))
	})
	s := start(t, o)
	if !s.refuses(revoked) || s.refuses(good) {
		t.Errorf("refused: %v %v", s.refuses(revoked), s.refuses(good))
	}
}

// A connector that is deleted and put in again does not take the tokens of before.
func TestRevocationsOutliveTheConnector(t *testing.T) {
	s := start(t, options{private: everyClaim})
	token := s.token(claim("anonymous_id", anonymous))
	if r := s.do("DELETE", "/api/v1/connectors/"+ship, "", adminKey); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	s.putConnector(options{private: everyClaim})
	if !s.refuses(token) || s.refuses(s.token(claim("anonymous_id", anonymous))) {
		t.Error("the token of before the deletion is good, or a new one is not")
	}
}

// Who is erased is told so, then their streams end, and their tokens are refused.
func TestEraseRevokes(t *testing.T) {
	s := start(t, options{private: everyClaim})
	s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	token, nobodys := s.token(claim("anonymous_id", anonymous)), s.token(claim("anonymous_id", second))
	page, other := s.listen(token), s.listen(nobodys)
	page.expectPlan("pro")
	s.erase(userPath("email:ada@harbor.example"))
	page.expect("user.private")
	page.expectRevoked()
	s.record(s.visitorOf(nobodys))
	s.erase("/api/v1/connectors/" + ship + "/visitors/" + s.visitorOf(nobodys))
	other.expect("cache.miss")
	other.expect("user.error")
	other.expectRevoked()
	for _, token := range []string{token, nobodys} {
		if !s.refuses(token) {
			t.Error("a token of whom was erased is good")
		}
	}
}

// Another node ends its streams and refuses the tokens, also when the bus was cut
// meanwhile, and whatever Redis has lost since.
func TestClusterRevoke(t *testing.T) {
	for name, cut := range map[string]bool{"told": false, "missed": true} {
		t.Run(name, func(t *testing.T) { clusterRevoke(t, cut) })
	}
}

func clusterRevoke(t *testing.T, cut bool) {
	c := startNodes(t, 2, options{private: everyClaim, noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)), userMessage("u2", plan("free"), anonymousIDs(second)))
	token, erased := b.token(claim("anonymous_id", anonymous)), b.token(claim("anonymous_id", second))
	page, gone := b.listen(token), b.listen(erased)
	page.expectPlan("pro")
	gone.expectPlan("free")
	c.settle()
	if cut {
		c.cutBus(1)
	}
	began := time.Now()
	a.revoke(ofTopic("id:u1"))
	if cut {
		c.healBus(1)
	}
	page.expectRevoked()
	if took := time.Since(began); !cut && took > 2*time.Second {
		t.Errorf("ended after %v, want 2 s at most", took)
	}
	for _, s := range c.all {
		if !s.refuses(token) || s.refuses(erased) {
			t.Error("a node does not refuse the token, or another one")
		}
	}
	c.settle()
	a.erase(userPath("id:u2"))
	gone.expect("user.private")
	if e := gone.expect("close"); !strings.Contains(string(e.Data), `"revoked"`) && !strings.Contains(string(e.Data), `"identity_changed"`) {
		t.Errorf("got %s", e.Data)
	}
	storetest.Eventually(t, "the other node refuses the token", func() bool { return b.refuses(erased) })
	c.redis.Do("FLUSHALL")
	storetest.Eventually(t, "it is written back", func() bool {
		left, err := a.store.Revocations(t.Context(), ship, time.Time{})
		return err == nil && len(left) >= 2
	})
}

// A node whose clock is a little behind, or was set back, revokes what was made since
// another one has revoked something.
func TestRevokeBehindARevocation(t *testing.T) {
	var ahead atomic.Int64
	ahead.Store(int64(3 * time.Second))
	s := start(t, options{private: everyClaim, now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	s.revoke(ofTopic("anonymous_id:" + second)) // as by a node whose clock is 3 s ahead
	ahead.Store(0)
	token := s.token(claim("anonymous_id", anonymous))
	s.revoke(ofTopic("anonymous_id:" + anonymous))
	if !s.refuses(token) {
		t.Error("the token of another topic is good")
	}
	again := s.token(claim("anonymous_id", second))
	p := s.listen(again)
	p.expect("cache.miss")
	p.expect("user.error")
	s.revoke(ofTopic("anonymous_id:" + second))
	if !s.refuses(again) {
		t.Error("the token of the same topic is good")
	}
	p.expectRevoked()
}

// One of all tokens says what those before it do: what is known does not stay full, for else
// every revocation after it would be one of all.
func TestRevocationOfAllTakesTheirPlace(t *testing.T) {
	s := start(t, options{private: everyClaim})
	token := s.token(claim("anonymous_id", anonymous))
	s.revoke(ofTopic("anonymous_id:" + anonymous))
	s.revoke(ofTopic("anonymous_id:" + second))
	s.revoke(streamsPath)
	if got := s.api.Revocations(ship); got != 1 {
		t.Errorf("known: got %d, want 1", got)
	}
	s.revoke(ofTopic("anonymous_id:" + second))
	if got := s.api.Revocations(ship); got != 2 || !s.refuses(token) {
		t.Errorf("known: got %d, want 2; refused: %v", got, s.refuses(token))
	}
}

// A token that was asked for between the revocation and the deletion does not outlive the
// connector either.
func TestTokensOfADeletionEnd(t *testing.T) {
	d := &deleting{}
	s := start(t, options{private: everyClaim, store: func(*store.Config) {}, wrap: func(of store.Store) store.Store { d.Store = of; return d }})
	var token string
	d.meanwhile = func() { token = s.token(claim("anonymous_id", anonymous)) }
	if r := s.do("DELETE", "/api/v1/connectors/"+ship, "", adminKey); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	s.putConnector(options{private: everyClaim})
	if !s.refuses(token) || s.refuses(s.token(claim("anonymous_id", anonymous))) {
		t.Error("the token of during the deletion is good, or a new one is not")
	}
}

// deleting is a store in which something happens while a connector is deleted.
type deleting struct {
	store.Store
	meanwhile func()
}

func (d *deleting) DeleteConnector(ctx context.Context, id string) error {
	d.meanwhile()
	return d.Store.DeleteConnector(ctx, id)
}
