package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

func (s *server) erase(path string) {
	s.t.Helper()
	if r := s.do("DELETE", path, "", adminKey); r.status != 204 || len(r.body) > 0 {
		s.t.Fatalf("erase %s: %d %s", path, r.status, r.body)
	}
	s.quiet()
}

// at is the member of a user that says when Hull has computed them.
func at(t time.Time) string {
	return `"indexed_at":"` + t.UTC().Format(time.RFC3339Nano) + `"`
}

// report is what the pretend Hull says of a user.
func (s *server) report(report string) {
	s.t.Helper()
	if err := s.hull.PutReport(ship, json.RawMessage(report)); err != nil {
		s.t.Fatal(err)
	}
}

// A user who is erased is nowhere any more: their pages are told, nothing is kept, and for
// 30 days neither an older state nor a look-up brings them back. A newer state does.
func TestEraseUser(t *testing.T) {
	now := time.Now()
	s := start(t, options{private: everyClaim})
	s.update(userMessage("u1", plan("pro"), `"email":"ada+x@harbor.example"`, anonymousIDs(anonymous), at(now.Add(-time.Hour))))
	page := s.listen(s.token(claim("anonymous_id", anonymous)))
	page.expectPlan("pro")
	s.erase(userPath("email:ada+x@harbor.example"))
	if e := page.expect("user.private"); string(e.Data) != `{"user":{"id":"u1"}}` {
		t.Errorf("got %s", e.Data)
	}
	page.expect("close")
	for _, snap := range must(s.store.Snapshots(t.Context(), ship, []string{"u1"})) {
		if strings.Contains(string(snap.State), "ada") || len(snap.Topics) > 0 {
			t.Errorf("kept: %s %v", snap.State, snap.Topics)
		}
	}
	for _, topic := range []string{"email:ada+x@harbor.example", "anonymous_id:" + anonymous, "id:u1"} {
		if e := s.explain(topic); e.User != nil || !strings.Contains(e.failing(), "erased cached") || !strings.Contains(e.gate("erased"), "Until ") {
			t.Errorf("%s: %+v", topic, e)
		}
	}

	s.update(userMessage("u1", plan("older"), anonymousIDs(anonymous), at(now.Add(-time.Minute))))
	s.report(`{"id":"u1","email":"ada+x@harbor.example","traits_plan":"reported","anonymous_ids":["` + anonymous + `"]}`)
	for _, c := range []string{claim("anonymous_id", anonymous), claim("email", "ada+x@harbor.example"), claim("id", "u1")} {
		l := s.listen(s.token(c))
		l.expect("cache.miss")
		l.expect("user.error")
	}
	if got := s.metric("hullbeam_lookups_total", "result", "erased"); got != 3 {
		t.Errorf("look-ups that an erasure refused: %v", got)
	}

	s.update(userMessage("u1", plan("back"), `"email":"ada+x@harbor.example"`, anonymousIDs(anonymous), at(time.Now().Add(time.Minute))))
	s.quiet() // nodes have heard that the address leads somewhere again
	s.listen(s.token(claim("email", "ada+x@harbor.example"))).expectPlan("back")
	if e := s.explain("id:u1"); strings.Contains(e.failing(), "erased") {
		t.Errorf("not lifted: %+v", e.Gates)
	}
	if got := s.metric("hullbeam_erasures_total", "of", "user"); got != 1 {
		t.Errorf("counted: %v", got)
	}
}

