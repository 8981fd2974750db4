package api

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"hullbeam/stream"
)

const (
	// resyncAtOnce bounds what is asked for in one go; between two, others get
	// their turn.
	resyncAtOnce = 1000
	resyncPause  = 10 * time.Millisecond
	resyncRetry  = 20 * time.Millisecond
	// stuckAfter is how long what was missed may not be readable before the node says
	// that it is not ready.
	stuckAfter = 3 * time.Second
)

// resync reads anew what may have changed unheard. It belongs to cluster.run.
type resync struct {
	*cluster
	failing time.Time // since when; zero: it does not
	renewed time.Time // when the users that are followed were
	lookups sync.WaitGroup
}

// step does what there is to do, as far as Redis is in reach; the rest is kept
// for the next time.
func (r *resync) step(ctx context.Context) {
	if r.degraded() {
		return
	}
	r.sayTaken(ctx)
	r.audit()
	err := r.lookNowAndThen(ctx)
	for err == nil {
		var more bool
		if more, err = r.readDirty(ctx); !more {
			break
		}
	}
	if err == nil {
		r.tellUntold(ctx)
		r.openLate(ctx)
		err = r.renew(ctx)
	}
	r.mu.Lock()
	if err == nil && len(r.dirty) > 0 {
		time.AfterFunc(resyncRetry, r.wakeUp) // they are not listened to yet
	}
	r.mu.Unlock()
	switch now := time.Now(); {
	case err == nil:
		r.failing = time.Time{}
	case ctx.Err() == nil && r.failing.IsZero():
		r.failing = now
		r.server.log.Warn("reading what was missed", "error", err)
	}
	r.stuck.Store(!r.failing.IsZero() && time.Since(r.failing) > stuckAfter)
}

// backlog is how much there is to read or to tell.
func (c *cluster) backlog() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.dirty) + len(c.moved) + len(c.late) + len(c.untold) + c.underWay
}

// readDirty reads a portion of what is dirty. more: there may be more that can be
// read now.
func (r *resync) readDirty(ctx context.Context) (more bool, err error) {
	batch := r.takeDirty()
	if len(batch) == 0 {
		return false, r.follow(ctx)
	}
	err = r.readAll(ctx, batch)
	r.mu.Lock()
	r.underWay -= len(batch)
	for _, e := range batch {
		if err != nil {
			r.dirtyLocked(e.channel, e.want)
		}
		r.letGoLocked(e.resident)
	}
	r.mu.Unlock()
	if err == nil && len(batch) > 1 {
		pause(ctx, resyncPause)
	}
	return err == nil && ctx.Err() == nil, err
}

// readAll reads a batch, and without those of its residents that cannot be read at
// all, as records of a newer hullbeam: they keep nobody from the others.
func (r *resync) readAll(ctx context.Context, batch []errand) error {
	err := r.read(ctx, batch)
	switch {
	case err == nil || isAway(err) || ctx.Err() != nil:
		return err
	case len(batch) == 1:
		r.server.log.Error("what may have changed cannot be read", "connector", batch[0].channel.Connector, "error", err)
		return nil
	}
	for _, e := range batch {
		if err := r.readAll(ctx, []errand{e}); err != nil {
			return err
		}
	}
	return nil
}

func (r *resync) read(ctx context.Context, batch []errand) error {
	switch first := batch[0].channel; first.Kind {
	case stream.ConnectorChannel:
		return r.readConnector(ctx, first.Connector)
	case stream.UserChannel:
		return r.readUsers(ctx, first.Connector, batch)
	default:
		return r.readTopics(ctx, first.Connector, batch)
	}
}

// audit has all compared again some time after an interruption: in a failover the
// bus may have found the new master before the store has, and what was read meanwhile
// was the state of one that is none.
func (r *resync) audit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.audits) == 0 || time.Now().Before(r.audits[0]) {
		return
	}
	r.audits = r.audits[1:]
	for ch := range r.residents {
		r.dirtyLocked(ch, want{})
	}
}

// takeDirty takes dirty residents of one kind and connector, connectors first and
// topics last, and holds them.
func (r *resync) takeDirty() (batch []errand) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range []stream.ChannelKind{stream.ConnectorChannel, stream.UserChannel, stream.TopicChannel} {
		for ch, w := range r.dirty {
			if ch.Kind != kind || len(batch) > 0 && ch.Connector != batch[0].channel.Connector {
				continue
			}
			switch res := r.residents[ch]; {
			case res == nil && kind != stream.UserChannel: // nobody wants it any more
				delete(r.dirty, ch)
				continue
			case res == nil:
				r.letGoLocked(r.holdLocked(ch)) // to be read once it is listened to
				continue
			case !res.sub.Heard():
				continue
			}
			delete(r.dirty, ch)
			batch = append(batch, errand{r.holdLocked(ch), w})
			r.underWay++
			if kind == stream.ConnectorChannel || len(batch) == resyncAtOnce {
				return batch
			}
		}
		if len(batch) > 0 {
			return batch
		}
	}
	return nil
}

// errand is a resident to be read anew, and why.
type errand struct {
	*resident
	want
}

func (r *resync) tellUntold(ctx context.Context) {
	r.mu.Lock()
	untold := slices.Collect(maps.Keys(r.untold))
	clear(r.untold)
	r.mu.Unlock()
	for _, id := range untold {
		r.tellSettings(ctx, id)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
