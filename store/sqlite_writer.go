package store

import (
	"context"
	"fmt"
)

// Whoever has the database, a value in s.db, may use the connection that writes.
// It is nil before its first use, and after a failed transaction, after which it
// is given up: what its state then is depends on how the transaction failed.

func (s *SQLite) openWriter() error {
	if s.writer != nil {
		return nil
	}
	var err error
	s.writer, err = connect(context.Background(), s.open)
	return err
}

// setSync says whether transactions are synced: FULL, as the connection is
// opened, or NORMAL, which leaves it to the next one that is.
func (s *SQLite) setSync(mode string) error {
	if err := s.openWriter(); err != nil {
		return err
	}
	err := s.writer.script("PRAGMA synchronous = " + mode)
	if err != nil {
		s.giveUpWriter()
	}
	return err
}

// beginImmediate begins a transaction.
func (s *SQLite) beginImmediate() error {
	if err := s.openWriter(); err != nil {
		return err
	}
	// IMMEDIATE: the wait for a lock is here, not between two statements.
	if _, err := s.writer.exec("BEGIN IMMEDIATE"); err != nil {
		s.giveUpWriter()
		return err
	}
	return nil
}

// commitOr commits, or gives up the transaction if err is not nil.
func (s *SQLite) commitOr(err error) error {
	if err == nil {
		_, err = s.writer.exec("COMMIT")
	}
	if err != nil {
		s.giveUpWriter()
		return err
	}
	s.checkpointIfDue(s.writer)
	return nil
}

func (s *SQLite) giveUpWriter() {
	s.writer.Close() // the error before says why; what closing may add says no more
	s.writer = nil
}

// transaction runs do in a transaction.
func (s *SQLite) transaction(do func(*conn) error) error {
	if err := s.beginImmediate(); err != nil {
		return err
	}
	return s.commitOr(do(s.writer))
}

// write waits for the database and runs do in a transaction.
func (s *SQLite) write(ctx context.Context, doing string, do func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case s.db <- struct{}{}:
		defer func() { <-s.db }()
	}
	if err := s.stillOpen(); err != nil { // both were possible
		return err
	}
	if err := s.transaction(do); err != nil {
		return failed(doing, err)
	}
	return nil
}

// stillOpen is errClosed once Close has begun.
func (s *SQLite) stillOpen() error {
	select {
	case <-s.closing:
		return errClosed
	default:
		return nil
	}
}
