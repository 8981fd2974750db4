// Package storetest has the suite that every implementation of [store.Store]
// passes, and what a test needs to open one.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hullbeam/store"
)

// Options say which store a test wants.
type Options struct {
	// Dir is a directory of the test's own. A store opened with the same Dir
	// after the first was closed holds what the first held; an implementation
	// without files takes it as a name.
	Dir    string
	Now    func() time.Time
	Sealer store.Sealer
}

// Run tests the stores that open makes against the contract, sentence by
// sentence. open fails the test when it cannot, and closes the store when the
// test has ended.
func Run(t *testing.T, open func(t *testing.T, opts Options) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"Connector", (*suite).connector},
		{"ConnectorNewer", (*suite).connectorNewer},
		{"ConnectorConfigDigest", (*suite).connectorConfigDigest},
		{"ConnectorSealed", (*suite).connectorSealed},
		{"Version", (*suite).version},
		{"StateAt", (*suite).stateAt},
		{"Topics", (*suite).topics},
		{"TopicTaken", (*suite).topicTaken},
		{"TopicTakenWithinOnePut", (*suite).topicTakenWithinOnePut},
		{"UserTwiceInOnePut", (*suite).userTwice},
		{"Find", (*suite).find},
		{"Snapshots", (*suite).snapshots},
		{"ConnectorsApart", (*suite).connectorsApart},
		{"AnyText", (*suite).anyText},
		{"NothingShared", (*suite).nothingShared},
		{"Merged", (*suite).merged},
		{"OnceDone", (*suite).onceDone},
		{"OnceUndone", (*suite).onceUndone},
		{"OnceRace", (*suite).onceRace},
		{"Marks", (*suite).marksOfAll},
		{"HasUsers", (*suite).hasUsers},
		{"Ping", (*suite).ping},
		{"Reopen", (*suite).reopen},
		{"Context", (*suite).context},
		{"Close", (*suite).close},
		{"CloseWhilePutting", (*suite).closeWhilePutting},
		{"Concurrent", (*suite).concurrent},
		{"Model", (*suite).model},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &suite{T: t, open: open, clock: newClock()}
			s.opts = Options{Dir: t.TempDir(), Now: s.clock.Now, Sealer: NewSealer("secret")}
			s.Store = open(t, s.opts)
			test.run(s)
		})
	}
}

// suite is one test with its store.
type suite struct {
	*testing.T
	store.Store
	open  func(*testing.T, Options) store.Store
	opts  Options
	clock *clock
}

// again closes the store and opens it with what it held.
func (s *suite) again() {
	s.Helper()
	if err := s.Store.Close(); err != nil {
		s.Fatal(err)
	}
	s.Store = s.open(s.T, s.opts)
}

// clock is a store's clock, which moves when told to.
type clock struct{ us atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.us.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) Now() time.Time          { return time.UnixMicro(c.us.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }

// user is a User whose state is its id and n.
func user(id string, n int, topics ...string) store.User {
	return store.User{ID: id, Topics: topics, State: fmt.Appendf(nil, `{"id":%q,"n":%d}`, id, n)}
}

// at is u as it was at that time.
func at(t time.Time, u store.User) store.User {
	u.StateAt = t
	return u
}

// put puts users of connector c.
func (s *suite) put(users ...store.User) []store.Written {
	s.Helper()
	written, err := s.Put(s.Context(), "c", users)
	if err != nil {
		s.Fatal(err)
	}
	if len(written) != len(users) {
		s.Fatalf("%d users were put, %d written", len(users), len(written))
	}
	return written
}

func (s *suite) diff(what string, got, want any) {
	s.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		s.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// snapshot returns the user of connector c, the zero Snapshot when unknown.
func (s *suite) snapshot(id string) store.Snapshot {
	s.Helper()
	users, err := s.Snapshots(s.Context(), "c", []string{id})
	if err != nil {
		s.Fatal(err)
	}
	if len(users) == 0 {
		return store.Snapshot{}
	}
	return users[0]
}

// leads checks whom a topic of connector c leads to; "": nobody.
func (s *suite) leads(topic, userID string) {
	s.Helper()
	found, _, err := s.Find(s.Context(), "c", []string{topic})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.Fatal(err)
	}
	if found.UserID != userID {
		s.Errorf("%s leads to %q, want %q", topic, found.UserID, userID)
	}
}

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

func (s *suite) ping() {
	for range 2 {
		if err := s.Ping(s.Context()); err != nil {
			s.Error(err)
		}
	}
}

func (s *suite) reopen() {
	s.again() // empty
	now := s.clock.Now()
	c := store.Connector{ID: "c", Organization: "o", Secret: "s", PrivateSettings: []byte(`{"a":1}`), UpdatedAt: now, ConfigDigest: "d"}
	s.putConnector(c, true)
	s.put(at(now, user("a", 1, "id:a", "email:x")), user("b", 1, "id:b", "email:x"))
	a, b := s.snapshot("a"), s.snapshot("b")

	s.again()
	s.wantConnector(c)
	s.diff("a", s.snapshot("a"), a)
	s.diff("b", s.snapshot("b"), b)
	s.leads("id:a", "a")
	s.leads("email:x", "b")

	if got := s.put(user("b", 2, "id:b"))[0]; got.Version != b.Version+1 {
		s.Errorf("version after opening again = %d, want %d", got.Version, b.Version+1)
	} else {
		s.diff("gone", got.Gone, []string{"email:x"})
	}
	if got := s.put(at(now.Add(-1*time.Second), user("a", 2)))[0]; !got.Stale {
		s.Error("an older state was written after opening again")
	}
}

// calls are all methods but Close, with arguments that are good.
func (s *suite) calls(ctx context.Context) map[string]error {
	errs := make(map[string]error)
	_, errs["Connector"] = s.Connector(ctx, "c")
	_, errs["Connectors"] = s.Connectors(ctx)
	_, errs["PutConnector"] = s.PutConnector(ctx, store.Connector{ID: "c", Secret: "never"})
	_, errs["Put"] = s.Put(ctx, "c", []store.User{user("never", 1)})
	_, _, errs["Find"] = s.Find(ctx, "c", []string{"id:u"})
	_, errs["Snapshots"] = s.Snapshots(ctx, "c", []string{"u"})
	_, errs["Begin"] = s.Begin(ctx, "c", "never", store.Digest{}, onceHold)
	errs["Mark"] = s.Mark(ctx, []store.Mark{{ConnectorID: "c", Name: "never"}})
	_, errs["Marks"] = s.Marks(ctx, "c")
	_, errs["HasUsers"] = s.HasUsers(ctx, "c")
	errs["Ping"] = s.Ping(ctx)
	return errs
}

func (s *suite) context() {
	s.putConnector(store.Connector{ID: "c"}, true)
	s.put(user("u", 1, "id:u"))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for name, err := range s.calls(ctx) {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s with a context that has ended: %v, want context.Canceled", name, err)
		}
	}
	s.wantConnector(store.Connector{ID: "c"})
	s.diff("a user whose Put was withdrawn", s.snapshot("never"), store.Snapshot{})
}

