package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hullbeam/store"
)

func (s *suite) version() {
	now := uint64(s.clock.Now().UnixMicro())
	for i, want := range []uint64{now, now + 1, now + 2} {
		if got := s.put(user("u", i))[0].Version; got != want {
			s.Errorf("version %d = %d, want %d", i, got, want)
		}
	}
	if got := s.put(user("another", 0))[0].Version; got != now {
		s.Errorf("another user's version = %d, want %d", got, now)
	}
	s.clock.advance(time.Second)
	if got, want := s.put(user("u", 4))[0].Version, now+1e6; got != want {
		s.Errorf("a second later: %d, want %d", got, want)
	}
	s.clock.advance(-time.Minute)
	if got, want := s.put(user("u", 5))[0].Version, now+1e6+1; got != want {
		s.Errorf("after the clock was set back: %d, want %d", got, want)
	}
	if got, want := s.snapshot("u").Version, now+1e6+1; got != want {
		s.Errorf("in the snapshot: %d, want %d", got, want)
	}
}

func (s *suite) stateAt() {
	now := s.clock.Now()
	n := 0
	put := func(stateAt time.Time, wantStored bool, wantStateAt time.Time) {
		s.Helper()
		n++
		before := s.snapshot("u")
		want := at(wantStateAt, user("u", n, "id:u", fmt.Sprintf("email:%d", n)))
		got := s.put(at(stateAt, want))[0]
		after := s.snapshot("u")
		if !wantStored {
			s.diff("a stale write", got, store.Written{Version: before.Version, Stale: true})
			s.diff("after a stale write", after, before)
			s.leads(want.Topics[1], "")
			return
		}
		if got.Stale || got.Version <= before.Version {
			s.Errorf("written %+v after version %d", got, before.Version)
		}
		slices.Sort(want.Topics)
		s.diff("after the write", after, store.Snapshot{
			UserID: "u", Version: got.Version, Topics: want.Topics, StateAt: wantStateAt, State: want.State,
		})
	}
	put(time.Time{}, true, time.Time{}) // unknown
	put(now.Add(-time.Hour), true, now.Add(-time.Hour))
	put(now, true, now)                                 // newer
	put(now, true, now)                                 // equal
	put(now.Add(-time.Microsecond), false, time.Time{}) // older
	put(time.Time{}, true, now)                         // unknown: the stored one stays
	put(now.Add(-time.Microsecond), false, time.Time{})
	put(now.Add(time.Hour), true, now.Add(time.Hour)) // as far ahead as is believed
	put(now.Add(2*time.Hour), false, time.Time{})     // counts as now, which is older

	s.clock.advance(2 * time.Hour)
	now = s.clock.Now()
	put(now.Add(24*time.Hour), true, now) // counts as now
	put(now.In(time.FixedZone("", 3600)), true, now)
	s.clock.advance(time.Second)
	put(s.clock.Now(), true, s.clock.Now()) // and does not shut out what comes after
}

func (s *suite) topics() {
	s.diff("a new user", s.put(user("u", 1, "id:u", "email:a", "id:u"))[0].Gone, []string(nil))
	s.diff("topics", s.snapshot("u").Topics, []string{"email:a", "id:u"})

	s.diff("the same topics, in another order", s.put(user("u", 2, "email:a", "id:u"))[0].Gone, []string(nil))

	got := s.put(user("u", 3, "id:u", "email:b"))[0]
	s.diff("topics that are gone", got.Gone, []string{"email:a"})
	s.diff("topics taken", got.Taken, []store.Taken(nil))
	s.diff("topics", s.snapshot("u").Topics, []string{"email:b", "id:u"})
	s.leads("email:a", "")
	s.leads("email:b", "u")
	s.leads("id:u", "u")

	s.diff("all topics are gone", s.put(user("u", 4))[0].Gone, []string{"email:b", "id:u"})
	s.diff("topics", s.snapshot("u").Topics, []string(nil))
	s.leads("id:u", "")

	many := make([]string, 60)
	for i := range many {
		many[i] = fmt.Sprintf("anonymous_id:%02d", i)
	}
	s.put(user("u", 5, many...))
	s.diff("topics", s.snapshot("u").Topics, many)
	for _, topic := range many {
		s.leads(topic, "u")
	}
}

