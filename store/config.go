package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Config says where and how a store keeps its data. The keys are those of
// config.yaml.
type Config struct {
	// DataDir (data_dir) is the directory of the database. It is created, for
	// its owner only, when it does not exist. One process at a time can have
	// it. Default ./data.
	DataDir string `mapstructure:"-"`
	// MaxBytes (store.max_bytes) bounds each of the two database files, that of
	// the users and that of the history: when one is full, writes to it
	// that need room fail with ErrUnavailable. The logs beside them
	// come on top, some 32 MiB each under load, and so do the journals. 0, the default: no bound but the
	// disk's; else at least 1 MiB.
	MaxBytes int64 `mapstructure:"max_bytes"`
	// JournalBytes (store.journal_bytes) is the size at which one of the two
	// journals is full. They hold the latest states of known users until these
	// are in the database: the larger, the fewer of them are written to it,
	// for of a user's it takes the last. A user in them takes some 100 bytes of
	// memory. Default 64 MiB, 1 MiB to 1 GiB.
	JournalBytes int64 `mapstructure:"journal_bytes"`
	// BusyTimeout (store.busy_timeout) is how long a write waits for another
	// program, such as a backup, that has locked the database. Default 5s,
	// at most 1m.
	BusyTimeout time.Duration `mapstructure:"busy_timeout"`
	// History says how much is remembered of visitors and operators.
	History HistoryConfig `mapstructure:"-"`
	// Sealer seals the connectors' secrets. Required; not in config.yaml, where
	// it is made from `secret`.
	Sealer Sealer `mapstructure:"-"`
	// Now is the store's clock. Default time.Now.
	Now func() time.Time `mapstructure:"-"`
	// Log is told when others could use the directory. nil is silent.
	Log *slog.Logger `mapstructure:"-"`
}

// DefaultConfig returns the defaults of everything that has one.
func DefaultConfig() Config {
	return Config{
		DataDir:      "./data",
		JournalBytes: 64 << 20,
		BusyTimeout:  5 * time.Second,
		History:      DefaultHistoryConfig(),
		Now:          time.Now,
	}
}

const (
	minMaxBytes     = 1 << 20
	minJournalBytes = 1 << 20
	maxJournalBytes = 1 << 30
)

// Validate returns an error that names each key whose value is out of range.
func (c Config) Validate() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("data_dir: must name a directory"))
	}
	if c.MaxBytes != 0 && c.MaxBytes < minMaxBytes {
		errs = append(errs, fmt.Errorf("store.max_bytes: %d is neither 0 (no bound) nor at least %d", c.MaxBytes, minMaxBytes))
	}
	if c.JournalBytes < minJournalBytes || c.JournalBytes > maxJournalBytes {
		errs = append(errs, fmt.Errorf("store.journal_bytes: %d is not between %d and %d", c.JournalBytes, minJournalBytes, maxJournalBytes))
	}
	if c.BusyTimeout < 0 || c.BusyTimeout > time.Minute {
		errs = append(errs, fmt.Errorf("store.busy_timeout: %v is not between 0s and 1m", c.BusyTimeout))
	}
	return errors.Join(errs...)
}

// Open opens the store that cfg asks for.
func Open(ctx context.Context, cfg Config) (Store, error) {
	s, err := OpenSQLite(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// RedisConfig says where and how nodes share a store. The keys are those of
// config.yaml.
type RedisConfig struct {
	// URL (redis_url) is redis://[user:password@]host:port[/db], rediss:// with
	// TLS; several hosts separated by commas, or ?cluster=true, are a Cluster;
	// redis+sentinel://[user:password@]host:port,…/master[/db] asks Sentinels,
	// whose own user and password are ?sentinel_username= and
	// sentinel_password=. Empty: there is no Redis, and OpenRedis fails.
	URL string `mapstructure:"-"`
	// Prefix (redis.prefix) begins all keys and channels, without braces.
	// Channels know no database: two installations on one Redis need two.
	// Default hb:.
	Prefix string `mapstructure:"prefix"`
	// UserTTL (redis.user_ttl) is how long a user is kept that is neither
	// written, nor read, nor followed by a stream. 0: for ever; else 2h to 8760h. Default 720h.
	UserTTL time.Duration `mapstructure:"user_ttl"`
	// MaxUsers (redis.max_users) bounds the users of a connector: of those above
	// it the longest unused are forgotten. It is kept in 16 parts, each with its
	// share, so that a few less than MaxUsers may be kept. 0, the default: no
	// bound.
	MaxUsers int `mapstructure:"max_users"`
	// WaitReplicas (redis.wait_replicas) is how many replicas must have a write
	// before it counts as done. 0, the default: the master's word is enough.
	// 0 to 10.
	WaitReplicas int `mapstructure:"wait_replicas"`
	// Timeout (redis.timeout) bounds each round trip, with connecting. 100ms to
	// 1m; default 2s.
	Timeout time.Duration `mapstructure:"timeout"`
	// PoolSize (redis.pool_size) bounds the connections to each server. 0: ten
	// for each processor. 0 to 1000.
	PoolSize int `mapstructure:"pool_size"`
	// VerifyTLS (redis.verify_tls) has the certificate of a rediss:// server checked. Without,
	// who is between can read and change everything: for services whose certificates sign
	// themselves. Default true.
	VerifyTLS bool `mapstructure:"verify_tls"`
	// Publish has writes published on their users' and topics' channels, for
	// other nodes. Not in config.yaml.
	Publish bool `mapstructure:"-"`
	// History is that of [Config].
	History HistoryConfig `mapstructure:"-"`
	// Sealer is that of [Config]. Required.
	Sealer Sealer `mapstructure:"-"`
	// Now is a clock for tests. nil: Redis has the clock.
	Now func() time.Time `mapstructure:"-"`
}

// DefaultRedisConfig returns the defaults of everything that has one.
func DefaultRedisConfig() RedisConfig {
	return RedisConfig{Prefix: "hb:", UserTTL: 720 * time.Hour, Timeout: 2 * time.Second, VerifyTLS: true, History: DefaultHistoryConfig()}
}

// Validate returns an error that names each key whose value is out of range. It
// has no part of the URL, in which a password may be.
func (c RedisConfig) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := parseRedisURL(c.URL); err != nil && c.URL != "" {
		errs = append(errs, err)
	}
	if strings.ContainsAny(c.Prefix, "{}") {
		refuse("redis.prefix: %q is out of range: without braces", c.Prefix)
	}
	if c.UserTTL != 0 && (c.UserTTL < 2*time.Hour || c.UserTTL > 8760*time.Hour) {
		refuse("redis.user_ttl: %v is neither 0 (for ever) nor between 2h and 8760h", c.UserTTL)
	}
	if c.MaxUsers < 0 {
		refuse("redis.max_users: %d is out of range: 0 (no bound) or more", c.MaxUsers)
	}
	if c.WaitReplicas < 0 || c.WaitReplicas > 10 {
		refuse("redis.wait_replicas: %d is out of range: 0 to 10", c.WaitReplicas)
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > time.Minute {
		refuse("redis.timeout: %v is not between 100ms and 1m", c.Timeout)
	}
	if c.PoolSize < 0 || c.PoolSize > 1000 {
		refuse("redis.pool_size: %d is out of range: 0 to 1000", c.PoolSize)
	}
	return errors.Join(errs...)
}
