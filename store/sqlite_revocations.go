package store

import (
	"context"
	"database/sql/driver"
	"time"
)

// Revoke implements [Revocations].
func (s *SQLite) Revoke(ctx context.Context, connectorID string, revocations []Revocation, since time.Time) error {
	return s.write(ctx, "writing revocations", func(w *conn) error {
		_, err := w.exec("DELETE FROM revocations WHERE at <= ?", since.UnixMicro())
		for _, r := range revocations {
			if err == nil && r.Name == "" {
				_, err = w.exec("DELETE FROM revocations WHERE connector = ? AND at < ?", connectorID, r.At.UnixMicro())
			}
			if err == nil {
				_, err = w.exec(`INSERT INTO revocations (connector, name, at) VALUES (?, ?, ?)
					ON CONFLICT DO UPDATE SET at = max(at, excluded.at)`, connectorID, r.Name, r.At.UnixMicro())
			}
		}
		return err
	})
}

// Revocations implements [Revocations].
func (s *SQLite) Revocations(ctx context.Context, connectorID string, since time.Time) (revocations []Revocation, err error) {
	err = s.read(ctx, "reading revocations", func(c *conn) error {
		return c.each(2, func(row []driver.Value) error {
			revocations = append(revocations, Revocation{row[0].(string), fromMicro(row[1])})
			return nil
		}, "SELECT name, at FROM revocations WHERE connector = ? AND at > ?", connectorID, since.UnixMicro())
	})
	return revocations, err
}
