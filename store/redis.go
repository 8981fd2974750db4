package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is the [Store] that nodes share: one server, what Sentinel names the
// master, or a Cluster. docs/decisions/0012-redis-layout.md has its keys, and
// the argument why topics stay right without steps across slots.
//
// A user's write is atomic, and so is its publication; a Put of many is not.
type Redis struct {
	cfg     RedisConfig
	sealer  Sealer
	client  redis.UniversalClient
	publish string // the command, as the topology has it; empty: none

	closed atomic.Bool
	calls  sync.RWMutex // held for reading by each method, for writing by Close
}

var _ Store = (*Redis)(nil)

// OpenRedis returns the store at cfg.URL. It connects with the first call that
// needs to, so that a node can start before its Redis.
func OpenRedis(cfg RedisConfig) (*Redis, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Sealer == nil || cfg.URL == "" {
		return nil, errors.New("store: RedisConfig.URL and Sealer are required")
	}
	client, err := RedisClient(cfg)
	if err != nil {
		return nil, err
	}
	s := &Redis{cfg: cfg, sealer: cfg.Sealer, client: client}
	if cfg.Publish {
		s.publish = "PUBLISH"
		if _, cluster := client.(*redis.ClusterClient); cluster {
			s.publish = "SPUBLISH"
		}
	}
	return s, nil
}

// Keys and channels. What stands in braces decides the slot, so that the channel
// of a user or topic is where its key is, and each user of a connector may be
// elsewhere.

var (
	escapeConnector = strings.NewReplacer("%", "%25", "}", "%7D", ":", "%3A")
	escapeName      = strings.NewReplacer("%", "%25", "}", "%7D")
)

func (c RedisConfig) key(kind, connectorID, name string) string {
	return c.Prefix + kind + ":{" + escapeConnector.Replace(connectorID) + ":" + escapeName.Replace(name) + "}"
}

func (c RedisConfig) userKey(connectorID, userID string) string {
	return c.key("u", connectorID, userID)
}
func (c RedisConfig) mergedKey(connectorID, userID string) string {
	return c.key("m", connectorID, userID)
}
func (c RedisConfig) topicKey(connectorID, topic string) string {
	return c.key("t", connectorID, topic)
}
func (c RedisConfig) usedKey(connectorID string, part int) string {
	return c.key("l", connectorID, strconv.Itoa(part))
}
func (c RedisConfig) connectorsKey() string { return c.Prefix + "connectors" }

// UserChannel is the channel on which a user's states and losses are told.
func (c RedisConfig) UserChannel(connectorID, userID string) string {
	return c.key("@u", connectorID, userID)
}

// TopicChannel is the channel on which it is told whom a topic leads to.
func (c RedisConfig) TopicChannel(connectorID, topic string) string {
	return c.key("@t", connectorID, topic)
}

// ConnectorChannel is the channel for what concerns all of a connector.
func (c RedisConfig) ConnectorChannel(connectorID string) string {
	return c.key("@c", connectorID, "")
}

// clock is the argument of scripts that says the time: empty, Redis says it.
func (s *Redis) clock() string {
	if s.cfg.Now == nil {
		return ""
	}
	return strconv.FormatInt(s.cfg.Now().UnixMicro(), 10)
}

// here is the time by this node's clock.
func (s *Redis) here() time.Time {
	if s.cfg.Now == nil {
		return time.Now()
	}
	return s.cfg.Now()
}

// enter begins a call, which Close waits for. Without an error, leave ends it.
func (s *Redis) enter(ctx context.Context, doing string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	s.calls.RLock()
	if s.closed.Load() {
		s.calls.RUnlock()
		return nil, errClosed
	}
	return s.calls.RUnlock, nil
}

// do calls send, which has one round trip and ends in time.
func (s *Redis) do(ctx context.Context, doing string, send func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return s.failed(ctx, doing, send(limited))
}

// batch sends what add adds, in one round trip. It fails when any of that does.
func (s *Redis) batch(ctx context.Context, doing string, add func(redis.Pipeliner)) error {
	return s.do(ctx, doing, func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			add(p)
			return nil
		})
		return err
	})
}

// failed says what was being done when err happened, and marks it as
// ErrUnavailable when it makes sense to try again later.
func (s *Redis) failed(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case isOver(ctx):
		return fmt.Errorf("%s: %w", doing, context.DeadlineExceeded)
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable{fmt.Errorf("%s: Redis has not answered within %v", doing, s.cfg.Timeout)}
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if isLasting(err) {
		return err
	}
	return unavailable{err}
}

// isOver tells whether ctx's time is over: a connection, which has the same
// deadline, may say so before ctx does.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// isLasting tells whether to try again would not help.
func isLasting(err error) bool {
	if errors.Is(err, ErrNewer) || errors.Is(err, errDamaged) {
		return true
	}
	refused, ok := errors.AsType[redis.Error](err)
	if !ok {
		return false // it was not reached
	}
	text := refused.Error()
	for _, prefix := range []string{"ERR ", "WRONGTYPE ", "CROSSSLOT "} {
		if strings.HasPrefix(text, prefix) {
			return !strings.HasPrefix(text, "ERR max number of clients") &&
				!strings.HasPrefix(text, "ERR The user executing the script") // may not: that is NOPERM elsewhere
		}
	}
	return false
}

// masters calls do with each server that takes writes.
func (s *Redis) masters(ctx context.Context, do func(context.Context, redis.UniversalClient) error) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return do(ctx, c) })
	}
	return do(ctx, s.client)
}

// Ping implements [Store]. On a Cluster each master must write and read.
func (s *Redis) Ping(ctx context.Context) error {
	const doing = "writing and reading"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	return s.do(ctx, doing, func(ctx context.Context) error {
		keys, err := s.keysByMaster(ctx)
		if err != nil {
			return err
		}
		_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				p.Set(ctx, key, 1, time.Minute)
				p.Get(ctx, key)
			}
			return nil
		})
		return err
	})
}

// keysByMaster returns a key on each master of a Cluster, and one elsewhere.
func (s *Redis) keysByMaster(ctx context.Context) (map[string]string, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return map[string]string{"": s.cfg.Prefix + "ping"}, nil
	}
	const tries = 200 // finds each of 20 masters but once in a thousand times
	keys := make(map[string]string)
	for i := range tries {
		key := s.cfg.Prefix + "ping:" + strconv.Itoa(i)
		master, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return nil, err
		}
		keys[master.Options().Addr] = key
	}
	return keys, nil
}

// Warnings says in sentences what of the servers' settings may lose data. The
// error is that of asking.
func (s *Redis) Warnings(ctx context.Context) ([]string, error) {
	const doing = "asking for maxmemory-policy"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	policies := make(chan string, 1000) // more masters than a Cluster is advised to have
	err = s.do(ctx, doing, func(ctx context.Context) error {
		return s.masters(ctx, func(ctx context.Context, c redis.UniversalClient) error {
			info, err := c.Info(ctx, "memory").Result()
			if err != nil {
				return err
			}
			for line := range strings.Lines(info) {
				if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
					policies <- policy
				}
			}
			return nil
		})
	})
	close(policies)
	var warnings []string
	for policy := range policies {
		if strings.HasPrefix(policy, "allkeys-") {
			warnings = append(warnings, "Redis has maxmemory-policy "+policy+
				", which can evict connectors: volatile-lru evicts only what has a life")
		}
	}
	return warnings, err
}

// Close implements [Store]. It waits for the calls that have begun.
func (s *Redis) Close() error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if s.closed.Swap(true) {
		return nil
	}
	return s.client.Close()
}
