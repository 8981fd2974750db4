package store

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"
)

// readAtOnce bounds a pipeline of reads; states have a kilobyte or a few.
const readAtOnce = 500

// get returns the values of keys, empty for those that are not there: with one command
// where all keys are on one server.
func (s *Redis) get(ctx context.Context, doing string, keys []string) ([]string, error) {
	getSome := s.getAtOnce
	if _, cluster := s.client.(*redis.ClusterClient); cluster {
		getSome = s.getEach
	}
	values := make([]string, 0, len(keys))
	for chunk := range slices.Chunk(keys, readAtOnce) {
		err := s.do(ctx, doing, func(ctx context.Context) error {
			some, err := getSome(ctx, chunk)
			values = append(values, some...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (s *Redis) getAtOnce(ctx context.Context, keys []string) ([]string, error) {
	found, err := s.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, err
	}
	values := make([]string, len(keys))
	for i, value := range found {
		values[i], _ = value.(string)
	}
	return values, nil
}

func (s *Redis) getEach(ctx context.Context, keys []string) ([]string, error) {
	cmds := make([]*redis.StringCmd, len(keys))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			cmds[i] = p.Get(ctx, key)
		}
		return nil
	})
	if err := firstError(err, cmds); err != nil {
		return nil, err
	}
	values := make([]string, len(keys))
	for i, cmd := range cmds {
		values[i] = cmd.Val()
	}
	return values, nil
}

// firstError is that of a pipeline of reads, in which a key that is not there is
// none, though it is what the pipeline returns.
func firstError(err error, cmds []*redis.StringCmd) error {
	if err == nil || !errors.Is(err, redis.Nil) {
		return err
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}