func (s *suite) close() {
	for range 2 {
		if err := s.Store.Close(); err != nil {
			s.Fatal(err)
		}
		for name, err := range s.calls(s.Context()) {
			if !errors.Is(err, store.ErrUnavailable) {
				s.Errorf("%s after Close: %v, want ErrUnavailable", name, err)
			}
		}
	}
}

// closeWhilePutting: a Put is either done and kept, or has failed.
func (s *suite) closeWhilePutting() {
	var wg sync.WaitGroup
	kept := make([]int, 32) // what each user was last told is stored
	var started sync.WaitGroup
	started.Add(len(kept))
	for i := range kept {
		wg.Go(func() {
			for n := 1; ; n++ {
				_, err := s.Put(s.Context(), "c", []store.User{user(fmt.Sprint(i), n)})
				if n == 1 {
					started.Done()
				}
				if err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						s.Errorf("Put while closing: %v", err)
					}
					return
				}
				kept[i] = n
			}
		})
	}
	started.Wait()
	closing := s.Store
	if err := closing.Close(); err != nil {
		s.Fatal(err)
	}
	wg.Wait()
	s.Store = s.open(s.T, s.opts)
	for i, n := range kept {
		id := fmt.Sprint(i)
		s.diff("user "+id, string(s.snapshot(id).State), string(user(id, n).State))
	}
}

// concurrent: whatever the order, each user's versions grow strictly, no write
// is lost, and a reader never sees a version go back.
func (s *suite) concurrent() {
	const writers, readers, rounds, users = 16, 2, 15, 10
	type last struct {
		version uint64
		state   string
	}
	var mu sync.Mutex
	seen := make(map[string]map[uint64]string) // user, version, state
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range rounds {
				var batch []store.User
				for i := range 1 + (w+n)%7 {
					id := fmt.Sprint("u", (w*3+n+i)%users)
					batch = append(batch, store.User{
						ID: id, Topics: []string{"id:" + id, fmt.Sprint("email:", (w+n)%5)},
						State: fmt.Appendf(nil, "%d/%d/%d", w, n, i),
					})
				}
				written, err := s.Put(s.Context(), "c", batch)
				if err != nil {
					s.Error(err)
					return
				}
				mu.Lock()
				for i, got := range written {
					id := batch[i].ID
					if seen[id] == nil {
						seen[id] = make(map[uint64]string)
					}
					if other, ok := seen[id][got.Version]; ok {
						s.Errorf("%s: version %d given to %s and %s", id, got.Version, other, batch[i].State)
					}
					seen[id][got.Version] = string(batch[i].State)
				}
				mu.Unlock()
				s.clock.advance(3 * time.Microsecond)
			}
		})
	}
	for range readers {
		wg.Go(func() {
			versions := make(map[string]uint64)
			for n := range 200 {
				id := fmt.Sprint("u", n%users)
				got, _, err := s.Find(s.Context(), "c", []string{"id:" + id})
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					s.Error(err)
					return
				}
				if got.Version < versions[id] {
					s.Errorf("%s: version %d after %d", id, got.Version, versions[id])
				}
				versions[id] = got.Version
			}
		})
	}
	wg.Wait()

	for id, versions := range seen {
		var want last
		for version, state := range versions {
			if version > want.version {
				want = last{version, state}
			}
		}
		got := s.snapshot(id)
		if got.Version != want.version || string(got.State) != want.state {
			s.Errorf("%s: stored %d %s, want %d %s", id, got.Version, got.State, want.version, want.state)
		}
	}
	// An email is in the snapshot of the user it leads to, and in no other.
	for n := range 5 {
		topic := fmt.Sprint("email:", n)
		found, _, err := s.Find(s.Context(), "c", []string{topic})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			s.Fatal(err)
		}
		for u := range users {
			id := fmt.Sprint("u", u)
			if has := slices.Contains(s.snapshot(id).Topics, topic); has != (id == found.UserID) {
				s.Errorf("%s leads to %q; in the topics of %s: %v", topic, found.UserID, id, has)
			}
		}
	}
}