// An identifier can be erased of which nobody is stored: whom Hull knows by it is not
// looked up, under whatever id, and an older state of theirs is not taken.
func TestEraseOfNobodyStored(t *testing.T) {
	now := time.Now()
	s := start(t, options{private: everyClaim})
	s.report(`{"id":"u1","email":"ada@harbor.example","traits_plan":"reported","anonymous_ids":["` + anonymous + `"]}`)
	s.erase(userPath("email:ada@harbor.example"))
	for _, c := range []string{claim("email", "ada@harbor.example"), claim("anonymous_id", anonymous), `{"claims":{"id":"u1","email":"ada@harbor.example"}}`} {
		l := s.listen(s.token(c))
		l.expect("cache.miss")
		l.expect("user.error")
	}
	if got := s.metric("hullbeam_lookups_total", "result", "erased"); got != 3 {
		t.Errorf("look-ups that an erasure refused: %v", got)
	}

	page := s.listen(s.token(claim("id", "u2")))
	page.expect("cache.miss")
	page.expect("user.error")
	s.update(userMessage("u2", plan("older"), `"email":"ada@harbor.example"`, at(now.Add(-time.Minute))), userMessage("u3", plan("other"), `"email":"bo@harbor.example"`, at(now.Add(-time.Minute))))
	s.quiet()
	if got := s.metric("hullbeam_updates_total", "result", "erased"); got != 1 {
		t.Errorf("older states that were refused: %v", got)
	}
	for _, topic := range []string{"email:ada@harbor.example", "id:u2"} {
		if snap, _, err := s.store.Find(t.Context(), ship, []string{topic}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s leads to %s %s: %v", topic, snap.UserID, snap.State, err)
		}
	}
	s.listen(s.token(claim("email", "bo@harbor.example"))).expectPlan("other")

	s.update(userMessage("u4", plan("newer"), `"email":"ada@harbor.example"`)) // whose time is unknown
	s.quiet()
	s.listen(s.token(claim("email", "ada@harbor.example"))).expectPlan("newer")
	s.update(userMessage("u4", plan("another"), `"email":"ada@harbor.example"`, anonymousIDs(second), at(now.Add(-30*time.Second))))
	s.quiet()
	s.listen(s.token(claim("anonymous_id", second))).expectPlan("another") // it was lifted
}

// Other identifiers of a stream have Hull asked all the same.
func TestErasedIdentifierBesideAnother(t *testing.T) {
	s := start(t, options{private: everyClaim})
	s.report(`{"id":"u2","email":"bo@harbor.example","traits_plan":"pro"}`)
	s.erase(userPath("anonymous_id:" + anonymous))
	l := s.listen(s.token(`{"claims":{"email":"bo@harbor.example","anonymous_id":"` + anonymous + `"}}`))
	l.expect("cache.miss")
	l.expectPlan("pro")
}

// An erasure ends after 30 days: Hull is asked again.
func TestErasuresEnd(t *testing.T) {
	if store.ErasureLife != 30*24*time.Hour {
		t.Errorf("an erasure is remembered for %v", store.ErasureLife)
	}
	if *onRedis {
		return // whose clock cannot be moved: see TestRedisErasuresEnd in package store
	}
	clock := clockAt(time.Now())
	s := start(t, options{private: everyClaim, now: clock.now, store: func(c *store.Config) { c.Now = clock.now }})
	s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, at(clock.now().Add(-time.Hour))))
	s.report(`{"id":"u1","email":"ada@harbor.example","traits_plan":"reported"}`)
	s.erase(userPath("id:u1"))
	clock.pass(store.ErasureLife - time.Minute)
	l := s.listen(s.token(claim("email", "ada@harbor.example")))
	l.expect("cache.miss")
	l.expect("user.error")
	clock.pass(2 * time.Minute)
	l = s.listen(s.token(claim("email", "ada@harbor.example")))
	l.expect("cache.miss")
	l.expectPlan("reported")
	if e := s.explain("id:u1"); strings.Contains(e.failing(), "erased") {
		t.Errorf("not over: %+v", e.Gates)
	}
}

