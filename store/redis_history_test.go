//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// view is a visit of connector c that looks at a page.
func view(visitor, id string, at time.Time) store.Visit {
	return store.Visit{ConnectorID: "c", Visitor: visitor, At: at, View: &store.PageView{
		ID: id, URL: "https://example.com/shop/" + id, Title: "The page " + id, Referrer: "https://example.com/",
		LocalTime: "2026-03-01T12:00:00+01:00",
	}}
}

func recordVisits(t testing.TB, s *store.Redis, visits ...store.Visit) []bool {
	t.Helper()
	news, err := s.Record(t.Context(), visits)
	if err != nil {
		t.Fatal(err)
	}
	return news
}

func join(t testing.TB, s *store.Redis, visitor, user string) {
	t.Helper()
	if err := s.Join(t.Context(), []store.Join{{ConnectorID: "c", Visitor: visitor, UserID: user, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
}

// viewedBy are those of what a person has looked at, the latest first, read in parts.
func viewedBy(t testing.TB, s *store.Redis, of store.Person, limit int) []string {
	t.Helper()
	var ids []string
	for cursor := ""; ; {
		views, next, err := s.Pages(t.Context(), "c", of, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			ids = append(ids, v.ID)
		}
		if next == "" {
			return ids
		}
		cursor = next
	}
}

func wantViews(t *testing.T, s *store.Redis, of store.Person, want ...string) {
	t.Helper()
	for _, limit := range []int{1, 3, 500} {
		if got := viewedBy(t, s, of, limit); !slices.Equal(got, want) {
			t.Errorf("%+v looked at %q, want %q, %d at a time", of, got, want, limit)
		}
	}
}

// onBoth runs a test on one server and on a Cluster.
func onBoth(t *testing.T, test func(t *testing.T, s *store.Redis)) {
	t.Run("one server", func(t *testing.T) { test(t, openRedis(t, redisConfig(storetest.Redis(t).URL()))) })
	t.Run("Cluster", func(t *testing.T) {
		_, url := storetest.RedisCluster(t)
		test(t, openRedis(t, redisConfig(url)))
	})
}

// Views go with the person that a visitor was, through joins to one and another.
func TestRedisPersons(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Redis) {
		now := time.Now().Add(-time.Hour)
		at := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
		recordVisits(t, s, view("v1", "a", at(1)), view("v2", "b", at(1)), view("v1", "c", at(3)))
		join(t, s, "v1", "ann")
		recordVisits(t, s, view("v1", "d", at(4)))
		join(t, s, "v2", "ann")
		join(t, s, "v1", "bob")
		recordVisits(t, s, view("v1", "e", at(5)), view("v2", "f", at(6)))
		wantViews(t, s, store.Person{UserID: "ann"}, "f", "d", "c", "b", "a")
		wantViews(t, s, store.Person{UserID: "bob"}, "e")
		join(t, s, "v1", "ann")
		recordVisits(t, s, view("v1", "g", at(7)))
		wantViews(t, s, store.Person{UserID: "ann"}, "g", "f", "d", "c", "b", "a")
		wantViews(t, s, store.Person{UserID: "bob", Visitor: "v1"}, "e")
		wantViews(t, s, store.Person{Visitor: "v1"}, "g", "f", "d", "c", "b", "a")

		visitors, err := s.VisitorsOf(t.Context(), "c", "bob")
		if err != nil || len(visitors) != 0 {
			t.Errorf("visitors of bob, who has none any more: %v, %v", visitors, err)
		}
		if err := s.EraseVisitors(t.Context(), "c", []store.Person{{UserID: "bob"}}); err != nil {
			t.Fatal(err)
		}
		wantViews(t, s, store.Person{UserID: "bob"})
		wantViews(t, s, store.Person{UserID: "ann"}, "g", "f", "d", "c", "b", "a")
	})
}

// Of many views of the same time, of several visitors, none is left out or read twice.
func TestRedisSameTime(t *testing.T) {
	s := openRedis(t, redisConfig(storetest.Redis(t).URL()))
	at := time.Now()
	var visits []store.Visit
	for n := range 60 {
		visits = append(visits, view(fmt.Sprint("v", n%3), fmt.Sprint(n), at))
	}
	recordVisits(t, s, visits...)
	for _, visitor := range []string{"v0", "v1", "v2"} {
		join(t, s, visitor, "ann")
	}
	all := viewedBy(t, s, store.Person{UserID: "ann"}, 500)
	wantViews(t, s, store.Person{UserID: "ann"}, all...)
	slices.Sort(all)
	if got := len(slices.Compact(all)); got != 60 {
		t.Errorf("%d views, want 60", got)
	}
}

// A node records while another joins the same visitors to users: no view is lost, and none
// is with two persons.
func TestRedisJoinRace(t *testing.T) {
	server := storetest.Redis(t)
	const visitors, views = 8, 60
	nodes := make([]*store.Redis, 3)
	for i := range nodes {
		nodes[i] = openRedis(t, redisConfig(server.URL()))
		nodes[i].AddHook(slow{})
	}
	name := func(n int) string { return fmt.Sprint("v", n) }
	var all sync.WaitGroup
	all.Go(func() {
		for n := range views {
			var visits []store.Visit
			for v := range visitors {
				visits = append(visits, view(name(v), fmt.Sprint(v, "-", n), time.Now()))
			}
			recordVisits(t, nodes[0], visits...)
		}
	})
	for i, s := range nodes[1:] {
		all.Go(func() {
			for n := range 30 {
				join(t, s, name(n%visitors), fmt.Sprint("user", i))
			}
		})
	}
	all.Wait()
	var found []string
	for i := range 2 {
		found = append(found, viewedBy(t, nodes[0], store.Person{UserID: fmt.Sprint("user", i)}, 100)...)
	}
	slices.Sort(found)
	if got, once := len(found), len(slices.Compact(found)); got != visitors*views || once != got {
		t.Errorf("%d views with two users, %d of them different, want %d", got, once, visitors*views)
	}
}

// failing fails the nth pipeline after it is told to, before it is sent.
type failing struct{ in atomic.Int64 }

func (*failing) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*failing) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (f *failing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if f.in.Add(-1) == 0 {
			err := errors.New("the network is gone")
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		return next(ctx, cmds)
	}
}

