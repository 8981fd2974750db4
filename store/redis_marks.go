package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// marksKey is a hash: the name of a mark has its time, the name with a plus behind
// it the count.
func (c RedisConfig) marksKey(connectorID string) string { return c.key("k", connectorID, "") }

// Mark implements [Marks].
func (s *Redis) Mark(ctx context.Context, marks []Mark) error {
	const doing = "writing marks"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	var calls []*call
	of := make(map[string]*call)
	for _, m := range marks {
		c := of[m.ConnectorID]
		if c == nil {
			c = &call{script: markScript, key: s.cfg.marksKey(m.ConnectorID), args: []any{markLife.Milliseconds()}}
			of[m.ConnectorID] = c
			calls = append(calls, c)
		}
		c.args = append(c.args, m.Name, m.At.UnixMicro(), m.Count)
	}
	return s.run(ctx, doing, calls)
}

// Marks implements [Marks].
func (s *Redis) Marks(ctx context.Context, connectorID string) (map[string]Mark, error) {
	const doing = "reading marks"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	var fields map[string]string
	err = s.do(ctx, doing, func(ctx context.Context) (err error) {
		fields, err = s.client.HGetAll(ctx, s.cfg.marksKey(connectorID)).Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	marks := make(map[string]Mark)
	for name, value := range fields {
		if strings.HasSuffix(name, "+") {
			continue
		}
		at, err := strconv.ParseInt(value, 10, 64)
		count, err2 := strconv.ParseUint(fields[name+"+"], 10, 64)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("%s: %w", doing, errDamaged)
		}
		marks[name] = Mark{connectorID, name, time.UnixMicro(at).UTC(), count}
	}
	return marks, nil
}

// A look for any user reads at most usersScans times usersAtOnce names of keys of each
// master.
const (
	usersScans  = 10
	usersAtOnce = 1000
)

// HasUsers implements [Marks].
func (s *Redis) HasUsers(ctx context.Context, connectorID string) (bool, error) {
	const doing = "looking for any user"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return false, err
	}
	defer leave()
	key := strings.TrimSuffix(s.cfg.topicKey(connectorID, ""), "}")
	pattern := escapePattern.Replace(key) + "*"
	var has atomic.Bool
	err = s.do(ctx, doing, func(ctx context.Context) error {
		return s.masters(ctx, func(ctx context.Context, node redis.UniversalClient) error {
			found, err := hasKeys(ctx, node, pattern)
			if found {
				has.Store(true)
			}
			return err
		})
	})
	return has.Load(), err
}

// hasKeys tells whether a server has keys like pattern, or may have.
func hasKeys(ctx context.Context, node redis.UniversalClient, pattern string) (bool, error) {
	var cursor uint64
	for range usersScans {
		keys, next, err := node.Scan(ctx, cursor, pattern, usersAtOnce).Result()
		if err != nil || len(keys) > 0 || next == 0 {
			return len(keys) > 0, err
		}
		cursor = next
	}
	return true, nil
}

// escapePattern is for texts in which nothing has the meaning that it has in patterns.
var escapePattern = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)
