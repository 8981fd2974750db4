package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

// database is a file of SQLite in WAL mode with the connections to it: one that writes,
// a few that read meanwhile.
type database struct {
	path string

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

	closing chan struct{} // closed by whose it is, when it is to end
}

const (
	pageSize = 4096

	// A read takes a page or two, mostly from the system's cache.
	// More readers than cores would only wait for each other.
	readerCount = 4

	writerCache = 32 << 20 // bytes; what does not fit is read again for each update
	readerCache = 2 << 20  // bytes, for each reader

	// A log that has grown, because a long read held it, is cut to this when
	// it starts over.
	logBytes = 64 << 20
)

func newDatabase(path string) *database {
	return &database{
		path:    path,
		db:      make(chan struct{}, 1),
		readers: make(chan *conn, readerCount),
		closing: make(chan struct{}),
	}
}

// connect opens the connections, and brings the schema to that of the migrations.
func (d *database) connect(ctx context.Context, cfg Config, migrations string) error {
	// SQLite would make the file, and with it its companions, readable to all.
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}

	d.open, err = sqlite.NewConnector(dsn(d.path, cfg.BusyTimeout, map[string]int64{
		"cache_size":         -writerCache / 1024,
		"max_page_count":     cfg.MaxBytes / pageSize, // 0 changes nothing
		"wal_autocheckpoint": 0,                       // see checkpoint
		"secure_delete":      1,                       // who is erased is not in what is free (docs/decisions/0033-rest-and-transit.md)
	}))
	if err != nil {
		return err
	}
	if err := d.openWriter(); err != nil {
		return err
	}
	if err := migrate(d.writer, d.path, migrations); err != nil {
		return err
	}
	for range readerCount {
		c, err := d.connectReader(ctx, cfg)
		if err != nil {
			return err
		}
		d.readers <- c
		d.opened++
	}
	checkpointer, err := sqlite.NewConnector(dsn(d.path, 0, nil))
	if err != nil {
		return err
	}
	d.checkpointer, err = connect(ctx, checkpointer)
	return err
}

func (d *database) connectReader(ctx context.Context, cfg Config) (*conn, error) {
	reader, err := sqlite.NewConnector(dsn(d.path, cfg.BusyTimeout, map[string]int64{
		"cache_size": -readerCache / 1024,
		"query_only": 1,
	}))
	if err != nil {
		return nil, err
	}
	return connect(ctx, reader)
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
func (d *database) read(ctx context.Context, doing string, do func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case <-d.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case c := <-d.readers:
		defer func() { d.readers <- c }()
		if err := do(c); err != nil {
			return failed(doing, err)
		}
		return nil
	}
}

// disconnect closes the connections once they are free. Nobody writes any more, nor
// will.
func (d *database) disconnect() error {
	d.background.Wait()
	var errs []error
	for range d.opened {
		errs = append(errs, (<-d.readers).Close())
	}
	for _, c := range []*conn{d.checkpointer, d.writer} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
