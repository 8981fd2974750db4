package storetest

import (
	"time"

	"hullbeam/store"
)

func (s *suite) mark(marks ...store.Mark) {
	s.Helper()
	if err := s.Mark(s.Context(), marks); err != nil {
		s.Fatal(err)
	}
}

func (s *suite) marksOf(connectorID string) map[string]store.Mark {
	s.Helper()
	marks, err := s.Marks(s.Context(), connectorID)
	if err != nil {
		s.Fatal(err)
	}
	return marks
}

// marksOfAll: of each name the latest time counts and the counts add up, for each
// connector apart.
func (s *suite) marksOfAll() {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 123_000, time.UTC)
	s.diff("before", s.marksOf("c"), map[string]store.Mark{})
	s.mark()
	s.mark(store.Mark{ConnectorID: "c", Name: "a", At: noon, Count: 3},
		store.Mark{ConnectorID: "d", Name: "a", At: noon.Add(time.Hour), Count: 1},
		store.Mark{ConnectorID: "c", Name: "b", At: noon, Count: 1})
	s.mark(store.Mark{ConnectorID: "c", Name: "a", At: noon.Add(-time.Hour), Count: 2}, // of a node that is late
		store.Mark{ConnectorID: "c", Name: "b", At: noon.Add(time.Microsecond)})
	s.again()
	s.diff("of c", s.marksOf("c"), map[string]store.Mark{
		"a": {ConnectorID: "c", Name: "a", At: noon, Count: 5},
		"b": {ConnectorID: "c", Name: "b", At: noon.Add(time.Microsecond), Count: 1},
	})
	s.diff("of d", s.marksOf("d"), map[string]store.Mark{"a": {ConnectorID: "d", Name: "a", At: noon.Add(time.Hour), Count: 1}})
}

// hasUsers: whether a connector has any user whom a topic leads to, and not one whose
// name begins alike.
func (s *suite) hasUsers() {
	has := func(connectorID string, want bool) {
		s.Helper()
		got, err := s.HasUsers(s.Context(), connectorID)
		if err != nil {
			s.Fatal(err)
		}
		if got != want {
			s.Errorf("HasUsers(%q): %v, want %v", connectorID, got, want)
		}
	}
	has("c", false)
	if _, err := s.Put(s.Context(), "c2", []store.User{user("u", 1, "id:u")}); err != nil {
		s.Fatal(err)
	}
	has("c", false)
	has("*", false)
	has("c2", true)
	s.put(user("u", 1, "id:u"))
	s.again()
	has("c", true)
	s.put(store.User{ID: "u", StateAt: user("u", 2).StateAt, State: []byte("{}"), Erased: true})
	s.again()
	has("c", false)
}