// Whatever step a call fails at, to do it again makes good what is missing, and nothing is
// twice.
func TestRedisHistoryAgain(t *testing.T) {
	server := storetest.Redis(t)
	for step := int64(1); step <= 4; step++ {
		cfg := redisConfig(server.URL())
		cfg.Prefix = fmt.Sprint("step", step, ":")
		s := openRedis(t, cfg)
		useHistory(t, s) // the connection and the scripts are not among the steps
		fail := new(failing)
		s.AddHook(fail)
		again := func(name string, do func() error) {
			t.Helper()
			fail.in.Store(step)
			err := do()
			failed := fail.in.Swap(0) <= 0
			if failed {
				if !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%s, step %d: %v, want ErrUnavailable", name, step, err)
				}
				err = do()
			}
			if err != nil {
				t.Errorf("%s again after step %d: %v", name, step, err)
			}
		}
		at := time.Now()
		again("Record", func() error { _, err := s.Record(t.Context(), []store.Visit{view("v", "a", at)}); return err })
		if recent, _, err := s.RecentVisitors(t.Context(), "c", "", 10); err != nil || len(recent) != 1 {
			t.Errorf("recent visitors after the first view: %+v, %v", recent, err)
		}
		for _, user := range []string{"ann", "bob"} {
			again("Join", func() error {
				return s.Join(t.Context(), []store.Join{{ConnectorID: "c", Visitor: "v", UserID: user, At: at}})
			})
			again("Record", func() error { _, err := s.Record(t.Context(), []store.Visit{view("v", user, at)}); return err })
		}
		wantViews(t, s, store.Person{UserID: "ann"}, "ann", "a")
		wantViews(t, s, store.Person{UserID: "bob"}, "bob")
		if recent, _, err := s.RecentVisitors(t.Context(), "c", "", 10); err != nil || len(recent) != 1 || recent[0].UserID != "bob" || recent[0].Views != 3 {
			t.Errorf("recent visitors: %+v, %v", recent, err)
		}

		o := store.Offer{ConnectorID: "c", ID: "o", SentAt: at, Expires: at.Add(time.Hour)}
		again("PutOffer", func() error { _, _, err := s.PutOffer(t.Context(), o); return err })
		claim := []store.Claim{{Offer: "o", Person: "bob", Visitor: "v", At: at, Cap: 1, Window: time.Hour}}
		again("ClaimOffers", func() error {
			ok, err := s.ClaimOffers(t.Context(), "c", claim)
			if err == nil && !ok[0] {
				t.Errorf("the claim is refused, step %d", step)
			}
			return err
		})
		mark := []store.OfferMark{{Offer: "o", Persons: []string{"bob"}, Step: store.OfferSeen, At: at}}
		again("MarkOffers", func() error { _, err := s.MarkOffers(t.Context(), "c", mark); return err })
		if pending, err := s.PendingOffers(t.Context(), "c", at); err != nil || len(pending) != 1 || pending[0].Counts != (store.OfferCounts{Sent: 1, Seen: 1}) {
			t.Errorf("pending: %+v, %v", pending, err)
		}
		again("Audit", func() error {
			return s.Audit(t.Context(), store.AuditEntry{ConnectorID: "c", At: at, Action: "offer.send"})
		})
		if entries, _, err := s.AuditLog(t.Context(), "c", "", 10); err != nil || len(entries) != 1 {
			t.Errorf("audit log: %v, %v", entries, err)
		}
		if err := s.Audit(t.Context(), store.AuditEntry{ConnectorID: "c", At: at, Action: "offer.send"}); err != nil {
			t.Error(err)
		}
		if entries, _, err := s.AuditLog(t.Context(), "c", "", 10); err != nil || len(entries) != 1 {
			t.Errorf("audit log, written twice: %v, %v", entries, err)
		}
		again("EraseVisitors", func() error {
			return s.EraseVisitors(t.Context(), "c", []store.Person{{UserID: "ann"}, {UserID: "bob", Visitor: "v"}})
		})
		wantViews(t, s, store.Person{UserID: "ann"})
		wantViews(t, s, store.Person{UserID: "bob", Visitor: "v"})
		if recent, _, err := s.RecentVisitors(t.Context(), "c", "", 10); err != nil || len(recent) != 0 {
			t.Errorf("recent visitors after they were erased: %+v, %v", recent, err)
		}
	}
}

