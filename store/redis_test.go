//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"hullbeam/internal/proctest"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

func init() { logging.Disable() } // what the client says of connections that tests cut

func TestRedis(t *testing.T) {
	testRedis(t, storetest.Redis(t).URL())
}

func TestRedisCluster(t *testing.T) {
	_, url := storetest.RedisCluster(t)
	testRedis(t, url)
}

// testRedis runs the suite, each test under a prefix of its own.
func testRedis(t *testing.T, url string) {
	storetest.Run(t, func(t *testing.T, opts storetest.Options) store.Store {
		cfg := redisConfig(url)
		cfg.Prefix = filepath.Base(filepath.Dir(opts.Dir)) + ":"
		cfg.Now, cfg.Sealer, cfg.History = opts.Now, opts.Sealer, opts.History
		return openRedis(t, cfg)
	})
}

func redisConfig(url string) store.RedisConfig {
	cfg := store.DefaultRedisConfig()
	cfg.URL = url
	cfg.Publish = true
	cfg.Sealer = storetest.NewSealer("secret")
	return cfg
}

func openRedis(t testing.TB, cfg store.RedisConfig) *store.Redis {
	t.Helper()
	s, err := store.OpenRedis(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// wantTrouble checks that err is an ErrUnavailable that says all the parts.
func wantTrouble(t *testing.T, err error, parts ...string) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want an ErrUnavailable", err)
	}
	wantError(t, err, parts...)
}

// Versions are by Redis's clock, also across a loss of everything.
func TestRedisClock(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	var last uint64
	for n := range 20 {
		if n == 10 {
			server.Do("FLUSHALL")
		}
		written, err := s.Put(t.Context(), "c", users("u", 1))
		if err != nil {
			t.Fatal(err)
		}
		got := written[0].Version
		if now := uint64(time.Now().UnixMicro()); got <= last || got > now || got < now-uint64(time.Minute.Microseconds()) {
			t.Errorf("version %d after %d at %d", got, last, now)
		}
		last = got
	}
}

