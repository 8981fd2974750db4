package storetest

import (
	"time"

	"hullbeam/store"
)

func (s *suite) claimantsOf(connectorID string, topics ...string) map[string]store.Claimant {
	s.Helper()
	claimants, err := s.Store.Claimants(s.Context(), connectorID, topics)
	if err != nil {
		s.Fatal(err)
	}
	return claimants
}

func (s *suite) putClaimants(claimants map[string]store.Claimant) {
	s.Helper()
	if err := s.PutClaimants(s.Context(), "c", claimants); err != nil {
		s.Fatal(err)
	}
}

// claimants: who has claimed a topic is remembered as long as ClaimantLife, by the last
// that was put, until it is forgotten, each connector's apart.
func (s *suite) claimants() {
	now := s.clock.Now()
	ada := store.Claimant{ID: store.HashTopic("c", "id:1"), Email: store.HashTopic("c", "email:a"), At: now}
	two := store.Claimant{ExternalID: store.HashTopic("c", "external_id:x"), Confused: true, At: now.Add(time.Microsecond)}
	s.diff("before", s.claimantsOf("c", "a", "b"), map[string]store.Claimant{})
	s.putClaimants(nil)
	s.putClaimants(map[string]store.Claimant{"a": two, "é\x00\n": two})
	s.putClaimants(map[string]store.Claimant{"a": ada})
	s.again()
	s.diff("after", s.claimantsOf("c", "nobody", "a", "é\x00\n"), map[string]store.Claimant{"a": ada, "é\x00\n": two})
	s.diff("of nothing", s.claimantsOf("c"), map[string]store.Claimant{})
	s.diff("another connector's", s.claimantsOf("d", "a"), map[string]store.Claimant{})
	if err := s.ForgetClaimants(s.Context(), "c", []string{"a", "nobody"}); err != nil {
		s.Fatal(err)
	}
	s.diff("forgotten", s.claimantsOf("c", "a", "é\x00\n"), map[string]store.Claimant{"é\x00\n": two})
	ada.At = now.Add(-store.ClaimantLife)
	s.putClaimants(map[string]store.Claimant{"late": ada})
	s.diff("one that is over", s.claimantsOf("c", "late"), map[string]store.Claimant{})
	if store.HashTopic("c", "a") == store.HashTopic("d", "a") {
		s.Error("the hash tells that a topic is of two connectors")
	}
}
