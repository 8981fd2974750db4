package storetest

import (
	"slices"
	"strings"
	"time"

	"hullbeam/store"
)

func (s *suite) revocations(connectorID string, since time.Time) []store.Revocation {
	s.Helper()
	found, err := s.Revocations(s.Context(), connectorID, since)
	if err != nil {
		s.Fatal(err)
	}
	slices.SortFunc(found, func(a, b store.Revocation) int { return strings.Compare(a.Name, b.Name) })
	return found
}

func (s *suite) revoke(since time.Time, revocations ...store.Revocation) {
	s.Helper()
	if err := s.Revoke(s.Context(), "c", revocations, since); err != nil {
		s.Fatal(err)
	}
}

// revoked: of the revocations of a name the latest is remembered, until somebody asks for
// what is later, each connector's apart; one of all takes the place of those before it.
func (s *suite) revoked() {
	now := s.clock.Now()
	since, none := now.Add(-time.Hour), []store.Revocation(nil)
	a, b := store.Revocation{Name: "a \x00é", At: now}, store.Revocation{Name: "b", At: now.Add(-time.Minute)}
	all := store.Revocation{At: now.Add(-time.Second)}

	s.diff("before", s.revocations("c", since), none)
	s.revoke(since, a, b)
	s.again()
	s.diff("after", s.revocations("c", since), []store.Revocation{a, b})
	s.diff("another connector's", s.revocations("d", since), none)
	s.diff("later ones", s.revocations("c", b.At), []store.Revocation{a})
	s.revoke(since, store.Revocation{Name: a.Name, At: a.At.Add(-time.Hour)})
	s.revoke(since)
	s.diff("an older one", s.revocations("c", since), []store.Revocation{a, b})
	s.revoke(since, all)
	s.diff("of all", s.revocations("c", since), []store.Revocation{all, a})
	s.revoke(all.At, b)
	s.diff("forgotten", s.revocations("c", since), []store.Revocation{a, b})
}
