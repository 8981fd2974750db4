package store

import (
	"context"
	"database/sql/driver"
)

// Mark implements [Marks].
func (s *SQLite) Mark(ctx context.Context, marks []Mark) error {
	return s.write(ctx, "writing marks", func(w *conn) error {
		for _, m := range marks {
			_, err := w.exec(`INSERT INTO marks (connector, name, at, count) VALUES (?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET at = max(at, excluded.at), count = count + excluded.count`,
				m.ConnectorID, m.Name, m.At.UnixMicro(), int64(m.Count))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Marks implements [Marks].
func (s *SQLite) Marks(ctx context.Context, connectorID string) (map[string]Mark, error) {
	marks := make(map[string]Mark)
	err := s.read(ctx, "reading marks", func(c *conn) error {
		return c.each(3, func(row []driver.Value) error {
			name := row[0].(string)
			marks[name] = Mark{connectorID, name, fromMicro(row[1]), uint64(row[2].(int64))}
			return nil
		}, "SELECT name, at, count FROM marks WHERE connector = ?", connectorID)
	})
	return marks, err
}

// HasUsers implements [Marks].
func (s *SQLite) HasUsers(ctx context.Context, connectorID string) (has bool, err error) {
	err = s.read(ctx, "looking for any user", func(c *conn) error {
		found, err := c.first(1, `SELECT 1 FROM topics
			WHERE connector = (SELECT key FROM connector_keys WHERE id = ?) LIMIT 1`, connectorID)
		has = found != nil
		return err
	})
	return has, err
}
