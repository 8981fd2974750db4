package api

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// mark is something that happened to a connector of which it is remembered, for all
// nodes, when it did last.
type mark int

const (
	markSettings     mark = iota // a notification brought settings
	markTaken                    // a notification was taken
	markSignature                // one with the connector's own secret had no good signature
	markFailed                   // one could not be kept
	markAnswered                 // Hull's API answered a question
	markUnanswered               // Hull's API did not
	markViewsTaken               // Hull took page views
	markViewsDropped             // Hull did not take them, and they were dropped
	markLetIn                    // a page got a token
	markRefused                  // a page got none, for its origin
	markCount
)

// markNames are what marks are called in the store.
var markNames = [markCount]string{
	markSettings:     "settings",
	markTaken:        "taken",
	markSignature:    "signature",
	markFailed:       "failed",
	markAnswered:     "answered",
	markUnanswered:   "unanswered",
	markViewsTaken:   "views_taken",
	markViewsDropped: "views_dropped",
	markLetIn:        "let_in",
	markRefused:      "refused",
}

// marks are a connector's, of this node. To set one takes neither a lock nor the store,
// for it is done with each page and notification.
type marks [markCount]struct {
	at    atomic.Int64  // microseconds since 1970; 0: never
	count atomic.Uint64 // since they were written last
}

// mark marks that something happened to a connector just now.
func (s *Server) mark(c *connector, m mark) {
	c.marks[m].at.Store(s.now().UnixMicro())
	c.marks[m].count.Add(1)
}

// markEach is how often marks are written: the most that other nodes know too late, and
// that is lost with a process.
const markEach = 10 * time.Second

// runMarks writes what was marked, now and then, and what is left when ctx ends.
func (s *Server) runMarks(ctx context.Context) {
	ticker := time.NewTicker(markEach)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.writeMarks(ctx)
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			s.writeMarks(ctx)
			return
		}
	}
}

// writeMarks writes what was marked since the last time; when it cannot be written, it
// is the next time.
func (s *Server) writeMarks(ctx context.Context) {
	var due []store.Mark
	var counted []*atomic.Uint64
	for _, c := range s.connectors.all() {
		for i := range c.marks {
			m := &c.marks[i]
			if count := m.count.Swap(0); count > 0 {
				due = append(due, store.Mark{ConnectorID: c.id, Name: markNames[i], At: time.UnixMicro(m.at.Load()), Count: count})
				counted = append(counted, &m.count)
			}
		}
	}
	if len(due) == 0 || s.store.Mark(ctx, due) == nil {
		return
	}
	for i, m := range due {
		counted[i].Add(m.Count)
	}
}

// happened is when something happened last to a connector, and how often, by what all
// nodes have written and this one knows. The counts lack what is just being written.
type happened [markCount]struct {
	at    time.Time // UTC; zero: never
	count uint64
}

// happenedTo returns what happened to c.
func (s *Server) happenedTo(ctx context.Context, c *connector) (h happened, err error) {
	stored, err := s.store.Marks(ctx, c.id)
	if err != nil {
		return h, err
	}
	for i, name := range markNames {
		h[i].at, h[i].count = stored[name].At, stored[name].Count+c.marks[i].count.Load()
		if at := c.marks[i].at.Load(); at != 0 {
			h[i].at = later(h[i].at, time.UnixMicro(at).UTC())
		}
	}
	return h, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// markOutcome marks what has become of a notification whose sender is known to be Hull.
func (s *Server) markOutcome(c *connector, err error) {
	m := markTaken
	if err != nil {
		m = markFailed
	}
	s.mark(c, m)
}

// markBadSignature marks that a notification was refused for its signature, if that is why.
func (s *Server) markBadSignature(c *connector, err error) {
	if errors.Is(err, hull.ErrInvalidSignature) || errors.Is(err, hull.ErrInvalidCertificate) {
		s.mark(c, markSignature)
	}
}

// markAnswer marks what a question to Hull has come to. What was given up here says
// nothing about Hull.
func (s *Server) markAnswer(c *connector, err error) {
	switch {
	case err == nil, errors.Is(err, hull.ErrNotFound):
		s.mark(c, markAnswered)
	case errors.Is(err, hull.ErrUnavailable), errors.Is(err, hull.ErrRefused):
		s.mark(c, markUnanswered)
	}
}

// markViews marks what has become of page views that were sent to Hull.
func (s *Server) markViews(connectorID string, err error) {
	m := markViewsTaken
	if err != nil {
		m = markViewsDropped
	}
	if c := s.connectors.known(connectorID); c != nil {
		s.mark(c, m)
	}
}
