package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Visitors implements [store.Visitors].
func (s *Redis) Visitors(ctx context.Context, connectorID string, visitors []string) ([]Visitor, error) {
	doing := fmt.Sprintf("reading %d visitors", len(visitors))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.visitors(ctx, doing, connectorID, visitors)
}

// visitors returns those that are known, in the order of their ids.
func (s *Redis) visitors(ctx context.Context, doing, connectorID string, ids []string) ([]Visitor, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = s.cfg.visitorKey(connectorID, id)
	}
	records, err := s.get(ctx, doing, keys)
	if err != nil {
		return nil, err
	}
	oldest := timeOf(s.oldest(s.cfg.History.Retention))
	var visitors []Visitor
	for i, record := range records {
		if record == "" {
			continue
		}
		v, err := decodeVisitor(ids[i], record)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		if v.LastSeen.Before(oldest) {
			continue
		}
		if v.Latest.At.Before(oldest) {
			v.Latest = PageView{}
		}
		visitors = append(visitors, v)
	}
	return visitors, nil
}

// VisitorsOf implements [Visitors].
func (s *Redis) VisitorsOf(ctx context.Context, connectorID, userID string) ([]Visitor, error) {
	const doing = "reading a user's visitors"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	const spare = 3 // a list has also those that have become somebody else's since
	ids, err := s.visitorsOf(ctx, doing, connectorID, userID, spare*personVisitors)
	if err != nil {
		return nil, err
	}
	visitors, err := s.visitors(ctx, doing, connectorID, ids)
	if err != nil {
		return nil, err
	}
	visitors = slices.DeleteFunc(visitors, func(v Visitor) bool { return v.UserID != userID })
	slices.SortStableFunc(visitors, func(a, b Visitor) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), strings.Compare(b.ID, a.ID))
	})
	return visitors[:min(personVisitors, len(visitors))], nil
}

// visitorsOf returns who has been the user, or may have, the last seen first.
func (s *Redis) visitorsOf(ctx context.Context, doing, connectorID, userID string, most int) ([]string, error) {
	line := timeline{key: s.cfg.personKey(connectorID, userID)}
	entries, err := s.latest(ctx, doing, []timeline{line}, nil, s.oldest(s.cfg.History.Retention), most)
	return members(entries), err
}

func members(entries []entry) []string {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.member
	}
	return list
}

// RecentVisitors implements [Visitors].
func (s *Redis) RecentVisitors(ctx context.Context, connectorID, cursor string, limit int) ([]Visitor, string, error) {
	const doing = "reading a connector's visitors"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	lines := make([]timeline, recentParts)
	for part := range lines {
		lines[part].key = s.cfg.recentKey(connectorID, part)
	}
	entries, next, err := s.list(ctx, doing, "visitors", cursor, lines, s.oldest(s.cfg.History.Retention), 0, limit)
	if err != nil {
		return nil, "", err
	}
	visitors, err := s.visitors(ctx, doing, connectorID, members(entries))
	return visitors, next, err
}
