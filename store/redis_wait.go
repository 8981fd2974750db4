package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// replicated waits until RedisConfig.WaitReplicas replicas have what was written
// to the keys. A replica takes the writes of its master in their order: one that
// has the mark written here has all before it, over whatever connection.
func (s *Redis) replicated(ctx context.Context, doing string, keys []string) error {
	if s.cfg.WaitReplicas == 0 || len(keys) == 0 {
		return nil
	}
	return s.do(ctx, doing, func(ctx context.Context) error {
		masters, marks, err := s.mastersOf(ctx, keys)
		if err != nil {
			return err
		}
		var wait errgroup.Group
		for i, master := range masters {
			wait.Go(func() error { return s.waitFor(ctx, master, marks[i]) })
		}
		return wait.Wait()
	})
}

// mastersOf returns the masters of keys, with a key for a mark on each.
func (s *Redis) mastersOf(ctx context.Context, keys []string) (masters []redis.UniversalClient, marks []string, err error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return []redis.UniversalClient{s.client}, []string{markKey(keys[0])}, nil
	}
	seen := make(map[*redis.Client]bool)
	for _, key := range keys {
		master, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return nil, nil, err
		}
		if !seen[master] {
			seen[master] = true
			masters, marks = append(masters, master), append(marks, markKey(key))
		}
	}
	return masters, marks, nil
}

// markKey is a key in the slot of key, which begins with the prefix too.
func markKey(key string) string {
	if strings.Contains(key, "{") {
		return key + ":wait"
	}
	return key + ":wait:{" + key + "}"
}

func (s *Redis) waitFor(ctx context.Context, master redis.UniversalClient, mark string) error {
	var waited *redis.Cmd
	_, err := master.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, mark, 1, s.cfg.Timeout)
		waited = p.Do(ctx, "WAIT", s.cfg.WaitReplicas, (s.cfg.Timeout * 3 / 4).Milliseconds())
		return nil
	})
	if err != nil {
		return err
	}
	n, err := waited.Int()
	if err != nil {
		return err
	}
	if n < s.cfg.WaitReplicas {
		return fmt.Errorf("it is written, but %d of %d replicas have it", n, s.cfg.WaitReplicas)
	}
	return nil
}
