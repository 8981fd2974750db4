package store

import (
	"context"
	"fmt"
	"slices"
)

// Pages implements [Visitors].
func (s *Redis) Pages(ctx context.Context, connectorID string, of Person, cursor string, limit int) ([]PageView, string, error) {
	const doing = "reading page views"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	lines, err := s.viewsOf(ctx, doing, connectorID, of)
	if err != nil {
		return nil, "", err
	}
	entries, next, err := s.viewed(ctx, doing, lines, cursor, limit)
	if err != nil {
		return nil, "", err
	}
	views := make([]PageView, len(entries))
	for i, e := range entries {
		if views[i], err = decodeView(e.owner, timeOf(e.at), e.member); err != nil {
			return nil, "", fmt.Errorf("%s: %w", doing, err)
		}
	}
	return views, next, nil
}

// person is of, and who a visitor alone is.
func (s *Redis) person(ctx context.Context, doing, connectorID string, of Person) (Person, error) {
	if of.UserID != "" {
		return of, nil
	}
	known, err := s.visitors(ctx, doing, connectorID, []string{of.Visitor})
	if err == nil && len(known) > 0 {
		of.UserID = known[0].UserID
	}
	return of, err
}

// viewsOf returns where the views of a person are: with each of its visitors.
func (s *Redis) viewsOf(ctx context.Context, doing, connectorID string, of Person) ([]timeline, error) {
	of, err := s.person(ctx, doing, connectorID, of)
	if err != nil {
		return nil, err
	}
	var lines []timeline
	add := func(visitor string, anonymousToo int) {
		lines = append(lines, timeline{
			owner: visitor, key: s.cfg.viewsKey(connectorID, visitor),
			also: []string{s.cfg.formerViewsKey(connectorID, visitor, of.UserID), s.cfg.visitorKey(connectorID, visitor)},
			args: []any{of.UserID, anonymousToo},
		})
	}
	if of.Visitor != "" {
		add(of.Visitor, 1)
	}
	if of.UserID == "" {
		return lines, nil
	}
	ids, err := s.visitorsOf(ctx, doing, connectorID, of.UserID, personVisitors)
	for _, id := range ids {
		if id != of.Visitor {
			add(id, 0)
		}
	}
	return lines, err
}

// viewed reads a page of the views in lines. Of a person the latest
// HistoryConfig.ViewsPerVisitor count, though each of its visitors may have as many.
func (s *Redis) viewed(ctx context.Context, doing string, lines []timeline, cursor string, limit int) ([]entry, string, error) {
	entries, next, err := s.list(ctx, doing, "pages", cursor, lines, s.oldest(s.cfg.History.Retention), viewWhich, limit)
	if err != nil {
		return nil, "", err
	}
	left := s.cfg.History.ViewsPerVisitor
	if from, err := placeOf("pages", cursor); err == nil && from != nil {
		left = max(0, left-from.given)
	}
	if len(entries) >= left {
		return entries[:left], "", nil
	}
	return entries, next, nil
}

// summaryAtOnce is how many views a summary reads in a round trip.
const summaryAtOnce = 2000

// PageSummary implements [Visitors]: it reads the views, and counts them here.
func (s *Redis) PageSummary(ctx context.Context, connectorID string, of Person, top int) (PageSummary, error) {
	const doing = "counting page views"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return PageSummary{}, err
	}
	defer leave()
	lines, err := s.viewsOf(ctx, doing, connectorID, of)
	if err != nil {
		return PageSummary{}, err
	}
	var all []entry
	for cursor, more := "", true; more; more = cursor != "" {
		var entries []entry
		if entries, cursor, err = s.viewed(ctx, doing, lines, cursor, summaryAtOnce); err != nil {
			return PageSummary{}, err
		}
		all = append(all, entries...)
	}
	summary, err := summarize(all, top)
	if err != nil {
		return PageSummary{}, fmt.Errorf("%s: %w", doing, err)
	}
	return summary, nil
}

// summarize counts views, of which the latest come first.
func summarize(views []entry, top int) (PageSummary, error) {
	counted, visitors := newSummary(), make(map[string]int64)
	for _, e := range slices.Backward(views) {
		v, err := decodeView(e.owner, timeOf(e.at), e.member)
		if err != nil {
			return PageSummary{}, err
		}
		visitor, ok := visitors[e.owner]
		if !ok {
			visitor = int64(len(visitors))
			visitors[e.owner] = visitor
		}
		counted.add(v.At.UnixMilli(), visitor, sessionOf(e.member), v.URL, v.Title)
	}
	return counted.total(top), nil
}
