package store

import (
	"context"
	"database/sql/driver"
	"slices"
	"time"
)

// erasuresSweep is how many that are over go with each erasure.
const erasuresSweep = int64(100)

// Bury implements [Erasures].
func (s *SQLite) Bury(ctx context.Context, connectorID string, topics []string, at time.Time) error {
	return s.write(ctx, "noting an erasure", func(w *conn) error {
		_, err := w.exec("DELETE FROM buried WHERE topic IN (SELECT topic FROM buried WHERE at <= ? LIMIT ?)",
			s.now().Add(-ErasureLife).UnixMicro(), erasuresSweep)
		for _, topic := range topics {
			if err != nil {
				break
			}
			_, err = w.exec("INSERT INTO buried (topic, at) VALUES (?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
				buriedHash(connectorID, topic), at.UnixMicro())
		}
		return err
	})
}

// Buried implements [Erasures].
func (s *SQLite) Buried(ctx context.Context, connectorID string, topics []string) ([]time.Time, error) {
	times := make([]time.Time, len(topics))
	err := s.read(ctx, "looking for erasures", func(c *conn) error {
		any, err := c.first(1, "SELECT at FROM buried LIMIT 1")
		if err != nil || any == nil {
			return err
		}
		for i, topic := range topics {
			found, err := c.first(1, "SELECT at FROM buried WHERE topic = ? AND at > ?",
				buriedHash(connectorID, topic), s.now().Add(-ErasureLife).UnixMicro())
			if err != nil {
				return err
			}
			if found != nil {
				times[i] = fromMicro(found[0])
			}
		}
		return nil
	})
	return times, err
}

// Lift implements [Erasures].
func (s *SQLite) Lift(ctx context.Context, connectorID string, topics []string) error {
	return s.write(ctx, "lifting an erasure", func(w *conn) error {
		for _, topic := range topics {
			if _, err := w.exec("DELETE FROM buried WHERE topic = ?", buriedHash(connectorID, topic)); err != nil {
				return err
			}
		}
		return nil
	})
}

// entomb notes that the state just put is an erasure, which ends in time.
func (c *commit) entomb(k userKey, version uint64) error {
	if err := c.begin(); err != nil {
		return err
	}
	if err := c.forgetEnded(); err != nil {
		return err
	}
	r, err := c.row(k)
	if err != nil {
		return err
	}
	_, err = c.w.exec("INSERT OR REPLACE INTO tombstones (user, version, until) VALUES (?, ?, ?)",
		r.key, int64(version), c.now.Add(ErasureLife).UnixMicro())
	return err
}

// stands tells whether a user's state is still to be kept from what is older: it is not
// when it is an erasure that is over.
func (c *commit) stands(r *row) (bool, error) {
	found, err := c.conn().first(1, "SELECT until FROM tombstones WHERE user = ? AND version = ?", r.key, r.version)
	return found == nil || found[0].(int64) > c.now.UnixMicro(), err
}

// forgetEnded forgets users whose erasure is over, but for those whose state is in a
// journal, which the next time does.
func (c *commit) forgetEnded() error {
	var keys, versions []int64
	err := c.w.each(2, func(row []driver.Value) error {
		keys, versions = append(keys, row[0].(int64)), append(versions, row[1].(int64))
		return nil
	}, "SELECT user, version FROM tombstones WHERE until <= ? LIMIT ?", c.now.UnixMicro(), erasuresSweep)
	for i, key := range keys {
		if err != nil {
			break
		}
		err = c.forgetTombstone(key, versions[i])
	}
	return err
}

func (c *commit) forgetTombstone(key, version int64) error {
	_, written := c.journals.find(key)
	if written || slices.ContainsFunc(c.frame.states, func(s keyed) bool { return s.key == key }) {
		return nil
	}
	found, err := c.w.first(2, "SELECT connector, id FROM users WHERE key = ? AND version = ?", key, version)
	if err == nil && found != nil {
		c.rows.forget(userKey{found[0].(int64), found[1].(string)})
		_, err = c.w.exec("DELETE FROM users WHERE key = ?", key)
	}
	if err == nil {
		_, err = c.w.exec("DELETE FROM tombstones WHERE user = ?", key)
	}
	return err
}
