package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"hullbeam/store"
)

// as opens the store again with other secrets.
func (s *suite) as(secrets ...string) {
	s.Helper()
	s.opts.Sealer = NewSealer(secrets...)
	s.again()
}

func (s *suite) wantResealed(want int) {
	s.Helper()
	if got, err := s.Reseal(s.Context()); err != nil || got != want {
		s.Errorf("Reseal: %d, %v, want %d", got, err, want)
	}
}

// What an old secret sealed opens with the new one alone once it was sealed anew, and is
// otherwise as it was.
func (s *suite) reseal() {
	s.as("old")
	connector := store.Connector{
		ID: "c", Organization: "acme.hullapp.io", Secret: "the secret", PrivateSettings: []byte(`{"identity_secret":"hush"}`), Settings: []byte(`{"a":1}`),
		UpdatedAt: s.clock.Now().Add(-time.Hour), ConfigDigest: "digest", Segments: []byte(`[]`),
	}
	s.putConnector(connector, true)
	s.putConnector(store.Connector{ID: "bare"}, true)
	s.putConnector(store.Connector{ID: "gone"}, true)
	if err := s.DeleteConnector(s.Context(), "gone"); err != nil {
		s.Fatal(err)
	}
	s.wantResealed(0)

	s.as("new", "old")
	s.putConnector(store.Connector{ID: "another", Secret: "of today"}, true)
	s.wantResealed(3)
	s.wantResealed(0)
	s.wantConnector(connector)

	s.as("new")
	s.wantConnector(connector)
	s.wantConnector(store.Connector{ID: "another", Secret: "of today"})
	if _, err := s.Connector(s.Context(), "gone"); !errors.Is(err, store.ErrDeleted) {
		s.Errorf("a deleted connector: %v, want ErrDeleted", err)
	}
	if _, err := s.Connectors(s.Context()); err != nil {
		s.Errorf("with the new secret alone: %v", err)
	}

	s.as("other")
	s.wantResealed(0)
	s.as("new")
	s.wantConnector(connector)
}

// What is written while connectors are sealed anew stays.
func (s *suite) resealAtOnce() {
	const connectors, writes = 8, 10
	s.as("new", "old")
	for n := range connectors {
		s.putConnector(store.Connector{ID: fmt.Sprint(n), Secret: "0"}, true)
	}
	s.as("old", "new")
	var running sync.WaitGroup
	for n := range connectors {
		running.Go(func() {
			for i := range writes {
				if _, err := s.PutConnector(s.Context(), store.Connector{ID: fmt.Sprint(n), Secret: fmt.Sprint(i + 1)}); err != nil {
					s.Error(err)
				}
			}
		})
		running.Go(func() {
			for range writes {
				if _, err := s.Reseal(s.Context()); err != nil {
					s.Error(err)
				}
			}
		})
	}
	running.Wait()
	for n := range connectors {
		s.wantConnector(store.Connector{ID: fmt.Sprint(n), Secret: fmt.Sprint(writes)})
	}
}
