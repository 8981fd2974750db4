// Package storetest has the suite that every implementation of [store.Store]
// passes, and what a test needs to open one.
package storetest

import (
	"context"
	"errors"
	"fmt"
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
	// History is the defaults, with a bound of views that a test reaches.
	History store.HistoryConfig
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
		{"ConnectorDeleted", (*suite).connectorDeleted},
		{"ConnectorNewer", (*suite).connectorNewer},
		{"ConnectorConfigDigest", (*suite).connectorConfigDigest},
		{"ConnectorSealed", (*suite).connectorSealed},
		{"Reseal", (*suite).reseal},
		{"ResealAtOnce", (*suite).resealAtOnce},
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
		{"Buried", (*suite).buriedTopics},
		{"Claimants", (*suite).claimants},
		{"ErasedUsers", (*suite).erasedUsers},
		{"NewTopics", (*suite).newTopics},
		{"Revoked", (*suite).revoked},
		{"Record", (*suite).recordVisits},
		{"RecordLate", (*suite).recordLate},
		{"RecordAnyText", (*suite).recordAnyText},
		{"RecordTwice", (*suite).recordTwice},
		{"RecordAtOnce", (*suite).recordAtOnce},
		{"Sessions", (*suite).sessions},
		{"RecentVisitors", (*suite).recentVisitors},
		{"RubbishCursors", (*suite).rubbishCursors},
		{"Join", (*suite).joinVisitors},
		{"JoinUnknown", (*suite).joinUnknown},
		{"JoinSomebodyElse", (*suite).joinSomebodyElse},
		{"JoinMeanwhile", (*suite).joinMeanwhile},
		{"PersonOfBoth", (*suite).personOfBoth},
		{"VisitorsOf", (*suite).visitorsOf},
		{"PagesOrder", (*suite).pagesOrder},
		{"PagesBound", (*suite).pagesBound},
		{"PageSummary", (*suite).pageSummary},
		{"EraseVisitors", (*suite).eraseVisitors},
		{"PutOffers", (*suite).putOffers},
		{"PutOfferAtOnce", (*suite).putOfferAtOnce},
		{"ListOffers", (*suite).listOffers},
		{"ListOffersTies", (*suite).listOffersTies},
		{"ClaimOffers", (*suite).claimOffers},
		{"ClaimOffersAtOnce", (*suite).claimOffersAtOnce},
		{"ClaimOffersCap", (*suite).claimOffersCap},
		{"MarkOffers", (*suite).markOffers},
		{"EraseOffers", (*suite).eraseOffers},
		{"AuditLog", (*suite).auditLog},
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
			s.opts = Options{Dir: t.TempDir(), Now: s.clock.Now, Sealer: NewSealer("secret"), History: store.DefaultHistoryConfig()}
			s.opts.History.ViewsPerVisitor = viewsKept
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
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(store.Written{}, "NewTopics")); d != "" {
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
	errs["Bury"] = s.Bury(ctx, "c", []string{"never"}, s.clock.Now())
	_, errs["Buried"] = s.Buried(ctx, "c", []string{"never"})
	errs["Lift"] = s.Lift(ctx, "c", []string{"never"})
	_, errs["Claimants"] = s.Claimants(ctx, "c", []string{"never"})
	errs["PutClaimants"] = s.PutClaimants(ctx, "c", map[string]store.Claimant{"never": {At: s.clock.Now()}})
	errs["ForgetClaimants"] = s.ForgetClaimants(ctx, "c", []string{"never"})
	s.historyCalls(ctx, errs)
	errs["Ping"] = s.Ping(ctx)
	return errs
}

// historyCalls are the methods of the history.
func (s *suite) historyCalls(ctx context.Context, errs map[string]error) {
	now := s.clock.Now()
	_, errs["Record"] = s.Record(ctx, []store.Visit{view("never", "a", now)})
	errs["Join"] = s.Join(ctx, []store.Join{{ConnectorID: "c", Visitor: "never", UserID: "u", At: now}})
	_, errs["Visitors"] = s.Visitors(ctx, "c", []string{"v"})
	_, errs["VisitorsOf"] = s.VisitorsOf(ctx, "c", "u")
	_, _, errs["RecentVisitors"] = s.RecentVisitors(ctx, "c", "", 1)
	_, _, errs["Pages"] = s.Pages(ctx, "c", person("u"), "", 1)
	_, errs["PageSummary"] = s.PageSummary(ctx, "c", person("u"), 1)
	errs["EraseVisitors"] = s.EraseVisitors(ctx, "c", []store.Person{person("u")})
	_, _, errs["Sweep"] = s.Sweep(ctx)
	_, _, errs["PutOffer"] = s.PutOffer(ctx, offer("never", now))
	_, errs["Offer"] = s.Offer(ctx, "c", "o")
	_, _, errs["Offers"] = s.Offers(ctx, "c", "", 1)
	_, errs["PendingOffers"] = s.PendingOffers(ctx, "c", now)
	_, errs["ClaimOffers"] = s.ClaimOffers(ctx, "c", []store.Claim{{Offer: "o", Person: "u", Visitor: "v", At: now}})
	_, errs["OfferStates"] = s.OfferStates(ctx, "c", []string{"u"}, []string{"o"})
	_, errs["MarkOffers"] = s.MarkOffers(ctx, "c", []store.OfferMark{{Offer: "o", Persons: []string{"u"}, Step: store.OfferSeen, At: now}})
	errs["Audit"] = s.Audit(ctx, store.AuditEntry{ConnectorID: "c", At: now, Action: "never"})
	_, _, errs["AuditLog"] = s.AuditLog(ctx, "c", "", 1)
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
	s.diff("a visitor whose visit was withdrawn", s.visitorOf("never"), store.Visitor{})
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
