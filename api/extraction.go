package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

const (
	// progressLines and progressEach are how often the log says how far an extract is.
	progressLines = 10_000
	progressEach  = 30 * time.Second
	// namedLines is how many broken lines of an extract the log names.
	namedLines = 20
	// storeRest is how long a store that fails is left alone, at first and at most.
	storeRest, storeRestMost = 250 * time.Millisecond, 15 * time.Second
)

// extraction is an extract on its way into the store.
type extraction struct {
	conn     *connector
	request  *hull.ExtractRequest
	segments []string    // that every user is in besides
	turn     *store.Turn // nil: the announcement may come as often as it likes
	started  chan error  // told once whether the download has started
	counts   extractCounts
}

// extractCounts say how far an extraction is.
type extractCounts struct {
	line           int // the last that was looked at
	users, skipped int
	began          time.Time
	told           time.Time // when the log said so last
	toldLine       int
}

func (c *extractCounts) attributes(connectorID string) []any {
	return []any{"connector", connectorID, "line", c.line, "users", c.users, "skipped", c.skipped, "took", time.Since(c.began).Round(time.Millisecond)}
}

var errExtractTime = errors.New("it took longer than hull.extract_timeout")

// extract fetches an extract and takes what is in it, and says so to the log.
func (s *Server) extract(ctx context.Context, x *extraction) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Hull.ExtractTimeout, errExtractTime)
	defer cancel()
	body, err := s.hull.Extract(ctx, x.request.URL)
	if err != nil {
		s.release(x, false)
		s.extracts.leave(x.conn.id)
		x.started <- err
		return
	}
	defer body.Close()
	x.started <- nil
	x.counts.began = time.Now()
	x.counts.told = x.counts.began
	s.log.Info("an extract begins", "connector", x.conn.id)
	err = s.takeExtract(ctx, x, body)
	s.release(x, err == nil)
	result := "ok"
	if err != nil {
		result = "partial"
		s.log.Error("an extract was broken off", append(x.counts.attributes(x.conn.id), "error", err)...)
	} else {
		s.log.Info("an extract was taken", x.counts.attributes(x.conn.id)...)
	}
	s.metrics.extracts.WithLabelValues(result).Inc()
	s.extracts.leave(x.conn.id)
}

// takeExtract takes the users of an extract, slice by slice, in order. The error is why
// not all were taken.
func (s *Server) takeExtract(ctx context.Context, x *extraction, body io.Reader) error {
	credentials := x.conn.credentials()
	lines := hull.NewExtract(body, hull.ExtractOptions{
		Format: x.request.Format, LineBytes: s.cfg.Hull.ExtractLineBytes, Depth: s.cfg.Limits.JSONDepth,
		Users:    s.segmentList(ctx, x.conn, credentials, hull.SegmentsOfUsers, x.request.UsersSegments),
		Accounts: s.segmentList(ctx, x.conn, credentials, hull.SegmentsOfAccounts, x.request.AccountsSegments),
		Segments: x.segments,
	})
	for {
		slice, unread := lines.Next()
		if err := s.keepUsers(ctx, x.conn, slice.Messages); err != nil {
			return err
		}
		s.count(x, slice)
		switch {
		case errors.Is(unread, io.EOF):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case unread != nil:
			return fmt.Errorf("reading it: %w", unread)
		}
	}
}

// keepUsers takes the users of a slice, as those of a notification. A store that fails is
// tried again until ctx ends: here nobody waits for an answer, and Hull would not send
// the rest again.
func (s *Server) keepUsers(ctx context.Context, conn *connector, messages []hull.Message) error {
	for rest := storeRest; ; rest = min(2*rest, storeRestMost) {
		// What is written is published too, whatever ends meanwhile.
		err := s.takeUsers(context.WithoutCancel(ctx), conn, messages, nil, time.Now())
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		s.failed(ctx, err, "connector", conn.id)
		select {
		case <-time.After(rest/2 + rand.N(rest)):
		case <-ctx.Done():
			return fmt.Errorf("%w, and before: %w", context.Cause(ctx), err)
		}
	}
}

// count notes what became of a slice, and tells the log in time.
func (s *Server) count(x *extraction, slice hull.Slice) {
	c := &x.counts
	for _, skip := range slice.Skipped {
		c.skipped++
		c.line = max(c.line, skip.Index)
		if c.skipped <= namedLines {
			s.log.Warn("a line of an extract was skipped", "connector", x.conn.id, "line", skip.Index, "reason", skip.Reason)
		}
	}
	if n := len(slice.Messages); n > 0 {
		c.users += n
		c.line = max(c.line, slice.Messages[n-1].Index)
	}
	s.metrics.extractLines.WithLabelValues("taken").Add(float64(len(slice.Messages)))
	s.metrics.extractLines.WithLabelValues("skipped").Add(float64(len(slice.Skipped)))
	if c.line-c.toldLine >= progressLines || time.Since(c.told) >= progressEach {
		c.told, c.toldLine = time.Now(), c.line
		s.log.Info("an extract goes on", c.attributes(x.conn.id)...)
	}
}

// segmentList is what is known of an organization's segments: what the announcement
// says; else what Hull does; else what notifications have said of those that pages see.
func (s *Server) segmentList(ctx context.Context, conn *connector, cred hull.Credentials, of hull.SegmentsOf, said *hull.SegmentList) *hull.SegmentList {
	if said != nil {
		return said
	}
	if cred.Organization != "" {
		text, err := s.hull.Segments(ctx, cred, of)
		if err == nil {
			said, err = hull.ParseSegmentList(text)
		}
		if err == nil {
			return said
		}
		s.log.Warn("Hull cannot be asked for the segments of an extract: their names are those known", "connector", conn.id, "error", err)
	}
	conn.mu.RLock()
	defer conn.mu.RUnlock()
	return conn.segments.List()
}
