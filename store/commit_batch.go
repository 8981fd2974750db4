package store

import (
	"context"
	"time"
)

// commit is a batch of Puts on its way to the disk, by whoever has the turn.
// The state of a known user whose topics stay goes to the journal, where a
// thousand of them cost one write and one sync of little more than their size.
// All else, such as a new user, goes to the database, in a transaction that
// begins with the first that needs it.
//
// The two succeed together. The frame has a number, is synced first, and counts
// once the database has that number, which the transaction writes. A frame
// whose transaction has failed is written over by the next.
type commit struct {
	*SQLite
	now time.Time
	w   *conn // in the transaction; nil: there is none
}

// conn is the connection that sees what the batch has written.
func (c *commit) conn() *conn {
	if c.w != nil {
		return c.w
	}
	return c.looker
}

// begin makes sure that there is a transaction.
func (c *commit) begin() error {
	if c.w != nil {
		return nil
	}
	c.db <- struct{}{}
	if err := c.beginImmediate(); err != nil {
		<-c.db
		return err
	}
	c.w = c.writer
	return nil
}

// end commits the transaction, or gives it up if err is not nil.
func (c *commit) end(err error) error {
	defer func() { <-c.db }()
	return c.commitOr(err)
}

func (s *SQLite) commit(batch []*put) error {
	if err := s.stillOpen(); err != nil {
		return err
	}
	c := commit{SQLite: s, now: s.now()}
	err := c.prepare(batch)
	for _, p := range batch {
		if err == nil {
			err = c.put(p)
		}
	}
	if err = c.finish(err); err != nil {
		s.rows = rowCache{} // it is ahead of what is stored
	}
	return err
}

// prepare makes what the batch needs certain before anything is begun.
func (c *commit) prepare(batch []*put) error {
	if err := c.settleDoubt(); err != nil {
		return err
	}
	need := frameHead
	for _, p := range batch {
		need += p.bytes + len(p.users)*recordHead
	}
	need = min(need, c.journals.largestFrame())
	if err := c.makeRoom(need); err != nil {
		return err
	}
	c.frame.reset(need)
	return nil
}

// settleDoubt makes sure that a transaction which failed at its end has not come
// to the disk, before its frame, which goes with it, is written over.
func (c *commit) settleDoubt() error {
	if !c.doubt {
		return nil
	}
	err := c.write(context.Background(), "after a transaction that failed", func(w *conn) error {
		_, err := w.exec("UPDATE journal SET batch = batch")
		return err
	})
	c.doubt = err != nil
	return err
}

// finish makes durable what was put, unless err is why it was not, and then
// visible.
func (c *commit) finish(err error) error {
	shared := c.w != nil && len(c.frame.states) > 0 // by database and journal
	if err == nil && shared {
		c.frame.batch = c.batch + 1
		_, err = c.w.exec("UPDATE journal SET batch = ?", int64(c.frame.batch))
	}
	if err == nil && (shared || c.w == nil) {
		err = c.journals.append(c.frame)
	}
	if err == nil && shared {
		c.doubt = true
	}
	if c.w != nil {
		err = c.end(err)
	}
	if err != nil {
		return err
	}
	c.doubt = false
	if c.w != nil {
		c.journals.committed()
	}
	if shared {
		c.batch = c.frame.batch
	}
	if shared || c.w == nil {
		c.journals.accept(c.frame)
	}
	return nil
}

// fits tells whether a state may go into the frame.
func (c *commit) fits(state []byte) bool {
	return len(c.frame.buf)+recordHead+len(state) <= c.journals.largestFrame()
}
