package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// SQLite is the embedded [Store]: a database file in WAL mode, written by
// one connection and read by a few others meanwhile, two journals that hold
// the latest states of users on their way into it, and another such database for the
// [History], so that neither waits for the other's writes. Files and directories that
// it makes are for their owner only. Other programs may read the database, but
// not change it.
type SQLite struct {
	*database // hullbeam.db
	*history  // history.db

	sealer Sealer
	now    func() time.Time
	lock   *os.File

	queue queue[*put]
	once  onces

	// turn holds a value while somebody commits Puts; who puts it there has
	// what follows. db is asked for by those who have the turn, never the other
	// way round.
	turn     chan struct{}
	rows     rowCache
	seed     maphash.Seed // of row.topics
	looker   *conn        // reads rows that are not in the cache
	frame    *frame
	topics   []string // room for sorting those of a user
	batch    uint64   // the last that both journal and database have
	doubt    bool     // whether the one after that has come to the database is not known
	journals *journals

	closed sync.Once
}

var _ Store = (*SQLite)(nil)

const (
	databaseFile = "hullbeam.db"
	historyFile  = "history.db"
	lockName     = "hullbeam.lock"
)

// OpenSQLite opens the database in cfg.DataDir, which it makes when there is
// none, and brings its schema up to date. [ErrInUse]: another process has it;
// [ErrNewer]: it has a schema that this program does not know.
func OpenSQLite(ctx context.Context, cfg Config) (*SQLite, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Sealer == nil {
		return nil, errors.New("store: Config.Sealer is required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, fmt.Errorf("data_dir %s: %w", cfg.DataDir, err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := ownDir(dir, cfg.Log); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}

	s := &SQLite{
		database: newDatabase(filepath.Join(dir, databaseFile)),
		history:  newHistory(filepath.Join(dir, historyFile), cfg),
		sealer:   cfg.Sealer,
		now:      cfg.Now,
		lock:     lock,
		turn:     make(chan struct{}, 1),
		seed:     maphash.MakeSeed(),
		frame:    newFrame(),
		once:     newOnces(),
	}
	if err := s.connect(ctx, cfg); err != nil {
		return nil, errors.Join(failed("opening "+s.path, err), s.Close())
	}
	if err := s.history.file.connect(ctx, cfg, "history"); err != nil {
		return nil, errors.Join(failed("opening "+s.history.file.path, err), s.Close())
	}
	return s, nil
}

// connect opens the database and the journals.
func (s *SQLite) connect(ctx context.Context, cfg Config) error {
	if err := s.database.connect(ctx, cfg, "migrations"); err != nil {
		return err
	}
	var err error
	if s.looker, err = s.connectReader(ctx, cfg); err != nil {
		return err
	}
	return s.openJournals(cfg.JournalBytes)
}

// openJournals opens the journals and begins to write to the database what an
// earlier process has left there.
func (s *SQLite) openJournals(bytes int64) error {
	row, err := s.looker.first(1, "SELECT batch FROM journal")
	if err != nil {
		return err
	}
	s.batch = uint64(row[0].(int64))
	journals, err := openJournals(filepath.Dir(s.path), bytes)
	if err != nil {
		return err
	}
	if err := journals.replay(s.batch); err != nil {
		return errors.Join(err, journals.close(true))
	}
	s.journals = journals
	s.startDraining()
	return nil
}

// Ping implements [Store]. It writes a row and an empty frame, so that a disk
// that is full or read-only shows. A database at MaxBytes still writes what
// needs no room, and so does Ping.
func (s *SQLite) Ping(ctx context.Context) error {
	err := s.read(ctx, "reading", func(c *conn) error {
		_, err := c.first(1, "SELECT at FROM ping")
		return err
	})
	if err != nil {
		return err
	}
	err = s.write(ctx, "writing", func(w *conn) error {
		_, err := w.exec("INSERT OR REPLACE INTO ping (key, at) VALUES (1, ?)", s.now().UnixMicro())
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, "", nil)
	return err
}

// Close implements [Store]. What the journals hold goes into the database; if it
// cannot, they keep it for the next time.
func (s *SQLite) Close() error {
	var err error
	s.closed.Do(func() { err = s.close() })
	return err
}

func (s *SQLite) close() error {
	s.once.mu.Lock() // who has looked whether the store is closed starts nothing afterwards
	close(s.closing)
	s.once.mu.Unlock()
	s.queue.close()
	s.turn <- struct{}{} // and keep it
	var errs []error
	if s.journals != nil {
		kept := s.drainAll() != nil
		errs = append(errs, s.journals.close(kept))
	}
	s.db <- struct{}{} // and keep it
	errs = append(errs, s.writeOnce(s.transaction))
	s.background.Wait()
	if s.looker != nil {
		errs = append(errs, s.looker.Close())
	}
	errs = append(errs, s.disconnect(), s.history.close())
	if err := errors.Join(append(errs, s.lock.Close())...); err != nil {
		return fmt.Errorf("closing %s: %w", s.path, err)
	}
	return nil
}
