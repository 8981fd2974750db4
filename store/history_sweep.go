package store

import (
	"context"
	"database/sql/driver"
	"time"
)

const (
	// sweepRows is about how many rows go with a Sweep: some ten milliseconds, for which
	// writes wait.
	sweepRows = 1000

	// eraseMemory is how long it is known that a visitor was erased: longer than what it
	// did can be on its way.
	eraseMemory = 30 * 24 * time.Hour
)

// Sweep implements [Visitors].
func (h *history) Sweep(ctx context.Context) (forgotten int, more bool, err error) {
	err = h.record(ctx, "forgetting what is old", sweepRows, func(w *conn) error {
		s := sweep{h: h, w: w, left: sweepRows}
		for _, part := range []struct {
			kept time.Duration
			do   func(before time.Time) error
		}{
			{h.cfg.Retention, s.pages},
			{h.cfg.Retention, s.visitors},
			{h.cfg.Retention, s.offers},
			{h.cfg.AuditRetention, s.audit},
			{eraseMemory, s.erased},
		} {
			if err := part.do(h.now().Add(-part.kept)); err != nil {
				return err
			}
		}
		forgotten, more = s.forgotten, s.left <= 0
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	return forgotten, more, nil
}

// sweep is one under way. Its methods forget what was before a time, until nothing is
// left of what it may. They go through the connectors, whose rows are in the order of
// time: an index of all by time would have to be written with each view.
type sweep struct {
	h         *history
	w         *conn
	left      int64
	forgotten int
}

// run runs a statement that deletes at most as many rows as its last argument says, and
// returns how many it did.
func (s *sweep) run(query string, args ...driver.Value) (int64, error) {
	result, err := s.w.exec(query, append(args, max(s.left, 0))...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	s.forgot(n)
	return n, err
}

func (s *sweep) forgot(n int64) {
	s.left -= n
	s.forgotten += int(n)
}

// keys returns the keys that query finds, at most as many as its last argument says.
func (s *sweep) keys(query string, args ...driver.Value) (keys []int64, err error) {
	err = s.w.each(1, func(row []driver.Value) error {
		keys = append(keys, row[0].(int64))
		return nil
	}, query, append(args, max(s.left, 0))...)
	return keys, err
}

func (s *sweep) pages(before time.Time) error {
	persons, err := s.keys("SELECT key FROM persons WHERE oldest < ? ORDER BY oldest LIMIT ?", before.UnixMilli())
	if err != nil {
		return err
	}
	for _, person := range persons {
		if s.left <= 0 {
			return nil
		}
		n, err := s.run(`DELETE FROM pages WHERE (person, at, visitor, n) IN
			(SELECT person, at, visitor, n FROM pages WHERE person = ? AND at < ? ORDER BY at, visitor, n LIMIT ?)`, person, before.UnixMilli())
		if err != nil {
			return err
		}
		if n == 0 {
			s.left-- // the bound has taken them; it was worth a look
		}
		delete(s.h.kept, person)
		if _, err := s.w.exec("UPDATE persons SET oldest = (SELECT min(at) FROM pages WHERE person = ?1) WHERE key = ?1", person); err != nil {
			return err
		}
		if err := s.h.tidy(s.w, person); err != nil {
			return err
		}
	}
	return nil
}

// visitors forgets those who were not seen since: their views are not younger.
func (s *sweep) visitors(before time.Time) error {
	keys, err := s.keys("SELECT v.key FROM connector_keys c CROSS JOIN visitors v ON v.connector = c.key AND v.last_seen < ? LIMIT ?",
		before.UnixMicro())
	if err != nil {
		return err
	}
	for _, key := range keys {
		person, err := s.w.first(1, "SELECT person FROM visitors WHERE key = ?", key)
		if err != nil {
			return err
		}
		if _, err := s.w.exec("DELETE FROM visitors WHERE key = ?", key); err != nil {
			return err
		}
		s.forgot(1)
		if err := s.h.tidy(s.w, person[0].(int64)); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) offers(before time.Time) error {
	keys, err := s.keys("SELECT o.key FROM connector_keys c CROSS JOIN offers o ON o.connector = c.key AND o.expires < ? LIMIT ?",
		before.UnixMicro())
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := s.run(`DELETE FROM deliveries WHERE (offer, person) IN
			(SELECT offer, person FROM deliveries WHERE offer = ? LIMIT ?)`, key); err != nil {
			return err
		}
		if s.left <= 0 {
			return nil
		}
		if err := s.w.deleteOffer(key); err != nil {
			return err
		}
		s.forgot(1)
	}
	return nil
}

func (s *sweep) audit(before time.Time) error {
	_, err := s.run(`DELETE FROM audit WHERE key IN
		(SELECT a.key FROM connector_keys c CROSS JOIN audit a ON a.connector = c.key AND a.at < ? LIMIT ?)`, before.UnixMicro())
	return err
}

func (s *sweep) erased(before time.Time) error {
	_, err := s.run(`DELETE FROM erased WHERE (connector, visitor) IN
		(SELECT connector, visitor FROM erased WHERE at < ? ORDER BY at LIMIT ?)`, before.UnixMicro())
	return err
}
