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
	keys := keysOfTopics(s.cfg.buriedKey, connectorID, topics)
	return s.writeKeys(ctx, "noting an erasure", keys, func(p redis.Pipeliner, i int) {
		if at.After(before[i]) {
			p.Set(ctx, keys[i], at.UnixMicro(), life)
		}
	})
}

// Lift implements [Erasures].
func (s *Redis) Lift(ctx context.Context, connectorID string, topics []string) error {
	keys := keysOfTopics(s.cfg.buriedKey, connectorID, topics)
	return s.writeKeys(ctx, "lifting an erasure", keys, func(p redis.Pipeliner, i int) { p.Del(ctx, keys[i]) })
}

// Buried implements [Erasures].
func (s *Redis) Buried(ctx context.Context, connectorID string, topics []string) ([]time.Time, error) {
	const doing = "looking for erasures"
	values, err := s.readKeys(ctx, doing, keysOfTopics(s.cfg.buriedKey, connectorID, topics))
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
