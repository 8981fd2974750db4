package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// Who is deleted in Hull is erased, and their pages are told; what is older does not
// bring them back, nor does a look-up; what is newer does.
func TestDeletedUsersAreErased(t *testing.T) {
	s := start(t, options{private: everyClaim})
	at := func(when string) string { return `"indexed_at":"` + when + `T00:00:00Z"` }
	secretly := `"email":"ada@harbor.example"`
	s.update(userMessage("u1", plan("pro"), secretly, anonymousIDs(anonymous), at("2026-01-01")))
	token := s.token(claim("anonymous_id", anonymous))
	l := s.listen(token)
	l.expectPlan("pro")
	storetest.Eventually(t, "the visitor is joined", func() bool {
		return len(must(s.store.VisitorsOf(t.Context(), ship, "u1"))) == 1
	})
	s.notification("user:delete", "", `{"user":{"id":"u1","email":"ada@harbor.example"}}`, `7`, `{"user":{}}`)
	if e := l.expect("user.private"); string(e.Data) != `{"user":{"id":"u1"}}` {
		t.Errorf("got %s", e.Data)
	}
	if e := l.expect("close"); !strings.Contains(string(e.Data), "revoked") {
		t.Errorf("got %s", e.Data)
	}
	s.quiet()
	if !s.refuses(token) {
		t.Error("their token is good still")
	}
	snapshots := must(s.store.Snapshots(t.Context(), ship, []string{"u1"}))
	if len(snapshots) != 1 || strings.Contains(string(snapshots[0].State), "ada@") || len(snapshots[0].Topics) != 0 {
		t.Errorf("kept: %+v", snapshots)
	}
	if visitors := must(s.store.VisitorsOf(t.Context(), ship, "u1")); len(visitors) > 0 {
		t.Errorf("the history has %+v", visitors)
	}
	if _, _, err := s.store.Find(t.Context(), ship, []string{"email:ada@harbor.example", "id:u1"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("found: %v", err)
	}
	s.update(userMessage("u1", plan("older"), anonymousIDs(anonymous), at("2026-01-02")))
	if err := s.hull.PutReport(ship, json.RawMessage(`{"id":"u1","email":"ada@harbor.example","traits_plan":"reported","anonymous_ids":["`+anonymous+`"]}`)); err != nil {
		t.Fatal(err)
	}
	again := s.listen(s.token(claim("anonymous_id", anonymous)))
	again.expect("cache.miss")
	again.expect("user.error")
	if got := s.metric("hullbeam_lookups_total", "result", "erased"); got != 1 {
		t.Errorf("looked up: %v", got)
	}
	s.update(userMessage("u1", plan("back"), anonymousIDs(anonymous), at("2126-01-01")))
	again.expectPlan("back")
	if got := s.metric("hullbeam_updates_total", "result", "invalid"); got != 2 {
		t.Errorf("invalid: got %v", got)
	}
}

// An erasure takes what led to the user from those who were merged into them, too.
func TestErasureTakesMergedTopics(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	s.update(userMessage("old", plan("old")), merged("new", "old", "old@harbor.example", plan("new")))
	s.notification("user:delete", "", `{"id":"new"}`)
	s.quiet()
	l := s.listen(s.token(claim("email", "old@harbor.example")))
	l.expect("cache.miss")
	l.expect("user.error")
}

// Who is deleted is erased, also when what is stored is of a clock that is ahead, and
// when Hull has written nothing of the time.
func TestErasureIsNeverStale(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	ahead := time.Now().Add(40 * time.Minute).UTC().Format(time.RFC3339)
	s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, `"indexed_at":"`+ahead+`"`))
	s.notification("user:delete", "", `{"id":"u1"}`, `{"id":"u1"}`, `{"id":"nobody knew"}`)
	s.quiet()
	for _, snap := range must(s.store.Snapshots(t.Context(), ship, []string{"u1"})) {
		if strings.Contains(string(snap.State), "ada@") || len(snap.Topics) > 0 {
			t.Errorf("kept: %s %v", snap.State, snap.Topics)
		}
	}
	s.update(userMessage("u1", plan("late"), `"email":"ada@harbor.example"`, `"indexed_at":"`+time.Now().UTC().Format(time.RFC3339)+`"`))
	l := s.listen(s.token(claim("email", "ada@harbor.example")))
	l.expect("cache.miss")
	l.expect("user.error")
}
