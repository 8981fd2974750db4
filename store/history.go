package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// history is the [History] of [SQLite]: a database of its own, so that the users' writes
// and those of page views do not wait for each other.
//
// A call that writes joins a queue, and whichever in it gets the turn writes all that is
// queued in one transaction, as Put does.
type history struct {
	file *database
	cfg  HistoryConfig
	now  func() time.Time
	jobs queue[*job]
	kept map[int64]*kept // of whoever has the turn, by persons.key
}

func newHistory(path string, cfg Config) *history {
	return &history{file: newDatabase(path), cfg: cfg.History, now: cfg.Now, kept: make(map[int64]*kept)}
}

// job is a write under way.
type job struct {
	doing string
	count int // of what is written
	do    func(w *conn) error
	done  chan struct{} // closed when err is set
	err   error
}

func (j *job) size() (count, bytes int) { return j.count, 0 }

func (j *job) finish(err error) {
	j.err = err
	close(j.done)
}

// record has do called in a transaction, which it shares with other calls: if one fails,
// so do all. count is the size of what is written.
func (h *history) record(ctx context.Context, doing string, count int, do func(w *conn) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	j := &job{doing: doing, count: count, do: do, done: make(chan struct{})}
	h.jobs.add(j)
	select {
	case <-j.done:
	case h.file.db <- struct{}{}:
		h.lead(j)
		<-h.file.db
	case <-ctx.Done():
		if h.jobs.withdraw(j) {
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
		<-j.done // it is being written, and others with it
	}
	return j.err
}

// lead writes what is queued, a batch at a time, until j is done. The caller has the
// turn.
func (h *history) lead(j *job) {
	for {
		select {
		case <-j.done:
			return
		default:
		}
		batch := h.jobs.take()
		err := h.file.transaction(func(w *conn) error {
			for _, j := range batch {
				if err := j.do(w); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			clear(h.kept) // what the transaction made of it
		}
		for _, j := range batch {
			if err != nil {
				j.finish(failed(j.doing, err))
			} else {
				j.finish(nil)
			}
		}
	}
}

// close ends what waits, lets what has begun end, and closes the database.
func (h *history) close() error {
	close(h.file.closing)
	h.jobs.close()
	h.file.db <- struct{}{} // and keep it
	return h.file.disconnect()
}

// list reads a part of a list: what query returns, n columns a row, of which the last
// keys are the place in the list. args come before the place and the limit.
type list struct {
	letter byte // of its cursors
	keys   int
	n      int
	query  string
}

// read calls add with each row of the part after cursor, and returns the cursor of the
// next.
func (l list) read(c *conn, at []int64, limit int, add func(row []driver.Value), args ...driver.Value) (next string, err error) {
	for _, k := range at {
		args = append(args, k)
	}
	args = append(args, int64(limit)+1)
	rows := 0
	last := make([]int64, l.keys)
	err = c.each(l.n, func(row []driver.Value) error {
		if rows++; rows > limit {
			next = l.cursor(last)
			return nil
		}
		for i := range last {
			last[i] = row[l.n-l.keys+i].(int64)
		}
		add(row)
		return nil
	}, l.query, args...)
	return next, err
}
