//go:build unix

package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// slow is a network that takes its time, now and then much of it.
type slow struct{}

func (slow) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (slow) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (slow) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		pause := time.Duration(rand.IntN(500)) * time.Microsecond
		if rand.IntN(10) == 0 {
			pause *= 20
		}
		time.Sleep(pause)
		return next(ctx, cmds)
	}
}

// Nodes that write the same few users with the same few topics, overtaking each
// other between the steps of a Put: once all is quiet a topic is in the record of
// the user that it leads to, and in no other; and whoever names it last has it.
func TestRedisTopicsRace(t *testing.T) {
	server := storetest.Redis(t)
	const nodes, users, topics = 6, 4, 3
	for round := range 15 {
		cfg := redisConfig(server.URL())
		cfg.Prefix = fmt.Sprint("round", round, ":")
		var stores []*store.Redis
		for range nodes {
			s := openRedis(t, cfg)
			s.AddHook(slow{})
			stores = append(stores, s)
		}
		var writers sync.WaitGroup
		for _, s := range stores {
			writers.Go(func() {
				for range 15 {
					u := store.User{ID: fmt.Sprint("u", rand.IntN(users))}
					for topic := range topics {
						if rand.IntN(3) == 0 {
							u.Topics = append(u.Topics, fmt.Sprint("t", topic))
						}
					}
					put(t, s, []store.User{u})
				}
			})
		}
		writers.Wait()
		checkTopics(t, stores[0], users, topics)

		last := []store.User{{ID: "u0", Topics: []string{"t0", "t1"}}}
		put(t, stores[1], last)
		for _, topic := range last[0].Topics {
			if got, _, err := stores[2].Find(t.Context(), "c", []string{topic}); err != nil || got.UserID != "u0" {
				t.Errorf("%s leads to %q, %v, want u0, who named it last", topic, got.UserID, err)
			}
		}
		checkTopics(t, stores[0], users, topics)
	}
}

func checkTopics(t *testing.T, s *store.Redis, users, topics int) {
	t.Helper()
	var ids []string
	for u := range users {
		ids = append(ids, fmt.Sprint("u", u))
	}
	snapshots, err := s.Snapshots(t.Context(), "c", ids)
	if err != nil {
		t.Fatal(err)
	}
	for n := range topics {
		topic := fmt.Sprint("t", n)
		found, _, _ := s.Find(t.Context(), "c", []string{topic})
		for _, snap := range snapshots {
			if names := slices.Contains(snap.Topics, topic); names != (snap.UserID == found.UserID) {
				t.Errorf("%s leads to %q; in the topics of %s: %v", topic, found.UserID, snap.UserID, names)
			}
		}
	}
}

// Nodes whose first secrets are not the same seal the same connectors anew at once, while
// somebody writes them: what was written last stays, and every node can read it.
func TestRedisResealRace(t *testing.T) {
	const connectors, writes = 8, 20
	url := storetest.Redis(t).URL()
	open := func(secrets ...string) *store.Redis {
		cfg := redisConfig(url)
		cfg.Sealer = storetest.NewSealer(secrets...)
		return openRedis(t, cfg)
	}
	ours, theirs := open("new", "old"), open("old", "new")
	put := func(s *store.Redis, id, secret int) {
		if _, err := s.PutConnector(t.Context(), store.Connector{ID: fmt.Sprint(id), Secret: fmt.Sprint(secret)}); err != nil {
			t.Error(err)
		}
	}
	for id := range connectors {
		put(theirs, id, 0)
	}
	var running sync.WaitGroup
	for _, s := range []*store.Redis{ours, theirs} {
		running.Go(func() {
			for range writes {
				if _, err := s.Reseal(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for id := range connectors {
		running.Go(func() {
			for i := range writes {
				put(theirs, id, i+1)
			}
		})
	}
	running.Wait()
	if _, err := ours.Reseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := open("new").Connectors(t.Context())
	if err != nil || len(all) != connectors {
		t.Fatalf("with the new secret alone: %d connectors, %v", len(all), err)
	}
	for _, c := range all {
		if c.Secret != fmt.Sprint(writes) {
			t.Errorf("connector %s: %q, want what was written last", c.ID, c.Secret)
		}
	}
}