// Nodes drop what waits for Hull of who is erased at another one, and tell their pages.
func TestClusterErase(t *testing.T) {
	calls := record(t)
	calls.refuses.Store(http.StatusInternalServerError)
	c := startNodes(t, 2, options{private: tracking, firehose: calls.URL})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	token := b.token(claim("anonymous_id", anonymous))
	page := b.listen(token)
	page.expect("user.update")
	b.viewed(view(token, "queued"))
	storetest.Eventually(t, "it was tried", func() bool { return b.metric("hullbeam_firehose_requests_total", "result", "failed") > 0 })
	a.erase(userPath("email:ada@harbor.example"))
	page.expect("user.private")
	page.expect("close")
	calls.refuses.Store(0)
	storetest.Eventually(t, "nothing waits", func() bool { return b.metric("hullbeam_firehose_queue") == 0 })
	if got := b.metric("hullbeam_firehose_entries_total", "result", "dropped_forgotten"); got != 1 {
		t.Errorf("%v forgotten", got)
	}
	b.report(`{"id":"u1","email":"ada@harbor.example","anonymous_ids":["` + anonymous + `"]}`)
	again := b.listen(b.token(claim("anonymous_id", anonymous)))
	again.expect("cache.miss")
	again.expect("user.error")
	b.update(userMessage("u1", plan("older"), `"email":"ada@harbor.example"`, at(time.Now().Add(-time.Hour))))
	c.settle()
	if e := a.explain("email:ada@harbor.example"); e.User != nil || !strings.Contains(e.failing(), "erased cached") || !strings.Contains(e.gate("stream"), "On other nodes") {
		t.Errorf("got %+v", e)
	}
}

// While states come, an erasure leaves nobody stored by what is older.
func TestEraseWhileOlderStatesCome(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	old := time.Now().Add(-time.Hour)
	for i := range 20 {
		email := fmt.Sprint("ada", i, "@harbor.example")
		var writing sync.WaitGroup
		for j := range 4 {
			writing.Go(func() {
				s.update(userMessage(fmt.Sprint("u", i, "-", j), plan("old"), `"email":"`+email+`"`, at(old)))
			})
		}
		writing.Go(func() { s.erase(userPath("email:" + email)) })
		writing.Wait()
		s.quiet()
		if snap, _, err := s.store.Find(t.Context(), ship, []string{"email:" + email}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s leads to %s: %v", email, snap.UserID, err)
		}
	}
}

// visited records a page view of a visitor, and whose they are; "": nobody knows.
func (s *server) visited(visitor, userID string) {
	s.t.Helper()
	now := time.Now()
	must(s.store.Record(s.t.Context(), []store.Visit{{ConnectorID: ship, Visitor: visitor, At: now, Email: visitor + "@harbor.example",
		View: &store.PageView{ID: "view-of-" + visitor, URL: ownPage}}}))
	if userID == "" {
		return
	}
	if err := s.store.Join(s.t.Context(), []store.Join{{ConnectorID: ship, Visitor: visitor, UserID: userID, At: now}}); err != nil {
		s.t.Fatal(err)
	}
}