// useHistory has the server know every script, with what concerns another connector.
func useHistory(t testing.TB, s *store.Redis) {
	t.Helper()
	now := time.Now()
	v := view("v", "a", now)
	v.ConnectorID = "warm"
	recordVisits(t, s, v)
	_, _, pages := s.Pages(t.Context(), "warm", store.Person{Visitor: "v"}, "", 1)
	_, _, put := s.PutOffer(t.Context(), store.Offer{ConnectorID: "warm", ID: "o", SentAt: now, Expires: now.Add(time.Hour)})
	_, claims := s.ClaimOffers(t.Context(), "warm", []store.Claim{{Offer: "o", Person: "v", At: now, Cap: 1}})
	if err := errors.Join(pages, put, claims); err != nil {
		t.Fatal(err)
	}
}

// What a Record costs in round trips does not depend on how many visits it has.
func TestRedisRecordRoundTrips(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	useHistory(t, s) // the scripts are known, and there is a connection
	counter := new(counting)
	s.AddHook(counter)
	visits := func(prefix string, n int) (list []store.Visit) {
		for i := range n {
			list = append(list, view(fmt.Sprint(prefix, i), "a", time.Now()))
		}
		return list
	}
	for _, test := range []struct {
		what string
		do   func()
		want int64
	}{
		{"one visit", func() { recordVisits(t, s, visits("one", 1)...) }, 2},
		{"500 visits", func() { recordVisits(t, s, visits("many", 500)...) }, 2},
		{"a visitor who is joined", func() { join(t, s, "one0", "ann") }, 3},
		{"a visitor who is joined to somebody else", func() { join(t, s, "one0", "bob") }, 4},
		{"a person's views", func() { viewedBy(t, s, store.Person{UserID: "bob"}, 50) }, 2},
		{"an offer", func() { putOffer(t, s, "o", time.Hour) }, 2},
		{"a claim", func() { claim(t, s, store.Claim{Offer: "o", Person: "ann", At: time.Now()}) }, 1},
		{"a claim that counts", func() { claim(t, s, store.Claim{Offer: "o", Person: "bob", At: time.Now(), Cap: 1, Window: time.Hour}) }, 3},
	} {
		before := counter.n.Load()
		test.do()
		if got := counter.n.Load() - before; got != test.want {
			t.Errorf("%s: %d round trips, want %d", test.what, got, test.want)
		}
	}
}

// counting counts pipelines.
type counting struct{ n atomic.Int64 }

func (*counting) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

