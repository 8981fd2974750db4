package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// nextMerge is how many messages there are before the first that says that users were
// merged into its own.
func nextMerge(messages []hull.Message) int {
	for i := range messages {
		if absorbed, _ := messages[i].Merges(); len(absorbed) > 0 {
			return i
		}
	}
	return len(messages)
}

// takeMerge stores the user of a message into whom others were merged: what led to them
// leads here from now on (docs/hull-protocol.md 2.8). They are erased behind that, so
// that their pages are led on, and need not come back.
func (s *Server) takeMerge(ctx context.Context, conn *connector, m *hull.Message, accepted time.Time) error {
	absorbed, named := m.Merges()
	merged, err := s.mergedTopics(ctx, conn.id, absorbed, named)
	if err != nil {
		return err
	}
	users, of := s.states([]hull.Message{*m}, accepted)
	users[0].Merged = merged
	written, err := s.putStates(ctx, conn, []hull.Message{*m}, users, of, accepted)
	if err == nil && written[0].Stale {
		err = s.mergeLate(ctx, conn, m.UserID, merged)
	}
	if err != nil {
		return err
	}
	at := m.IndexedAt
	if at.IsZero() {
		at = accepted
	}
	return s.erase(ctx, conn, absorbed, at)
}

// mergedTopics are those that a merge names, and those that lead to the absorbed users.
func (s *Server) mergedTopics(ctx context.Context, connectorID string, absorbed []string, named []hull.Topic) (merged []string, err error) {
	snapshots, err := s.store.Snapshots(ctx, connectorID, absorbed)
	if err != nil {
		return nil, fmt.Errorf("reading %d merged users: %w", len(absorbed), err)
	}
	for _, topic := range named {
		merged = append(merged, topic.String())
	}
	for _, snap := range snapshots {
		merged = append(merged, snap.Topics...)
	}
	slices.Sort(merged)
	merged = slices.Compact(merged)
	return merged[:min(len(merged), store.MaxMerged)], nil
}

// mergeLate merges into a user of whom something newer is stored than what says so.
func (s *Server) mergeLate(ctx context.Context, conn *connector, userID string, merged []string) error {
	for range storeTries {
		snapshots, err := s.store.Snapshots(ctx, conn.id, []string{userID})
		if err != nil {
			return fmt.Errorf("reading a user for a late merge: %w", err)
		}
		if len(snapshots) == 0 {
			return nil
		}
		snap := snapshots[0]
		m, err := hull.ParseState(snap.State)
		if err != nil || !m.ErasedAt.IsZero() {
			return err // nothing is to be known of who was erased since
		}
		users, of := s.states([]hull.Message{m}, time.Time{})
		users[0].StateAt, users[0].Merged = snap.StateAt, merged
		written, err := s.putStates(ctx, conn, []hull.Message{m}, users, of, time.Time{})
		if err != nil || !written[0].Stale {
			return err
		}
	}
	return errContended
}

// storeTries is how often is tried anew what others may have overtaken.
const storeTries = 5

var errContended = fmt.Errorf("a user is written too often to be changed: %w", store.ErrUnavailable)
