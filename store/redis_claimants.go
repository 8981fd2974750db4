package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// claimantKey has who has claimed a topic.
func (c RedisConfig) claimantKey(connectorID, topic string) string {
	hash := HashTopic(connectorID, topic)
	return c.key("d", connectorID, hex.EncodeToString(hash[:]))
}

// Claimants implements [Claimants].
func (s *Redis) Claimants(ctx context.Context, connectorID string, topics []string) (map[string]Claimant, error) {
	const doing = "looking for claimants"
	values, err := s.readKeys(ctx, doing, keysOfTopics(s.cfg.claimantKey, connectorID, topics))
	if err != nil {
		return nil, err
	}
	claimants := make(map[string]Claimant)
	for i, value := range values {
		if value == "" {
			continue
		}
		if claimants[topics[i]], err = decodeClaimant(value); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return claimants, nil
}

// PutClaimants implements [Claimants].
func (s *Redis) PutClaimants(ctx context.Context, connectorID string, claimants map[string]Claimant) error {
	now := s.here()
	var topics []string
	for topic, claimant := range claimants {
		if claimant.At.Add(ClaimantLife).After(now) {
			topics = append(topics, topic)
		}
	}
	keys := keysOfTopics(s.cfg.claimantKey, connectorID, topics)
	return s.writeKeys(ctx, "noting claimants", keys, func(p redis.Pipeliner, i int) {
		claimant := claimants[topics[i]]
		life := max(claimant.At.Add(ClaimantLife).Sub(now).Round(time.Millisecond), time.Millisecond)
		p.Set(ctx, keys[i], claimant.encode(), life)
	})
}

// ForgetClaimants implements [Claimants].
func (s *Redis) ForgetClaimants(ctx context.Context, connectorID string, topics []string) error {
	keys := keysOfTopics(s.cfg.claimantKey, connectorID, topics)
	return s.writeKeys(ctx, "forgetting claimants", keys, func(p redis.Pipeliner, i int) { p.Del(ctx, keys[i]) })
}