func putOffer(t testing.TB, s *store.Redis, id string, life time.Duration) store.Offer {
	t.Helper()
	o := store.Offer{ConnectorID: "c", ID: id, To: []byte(`{"all":true}`), Data: []byte(`{}`), SentAt: time.Now(), Expires: time.Now().Add(life)}
	stored, _, err := s.PutOffer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func claim(t testing.TB, s *store.Redis, claims ...store.Claim) []bool {
	t.Helper()
	ok, err := s.ClaimOffers(t.Context(), "c", claims)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// Whatever the history writes is forgotten by Redis itself, in the time that is set.
func TestRedisHistoryLife(t *testing.T) {
	server := storetest.Redis(t)
	cfg := redisConfig(server.URL())
	cfg.History.Retention = 10 * time.Hour
	cfg.History.AuditRetention = 50 * time.Hour
	s := openRedis(t, cfg)
	recordVisits(t, s, view("v", "a", time.Now()), view("w", "a", time.Now()))
	join(t, s, "v", "ann")
	join(t, s, "v", "bob")
	recordVisits(t, s, view("v", "b", time.Now()))
	putOffer(t, s, "o", time.Hour)
	claim(t, s, store.Claim{Offer: "o", Person: "bob", At: time.Now(), Cap: 1, Window: 3 * time.Hour})
	if err := s.Audit(t.Context(), store.AuditEntry{ConnectorID: "c", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.EraseVisitors(t.Context(), "c", []store.Person{{Visitor: "w"}}); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]time.Duration{
		"v": 10 * time.Hour, "w": 10 * time.Hour, "p": 10 * time.Hour, "r": 10 * time.Hour, "z": 720 * time.Hour,
		"f": 11 * time.Hour, "i": 11 * time.Hour, "x": 11 * time.Hour, "q": 3 * time.Hour, "a": 50 * time.Hour,
	}
	seen := map[string]bool{}
	for _, key := range server.Do("KEYS", "hb:*").([]any) {
		kind := strings.Split(key.(string), ":")[1]
		seen[kind] = true
		want, ok := kinds[kind]
		if got := lifeOf(server, key.(string)); !ok || got > want || got < want-time.Minute {
			t.Errorf("%s lives for %v, want %v", key, got, want)
		}
	}
	if len(seen) != len(kinds) {
		t.Errorf("there are keys of the kinds %v, want all of %v", seen, kinds)
	}
}

// What is older than it may be is not read, before Redis has forgotten it; nor are views
// above the bound, of whatever visitor.
func TestRedisHistoryBounds(t *testing.T) {
	cfg := redisConfig(storetest.Redis(t).URL())
	now := time.Now().Truncate(time.Millisecond)
	cfg.Now = func() time.Time { return now }
	cfg.History.ViewsPerVisitor = 10
	s := openRedis(t, cfg)
	for n := range 15 {
		for _, visitor := range []string{"v", "w"} {
			recordVisits(t, s, view(visitor, fmt.Sprint(visitor, n), now))
		}
		now = now.Add(time.Minute)
	}
	join(t, s, "v", "ann")
	join(t, s, "w", "ann")
	wantViews(t, s, store.Person{UserID: "ann"}, "w14", "v14", "w13", "v13", "w12", "v12", "w11", "v11", "w10", "v10")
	summary, err := s.PageSummary(t.Context(), "c", store.Person{UserID: "ann"}, 3)
	if err != nil || summary.Views != 10 || summary.Sessions != 2 || len(summary.Pages) != 3 {
		t.Errorf("got %+v, %v", summary, err)
	}
	now = now.Add(cfg.History.Retention - 3*time.Minute)
	wantViews(t, s, store.Person{UserID: "ann"}, "w14", "v14", "w13", "v13", "w12", "v12")
	now = now.Add(time.Hour)
	wantViews(t, s, store.Person{UserID: "ann"})
	if visitors, err := s.Visitors(t.Context(), "c", []string{"v", "w"}); err != nil || len(visitors) != 0 {
		t.Errorf("visitors who are long gone: %v, %v", visitors, err)
	}
}

// What a newer hullbeam wrote is neither read nor overwritten.
func TestRedisHistoryNewer(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	recordVisits(t, s, view("v", "a", time.Now()))
	join(t, s, "v", "ann")
	putOffer(t, s, "o", time.Hour)
	server.Do("SETRANGE", "hb:v:{c:v}", 0, "\x02")
	server.Do("HSET", "hb:f:{c:o}", "o", "\x02 what it is now")
	server.Do("ZADD", "hb:a:{c:}", time.Now().UnixMicro(), "\x02 an entry")
	_, records := s.Record(t.Context(), []store.Visit{view("v", "b", time.Now())})
	_, visitors := s.Visitors(t.Context(), "c", []string{"v"})
	_, _, pages := s.Pages(t.Context(), "c", store.Person{UserID: "ann"}, "", 10)
	_, offer := s.Offer(t.Context(), "c", "o")
	_, claims := s.ClaimOffers(t.Context(), "c", []store.Claim{{Offer: "o", Person: "ann"}})
	_, marks := s.MarkOffers(t.Context(), "c", []store.OfferMark{{Offer: "o", Persons: []string{"ann"}}})
	_, states := s.OfferStates(t.Context(), "c", []string{"ann"}, []string{"o"})
	_, _, audits := s.AuditLog(t.Context(), "c", "", 10)
	for name, err := range map[string]error{
		"Record": records, "Join": s.Join(t.Context(), []store.Join{{ConnectorID: "c", Visitor: "v", UserID: "bob", At: time.Now()}}),
		"Visitors": visitors, "Pages": pages, "EraseVisitors": s.EraseVisitors(t.Context(), "c", []store.Person{{UserID: "ann"}}),
		"Offer": offer, "ClaimOffers": claims, "MarkOffers": marks, "OfferStates": states, "AuditLog": audits,
	} {
		if !errors.Is(err, store.ErrNewer) {
			t.Errorf("%s: %v, want ErrNewer", name, err)
		}
	}
}

// Of many nodes that claim an offer for the tabs of a person at once, one visitor gets it;
// and of many offers a person gets as many as may be.
func TestRedisClaimRace(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Redis) {
		const offers, claimants, most = 6, 8, 4
		for n := range offers {
			putOffer(t, s, fmt.Sprint("o", n), time.Hour)
		}
		var got [offers]atomic.Int64
		var all sync.WaitGroup
		for c := range claimants {
			all.Go(func() {
				for n := range offers {
					if claim(t, s, store.Claim{
						Offer: fmt.Sprint("o", n), Person: "ann", Visitor: fmt.Sprint("v", c), At: time.Now(), Cap: most, Window: time.Hour,
					})[0] {
						got[n].Add(1)
					}
				}
			})
		}
		all.Wait()
		given, sent, capped := int64(0), 0, 0
		for n := range offers {
			if got[n].Load() > 1 {
				t.Errorf("offer %d went to %d visitors of a person", n, got[n].Load())
			}
			given += got[n].Load()
			o, err := s.Offer(t.Context(), "c", fmt.Sprint("o", n))
			if err != nil {
				t.Fatal(err)
			}
			sent, capped = sent+o.Counts.Sent, capped+o.Counts.Capped
		}
		if given != most || sent != most || capped != offers-most {
			t.Errorf("%d were given, %d counted as sent, %d as capped; want %d, %d, %d", given, sent, capped, most, most, offers-most)
		}
	})
}

// BenchmarkRedisRecord writes page views with 64 writers, one at a time each.
func BenchmarkRedisRecord(b *testing.B) {
	server := storetest.Redis(b)
	s := openRedis(b, redisConfig(server.URL()))
	var n atomic.Int64
	cpu := server.CPU()
	b.SetParallelism(32) // of each processor; there are two
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			if _, err := s.Record(context.Background(), []store.Visit{view("v_"+strconv.FormatInt(i%10_000, 36), strconv.FormatInt(i, 36), time.Now())}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "views/s")
	b.ReportMetric(float64((server.CPU()-cpu).Nanoseconds())/1e3/float64(n.Load()), "redis-µs/view")
}

// BenchmarkRedisRecordBatch writes page views by the hundred, as a node's queue does.
func BenchmarkRedisRecordBatch(b *testing.B) {
	server := storetest.Redis(b)
	s := openRedis(b, redisConfig(server.URL()))
	cpu, n := server.CPU(), 0
	for b.Loop() {
		visits := make([]store.Visit, 100)
		for i := range visits {
			n++
			visits[i] = view("v_"+strconv.Itoa(n%10_000), strconv.Itoa(n), time.Now())
		}
		recordVisits(b, s, visits...)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "views/s")
	b.ReportMetric(float64((server.CPU()-cpu).Nanoseconds())/1e3/float64(n), "redis-µs/view")
}

// BenchmarkRedisViewMemory reports what a view takes of Redis, and a visitor without one.
func BenchmarkRedisViewMemory(b *testing.B) {
	for b.Loop() {
		server := storetest.Redis(b)
		s := openRedis(b, redisConfig(server.URL()))
		used := func() float64 {
			n, err := strconv.ParseFloat(server.Info("used_memory"), 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
		const visitors, views = 20_000, 20
		fill := func(n int) {
			visits := make([]store.Visit, visitors)
			for v := range visits {
				visits[v] = view(fmt.Sprintf("v_%020d", v), fmt.Sprintf("%022d", n), time.Now())
				if n == 0 {
					visits[v].View = nil
				}
			}
			recordVisits(b, s, visits...)
		}
		useHistory(b, s)
		before := used()
		fill(0)
		each := used()
		for n := range views {
			fill(1 + n)
		}
		b.ReportMetric((each-before)/visitors, "B/visitor")
		b.ReportMetric((used()-each)/visitors/views, "B/view")
	}
}
