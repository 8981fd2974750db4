package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// revocationsKey is a sorted set: format and name of each, by its time in µs.
func (c RedisConfig) revocationsKey(connectorID string) string { return c.key("s", connectorID, "") }

// Revoke implements [Revocations].
func (s *Redis) Revoke(ctx context.Context, connectorID string, revocations []Revocation, since time.Time) error {
	const doing = "writing revocations"
	if len(revocations) == 0 {
		return nil
	}
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	key, last := s.cfg.revocationsKey(connectorID), since
	members := make([]redis.Z, len(revocations))
	for i, r := range revocations {
		members[i] = redis.Z{Member: string(rune(recordFormat)) + r.Name, Score: float64(r.At.UnixMicro())}
		if last.Before(r.At) {
			last = r.At
		}
	}
	err = s.do(ctx, doing, func(ctx context.Context) error {
		_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.ZRemRangeByScore(ctx, key, "-inf", micros(since))
			for _, r := range revocations {
				if r.Name == "" {
					p.ZRemRangeByScore(ctx, key, "-inf", "("+micros(r.At))
				}
			}
			p.ZAddGT(ctx, key, members...)
			p.Expire(ctx, key, max(last.Sub(since), time.Minute))
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	return s.replicated(ctx, doing, []string{key})
}

// Revocations implements [Revocations].
func (s *Redis) Revocations(ctx context.Context, connectorID string, since time.Time) (revocations []Revocation, err error) {
	const doing = "reading revocations"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	var members []redis.Z
	err = s.do(ctx, doing, func(ctx context.Context) (err error) {
		members, err = s.client.ZRangeByScoreWithScores(ctx, s.cfg.revocationsKey(connectorID),
			&redis.ZRangeBy{Min: "(" + micros(since), Max: "+inf"}).Result()
		return err
	})
	for _, m := range members {
		record := m.Member.(string)
		if err := checkFormat(record); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		revocations = append(revocations, Revocation{record[1:], time.UnixMicro(int64(m.Score)).UTC()})
	}
	return revocations, err
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }
