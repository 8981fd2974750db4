package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// buriedKey has when whom a topic leads to was erased, in µs.
func (c RedisConfig) buriedKey(connectorID, topic string) string {
	return c.key("e", connectorID, hex.EncodeToString(buriedHash(connectorID, topic)))
}

// Bury implements [Erasures].
func (s *Redis) Bury(ctx context.Context, connectorID string, topics []string, at time.Time) error {
	life := at.Add(ErasureLife).Sub(s.here()).Round(time.Millisecond)
	if life <= 0 {
		return nil
	}
	before, err := s.Buried(ctx, connectorID, topics)
	if err != nil {
		return err
	}
	return s.eachBuried(ctx, "noting an erasure", connectorID, topics, func(p redis.Pipeliner, i int, key string) {
		if at.After(before[i]) {
			p.Set(ctx, key, at.UnixMicro(), life)
		}
	})
}

// Lift implements [Erasures].
func (s *Redis) Lift(ctx context.Context, connectorID string, topics []string) error {
	return s.eachBuried(ctx, "lifting an erasure", connectorID, topics, func(p redis.Pipeliner, _ int, key string) { p.Del(ctx, key) })
}

// eachBuried sends what add adds for each of the topics, in one pipeline.
func (s *Redis) eachBuried(ctx context.Context, doing, connectorID string, topics []string, add func(p redis.Pipeliner, i int, key string)) error {
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	var keys []string
	err = s.do(ctx, doing, func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, topic := range topics {
				keys = append(keys, s.cfg.buriedKey(connectorID, topic))
				add(p, i, keys[i])
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

// Buried implements [Erasures].
func (s *Redis) Buried(ctx context.Context, connectorID string, topics []string) ([]time.Time, error) {
	const doing = "looking for erasures"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	keys := make([]string, len(topics))
	for i, topic := range topics {
		keys[i] = s.cfg.buriedKey(connectorID, topic)
	}
	values, err := s.get(ctx, doing, keys)
	if err != nil {
		return nil, err
	}
	times := make([]time.Time, len(topics))
	for i, value := range values {
		if value == "" {
			continue
		}
		us, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, errDamaged)
		}
		times[i] = time.UnixMicro(us).UTC()
	}
	return times, nil
}
