package store

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// keysOfTopics returns the key of each topic. Users, erasures and claimants have one.
func keysOfTopics(key func(connectorID, topic string) string, connectorID string, topics []string) []string {
	keys := make([]string, len(topics))
	for i, topic := range topics {
		keys[i] = key(connectorID, topic)
	}
	return keys
}

// readKeys is get for a caller that has not entered yet.
func (s *Redis) readKeys(ctx context.Context, doing string, keys []string) ([]string, error) {
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.get(ctx, doing, keys)
}

// writeKeys sends what add adds for each of the keys, in one round trip.
func (s *Redis) writeKeys(ctx context.Context, doing string, keys []string, add func(p redis.Pipeliner, i int)) error {
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	if len(keys) == 0 {
		return nil
	}
	err = s.batch(ctx, doing, func(p redis.Pipeliner) {
		for i := range keys {
			add(p, i)
		}
	})
	if err != nil {
		return err
	}
	return s.replicated(ctx, doing, keys)
}
