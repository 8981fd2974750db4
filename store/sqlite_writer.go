package store

import (
	"context"
	"fmt"
)

// Whoever has the database, a value in d.db, may use the connection that writes.
// It is nil before its first use, and after a failed transaction, after which it
// is given up: what its state then is depends on how the transaction failed.

func (d *database) openWriter() error {
	if d.writer != nil {
		return nil
	}
	var err error
	d.writer, err = connect(context.Background(), d.open)
	return err
}

// setSync says whether transactions are synced: FULL, as the connection is
// opened, or NORMAL, which leaves it to the next one that is.
func (d *database) setSync(mode string) error {
	if err := d.openWriter(); err != nil {
		return err
	}
	err := d.writer.script("PRAGMA synchronous = " + mode)
	if err != nil {
		d.giveUpWriter()
	}
	return err
}

// beginImmediate begins a transaction.
func (d *database) beginImmediate() error {
	if err := d.openWriter(); err != nil {
		return err
	}
	// IMMEDIATE: the wait for a lock is here, not between two statements.
	if _, err := d.writer.exec("BEGIN IMMEDIATE"); err != nil {
		d.giveUpWriter()
		return err
	}
	return nil
}

// commitOr commits, or gives up the transaction if err is not nil.
func (d *database) commitOr(err error) error {
	if err == nil {
		_, err = d.writer.exec("COMMIT")
	}
	if err != nil {
		d.giveUpWriter()
		return err
	}
	d.checkpointIfDue(d.writer)
	return nil
}

func (d *database) giveUpWriter() {
	d.writer.Close() // the error before says why; what closing may add says no more
	d.writer = nil
}

// transaction runs do in a transaction.
func (d *database) transaction(do func(*conn) error) error {
	if err := d.beginImmediate(); err != nil {
		return err
	}
	return d.commitOr(do(d.writer))
}

// write waits for the database and runs do in a transaction.
func (d *database) write(ctx context.Context, doing string, do func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	select {
	case <-d.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case d.db <- struct{}{}:
		defer func() { <-d.db }()
	}
	if err := d.stillOpen(); err != nil { // both were possible
		return err
	}
	if err := d.transaction(do); err != nil {
		return failed(doing, err)
	}
	return nil
}

// stillOpen is errClosed once Close has begun.
func (d *database) stillOpen() error {
	select {
	case <-d.closing:
		return errClosed
	default:
		return nil
	}
}
