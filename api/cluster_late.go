package api

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// later has a stream told of its user when Redis is back: it was opened without.
func (c *cluster) later(o *opening) {
	c.mu.Lock()
	c.late = append(c.late, o)
	c.mu.Unlock()
}

// lateAtOnce is how many of those streams are told at a time: each takes a few round
// trips, and all else waits.
const lateAtOnce = 32

// openLate tells those streams what they could not be told.
func (r *resync) openLate(ctx context.Context) {
	r.mu.Lock()
	late := r.late
	r.late = nil
	r.underWay += len(late)
	r.mu.Unlock()
	var opening errgroup.Group
	opening.SetLimit(lateAtOnce)
	for _, o := range late {
		opening.Go(func() error {
			if r.degraded() || !r.openOne(ctx, o) {
				r.later(o)
			}
			return nil
		})
	}
	opening.Wait()
	r.mu.Lock()
	r.underWay -= len(late)
	r.mu.Unlock()
}

// openOne tells one of them, unless Redis is away.
func (r *resync) openOne(ctx context.Context, o *opening) (done bool) {
	if o.visit.over() {
		return true
	}
	told, err := r.server.tellSnapshot(ctx, o)
	if isAway(err) || ctx.Err() != nil {
		return false
	}
	switch {
	case err != nil:
		r.server.log.Error("reading the user of a stream", "connector", o.conn.id, "error", err)
	case told == toldMiss:
		r.lookups.Go(func() { r.server.lookUpFor(ctx, o) })
	}
	return true
}
