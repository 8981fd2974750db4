package store

import (
	"context"
	"fmt"
	"hash/maphash"
)

// writer is the connection that writes, with what it knows of the database:
// nobody else changes it. After a failed transaction the writer is given up
// with all of it, since what the connection's state then is depends on how the
// transaction failed.
type writer struct {
	*conn
	rows rowCache
	seed maphash.Seed // of row.topics
}

func (s *SQLite) openWriter(ctx context.Context) error {
	c, err := connect(ctx, s.open)
	if err != nil {
		return err
	}
	s.writer = &writer{c, rowCache{}, maphash.MakeSeed()}
	return nil
}

// transaction runs do in a transaction. After an error the connection may still
// be in it.
func (c *conn) transaction(do func() error) error {
	// IMMEDIATE: the wait for a lock is here, not between two statements.
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	_, err := c.exec("COMMIT")
	return err
}

// write waits for its turn and runs do in a transaction.
func (s *SQLite) write(ctx context.Context, doing string, do func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
		if err := s.commit(do); err != nil {
			return failed(doing, err)
		}
		return nil
	}
}

// commit runs do in a transaction. The caller has the turn.
func (s *SQLite) commit(do func(*writer) error) error {
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	if s.writer == nil {
		if err := s.openWriter(context.Background()); err != nil {
			return err
		}
	}
	w := s.writer
	if err := w.transaction(func() error { return do(w) }); err != nil {
		s.writer = nil
		w.Close() // err is why; what closing may add says no more
		return err
	}
	s.checkpointIfDue(w)
	return nil
}
