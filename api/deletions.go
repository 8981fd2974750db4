package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// takeDeletions erases the users whom a notification says are deleted, and what they did
// here.
func (s *Server) takeDeletions(ctx context.Context, conn *connector, n *hull.Notification, accepted time.Time) error {
	ids, skipped := n.Deleted()
	if skipped > 0 {
		s.metrics.updated(conn, "invalid", skipped)
		s.log.Warn("deletions of nobody skipped", "connector", conn.id, "count", skipped)
	}
	persons, known, err := s.forgetViews(ctx, conn, ids)
	if err != nil {
		return err
	}
	for _, snap := range known {
		if err := s.revoke(ctx, conn, snap.Topics, snap.UserID); err != nil {
			return err
		}
	}
	if err := s.erase(ctx, conn, ids, accepted); err != nil {
		return err
	}
	return s.forgetPersons(ctx, conn.id, persons)
}

// forgetViews drops what waits for Hull of users who are to be erased: it would create
// them again. It returns them as the history knows them, and those who are stored: what led
// to them is known only until then.
func (s *Server) forgetViews(ctx context.Context, conn *connector, userIDs []string) (persons []store.Person, stored []store.Snapshot, err error) {
	stored, err = s.store.Snapshots(ctx, conn.id, userIDs)
	if err != nil {
		return nil, nil, fmt.Errorf("reading whose page views are to be forgotten, of %d users: %w", len(userIDs), err)
	}
	known := make(map[string]store.Snapshot, len(stored))
	var topics []string
	for _, snap := range stored {
		known[snap.UserID] = snap
		topics = append(topics, snap.Topics...)
	}
	for _, id := range userIDs {
		persons = append(persons, s.personsOf(conn.id, store.Snapshot{UserID: id, Topics: known[id].Topics})...)
	}
	return persons, stored, s.forgetTopics(ctx, conn.id, topics)
}

// erase forgets users but for their ids, so that what is older does not bring them
// back, and tells their pages. at is when they were erased.
func (s *Server) erase(ctx context.Context, conn *connector, userIDs []string, at time.Time) error {
	slices.Sort(userIDs)
	left := slices.Compact(userIDs)
	count := len(left)
	for range storeTries {
		if len(left) == 0 {
			break
		}
		var err error
		if left, err = s.eraseAll(ctx, conn, left, at); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return errContended
	}
	if count > 0 {
		s.log.Info("users erased", "connector", conn.id, "count", count)
	}
	return nil
}

// eraseAll erases users, and returns those of whom something newer was stored meanwhile.
// An erasure is never older than the state that it erases, which may be of a clock that
// is ahead.
func (s *Server) eraseAll(ctx context.Context, conn *connector, userIDs []string, at time.Time) (left []string, err error) {
	snapshots, err := s.store.Snapshots(ctx, conn.id, userIDs)
	if err != nil {
		return nil, fmt.Errorf("reading %d users to be erased: %w", len(userIDs), err)
	}
	stateAt := make(map[string]time.Time, len(snapshots))
	for _, snap := range snapshots {
		stateAt[snap.UserID] = snap.StateAt
	}
	messages := make([]hull.Message, len(userIDs))
	for i, id := range userIDs {
		messages[i] = hull.Erased(id, later(at, stateAt[id]))
	}
	users, of := s.states(messages, at)
	for i := range users {
		users[i].Erased = true
	}
	written, err := s.putStates(ctx, conn, messages, users, of, at)
	if err != nil {
		return nil, err
	}
	for i, w := range written {
		if w.Stale {
			left = append(left, users[i].ID)
		}
	}
	return left, nil
}