func (s *suite) topicTaken() {
	first := s.put(user("a", 1, "id:a", "email:x", "external_id:1"))[0]
	got := s.put(user("b", 1, "id:b", "external_id:1", "email:x"))[0]
	s.diff("taken", got, store.Written{Version: got.Version, Taken: []store.Taken{
		{Topic: "email:x", From: "a"}, {Topic: "external_id:1", From: "a"},
	}})
	s.leads("email:x", "b")
	s.diff("who has lost them", s.snapshot("a"), store.Snapshot{
		UserID: "a", Version: first.Version, Topics: []string{"id:a"}, State: user("a", 1).State,
	})

	// A topic that was taken is not gone, and to name it takes it back.
	got = s.put(user("a", 2, "id:a", "email:x"))[0]
	s.diff("taken back", got, store.Written{Version: got.Version, Taken: []store.Taken{{Topic: "email:x", From: "b"}}})
	s.diff("b's topics", s.snapshot("b").Topics, []string{"external_id:1", "id:b"})
	got = s.put(user("b", 2, "id:b"))[0]
	s.diff("gone", got, store.Written{Version: got.Version, Gone: []string{"external_id:1"}})
	s.leads("email:x", "a")
	s.leads("external_id:1", "")
}

func (s *suite) topicTakenWithinOnePut() {
	got := s.put(user("a", 1, "email:x"), user("b", 1, "email:x"), user("a", 2, "email:y"))
	s.diff("taken", got[1].Taken, []store.Taken{{Topic: "email:x", From: "a"}})
	s.diff("gone", got[2].Gone, []string(nil))
	s.diff("a's topics", s.snapshot("a").Topics, []string{"email:y"})
	s.leads("email:x", "b")
}

func (s *suite) userTwice() {
	now := s.clock.Now()
	got := s.put(
		at(now, user("u", 1, "email:a")),
		user("v", 1),
		at(now, user("u", 2, "email:b")),
		at(now.Add(-time.Second), user("u", 3, "email:c")),
	)
	v := uint64(now.UnixMicro())
	s.diff("written", got, []store.Written{
		{Version: v}, {Version: v}, {Version: v + 1, Gone: []string{"email:a"}}, {Version: v + 1, Stale: true},
	})
	s.diff("snapshot", s.snapshot("u"), store.Snapshot{
		UserID: "u", Version: v + 1, Topics: []string{"email:b"}, StateAt: now, State: user("u", 2).State,
	})
}

func (s *suite) find() {
	if _, _, err := s.Find(s.Context(), "c", []string{"id:a"}); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("in a connector without users: %v, want ErrNotFound", err)
	}
	s.put(user("a", 1, "id:a", "email:a"), user("b", 1, "id:b"))
	for _, test := range []struct {
		topics []string
		userID string
		index  int
	}{
		{[]string{"id:a"}, "a", 0},
		{[]string{"id:b", "id:a"}, "b", 0},
		{[]string{"email:b", "email:a", "id:b"}, "a", 1},
		{[]string{"id:none", "email:none", "id:b"}, "b", 2},
	} {
		got, index, err := s.Find(s.Context(), "c", test.topics)
		if err != nil {
			s.Fatal(err)
		}
		if index != test.index {
			s.Errorf("Find(%q): topic %d, want %d", test.topics, index, test.index)
		}
		s.diff(fmt.Sprintf("Find(%q)", test.topics), got, s.snapshot(test.userID))
	}
	for _, topics := range [][]string{nil, {"id:none"}, {"id"}, {"a"}} {
		if got, _, err := s.Find(s.Context(), "c", topics); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("Find(%q) = %+v, %v, want ErrNotFound", topics, got, err)
		}
	}
}

