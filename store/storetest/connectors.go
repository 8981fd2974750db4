package storetest

import (
	"errors"
	"strings"
	"time"

	"hullbeam/store"
)

func (s *suite) putConnector(c store.Connector, wantStored bool) {
	s.Helper()
	stored, err := s.PutConnector(s.Context(), c)
	if err != nil {
		s.Fatal(err)
	}
	if stored != wantStored {
		s.Errorf("PutConnector of %+v: stored = %v, want %v", c, stored, wantStored)
	}
}

func (s *suite) wantConnector(want store.Connector) {
	s.Helper()
	got, err := s.Connector(s.Context(), want.ID)
	if err != nil {
		s.Fatal(err)
	}
	s.diff("connector "+want.ID, got, want)
}

func (s *suite) connector() {
	if _, err := s.Connector(s.Context(), "b"); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("unknown connector: %v, want ErrNotFound", err)
	}
	if all, err := s.Connectors(s.Context()); err != nil || len(all) != 0 {
		s.Errorf("no connectors: got %v, %v", all, err)
	}
	b := store.Connector{
		ID: "b", Organization: "acme.hullapp.io", Secret: "s3cret",
		Settings:        []byte(`{"public_traits":["a"]}`),
		PrivateSettings: []byte(`{"identity_secret":"x"}`),
		UpdatedAt:       s.clock.Now(), ConfigDigest: "d", Segments: []byte(`{"s":{"name":"VIP"}}`),
	}
	a, c := store.Connector{ID: "a"}, store.Connector{ID: "c", Secret: "other"}
	for _, put := range []store.Connector{c, b, a} {
		s.putConnector(put, true)
	}
	s.wantConnector(b)
	all, err := s.Connectors(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	s.diff("connectors, by id", all, []store.Connector{a, b, c})

	replaced := store.Connector{ID: "b", Secret: "new", UpdatedAt: b.UpdatedAt.Add(time.Second), ConfigDigest: "e"}
	s.putConnector(replaced, true)
	s.wantConnector(replaced)
}

// What was deleted is known to have been there, and may be put in again.
func (s *suite) connectorDeleted() {
	a, b := store.Connector{ID: "a", Secret: "x", UpdatedAt: s.clock.Now(), ConfigDigest: "d"}, store.Connector{ID: "b"}
	s.putConnector(a, true)
	s.putConnector(b, true)
	for _, id := range []string{"a", "a", "never"} {
		if err := s.DeleteConnector(s.Context(), id); err != nil {
			s.Fatal(err)
		}
		if _, err := s.Connector(s.Context(), id); !errors.Is(err, store.ErrDeleted) || !errors.Is(err, store.ErrNotFound) {
			s.Errorf("%s was deleted: %v, want ErrDeleted", id, err)
		}
	}
	all, err := s.Connectors(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	s.diff("what is left", all, []store.Connector{b})
	s.putConnector(a, true)
	s.wantConnector(a)
}

func (s *suite) connectorNewer() {
	now := s.clock.Now()
	put := func(secret string, updatedAt time.Time, wantStored bool) {
		s.Helper()
		s.putConnector(store.Connector{ID: "c", Secret: secret, UpdatedAt: updatedAt}, wantStored)
	}
	want := func(secret string, updatedAt time.Time) {
		s.Helper()
		s.wantConnector(store.Connector{ID: "c", Secret: secret, UpdatedAt: updatedAt})
	}
	put("known", now, true)
	put("older", now.Add(-time.Microsecond), false)
	want("known", now)
	put("equal", now, true)
	want("equal", now)
	put("unknown", time.Time{}, true)
	want("unknown", now)
	put("older than before the unknown one", now.Add(-time.Second), false)
	put("in an hour", now.Add(time.Hour), true)
	want("in an hour", now.Add(time.Hour))

	s.clock.advance(2 * time.Hour)
	now = s.clock.Now()
	put("far ahead", now.Add(time.Hour+time.Second), true)
	want("far ahead", now)
}

func (s *suite) connectorConfigDigest() {
	s.putConnector(store.Connector{ID: "c", ConfigDigest: "of the text"}, true)
	s.putConnector(store.Connector{ID: "c", Secret: "from Hull"}, true)
	s.wantConnector(store.Connector{ID: "c", Secret: "from Hull", ConfigDigest: "of the text"})
	s.putConnector(store.Connector{ID: "c", ConfigDigest: "of another"}, true)
	s.wantConnector(store.Connector{ID: "c", ConfigDigest: "of another"})
}

func (s *suite) connectorSealed() {
	s.putConnector(store.Connector{ID: "a", Secret: "first"}, true)
	s.putConnector(store.Connector{ID: "z", Secret: "second"}, true)
	s.opts.Sealer = NewSealer("another secret")
	s.again()
	s.putConnector(store.Connector{ID: "m", Secret: "new"}, true)

	_, err := s.Connector(s.Context(), "a")
	if !errors.Is(err, store.ErrSealed) || !strings.Contains(err.Error(), "connector a") || !strings.Contains(err.Error(), "`secret`") {
		s.Errorf("a sealed connector: %v, want an ErrSealed with its id and what to do", err)
	}
	all, err := s.Connectors(s.Context())
	if !errors.Is(err, store.ErrSealed) || !strings.Contains(err.Error(), "connector a") || !strings.Contains(err.Error(), "connector z") {
		s.Errorf("with sealed connectors: %v, want an ErrSealed for each", err)
	}
	s.diff("the others", all, []store.Connector{{ID: "m", Secret: "new"}})

	s.putConnector(store.Connector{ID: "a", Secret: "put in again"}, true)
	s.wantConnector(store.Connector{ID: "a", Secret: "put in again"})

	s.opts.Sealer = NewSealer("secret")
	s.again()
	s.wantConnector(store.Connector{ID: "z", Secret: "second"})
}
