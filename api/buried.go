package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hullbeam/store"
	"hullbeam/stream"
)

// holdBack holds what was just written against erasures (docs/decisions/0027-erasures.md):
// it returns those users, by their index, whom a state from before an erasure has brought
// back, and when that was. A later state lifts the erasure.
func (s *Server) holdBack(ctx context.Context, connectorID string, users []store.User, written []store.Written) (back map[int]time.Time, err error) {
	var topics []string
	for i, w := range written {
		if w.NewTopics {
			topics = append(topics, leading(users[i], w)...)
		}
	}
	if len(topics) == 0 {
		return nil, nil
	}
	times, err := s.store.Buried(ctx, connectorID, topics)
	if err != nil {
		return nil, fmt.Errorf("looking for erasures of %d users: %w", len(users), err)
	}
	var lifted []string
	for i, w := range written {
		if !w.NewTopics {
			continue
		}
		n := len(leading(users[i], w))
		erased, names := latest(times[:n]), topics[:n]
		times, topics = times[n:], topics[n:]
		switch at := users[i].StateAt; {
		case erased.IsZero():
		case !at.IsZero() && at.Before(erased):
			if back == nil {
				back = make(map[int]time.Time)
			}
			back[i] = erased
		default:
			lifted = append(lifted, names...)
		}
	}
	if len(lifted) > 0 {
		err = s.store.Lift(ctx, connectorID, lifted)
	}
	return back, err
}

// eraseBack erases again whom holdBack has found.
func (s *Server) eraseBack(ctx context.Context, conn *connector, users []store.User, back map[int]time.Time) error {
	for i, at := range back {
		s.metrics.updated(conn, "erased", 1)
		if err := s.erase(ctx, conn, []string{users[i].ID}, at); err != nil {
			return err
		}
	}
	return nil
}

func latest(times []time.Time) (at time.Time) {
	for _, t := range times {
		at = later(at, t)
	}
	return at
}

// isBuried tells whether whom any of topics leads to was erased.
func (s *Server) isBuried(ctx context.Context, connectorID string, topics []string) (bool, error) {
	times, err := s.store.Buried(ctx, connectorID, topics)
	return err == nil && !latest(times).IsZero(), err
}

// unburied are those topics of a grant with which Hull may be asked.
func (s *Server) unburied(ctx context.Context, g stream.Grant) (stream.Grant, error) {
	times, err := s.store.Buried(ctx, g.Connector, grantTopics(g))
	if err != nil {
		return g, fmt.Errorf("looking for erasures: %w", err)
	}
	all := g.Topics
	g.Topics = slices.Clone(all)[:0]
	for i, t := range all {
		if times[i].IsZero() {
			g.Topics = append(g.Topics, t)
		}
	}
	return g, nil
}
