package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"hullbeam/api"
)

// merged is an update of a user into whom others were merged.
func merged(id, absorbed, email string, members ...string) string {
	m := userMessage(id, members...)
	return strings.Replace(m, `"events":[`, `"events":[{"event":"User merged","event_type":"user_merged","event_source":"hull",
		"properties":{"user_id":"`+id+`","merged_id":"`+absorbed+`","merged_email":"`+email+`","merged_external_id":null,"merged_anonymous_ids":["`+second+`"]}},`, 1)
}

const everyClaim = `{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"],"identity_verification":"off"}`

// C14: pages that follow a user who was merged into another one follow that one
// from then on, and so do pages that come later, by all that led to either.
func TestC14MergedUsersAreFollowed(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	s.update(userMessage("old", plan("old"), `"email":"old@harbor.example"`, anonymousIDs(second)), userMessage("new", plan("new"), anonymousIDs(anonymous)))
	claims := map[string]string{"id": "old", "email": "old@harbor.example", "anonymous_id": second}
	pages := map[string]*listener{}
	for kind, value := range claims {
		pages[kind] = s.listen(s.token(claim(kind, value)))
		pages[kind].expectPlan("old")
	}
	s.update(merged("new", "old", "old@harbor.example", plan("one"), anonymousIDs(anonymous, second)))
	for kind, l := range pages {
		if e := l.expect("user.private"); !strings.Contains(string(e.Data), `"old"`) {
			t.Errorf("%s: got %s", kind, e.Data)
		}
		if e := l.expectPlan("one"); !strings.Contains(string(e.Data), `"id":"new"`) {
			t.Errorf("%s: got %s", kind, e.Data)
		}
	}
	s.update(userMessage("new", plan("two"), anonymousIDs(anonymous, second))) // says nothing of a merge
	for _, l := range pages {
		l.expectPlan("two")
	}
	for kind, value := range claims {
		s.listen(s.token(claim(kind, value))).expectPlan("two")
	}
	s.update(userMessage("other", plan("other"), `"email":"old@harbor.example"`)) // it is theirs now
	pages["email"].expect("user.private")
	pages["email"].expectPlan("other")
	s.update(userMessage("new", plan("three"), anonymousIDs(anonymous, second)))
	pages["id"].expectPlan("three")
	s.update(userMessage("other", plan("four"), `"email":"old@harbor.example"`))
	pages["email"].expectPlan("four")
}

// Who was merged twice is led to by all that led to anybody on the way.
func TestC14MergesOfMergedUsers(t *testing.T) {
	t.Run("one after the other", func(t *testing.T) { mergeTwice(t, false) })
	t.Run("at once", func(t *testing.T) { mergeTwice(t, true) })
}

func mergeTwice(t *testing.T, atOnce bool) {
	s := start(t, options{noHull: true, private: everyClaim})
	s.update(userMessage("a", plan("a")), userMessage("b", plan("b")), userMessage("c", plan("c")))
	intoB, intoC := merged("b", "a", "a@harbor.example", plan("b")), merged("c", "b", "b@harbor.example", plan("c"))
	if atOnce {
		s.update(intoB, intoC)
	} else {
		s.update(intoB)
		s.update(intoC)
	}
	for _, c := range []string{claim("id", "a"), claim("id", "b"), claim("id", "c"), claim("email", "a@harbor.example"), claim("email", "b@harbor.example")} {
		s.listen(s.token(c)).expectPlan("c")
	}
}

// An older state of a user who was merged away does not take their topics back.
func TestC14MergedUsersDoNotComeBack(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	at := func(when string) string { return `"indexed_at":"2026-01-0` + when + `T00:00:00Z"` }
	s.update(userMessage("old", plan("old"), anonymousIDs(second), at("1")))
	s.update(merged("new", "old", "old@harbor.example", plan("new"), anonymousIDs(second), at("3")))
	s.update(userMessage("old", plan("stale"), anonymousIDs(second), at("2")))
	s.listen(s.token(claim("anonymous_id", second))).expectPlan("new")
	s.listen(s.token(claim("id", "old"))).expectPlan("new")
}

