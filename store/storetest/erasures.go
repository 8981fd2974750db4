package storetest

import (
	"time"

	"hullbeam/store"
)

func (s *suite) bury(at time.Time, topics ...string) {
	s.Helper()
	if err := s.Bury(s.Context(), "c", topics, at); err != nil {
		s.Fatal(err)
	}
}

func (s *suite) buried(topics ...string) []time.Time {
	s.Helper()
	times, err := s.Buried(s.Context(), "c", topics)
	if err != nil {
		s.Fatal(err)
	}
	return times
}

// buriedTopics: topics are remembered as long as ErasureLife, by their latest erasure,
// until it is lifted, each connector's apart.
func (s *suite) buriedTopics() {
	now := s.clock.Now()
	s.diff("before", s.buried("email:a"), []time.Time{{}})
	s.bury(now, "email:a", "id:é\x00\n")
	s.bury(now.Add(-time.Hour), "email:a")
	s.bury(now.Add(time.Hour), "id:b")
	s.again()
	s.diff("after", s.buried("nobody", "email:a", "id:é\x00\n", "id:b"), []time.Time{{}, now, now, now.Add(time.Hour)})
	others, err := s.Buried(s.Context(), "d", []string{"email:a"})
	if err != nil || !others[0].IsZero() {
		s.Errorf("another connector's: %v %v", others, err)
	}
	if err := s.Lift(s.Context(), "c", []string{"id:b", "nobody"}); err != nil {
		s.Fatal(err)
	}
	s.diff("lifted", s.buried("id:b", "email:a"), []time.Time{{}, now})
	s.bury(now.Add(-store.ErasureLife), "id:late")
	s.diff("an erasure that is over", s.buried("id:late"), []time.Time{{}})
}

// erasedUsers: the state of who was erased keeps what is older out, whoever reads it.
func (s *suite) erasedUsers() {
	now := s.clock.Now()
	s.put(at(now, user("u", 1, "id:u", "email:x")))
	w := s.put(store.User{ID: "u", StateAt: now.Add(time.Second), State: []byte(`{}`), Erased: true})[0]
	s.diff("gone", w.Gone, []string{"email:x", "id:u"})
	s.again()
	if w := s.put(at(now, user("u", 2, "id:u")))[0]; !w.Stale {
		s.Error("an older state was written")
	}
	s.leads("id:u", "")
	if w := s.put(at(now.Add(2*time.Second), user("u", 3, "id:u")))[0]; w.Stale || !w.NewTopics {
		s.Errorf("a newer state: %+v", w)
	}
	s.leads("id:u", "u")
}

// newTopics: a write tells when it brings topics.
func (s *suite) newTopics() {
	for _, put := range []struct {
		what   string
		topics []string
		want   bool
	}{
		{"a new user", []string{"id:u"}, true},
		{"the same topics", []string{"id:u"}, false},
		{"another topic", []string{"id:u", "email:x"}, true},
		{"no topics", nil, false},
		{"topics again", []string{"id:u"}, true},
	} {
		w := s.put(user("u", 1, put.topics...))[0]
		if len(put.topics) > 0 && w.NewTopics != put.want {
			s.Errorf("%s: NewTopics is %v", put.what, w.NewTopics)
		}
	}
}