// remembered are those of visitors that the history knows.
func (s *server) remembered(visitors ...string) string {
	s.t.Helper()
	var ids []string
	for _, v := range must(s.store.Visitors(s.t.Context(), ship, visitors)) {
		ids = append(ids, v.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func visitorPath(visitor string) string {
	return "/api/v1/connectors/" + ship + "/visitors/" + visitor
}

// With a user goes what they did here, in all their browsers, and the offers that name them.
func TestEraseTakesHistory(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	s.visited("v_1", "u1")
	s.visited("v_2", "u1")
	s.visited("v_3", "u2")
	for id, about := range map[string]string{"by-user": "u1", "by-topic": "email:ada@harbor.example", "of-another": "u2"} {
		o := store.Offer{ConnectorID: ship, ID: id, To: []byte(`{}`), Data: []byte(`1`), SentAt: time.Now(), Expires: time.Now().Add(time.Hour), About: []string{about}}
		if _, _, err := s.store.PutOffer(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	s.erase(userPath("anonymous_id:" + anonymous))
	if got := s.remembered("v_1", "v_2", "v_3"); got != "v_3" {
		t.Errorf("remembered: %q", got)
	}
	views, _, err := s.store.Pages(t.Context(), ship, store.Person{UserID: "u1"}, "", 10)
	if err != nil || len(views) > 0 {
		t.Errorf("views: %v %v", views, err)
	}
	offers, _, err := s.store.Offers(t.Context(), ship, "", 10)
	if err != nil || len(offers) != 1 || offers[0].ID != "of-another" {
		t.Errorf("offers: %+v %v", offers, err)
	}
	if news := must(s.store.Record(t.Context(), []store.Visit{{ConnectorID: ship, Visitor: "v_1", At: time.Now().Add(-time.Minute), View: &store.PageView{ID: "late", URL: ownPage}}})); news[0] {
		t.Error("a view from before the erasure was taken")
	}
	s.erase(userPath("id:u2")) // of whom nothing is stored but their history
	if got := s.remembered("v_3"); got != "" {
		t.Errorf("remembered: %q", got)
	}
}

// A visitor is erased alone as long as nobody knows whose they are, and then as their user.
func TestEraseVisitor(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	if r := s.do("DELETE", visitorPath("v_nobody"), "", adminKey); r.code() != "not_found" {
		t.Errorf("nobody: %d %s", r.status, r.body)
	}
	if r := s.do("DELETE", "/api/v1/connectors/nobody/visitors/v_1", "", adminKey); r.code() != "connector_unknown" {
		t.Errorf("no connector: %d %s", r.status, r.body)
	}
	if r := s.do("DELETE", visitorPath("v_1"), ""); r.code() != "unauthorized" {
		t.Errorf("no key: %d %s", r.status, r.body)
	}
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	page := s.listen(s.token(claim("anonymous_id", anonymous)))
	page.expectPlan("pro")
	s.visited("v_alone", "")
	s.visited("v_1", "u1")
	s.visited("v_2", "u1")
	s.erase(visitorPath("v_alone"))
	if got := s.remembered("v_alone", "v_1", "v_2"); got != "v_1 v_2" {
		t.Errorf("remembered: %q", got)
	}
	s.erase(visitorPath("v_2"))
	if got := s.remembered("v_alone", "v_1", "v_2"); got != "" {
		t.Errorf("remembered: %q", got)
	}
	page.expect("user.private")
	if e := s.explain("id:u1"); e.User != nil || !strings.Contains(e.failing(), "erased") {
		t.Errorf("got %+v", e)
	}
	if got := s.metric("hullbeam_erasures_total", "of", "visitor"); got != 1 {
		t.Errorf("counted: %v", got)
	}
}

// A visitor who has a stream, and of whom nothing was written yet, is somebody.
func TestEraseVisitorWhoIsLive(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	key := s.visitorKey()
	token := s.token(again(key))
	visitor := s.visitorOf(token)
	l := s.listen(token)
	l.expect("cache.miss")
	l.expect("user.error")
	s.erase(visitorPath(visitor))
	l.expectRevoked()
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	s.quiet()
	l = s.listen(s.token(again(key)))
	l.expectPlan("pro")
	s.erase(visitorPath(visitor)) // who is u1 now
	l.expect("user.private")
	l.expectRevoked()
}

// A person who was two users before Hull merged them is erased with the history of both,
// also in browsers that are not there any more.
func TestEraseTakesHistoryOfMergedUsers(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	s.update(userMessage("old", plan("old"), `"email":"old@harbor.example"`, anonymousIDs(second)), userMessage("new", plan("new"), anonymousIDs(anonymous)))
	s.visited("v_of_old", "old")
	s.visited("v_of_new", "new")
	s.update(merged("new", "old", "old@harbor.example", plan("one"), anonymousIDs(anonymous, second)))
	s.erase(userPath("email:old@harbor.example"))
	for _, user := range []string{"old", "new"} {
		views, _, err := s.store.Pages(t.Context(), ship, store.Person{UserID: user}, "", 10)
		if err != nil || len(views) > 0 {
			t.Errorf("%s: %d views are left, %v", user, len(views), err)
		}
	}
	if left := must(s.store.Visitors(t.Context(), ship, []string{"v_of_old", "v_of_new"})); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

// A visitor can be erased who is only there, at another node.
func TestClusterEraseVisitorWhoIsLive(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true, canary: 5 * time.Second})
	a, b := c.all[0], c.all[1]
	token := b.token(claim("anonymous_id", anonymous))
	b.listen(token)
	if v := ask[visitorSeen](a, "/visitors/"+b.visitorOf(token)); !v.Live {
		t.Fatalf("got %+v", v)
	}
	a.erase("/api/v1/connectors/" + ship + "/visitors/" + b.visitorOf(token))
}