// A merge that comes behind what is newer of the survivor holds all the same.
func TestC14MergeBehindANewerState(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	at := func(when string) string { return `"indexed_at":"2026-01-0` + when + `T00:00:00Z"` }
	s.update(userMessage("old", plan("old"), `"email":"old@harbor.example"`, at("1")))
	l := s.listen(s.token(claim("email", "old@harbor.example")))
	l.expectPlan("old")
	s.update(userMessage("new", plan("newer"), anonymousIDs(second), at("3")))
	s.update(merged("new", "old", "old@harbor.example", plan("merged"), at("2")))
	l.expect("user.private")
	l.expectPlan("newer")
	s.update(userMessage("new", plan("newest"), anonymousIDs(second), at("4")))
	l.expectPlan("newest")
}

// A topic of a merge is not taken from who was given it since, however often the survivor
// changes meanwhile.
func TestC14MergedTopicsAreNotTakenBack(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	s.update(userMessage("old", plan("old")), merged("new", "old", "shared@harbor.example", plan("new")))
	zoe := s.listen(s.token(claim("email", "shared@harbor.example")))
	zoe.expectPlan("new")
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range 50 {
			s.update(userMessage("new", plan(fmt.Sprint("new", i))))
		}
	})
	s.update(userMessage("zoe", plan("zoe"), `"email":"shared@harbor.example"`))
	for string(zoe.next().Event) != "user.private" {
	}
	zoe.expectPlan("zoe")
	writing.Wait()
	s.quiet()
	s.update(userMessage("zoe", plan("last"), `"email":"shared@harbor.example"`))
	zoe.expectPlan("last")
}

// Merges into one user at a time lose nothing of each other, nor does an update beside.
func TestC14MergesAtOnce(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	const users = 20
	var writing sync.WaitGroup
	for i := range users {
		writing.Go(func() {
			s.update(merged("new", fmt.Sprint("old", i), fmt.Sprint("old", i, "@harbor.example"), plan("merged")))
			s.update(userMessage("new", plan("plain")))
		})
	}
	writing.Wait()
	s.quiet()
	for i := range users {
		for _, topic := range []string{fmt.Sprint("id:old", i), fmt.Sprint("email:old", i, "@harbor.example")} {
			if snap, _, err := s.store.Find(t.Context(), ship, []string{topic}); err != nil || snap.UserID != "new" {
				t.Errorf("%s leads to %q: %v", topic, snap.UserID, err)
			}
		}
	}
}

// A merge may name more than is kept, in time that does not grow with its square.
func TestMergeOfManyIdentifiers(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	ids := make([]string, 50_000)
	for i := range ids {
		ids[i] = fmt.Sprint("anonymous-", i, "-0123456789")
	}
	m := strings.Replace(merged("new", "old", "old@harbor.example", plan("new")), `["`+second+`"]`, string(must(json.Marshal(ids))), 1)
	s.update(m)
	s.listen(s.token(claim("id", "new"))).expectPlan("new")
}

// C20: as many identifiers of a user lead to them as there may be, the last of the
// anonymous ones.
func TestC20IdentifiersOfAUser(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim, config: func(c *api.Config) { c.Limits.UserTopics = 16 }})
	var ids []string
	for i := range 16 {
		ids = append(ids, fmt.Sprintf("anonymous-id-%05d", i))
	}
	s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(ids[:14]...)))
	s.listen(s.token(claim("anonymous_id", ids[0]))).expectPlan("pro")
	s.update(userMessage("u1", plan("max"), `"email":"ada@harbor.example"`, anonymousIDs(ids...)))
	for _, c := range []string{claim("id", "u1"), claim("email", "ada@harbor.example"), claim("anonymous_id", ids[2]), claim("anonymous_id", ids[15])} {
		s.listen(s.token(c)).expectPlan("max")
	}
	for _, id := range ids[:2] {
		s.listen(s.token(claim("anonymous_id", id))).expect("cache.miss")
	}
}
