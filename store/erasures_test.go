//go:build unix

package store_test

import (
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// An erasure ends: an older state may come again then, and what was kept of the user goes.
func TestErasuresEnd(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := config(t.TempDir())
	cfg.Now = func() time.Time { return now }
	s := open(t, cfg)
	put := func(u store.User) store.Written {
		t.Helper()
		u.State = []byte(`{}`)
		written, err := s.Put(t.Context(), "c", []store.User{u})
		if err != nil {
			t.Fatal(err)
		}
		return written[0]
	}
	erase := func(id string) { put(store.User{ID: id, StateAt: now, Erased: true}) }
	older := store.User{Topics: []string{"id:x"}, StateAt: now.Add(-time.Minute)}
	known := func(ids ...string) int {
		t.Helper()
		users, err := s.Snapshots(t.Context(), "c", ids)
		if err != nil {
			t.Fatal(err)
		}
		return len(users)
	}

	put(store.User{ID: "u", Topics: []string{"id:u"}, StateAt: now})
	for _, id := range []string{"u", "v", "w", "w"} { // of w there is a state in the journal
		erase(id)
	}
	if err := s.Bury(t.Context(), "c", []string{"id:u"}, now); err != nil {
		t.Fatal(err)
	}
	now = now.Add(store.ErasureLife - time.Minute)
	if older.ID = "u"; !put(older).Stale {
		t.Error("an older state was written within the time")
	}
	now = now.Add(time.Minute)
	if times, err := s.Buried(t.Context(), "c", []string{"id:u"}); err != nil || !times[0].IsZero() {
		t.Errorf("buried: %v %v", times, err)
	}
	if put(older).Stale {
		t.Error("an older state was not written afterwards")
	}
	erase("z")
	if got := known("v"); got != 0 {
		t.Error("v is still known")
	}
	if older.ID = "v"; put(older).Stale {
		t.Error("v cannot come again")
	}
	if got := known("u", "v", "z"); got != 3 {
		t.Errorf("known: %d", got)
	}
}

// Whatever users' lives are, erasures have theirs, and reading does not prolong it.
func TestRedisErasuresEnd(t *testing.T) {
	server := storetest.Redis(t)
	for _, ttl := range []time.Duration{0, 2 * time.Hour, 8760 * time.Hour} {
		cfg := redisConfig(server.URL())
		cfg.UserTTL, cfg.Prefix = ttl, ttl.String()+":"
		s := openRedis(t, cfg)
		if _, err := s.Put(t.Context(), "c", []store.User{{ID: "u", State: []byte(`{}`), Erased: true}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Bury(t.Context(), "c", []string{"id:u"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Snapshots(t.Context(), "c", []string{"u"}); err != nil {
			t.Fatal(err)
		}
		keys, _ := server.Do("KEYS", cfg.Prefix+"*").([]any)
		if len(keys) != 2 {
			t.Errorf("keys: %v", keys)
		}
		for _, key := range keys {
			if left := lifeOf(server, key.(string)); left > store.ErasureLife || left < store.ErasureLife-time.Hour {
				t.Errorf("user_ttl %v: %s lives %v", ttl, key, left)
			}
		}
	}
}
