package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// takeSettings keeps the settings and the names of segments that every notification
// brings, and applies them when they are new.
func (s *Server) takeSettings(ctx context.Context, conn *connector, n *hull.Notification) error {
	if n.Connector.HasSettings() {
		s.mark(conn, markSettings)
	}
	err := s.editConnector(ctx, conn, func(known profile) store.Connector { return known.as(n) })
	if errors.Is(err, errOutdated) {
		return nil
	}
	return err
}

// editConnector changes a connector, and makes visible what has changed. Errors are those
// of connectors.edit.
func (s *Server) editConnector(ctx context.Context, conn *connector, change func(known profile) store.Connector) error {
	changed, err := s.connectors.edit(ctx, conn, change)
	if !changed {
		return err
	}
	s.log.Info("the connector has changed", "connector", conn.id)
	ctx = context.WithoutCancel(ctx)
	s.applySettings(ctx, conn)
	if s.cluster != nil {
		s.cluster.tellSettings(ctx, conn.id)
	}
	return err
}

// as is the connector's record with what a notification says of it.
func (p profile) as(n *hull.Notification) store.Connector {
	record, settings := p.record, p.settings
	if said := n.Connector; said.HasSettings() && !isOlder(said.UpdatedAt, record.UpdatedAt) {
		if !said.UpdatedAt.IsZero() {
			record.UpdatedAt = said.UpdatedAt
		}
		if said.Settings != nil {
			record.Settings = bytes.Clone(said.Settings) // it is a part of the whole body, which would stay
		}
		if said.PrivateSettings != nil {
			record.PrivateSettings = bytes.Clone(said.PrivateSettings)
		}
		if !sameConnector(p.record, record) {
			settings = hull.ParseSettings(record.ID, record.Settings, record.PrivateSettings)
		}
	}
	if segments, changed := n.Segments(p.segments, settings); changed {
		record.Segments, _ = json.Marshal(segments) // of texts and times
	}
	return record
}

// isOlder tells whether settings are from before those known. A time in the future is
// that of a wrong clock, and shuts nothing out.
func isOlder(said, known time.Time) bool {
	return !said.IsZero() && said.Before(known.Truncate(time.Microsecond)) && known.Before(time.Now())
}

// applySettings makes a change of settings visible to open streams at once:
// those of origins that are not allowed any more end, and those whose proof does not
// count any more; the others get their user's state as the new settings show it. Page
// views that wait for Hull are not sent when they are not to be tracked any more.
func (s *Server) applySettings(ctx context.Context, c *connector) {
	settings := c.current()
	if !settings.TracksPageViews() {
		s.firehose.Forget(c.id, nil)
	}
	users := map[string]bool{}
	for _, sub := range s.broker.Subscribers(c.id) {
		if !settings.AllowsOrigin(sub.Origin()) {
			sub.End(stream.ReasonOrigin, s.broker.Retry())
		} else if !s.counts(c, sub.Topics()) {
			sub.End(stream.ReasonRevoked, s.broker.Retry())
		} else if user := sub.Following(); user != "" {
			users[user] = true
		}
	}
	if s.cluster != nil {
		s.cluster.show(c.id, slices.Collect(maps.Keys(users)))
		return
	}
	const atOnce = 500
	for ids := range slices.Chunk(slices.Collect(maps.Keys(users)), atOnce) {
		snapshots, err := s.store.Snapshots(ctx, c.id, ids)
		if err != nil {
			s.log.Error("reading the snapshots of live users after a change of settings", "connector", c.id, "error", err)
			return
		}
		for _, snap := range snapshots {
			s.republish(c, snap)
		}
	}
}

// republish publishes a state as it was stored.
func (s *Server) republish(c *connector, snap store.Snapshot) {
	st, err := snapshotState(snap)
	if err != nil {
		s.log.Error("reading a snapshot", "connector", c.id, "error", err)
		return
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, _ := s.publication(c, st)
	s.broker.Publish(c.id, p)
}
