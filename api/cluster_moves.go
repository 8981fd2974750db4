package api

import (
	"context"
	"errors"
	"slices"

	"hullbeam/stream"
)

// move is a topic that has left a user for another one.
type move struct{ connector, topic, from, to string }

// movesLocked tells whether the streams that follow a user by a topic are about to
// follow another one.
func (c *cluster) movesLocked(user stream.Channel, topic string) bool {
	return slices.ContainsFunc(c.moved, func(m move) bool {
		return m.connector == user.Connector && m.from == user.Name && m.topic == topic
	})
}

// follow leads the streams of topics that have left a user to the one who has
// them now.
func (r *resync) follow(ctx context.Context) error {
	for {
		r.mu.Lock()
		if len(r.moved) == 0 {
			r.mu.Unlock()
			return nil
		}
		next := r.moved[0]
		r.mu.Unlock()
		if err := r.followOne(ctx, next); err != nil {
			return err
		}
		r.mu.Lock()
		r.moved = r.moved[1:]
		r.mu.Unlock()
	}
}

func (r *resync) followOne(ctx context.Context, m move) error {
	conn := r.server.connectors.known(m.connector)
	if conn == nil || !r.server.broker.Reaches(m.connector, []string{m.topic}) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, listenWait)
	defer cancel()
	snap, err := r.user(ctx, m.connector, m.to)
	if isAway(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil || !leads(snap, m.topic) {
		r.server.broker.Lose(m.connector, m.from, m.topic, nil)
		return nil
	}
	st, err := snapshotState(*snap)
	if err != nil {
		r.server.log.Error("reading a snapshot", "connector", m.connector, "error", err)
		return nil
	}
	conn.mu.RLock()
	defer conn.mu.RUnlock()
	p, _ := r.server.publication(conn, st)
	r.server.broker.Lose(m.connector, m.from, m.topic, p)
	return nil
}
