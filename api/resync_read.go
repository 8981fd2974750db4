package api

import (
	"context"
	"errors"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

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
	read, lost := compareHeads(batch, known, heads)
	if err := r.writeBack(ctx, connectorID, lost); err != nil {
		return err
	}
	news, err := r.store.Snapshots(ctx, connectorID, read)
	if err != nil {
		return err
	}
	updates := r.takeUsers(batch, known, before, news)
	if conn := r.server.connectors.known(connectorID); conn != nil {
		for _, u := range updates {
			r.publish(conn, u)
		}
	}
	return nil
}

// compareHeads tells which users Redis has newer than they are known, and which it has
// lost.
func compareHeads(batch []errand, known []*store.Snapshot, heads []store.Head) (read []string, lost []store.Snapshot) {
	for i, head := range heads {
		switch snap := known[i]; {
		case snap == nil && head.Version > 0 || snap != nil && !head.Of(snap) && head.Version >= snap.Version:
			read = append(read, batch[i].channel.Name)
		case snap != nil && (head.Version < snap.Version || batch[i].lost):
			lost = append(lost, *snap)
		}
	}
	return read, lost
}

// takeUsers has the node know what was read, and returns what is to be published of
// that. before is how often each user had been told of when the read began.
func (r *resync) takeUsers(batch []errand, known []*store.Snapshot, before []int, news []store.Snapshot) (updates []stream.Update) {
	byID := make(map[string]*store.Snapshot, len(news))
	for i := range news {
		byID[news[i].UserID] = &news[i]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range batch {
		if e.told == before[i] {
			e.fresh = true
		} else {
			r.dirtyLocked(e.channel, e.want) // something was told while it was read
		}
		snap := byID[e.channel.Name]
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
	return updates
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
