package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

// SQLite is the embedded [Store]: one database file in WAL mode, written by
// one connection at a time and read by a few others meanwhile. Files and
// directories that it makes are for their owner only.
type SQLite struct {
	sealer Sealer
	now    func() time.Time
	path   string
	lock   *os.File

	// turn holds a value while somebody writes; who puts it there has the
	// writer. The writer is nil before its first use, and after a failure,
	// from which it is opened anew.
	turn    chan struct{}
	writer  *writer
	open    driver.Connector // with what a connection that writes is opened
	queue   queue
	readers chan *conn // those that are free
	opened  int        // how many readers there are

	checkpointer  *conn
	checkpointing atomic.Bool
	background    sync.WaitGroup

	closing chan struct{} // closed by Close
	once    sync.Once
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
	if err := s.openWriter(ctx); err != nil {
		return err
	}
	if err := migrate(s.writer.conn, s.path); err != nil {
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
	checkpointer, err := sqlite.NewConnector(dsn(s.path, 0, nil))
	if err != nil {
		return err
	}
	s.checkpointer, err = connect(ctx, checkpointer)
	return err
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
		if err := c.reading(func() error { return do(c) }); err != nil {
			return failed(doing, err)
		}
		return nil
	}
}

// Ping implements [Store]. It writes a row, so that a disk that is full or
// read-only shows. A database at MaxBytes still writes what needs no room, and
// so does Ping.
func (s *SQLite) Ping(ctx context.Context) error {
	err := s.read(ctx, "reading", func(c *conn) error {
		_, err := c.first(1, "SELECT at FROM ping")
		return err
	})
	if err != nil {
		return err
	}
	return s.write(ctx, "writing", func(w *writer) error {
		_, err := w.exec("INSERT OR REPLACE INTO ping (key, at) VALUES (1, ?)", s.now().UnixMicro())
		return err
	})
}

// Close implements [Store].
func (s *SQLite) Close() error {
	var err error
	s.once.Do(func() { err = s.close() })
	return err
}

func (s *SQLite) close() error {
	close(s.closing)
	s.queue.close()
	s.turn <- struct{}{} // and keep it
	s.background.Wait()

	var errs []error
	for range s.opened {
		errs = append(errs, (<-s.readers).Close())
	}
	if s.checkpointer != nil {
		errs = append(errs, s.checkpointer.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if err := errors.Join(append(errs, s.lock.Close())...); err != nil {
		return fmt.Errorf("closing %s: %w", s.path, err)
	}
	return nil
}
