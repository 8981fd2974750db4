package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

// SQLite is the embedded [Store]: one database file in WAL mode, written by
// one connection and read by a few others meanwhile, and two journals that hold
// the latest states of users on their way into it. Files and directories that
// it makes are for their owner only. Other programs may read the database, but
// not change it.
type SQLite struct {
	sealer Sealer
	now    func() time.Time
	path   string
	lock   *os.File

	queue queue // of Puts
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

	// db holds a value while somebody writes to the database; who puts it
	// there has the writer.
	db     chan struct{}
	writer *conn
	open   driver.Connector // with what the writer is opened

	readers chan *conn // those that are free
	opened  int        // how many readers there are

	checkpointer  *conn
	checkpointing atomic.Bool
	background    sync.WaitGroup

	closing chan struct{} // closed by Close
	closed  sync.Once
}

var _ Store = (*SQLite)(nil)

const (
	databaseFile = "hullbeam.db"
	lockName     = "hullbeam.lock"
	pageSize     = 4096

	// Find and Snapshots read a page or two each, mostly from the system's cache.
	// More readers than cores would only wait for each other.
	readerCount = 4

	writerCache = 32 << 20 // bytes; what does not fit is read again for each update
	readerCache = 2 << 20  // bytes, for each reader

	// A log that has grown, because a long read held it, is cut to this when
	// it starts over.
	logBytes = 64 << 20
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
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}

	s := &SQLite{
		sealer:  cfg.Sealer,
		now:     cfg.Now,
		path:    filepath.Join(dir, databaseFile),
		lock:    lock,
		turn:    make(chan struct{}, 1),
		seed:    maphash.MakeSeed(),
		frame:   newFrame(),
		once:    newOnces(),
		db:      make(chan struct{}, 1),
		readers: make(chan *conn, readerCount),
		closing: make(chan struct{}),
	}
	if err := s.connect(ctx, cfg); err != nil {
		return nil, errors.Join(failed("opening "+s.path, err), s.Close())
	}
	return s, nil
}

// connect opens the connections and migrates.
func (s *SQLite) connect(ctx context.Context, cfg Config) error {
	// SQLite would make the file, and with it its companions, readable to all.
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}

	s.open, err = sqlite.NewConnector(dsn(s.path, cfg.BusyTimeout, map[string]int64{
		"cache_size":         -writerCache / 1024,
		"max_page_count":     cfg.MaxBytes / pageSize, // 0 changes nothing
		"wal_autocheckpoint": 0,                       // see checkpoint
	}))
	if err != nil {
		return err
	}
	if err := s.openWriter(); err != nil {
		return err
	}
	if err := migrate(s.writer, s.path); err != nil {
		return err
	}

	reader, err := sqlite.NewConnector(dsn(s.path, cfg.BusyTimeout, map[string]int64{
		"cache_size": -readerCache / 1024,
		"query_only": 1,
	}))
	if err != nil {
		return err
	}
	for range readerCount {
		c, err := connect(ctx, reader)
		if err != nil {
			return err
		}
		s.readers <- c
		s.opened++
	}
	if s.looker, err = connect(ctx, reader); err != nil {
		return err
	}
	checkpointer, err := sqlite.NewConnector(dsn(s.path, 0, nil))
	if err != nil {
		return err
	}
	if s.checkpointer, err = connect(ctx, checkpointer); err != nil {
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

// dsn names the database with what every connection needs: a write is durable
// when it returns, across a loss of power too.
func dsn(path string, busy time.Duration, pragmas map[string]int64) string {
	q := url.Values{
		"_busy_timeout": {fmt.Sprint(busy.Milliseconds())},
		"_error_rc":     {"1"}, // no message of an earlier failure in an error's text
		"_pragma": {
			fmt.Sprintf("page_size(%d)", pageSize), // of a new file
			"journal_mode(WAL)",
			"synchronous(FULL)",
			fmt.Sprintf("journal_size_limit(%d)", logBytes),
		},
	}
	for name, value := range pragmas {
		q.Add("_pragma", fmt.Sprintf("%s(%d)", name, value))
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// read calls do with a connection for reading, once one is free.
func (s *SQLite) read(ctx context.Context, doing string, do func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case c := <-s.readers:
		defer func() { s.readers <- c }()
		if err := do(c); err != nil {
			return failed(doing, err)
		}
		return nil
	}
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

	for range s.opened {
		errs = append(errs, (<-s.readers).Close())
	}
	for _, c := range []*conn{s.looker, s.checkpointer, s.writer} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if err := errors.Join(append(errs, s.lock.Close())...); err != nil {
		return fmt.Errorf("closing %s: %w", s.path, err)
	}
	return nil
}
