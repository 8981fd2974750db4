package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
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

// readConnector takes the settings that another node has stored, or writes back
// those that Redis has lost.
func (r *resync) readConnector(ctx context.Context, id string) error {
	conn, changed, err := r.server.connectors.refresh(ctx, id)
	switch {
	case errors.Is(err, store.ErrDeleted) && conn != nil:
		r.server.dismiss(conn)
		return nil
	case errors.Is(err, store.ErrNotFound) && conn != nil:
		if err := r.server.readRevocations(ctx, conn); err != nil { // first: who reads it then has them
			return err
		}
		_, err = r.store.RestoreConnector(ctx, conn.known().record)
		return err
	case errors.Is(err, store.ErrNotFound):
		return nil
	case errors.Is(err, store.ErrSealed), errors.Is(err, store.ErrNewer):
		r.server.log.Error("a connector's settings have changed, and cannot be read", "connector", id, "error", err)
		return nil
	case err != nil:
		return err
	}
	if conn == nil {
		return nil
	}
	if changed {
		r.server.log.Info("settings changed by another node", "connector", id)
		r.server.applySettings(ctx, conn)
	}
	return r.server.readRevocations(ctx, conn)
}

// readUsers compares what the node knows of users with what Redis has: what is
// newer there is read and published, what Redis has lost is written back.
func (r *resync) readUsers(ctx context.Context, connectorID string, batch []errand) error {
	ids := make([]string, len(batch))
	known := make([]*store.Snapshot, len(batch)) // nil: not in memory
	before := make([]int, len(batch))
	r.mu.Lock()
	for i, e := range batch {
		ids[i], before[i] = e.channel.Name, e.told
		known[i], _ = r.tier.GetIfPresent(e.channel)
	}
	r.mu.Unlock()
	heads, err := r.store.Heads(ctx, connectorID, ids)
	if err != nil {
		return err
	}
	var lost []store.Snapshot
	var read []string
	for i, head := range heads {
		switch snap := known[i]; {
		case snap == nil && head.Version > 0 || snap != nil && !head.Of(snap) && head.Version >= snap.Version:
			read = append(read, ids[i])
		case snap != nil && (head.Version < snap.Version || batch[i].lost):
			lost = append(lost, *snap)
		}
	}
	if err := r.writeBack(ctx, connectorID, lost); err != nil {
		return err
	}
	news, err := r.store.Snapshots(ctx, connectorID, read)
	if err != nil {
		return err
	}
	byID := make(map[string]*store.Snapshot, len(news))
	for i := range news {
		byID[news[i].UserID] = &news[i]
	}
	var updates []stream.Update
	r.mu.Lock()
	for i, e := range batch {
		if e.told == before[i] {
			e.fresh = true
		} else {
			r.dirtyLocked(e.channel, e.want) // something was told while it was read
		}
		snap := byID[ids[i]]
		if snap != nil {
			r.learnLocked(e.resident, snap)
		} else {
			snap = known[i] // which a page that has just come may have read, and others not been shown
		}
		if snap == nil {
			continue
		}
		if gone := r.goneLocked(e.resident, snap); e.show || snap.Version > e.published || len(gone) > 0 {
			e.published = max(e.published, snap.Version)
			updates = append(updates, e.update(snap, gone))
		}
	}
	r.mu.Unlock()
	if conn := r.server.connectors.known(connectorID); conn != nil {
		for _, u := range updates {
			r.publish(conn, u)
		}
	}
	return nil
}

// update is a state that was read as what is to be published.
func (w want) update(snap *store.Snapshot, gone []string) stream.Update {
	u := stream.Update{Version: snap.Version, Topics: snap.Topics, State: snap.State, Gone: gone}
	if w.version > 0 && w.version <= snap.Version {
		u.News, u.Accepted, u.Trace = w.events, w.accepted, w.trace
	}
	return u
}

// writeBack gives Redis what it has lost.
func (r *resync) writeBack(ctx context.Context, connectorID string, lost []store.Snapshot) error {
	if len(lost) == 0 {
		return nil
	}
	for i := range lost {
		if m, err := hull.ParseState(lost[i].State); err == nil {
			lost[i].StateAt = m.IndexedAt // what came over the bus has it in the state alone
			lost[i].Merged = notNamed(lost[i].Topics, &m)
		}
	}
	n, err := r.store.Restore(ctx, connectorID, lost)
	r.server.metrics.restored.Add(float64(n))
	return err
}

// notNamed are the topics that a state does not name itself: they are there because of a
// merge.
func notNamed(topics []string, m *hull.Message) (merged []string) {
	named := make(map[string]bool)
	for _, topic := range m.Topics(nil) {
		named[topic.String()] = true
	}
	for _, topic := range topics {
		if !named[topic] {
			merged = append(merged, topic)
		}
	}
	return merged
}

// readTopics reads whom topics lead to. Users that were not known to be led to
// come next.
func (r *resync) readTopics(ctx context.Context, connectorID string, batch []errand) error {
	names := make([]string, len(batch))
	before := make([]int, len(batch))
	r.mu.Lock()
	for i, e := range batch {
		names[i], before[i] = e.channel.Name, e.told
	}
	r.mu.Unlock()
	users, err := r.store.Leads(ctx, connectorID, names)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range batch {
		if e.told != before[i] {
			r.dirtyLocked(e.channel, e.want)
			continue
		}
		e.known = true
		if e.fresh = true; users[i] != "" && (e.show || e.lead != users[i]) {
			r.dirtyLocked(userChannel(connectorID, users[i]), want{show: true})
		}
		e.lead = users[i]
	}
	return nil
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
