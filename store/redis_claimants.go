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
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	keys := make([]string, len(topics))
	for i, topic := range topics {
		keys[i] = s.cfg.claimantKey(connectorID, topic)
	}
	values, err := s.get(ctx, doing, keys)
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
	return s.eachClaimant(ctx, "noting claimants", connectorID, topics, func(p redis.Pipeliner, topic, key string) {
		claimant := claimants[topic]
		life := max(claimant.At.Add(ClaimantLife).Sub(now).Round(time.Millisecond), time.Millisecond)
		p.Set(ctx, key, claimant.encode(), life)
	})
}

// ForgetClaimants implements [Claimants].
func (s *Redis) ForgetClaimants(ctx context.Context, connectorID string, topics []string) error {
	return s.eachClaimant(ctx, "forgetting claimants", connectorID, topics, func(p redis.Pipeliner, _, key string) { p.Del(ctx, key) })
}

// eachClaimant sends what add adds for each of the topics, in one pipeline.
func (s *Redis) eachClaimant(ctx context.Context, doing, connectorID string, topics []string, add func(p redis.Pipeliner, topic, key string)) error {
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	if len(topics) == 0 {
		return nil
	}
	keys := make([]string, len(topics))
	for i, topic := range topics {
		keys[i] = s.cfg.claimantKey(connectorID, topic)
	}
	err = s.do(ctx, doing, func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, topic := range topics {
				add(p, topic, keys[i])
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	return s.replicated(ctx, doing, keys)
}
