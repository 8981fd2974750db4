package api

import (
	"encoding/json"
	"slices"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// Update implements [stream.Listener]: it is projected here, once for the node,
// also when this node has written it.
func (c *cluster) Update(connectorID, user string, u stream.Update) {
	c.mu.Lock()
	r := c.residents[userChannel(connectorID, user)]
	if r == nil || u.Version < r.version || u.Version <= r.published {
		c.mu.Unlock()
		return // nobody wants it any more, or it has been read, and shown to all
	}
	r.published = u.Version
	snap := &store.Snapshot{UserID: user, Version: u.Version, Topics: u.Topics, State: u.State}
	c.learnLocked(r, snap)
	u.Gone = append(u.Gone, c.goneLocked(r, snap)...) // of a record that had been evicted Redis does not know them
	c.mu.Unlock()
	conn := c.server.connectors.known(connectorID)
	if conn == nil {
		return // it has no streams here
	}
	c.publish(conn, u)
}

// publish shows an update to this node's streams.
func (c *cluster) publish(conn *connector, u stream.Update) {
	ctx, span := c.server.received(u.Trace, "receive update")
	defer span.End()
	m, err := hull.ParseUpdate(u.State, u.News)
	if err != nil {
		c.server.log.Error("reading an update", "connector", conn.id, "error", err)
		return
	}
	conn.mu.RLock()
	defer conn.mu.RUnlock()
	result := c.server.publish(ctx, conn, state{
		message: &m, version: u.Version, topics: bestFirst(slices.Clone(u.Topics)), gone: u.Gone, accepted: u.Accepted, path: stream.PathBus,
	})
	span.SetAttributes(attrConnector.String(conn.id), attrResult.String(result))
	c.server.metrics.updated(conn, result, 1)
}

// Lost implements [stream.Listener].
func (c *cluster) Lost(connectorID, user string, l stream.Loss) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := userChannel(connectorID, user)
	r := c.residents[ch]
	if r == nil {
		return
	}
	r.told++
	if snap, ok := c.tier.GetIfPresent(ch); ok && leads(snap, l.Topic) {
		without := *snap
		without.Topics = slices.DeleteFunc(slices.Clone(snap.Topics), func(t string) bool { return t == l.Topic })
		c.tier.Set(ch, &without)
	}
	c.moved = append(c.moved, move{connectorID, l.Topic, user, l.To})
	c.wakeUp()
}

// Led implements [stream.Listener].
func (c *cluster) Led(connectorID, topic string, l stream.Lead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.residents[topicChannel(connectorID, topic)]
	if r == nil {
		return
	}
	r.told++
	r.lead, r.known = l.User, true
	if l.User != "" && r.refs > 0 {
		c.dirtyLocked(userChannel(connectorID, l.User), want{show: true, version: l.Version, events: l.News, accepted: l.Accepted, trace: l.Trace})
	}
}

// Told implements [stream.Listener].
func (c *cluster) Told(connectorID string, data []byte) {
	var t told
	if err := json.Unmarshal(data, &t); err != nil {
		c.server.log.Error("reading what another node told", "connector", connectorID, "error", err)
		return
	}
	switch {
	case t.Op == opSettings:
		c.mu.Lock()
		c.dirtyLocked(connectorChannel(connectorID), want{})
		c.mu.Unlock()
	case t.Op == opOffer && t.Offer != nil && t.Whole:
		_ = c.server.resend(*t.Offer) // it was read when it was made
	case t.Op == opOffer && t.Offer != nil:
		c.takeOffer(connectorID, t.Call, t.Trace, *t.Offer)
	case t.Op == opForget:
		c.server.forgetSent(connectorID, t.Topics)
	case t.Op == opRevoked:
		if conn := c.server.connectors.known(connectorID); conn != nil {
			c.server.takeRevocations(conn, t.Revoked, t.User)
		} else {
			c.unknow(connectorID) // it may be about to be read again, with the revocations of before
		}
	case t.Op == opErased:
		c.server.forgetPresent(connectorID, t.Persons)
	case t.Op == opTaken:
		c.count(t.Call, t.Live)
	case t.Op == opLook:
		c.takeLook(connectorID, t.Node, t.Whole)
	case t.Op == opPresence && t.Presence != nil:
		c.takePresence(connectorID, t.Presence)
	case t.Op == opPage && t.Page != nil:
		c.takePage(connectorID, t.Page)
	case t.Op == opNotice && t.Notice != nil:
		if v := c.server.live.known(connectorID); v != nil {
			v.note(*t.Notice)
		}
	}
}

// Interrupted implements [stream.Listener].
func (c *cluster) Interrupted(channels []stream.Channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range channels {
		if r := c.residents[ch]; r != nil {
			r.fresh = false
			r.told++
		}
	}
	c.audits = nil // they begin when it is back
}

// Missed implements [stream.Listener].
func (c *cluster) Missed(channels []stream.Channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range channels {
		if r := c.residents[ch]; r != nil {
			c.dirtyLocked(ch, want{})
		}
		if ch.Kind == stream.ConnectorChannel {
			c.missedLocked(ch.Connector)
		}
	}
	if len(c.audits) == 0 {
		now := time.Now()
		c.audits = []time.Time{now.Add(1500 * time.Millisecond), now.Add(4 * time.Second)}
	}
}
