package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Config says where and how a store keeps its data. The keys are those of
// config.yaml.
type Config struct {
	// DataDir (data_dir) is the directory of the database. It is created, for
	// its owner only, when it does not exist. One process at a time can have
	// it. Default ./data.
	DataDir string `mapstructure:"-"`
	// MaxBytes (store.max_bytes) bounds the database file: when it is full,
	// writes that need room fail with ErrUnavailable. The log beside it
	// comes on top, some 32 MiB under load, and so do the journals. 0, the default: no bound but the
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
	// Sealer seals the connectors' secrets. Required; not in config.yaml, where
	// it is made from `secret`.
	Sealer Sealer `mapstructure:"-"`
	// Now is the store's clock. Default time.Now.
	Now func() time.Time `mapstructure:"-"`
}

// DefaultConfig returns the defaults of everything that has one.
func DefaultConfig() Config {
	return Config{
		DataDir:      "./data",
		JournalBytes: 64 << 20,
		BusyTimeout:  5 * time.Second,
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