// What a Put costs in round trips does not depend on how many users it has, or
// they topics.
func TestRedisRoundTrips(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	put(t, s, users("warm", 100)) // the scripts are known, and there is a connection
	reads := func() int {
		n, err := strconv.Atoi(server.Info("total_reads_processed"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	overhead := reads()
	overhead = reads() - overhead
	cost := func(list []store.User) int {
		before := reads()
		put(t, s, list)
		return reads() - before - overhead
	}
	// A pipeline is read in a few pieces: of at most 16 KiB, of what has arrived.
	if got := cost(users("u", 1)); got != 3 {
		t.Errorf("a new user takes %d round trips, want 3: state, topics, done", got)
	}
	if got := cost(users("u", 1)); got != 1 {
		t.Errorf("a known user takes %d round trips, want 1", got)
	}
	many := users("many", 1)
	for i := range 50 {
		many[0].Topics = append(many[0].Topics, fmt.Sprint("anonymous_id:", i))
	}
	if got := cost(many); got > 4 {
		t.Errorf("a new user with 51 topics takes %d reads, want about 3", got)
	}
	if got := cost(many); got != 1 {
		t.Errorf("a known user with 51 topics takes %d round trips, want 1", got)
	}
	if got := cost(users("u", 100)); got > 100*1500/(16<<10)+15 {
		t.Errorf("100 users take %d reads", got)
	}
}

// Scripts that the server has forgotten are sent again.
func TestRedisScriptFlush(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	for range 3 {
		put(t, s, users("u", 20))
		if _, err := s.PutConnector(t.Context(), store.Connector{ID: "c"}); err != nil {
			t.Fatal(err)
		}
		server.Do("SCRIPT", "FLUSH")
	}
	if got := known(t, s, users("u", 20)); got != 20 {
		t.Errorf("%d users, want 20", got)
	}
}

// A server without memory fails writes, keeps what it has, reads, and works
// again once there is room.
func TestRedisOutOfMemory(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	put(t, s, users("u", 10))
	recordVisits(t, s, view("v", "a", time.Now()))
	server.Do("CONFIG", "SET", "maxmemory", "1mb")
	_, err := s.Put(t.Context(), "c", users("more", 1))
	wantTrouble(t, err, "writing 1 user: OOM")
	_, err = s.PutConnector(t.Context(), store.Connector{ID: "c"})
	wantTrouble(t, err, "writing connector c: OOM")
	wantTrouble(t, s.Ping(t.Context()), "OOM")
	_, err = s.Record(t.Context(), []store.Visit{view("v", "b", time.Now())})
	wantTrouble(t, err, "writing visits: OOM")
	wantViews(t, s, store.Person{Visitor: "v"}, "a")
	if got := known(t, s, users("u", 10)) + known(t, s, users("more", 1)); got != 10 {
		t.Errorf("%d users, want 10", got)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	put(t, s, users("more", 1))
}

func TestRedisWarnings(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	if got, err := s.Warnings(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("with noeviction: %q, %v", got, err)
	}
	server.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if got, err := s.Warnings(t.Context()); err != nil || len(got) != 1 || !strings.Contains(got[0], "allkeys-lru") {
		t.Errorf("with allkeys-lru: %q, %v", got, err)
	}
}

// A server that answers nothing, or is not there, is an error in time, and none
// once it is back.
func TestRedisFrozenAndGone(t *testing.T) {
	server := storetest.Redis(t)
	cfg := redisConfig(server.URL())
	cfg.Timeout = time.Second
	s := openRedis(t, cfg)
	put(t, s, users("u", 1))
	fails := func(want string) {
		t.Helper()
		for name, do := range map[string]func() error{
			"Ping": func() error { return s.Ping(t.Context()) },
			"Put":  func() error { _, err := s.Put(t.Context(), "c", users("u", 1)); return err },
			"Find": func() error { _, _, err := s.Find(t.Context(), "c", []string{"id:u0"}); return err },
			"PutConnector": func() error {
				_, err := s.PutConnector(t.Context(), store.Connector{ID: "c"})
				return err
			},
			"Record": func() error { _, err := s.Record(t.Context(), []store.Visit{view("v", "a", time.Now())}); return err },
			"Pages": func() error {
				_, _, err := s.Pages(t.Context(), "c", store.Person{UserID: "u"}, "", 1)
				return err
			},
			"PendingOffers": func() error { _, err := s.PendingOffers(t.Context(), "c", time.Now()); return err },
		} {
			began := time.Now()
			err := do()
			if took := time.Since(began); took > 5*cfg.Timeout {
				t.Errorf("%s took %v", name, took)
			}
			wantTrouble(t, err, want)
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v looks as if the caller's time were over", name, err)
			}
		}
	}
	server.Freeze()
	fails("")
	server.Thaw()
	storetest.Eventually(t, "a thawed server is used", func() bool { return s.Ping(t.Context()) == nil })
	server.Kill()
	fails("connection refused")
	server.Start()
	storetest.Eventually(t, "a new server is used", func() bool { return s.Ping(t.Context()) == nil })
	put(t, s, users("u", 1))
}

// The caller's own deadline is an error of its own.
func TestRedisDeadline(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	put(t, s, users("u", 1))
	server.Freeze()
	defer server.Thaw()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Snapshots(ctx, "c", []string{"u0"}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

// lifeOf is how long a key is kept yet; 0 or less: it has no end, or is not there.
func lifeOf(server *storetest.RedisServer, key string) time.Duration {
	ms, _ := server.Do("PTTL", key).(int64)
	return time.Duration(ms) * time.Millisecond
}

// Users have a life, which writing renews, and reading now and then.
func TestRedisLife(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	u := users("u", 1)
	life := func(key string) time.Duration { return lifeOf(server, key) }
	const user, topic, full = "hb:u:{c:u0}", "hb:t:{c:id:u0}", 720 * time.Hour
	put(t, s, u)
	if got := life(user); got > full || got < full-time.Minute {
		t.Errorf("a user's life is %v, want %v", got, full)
	}
	if got := life(topic); got > 2*full || got < 2*full-time.Minute {
		t.Errorf("a topic's life is %v, want twice %v", got, full)
	}
	server.Do("PEXPIRE", user, (full - 10*time.Minute).Milliseconds())
	server.Do("PEXPIRE", topic, time.Hour.Milliseconds())
	find := func() {
		t.Helper()
		if _, _, err := s.Find(t.Context(), "c", u[0].Topics); err != nil {
			t.Fatal(err)
		}
	}
	find()
	if got := life(user); got > full-10*time.Minute {
		t.Error("a read renews a life of which little is gone")
	}
	server.Do("PEXPIRE", user, time.Hour.Milliseconds())
	find()
	if life(user) < full-time.Minute || life(topic) < full {
		t.Errorf("after a read: user %v, topic %v", life(user), life(topic))
	}
	if got := life("hb:connectors"); got > 0 {
		t.Errorf("connectors live for %v", got)
	}
}

// Whoever writes a user now and then, always with the same topics, keeps them.
func TestRedisTopicsOutliveTheirUser(t *testing.T) {
	server := storetest.Redis(t)
	cfg := redisConfig(server.URL())
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg.Now = func() time.Time { return now }
	s := openRedis(t, cfg)
	put(t, s, users("u", 1))
	server.Do("PEXPIRE", "hb:t:{c:id:u0}", 1000) // as if time had passed
	now = now.Add(cfg.UserTTL/2 + time.Hour)
	put(t, s, users("u", 1))
	if left := lifeOf(server, "hb:t:{c:id:u0}"); left <= cfg.UserTTL {
		t.Errorf("the topic has %v left", left)
	}
}

// Above the bound those are forgotten that were not used for longest.
func TestRedisMaxUsers(t *testing.T) {
	server := storetest.Redis(t)
	cfg := redisConfig(server.URL())
	cfg.MaxUsers = 160
	s := openRedis(t, cfg)
	put(t, s, users("old", 100))
	for n := range 10 {
		put(t, s, users(fmt.Sprint("new", n, "-"), 30))
	}
	if got := known(t, s, users("old", 100)); got > 5 {
		t.Errorf("%d old users are kept", got)
	}
	sum := 0
	for n := range 10 {
		sum += known(t, s, users(fmt.Sprint("new", n, "-"), 30))
	}
	if sum > 160 || sum < 130 {
		t.Errorf("%d users are kept, want at most 160, and not far from it", sum)
	}
}

// What a newer hullbeam wrote is neither read nor overwritten.
func TestRedisNewer(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	put(t, s, users("u", 2))
	if _, err := s.PutConnector(t.Context(), store.Connector{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	server.Do("SETRANGE", "hb:u:{c:u0}", 0, "\x02")
	server.Do("SETRANGE", "hb:t:{c:id:u1}", 0, "\x02")
	server.Do("HSET", "hb:connectors", "c", "\x02 what it is now")
	_, snapshots := s.Snapshots(t.Context(), "c", []string{"u0"})
	_, heads := s.Heads(t.Context(), "c", []string{"u0"})
	_, puts := s.Put(t.Context(), "c", users("u", 1))
	_, leads := s.Leads(t.Context(), "c", []string{"id:u1"})
	_, restores := s.Restore(t.Context(), "c", []store.Snapshot{{UserID: "u0", Version: 1 << 52}})
	_, restoresTopic := s.Restore(t.Context(), "c", []store.Snapshot{{UserID: "new", Version: 1, Topics: []string{"id:u1"}}})
	_, _, finds := s.Find(t.Context(), "c", []string{"id:u1"})
	_, takes := s.Put(t.Context(), "c", []store.User{{ID: "other", Topics: []string{"id:u1"}}})
	_, connector := s.Connector(t.Context(), "c")
	_, connectors := s.Connectors(t.Context())
	_, putConnector := s.PutConnector(t.Context(), store.Connector{ID: "c"})
	for name, err := range map[string]error{
		"Snapshots": snapshots, "Heads": heads, "Put": puts, "Find": finds, "taking a topic": takes,
		"Connector": connector, "Connectors": connectors, "PutConnector": putConnector,
		"Leads": leads, "Restore": restores, "restoring a topic": restoresTopic,
	} {
		if !errors.Is(err, store.ErrNewer) {
			t.Errorf("%s: %v, want ErrNewer", name, err)
		}
	}
	if stored, err := s.RestoreConnector(t.Context(), store.Connector{ID: "c"}); stored || err != nil {
		t.Errorf("restoring a connector over a newer one: stored %v, %v", stored, err)
	}
}

// A redis_url can be shown, however it is written.
func TestMaskRedisURL(t *testing.T) {
	for url, want := range map[string]string{
		"":                           "",
		"redis://host:6379/1":        "redis://host:6379/1",
		"redis://:hunter2@host":      "redis://:********@host",
		"redis://me:hunter2@a:1,b:2": "redis://me:********@a:1,b:2",
		"rediss://hunter2@host":      "rediss://:********@host",
		"redis://a:hunter2@b@host":   "redis://a:********@host",
		"redis://a/0?cluster=true":   "redis://a/0?cluster=true",
		"redis+sentinel://me:hunter2@a:1/m/0?sentinel_username=x&sentinel_password=hunter2": "redis+sentinel://me:********@a:1/m/0?********",
		"redis+sentinel://a/m?sentinel%5fpassword=hunter2":                                  "redis+sentinel://a/m?********",
		"redis://a/0?%zz=hunter2": "redis://a/0?********",
		"hunter2":                 "********",
	} {
		if got := store.MaskRedisURL(url); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}

// No password of a redis_url is in what is shown of it, or in why it is refused.
func FuzzRedisURL(f *testing.F) {
	f.Add("redis", "me", "hunter2", "a:1,b:2", "/0?cluster=true")
	f.Add("rediss+sentinel", "", "a@b:c/d?e", "[::1]:26379", "/m/0?sentinel_username=x&sentinel_password=%zz")
	f.Add("http", "\x00", "%zz", "host:99999", "/-1")
	f.Fuzz(func(t *testing.T, scheme, user, password, hosts, tail string) {
		const secret = "~hunter2~"
		text := scheme + "://" + user + ":" + url.PathEscape(password) + secret + "@" + hosts + tail
		if strings.ContainsAny(scheme+user, ":/?@") || strings.Contains(hosts, "@") {
			return // the password is somewhere else then
		}
		if shown := store.MaskRedisURL(text); strings.Contains(shown, secret) {
			t.Errorf("%s is shown as %s", text, shown)
		}
		cfg := redisConfig(text)
		client, err := store.RedisClient(cfg)
		if err == nil {
			client.Close()
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	})
}

// A head tells of a new state, and of a topic lost under the same version.
func TestRedisHeads(t *testing.T) {
	s := openRedis(t, redisConfig(storetest.Redis(t).URL()))
	put(t, s, users("u", 3))
	before, err := s.Snapshots(t.Context(), "c", []string{"u0", "u1", "u2"})
	if err != nil {
		t.Fatal(err)
	}
	is := func(want ...bool) {
		t.Helper()
		heads, err := s.Heads(t.Context(), "c", []string{"u0", "u1", "u2", "unknown"})
		if err != nil || heads[3] != (store.Head{}) {
			t.Fatalf("got %v %v", heads, err)
		}
		var got []bool
		for i := range before {
			got = append(got, heads[i].Of(&before[i]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("as before: got %v, want %v", got, want)
		}
	}
	is(true, true, true)
	put(t, s, users("u", 1))
	is(false, true, true)
	put(t, s, []store.User{{ID: "other", Topics: []string{"id:u1"}, State: []byte("1")}})
	is(false, false, true)
}

// versions are those of heads.
func versions(heads []store.Head, err error) ([]uint64, error) {
	list := make([]uint64, len(heads))
	for i, h := range heads {
		list[i] = h.Version
	}
	return list, err
}

// The epoch is another one once a server has lost what it had, and only then.
func TestRedisEpoch(t *testing.T) {
	onRedis := func(t *testing.T, url string, servers ...*storetest.RedisServer) {
		a, b := openRedis(t, redisConfig(url)), openRedis(t, redisConfig(url))
		epoch := func(s *store.Redis) string {
			t.Helper()
			e, err := s.Epoch(t.Context())
			if err != nil || e == "" {
				t.Fatalf("got %q, %v", e, err)
			}
			return e
		}
		first := epoch(a)
		if put(t, a, users("u", 3)); epoch(a) != first || epoch(b) != first {
			t.Error("it is another one, and nothing was lost")
		}
		for _, s := range servers {
			s.Do("FLUSHALL")
			if next := epoch(b); next == first || epoch(a) != next {
				t.Errorf("after a flush of %s: %q, before %q", s.Addr, next, first)
			} else {
				first = next
			}
		}
	}
	t.Run("one server", func(t *testing.T) {
		server := storetest.Redis(t)
		onRedis(t, server.URL(), server)
	})
	t.Run("Cluster", func(t *testing.T) {
		servers, url := storetest.RedisCluster(t)
		onRedis(t, url, servers...)
	})
}

func TestA15RedisSealedAtRest(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	_, err := s.PutConnector(t.Context(), store.Connector{
		ID: "c", Organization: "the-organization", Secret: "the-secret",
		PrivateSettings: []byte(`{"identity_secret":"the-private-settings"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprint(server.Do("HGETALL", "hb:connectors"))
	if !strings.Contains(all, "the-organization") {
		t.Error("the organization is not there; this test looks in the wrong place")
	}
	for _, secret := range []string{"the-secret", "dGhlLXNlY3JldA", "private", "identity_secret"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s can be read", secret)
		}
	}
}

// A node that dies in the middle of a Put leaves topics half done. To put the
// user again, as Hull does, mends them.
func TestRedisHalfDone(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	put(t, s, []store.User{{ID: "a", Topics: []string{"email:x", "id:a"}}})
	before := server.Do("GET", "hb:t:{c:email:x}")
	put(t, s, []store.User{{ID: "b", Topics: []string{"email:x"}}})
	// As if b's record had been written, and no more.
	server.Do("SETRANGE", "hb:u:{c:b}", 1, "\x01")
	server.Do("SET", "hb:t:{c:email:x}", before)
	if got, _, err := s.Find(t.Context(), "c", []string{"email:x"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a topic on its way leads to %q, %v", got.UserID, err)
	}
	put(t, s, []store.User{{ID: "b", Topics: []string{"email:x"}}})
	if got, _, err := s.Find(t.Context(), "c", []string{"email:x"}); err != nil || got.UserID != "b" {
		t.Errorf("the topic leads to %q, %v, want b", got.UserID, err)
	}
}

func TestRedisSentinel(t *testing.T) {
	master, _, url := storetest.RedisSentinel(t)
	t.Run("Suite", func(t *testing.T) { testRedis(t, url) })
	t.Run("Failover", func(t *testing.T) { testFailover(t, master, url) })
}

// Of what was acknowledged with wait_replicas nothing is lost when the master
// dies, and what comes meanwhile is refused.
func testFailover(t *testing.T, master *storetest.RedisServer, url string) {
	cfg := redisConfig(url)
	cfg.WaitReplicas, cfg.Timeout = 1, waitTimeout
	s := openRedis(t, cfg)
	put(t, s, users("first", 1))

	var mu sync.Mutex
	acknowledged := make(map[string]uint64)
	refused := 0
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				list := users(fmt.Sprint("w", w, "-", n, "-"), 3)
				written, err := s.Put(t.Context(), "c", list)
				mu.Lock()
				for i, got := range written {
					acknowledged[list[i].ID] = got.Version
				}
				if err != nil {
					refused++
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("got %v, want an ErrUnavailable", err)
					}
				}
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	storetest.Eventually(t, "writes are acknowledged", func() bool { return count() > 300 })
	master.Kill()
	killed, before := time.Now(), count()
	storetest.Eventually(t, "writes are acknowledged again", func() bool { return count() > before+300 })
	t.Logf("writes again after %v; %d Puts refused", time.Since(killed).Round(time.Millisecond), refused)
	cancel()
	writers.Wait()

	var ids []string
	for id := range acknowledged {
		ids = append(ids, id)
	}
	known, err := versions(s.Heads(t.Context(), "c", ids))
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for i, id := range ids {
		if known[i] < acknowledged[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged users are lost", lost, len(ids))
	}
}

// waitTimeout leaves a write that waits for replicas a second, a quarter of it, to
// hear that there are none.
const waitTimeout = 4 * time.Second

// Without as many replicas as it takes, a write is refused.
func TestRedisWaitReplicas(t *testing.T) {
	cfg := redisConfig(storetest.Redis(t).URL())
	cfg.WaitReplicas, cfg.Timeout = 2, waitTimeout
	s := openRedis(t, cfg)
	for want, write := range map[string]func() error{
		"writing 1 user: it is written, but 0 of 2 replicas have it": func() error {
			_, err := s.Put(t.Context(), "c", users("u", 1))
			return err
		},
		"restoring 1 user: it is written, but 0 of 2 replicas have it": func() error {
			_, err := s.Restore(t.Context(), "c", []store.Snapshot{{UserID: "lost", Version: 1}})
			return err
		},
		"writing connector c: it is written, but 0 of 2 replicas have it": func() error {
			_, err := s.PutConnector(t.Context(), store.Connector{ID: "c"})
			return err
		},
		"restoring connector lost: it is written, but 0 of 2 replicas have it": func() error {
			_, err := s.RestoreConnector(t.Context(), store.Connector{ID: "lost"})
			return err
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			wantTrouble(t, write(), want)
		})
	}
}

// A password is in no error.
func TestRedisPassword(t *testing.T) {
	server := storetest.Redis(t)
	server.Do("ACL", "SETUSER", "beam", "on", ">pass%word", "~*", "&*", "+@all")
	cfg := redisConfig("redis://beam:pass%25word@" + server.Addr)
	put(t, openRedis(t, cfg), users("u", 1))

	cfg.URL = "redis://beam:hunter2@" + server.Addr
	_, err := openRedis(t, cfg).Put(t.Context(), "c", users("u", 1))
	wantTrouble(t, err, "WRONGPASS")
	for _, url := range []string{
		"redis://beam:hunter2@host:port", "redis://beam:hunter2%zz@host", "hunter2", "hunter2://host",
		"redis://beam:hunter2@host/x", "redis+sentinel://:hunter2@host", "redis://:hunter2@a,b/2", "redis://:hunter2@",
		"redis://:hunter2@host?hunter2=hunter2", "redis://:hunter2@host/%zz",
	} {
		cfg.URL = url
		_, openErr := store.OpenRedis(cfg)
		if openErr == nil {
			t.Errorf("%s is accepted", url)
		}
		wantError(t, openErr, "redis_url")
		err = errors.Join(err, openErr)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is told: %v", err)
	}
}

// A certificate is checked, unless the configuration says otherwise: some services' sign themselves.
func TestRedisTLS(t *testing.T) {
	dir, addr := t.TempDir(), proctest.FreeAddr(t)
	proctest.Certificate(t, dir, time.Now().Add(time.Hour))
	_, port, _ := strings.Cut(addr, ":")
	storetest.Redis(t, "--tls-port", port, "--tls-auth-clients", "no", "--tls-cert-file", filepath.Join(dir, "cert.pem"), "--tls-key-file", filepath.Join(dir, "key.pem"))
	cfg := redisConfig("rediss://" + addr)
	_, err := openRedis(t, cfg).Put(t.Context(), "c", users("u", 1))
	wantTrouble(t, err, "certificate")
	cfg.VerifyTLS = false
	put(t, openRedis(t, cfg), users("u", 1))
}

// A Redis that is full can be read: its epoch too.
func TestRedisFullEpoch(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	before, err := s.Epoch(t.Context())
	server.Do("CONFIG", "SET", "maxmemory", "1")
	after, fullErr := s.Epoch(t.Context())
	if err != nil || fullErr != nil || after != before {
		t.Errorf("got %q %v, then %q %v", before, err, after, fullErr)
	}
	server.Do("FLUSHALL")
	_, err = s.Epoch(t.Context())
	wantTrouble(t, err, "OOM")
}

// The user of an ACL that docs/cluster.md names can do all that a node does.
func TestRedisACL(t *testing.T) {
	server := storetest.Redis(t)
	server.Do("ACL", "SETUSER", "beam", "on", ">pw", "~hb:*", "&hb:*", "+@read", "+@write", "+@scripting", "+@pubsub", "+@connection",
		"+wait", "+info", "+cluster", "+time")
	cfg := redisConfig("redis://beam:pw@" + server.Addr)
	cfg.MaxUsers, cfg.WaitReplicas, cfg.Timeout = 16, 1, waitTimeout
	s := openRedis(t, cfg)
	_, err := s.PutConnector(t.Context(), store.Connector{ID: "c"})
	wantTrouble(t, err, "0 of 1 replicas") // and no NOPERM
	cfg.WaitReplicas = 0
	s = openRedis(t, cfg)
	put(t, s, users("u", 100))
	_, err = s.Epoch(t.Context())
	_, warnErr := s.Warnings(t.Context())
	_, _, findErr := s.Find(t.Context(), "c", []string{"id:u1"})
	if err := errors.Join(err, warnErr, s.Ping(t.Context())); err != nil {
		t.Error(err)
	}
	useHistory(t, s)
	for _, user := range []string{"ann", "bob"} {
		recordVisits(t, s, view("v", user, time.Now()))
		join(t, s, "v", user)
	}
	if err := s.EraseVisitors(t.Context(), "c", []store.Person{{UserID: "bob"}}); err != nil {
		t.Error(err)
	}
	if findErr != nil && !errors.Is(findErr, store.ErrNotFound) {
		t.Error(findErr)
	}
}

func TestRedisConfigValidate(t *testing.T) {
	for _, test := range []struct {
		change func(*store.RedisConfig)
		want   string // in the error; "": none
	}{
		{func(c *store.RedisConfig) {}, ""},
		{func(c *store.RedisConfig) { c.URL = "rediss://u:p@a:1,b,[::1]:2,[::1]" }, ""},
		{func(c *store.RedisConfig) { c.URL = "redis://host?cluster=true" }, ""},
		{func(c *store.RedisConfig) { c.URL = "rediss+sentinel://p@a,b:1/name/3?sentinel_password=x" }, ""},
		{func(c *store.RedisConfig) { c.Prefix = "{" }, "redis.prefix"},
		{func(c *store.RedisConfig) { c.UserTTL = 0 }, ""},
		{func(c *store.RedisConfig) { c.UserTTL = time.Hour }, "redis.user_ttl: 1h0m0s is neither 0 (for ever) nor between 2h and 8760h"},
		{func(c *store.RedisConfig) { c.MaxUsers = -1 }, "redis.max_users"},
		{func(c *store.RedisConfig) { c.WaitReplicas = 11 }, "redis.wait_replicas"},
		{func(c *store.RedisConfig) { c.Timeout = 0 }, "redis.timeout"},
		{func(c *store.RedisConfig) { c.PoolSize = -1 }, "redis.pool_size"},
	} {
		cfg := redisConfig("redis://host")
		test.change(&cfg)
		err := cfg.Validate()
		if test.want == "" && err != nil {
			t.Errorf("%+v: %v", cfg, err)
		} else if test.want != "" {
			wantError(t, err, test.want)
		}
	}
}