func (s *suite) snapshots() {
	s.put(user("a", 1), user("b", 1), user("c", 1))
	got, err := s.Snapshots(s.Context(), "c", []string{"c", "unknown", "a"})
	if err != nil {
		s.Fatal(err)
	}
	slices.SortFunc(got, func(a, b store.Snapshot) int { return strings.Compare(a.UserID, b.UserID) })
	s.diff("snapshots", got, []store.Snapshot{s.snapshot("a"), s.snapshot("c")})

	if got, err := s.Snapshots(s.Context(), "c", nil); err != nil || len(got) != 0 {
		s.Errorf("of nobody: %v, %v", got, err)
	}
	if got, err := s.Snapshots(s.Context(), "unknown", []string{"a"}); err != nil || len(got) != 0 {
		s.Errorf("of an unknown connector: %v, %v", got, err)
	}
	if got := s.put(); len(got) != 0 {
		s.Errorf("nobody was put, written %v", got)
	}
}

func (s *suite) connectorsApart() {
	s.put(user("u", 1, "email:x"))
	got, err := s.Put(s.Context(), "other", []store.User{user("u", 2, "email:x")})
	if err != nil {
		s.Fatal(err)
	}
	s.diff("taken from another connector", got[0].Taken, []store.Taken(nil))
	s.leads("email:x", "u")
	s.diff("state", string(s.snapshot("u").State), string(user("u", 1).State))
	found, _, err := s.Find(s.Context(), "other", []string{"email:x"})
	if err != nil {
		s.Fatal(err)
	}
	s.diff("state", string(found.State), string(user("u", 2).State))
	if _, err := s.Connector(s.Context(), "other"); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("a connector with users that was never put: %v, want ErrNotFound", err)
	}
}

// anyText: ids, topics and states are not interpreted.
func (s *suite) anyText() {
	for i, text := range []string{"", " ", "a\x00b", "a\nb", `"{}[],`, "%_*?'", "ünï 🎈", "{c}:u", strings.Repeat("x", 2000)} {
		u := store.User{ID: text, Topics: []string{fmt.Sprint(i), text}, State: []byte(text)}
		s.put(u)
		slices.Sort(u.Topics)
		found, _, err := s.Find(s.Context(), "c", []string{text})
		if err != nil {
			s.Errorf("%.20q: %v", text, err)
		}
		s.diff(fmt.Sprintf("%.20q", text), found,
			store.Snapshot{UserID: text, Version: found.Version, Topics: u.Topics, State: u.State})

		c := store.Connector{
			ID: text, Organization: text, Secret: text, ConfigDigest: text,
			Settings: []byte(text), PrivateSettings: []byte(text),
		}
		s.putConnector(c, true)
		s.wantConnector(c)
	}
	large := store.User{ID: "large", Topics: []string{"id:large"}, State: slices.Repeat([]byte("0123456789"), 200_000)}
	s.put(large)
	if string(s.snapshot("large").State) != string(large.State) {
		s.Error("a large state came back different")
	}
}

// nothingShared: what is passed in and what comes back is the caller's.
func (s *suite) nothingShared() {
	u := user("u", 1, "email:b", "email:a")
	c := store.Connector{ID: "c", Settings: []byte("{}"), PrivateSettings: []byte("{}")}
	s.put(u)
	s.putConnector(c, true)
	s.diff("topics as passed in", u.Topics, []string{"email:b", "email:a"})
	want := s.snapshot("u")
	for range 2 {
		u.Topics[0], u.State[0] = "x", 'x'
		c.Settings[0], c.PrivateSettings[0] = 'x', 'x'
		s.diff("snapshot", s.snapshot("u"), want)
		s.wantConnector(store.Connector{ID: "c", Settings: []byte("{}"), PrivateSettings: []byte("{}")})

		got := s.snapshot("u")
		u.Topics, u.State = got.Topics, got.State
		var err error
		if c, err = s.Connector(s.Context(), "c"); err != nil {
			s.Fatal(err)
		}
	}
}
