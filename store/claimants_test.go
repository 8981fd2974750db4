//go:build unix

package store_test

import (
	"fmt"
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// A memory of claimants ends, and then its rows go with the writes of others.
func TestClaimantsEnd(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := config(t.TempDir())
	cfg.Now = func() time.Time { return now }
	s := open(t, cfg)
	put := func(from, to int) {
		t.Helper()
		claimants := make(map[string]store.Claimant)
		for i := from; i < to; i++ {
			claimants[fmt.Sprint(i)] = store.Claimant{At: now}
		}
		if err := s.PutClaimants(t.Context(), "c", claimants); err != nil {
			t.Fatal(err)
		}
	}
	known := func() int {
		t.Helper()
		claimants, err := s.Claimants(t.Context(), "c", []string{"0", "1", "100"})
		if err != nil {
			t.Fatal(err)
		}
		return len(claimants)
	}
	put(0, 101)
	now = now.Add(store.ClaimantLife - time.Microsecond)
	if got := known(); got != 3 {
		t.Errorf("within the time: %d known", got)
	}
	now = now.Add(time.Microsecond)
	if got := known(); got != 0 {
		t.Errorf("after it: %d known", got)
	}
	put(1000, 1001)
	put(1000, 1001)
	s.Close()
	var rows int
	if err := other(t, cfg.DataDir).QueryRow("SELECT count(*) FROM claimants").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v, want one", rows, err)
	}
}

// Whatever users' lives are, claimants have theirs, and reading does not prolong it.
func TestRedisClaimantsEnd(t *testing.T) {
	server := storetest.Redis(t)
	cfg := redisConfig(server.URL())
	cfg.UserTTL, cfg.Prefix = 8760*time.Hour, "p:"
	s := openRedis(t, cfg)
	if err := s.PutClaimants(t.Context(), "c", map[string]store.Claimant{"a": {At: time.Now().Add(-24 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claimants(t.Context(), "c", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	keys, _ := server.Do("KEYS", cfg.Prefix+"*").([]any)
	if len(keys) != 1 {
		t.Fatalf("keys: %v", keys)
	}
	if left, want := lifeOf(server, keys[0].(string)), store.ClaimantLife-24*time.Hour; left > want || left < want-time.Hour {
		t.Errorf("it lives %v", left)
	}
}
