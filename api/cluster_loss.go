package api

import (
	"context"
	"time"

	"hullbeam/stream"
)

const (
	epochEach = time.Second
	// lossGrace is how long after a loss nobody is told that nothing is cached:
	// nodes notice it within epochEach and write back what they hold.
	lossGrace = 3 * time.Second
)

// losses is what the node knows of Redis losing what it had: a flush cuts no
// connection and so tells nobody, and who is looked for right after it is in
// another node's memory alone. Guarded by the cluster's mu.
type losses struct {
	epoch         string    // of what Redis has; empty: not seen yet
	looked        time.Time // when it was asked for
	last          time.Time // when a loss was noticed
	running, next *look     // nil: none
}

// look is one look for a loss, for all who want one that has not begun yet.
type look struct {
	done chan struct{}
	err  error // once it is done
}

// lookForLoss notices that Redis has lost what it had; then everything is read
// anew, and written back. What is looked at is what Redis has after the call.
func (c *cluster) lookForLoss(ctx context.Context) error {
	c.mu.Lock()
	l := c.losses.next
	if l == nil {
		l = &look{done: make(chan struct{})}
		c.losses.next = l
	}
	if c.losses.running == nil {
		c.lookLocked()
	}
	c.mu.Unlock()
	if err := waitFor(ctx, l.done); err != nil {
		return err
	}
	return l.err
}

// lookLocked begins the look that is wanted, if one is. It belongs to nobody: who
// began to wait for it may leave before those who joined.
func (c *cluster) lookLocked() {
	l := c.losses.next
	c.losses.running, c.losses.next = l, nil
	if l == nil {
		return
	}
	go func() {
		epoch, err := c.store.Epoch(context.Background())
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.err = err; err == nil {
			c.sawEpochLocked(epoch)
		}
		close(l.done)
		c.lookLocked()
	}()
}

func (c *cluster) sawEpochLocked(epoch string) {
	l := &c.losses
	l.looked = time.Now()
	if l.epoch != "" && epoch != l.epoch {
		c.server.log.Warn("Redis has lost what it had: writing back what this node holds")
		l.last = time.Now()
		for ch, r := range c.residents {
			if ch.Kind != stream.UserChannel {
				r.fresh = false
			}
			c.dirtyLocked(ch, want{lost: true})
		}
	}
	l.epoch = epoch
}

// lookNowAndThen is lookForLoss, once in epochEach.
func (c *cluster) lookNowAndThen(ctx context.Context) error {
	c.mu.Lock()
	young := time.Since(c.losses.looked) < epochEach
	c.mu.Unlock()
	if young {
		return nil
	}
	return c.lookForLoss(ctx)
}

// recovering tells that what Redis lacks may be on its way back.
func (c *cluster) recovering() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recoveringLocked()
}

func (c *cluster) recoveringLocked() bool {
	return !c.losses.last.IsZero() && time.Since(c.losses.last) < lossGrace
}

// isThere tells whether somebody who was not found really is not there: errDegraded
// when Redis has just lost what it had, or is away.
func (c *cluster) isThere(ctx context.Context) error {
	if c.degraded() || c.recovering() {
		return errDegraded
	}
	if err := c.lookForLoss(ctx); err != nil {
		return err
	}
	if c.recovering() {
		return errDegraded
	}
	return nil
}
