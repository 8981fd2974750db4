package store

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Epoch names what Redis has now: it becomes another when a server has lost its
// data. It is a random text at each master, which whoever misses it sets. On a
// Cluster it may also change when slots move.
func (s *Redis) Epoch(ctx context.Context) (string, error) {
	const doing = "asking for the epoch"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return "", err
	}
	defer leave()
	var marks []*redis.StringCmd
	err = s.do(ctx, doing, func(ctx context.Context) error {
		keys, err := s.keysByMaster(ctx)
		if err != nil {
			return err
		}
		_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				key += ":epoch:{" + key + "}" // in the slot of key, and begins with the prefix
				p.SetNX(ctx, key, rand.Text(), 0)
				marks = append(marks, p.Get(ctx, key))
			}
			return nil
		})
		full := redis.HasErrorPrefix(err, "OOM") || redis.HasErrorPrefix(err, "MISCONF")
		if full && !slices.ContainsFunc(marks, func(mark *redis.StringCmd) bool { return mark.Err() != nil }) {
			return nil // it takes no writes, and can be read
		}
		return err
	})
	if err != nil {
		return "", err
	}
	epochs := make([]string, len(marks))
	for i, mark := range marks {
		epochs[i] = mark.Val()
	}
	slices.Sort(epochs)
	return strings.Join(epochs, " "), nil
}
