package store

import "context"

// claimantsSweep is how many that are over go with each write, more than one adds.
const claimantsSweep = int64(100)

// Claimants implements [Claimants].
func (s *SQLite) Claimants(ctx context.Context, connectorID string, topics []string) (map[string]Claimant, error) {
	claimants := make(map[string]Claimant)
	err := s.read(ctx, "looking for claimants", func(c *conn) error {
		for _, topic := range topics {
			hash := HashTopic(connectorID, topic)
			found, err := c.first(1, "SELECT record FROM claimants WHERE topic = ? AND at > ?",
				hash[:], s.now().Add(-ClaimantLife).UnixMicro())
			if err == nil && found != nil {
				claimants[topic], err = decodeClaimant(found[0].([]byte))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return claimants, err
}

// PutClaimants implements [Claimants].
func (s *SQLite) PutClaimants(ctx context.Context, connectorID string, claimants map[string]Claimant) error {
	return s.write(ctx, "noting claimants", func(w *conn) error {
		_, err := w.exec("DELETE FROM claimants WHERE topic IN (SELECT topic FROM claimants WHERE at <= ? LIMIT ?)",
			s.now().Add(-ClaimantLife).UnixMicro(), claimantsSweep)
		for topic, claimant := range claimants {
			if err != nil {
				break
			}
			hash := HashTopic(connectorID, topic)
			_, err = w.exec("INSERT OR REPLACE INTO claimants (topic, record, at) VALUES (?, ?, ?)",
				hash[:], claimant.encode(), claimant.At.UnixMicro())
		}
		return err
	})
}

// ForgetClaimants implements [Claimants].
func (s *SQLite) ForgetClaimants(ctx context.Context, connectorID string, topics []string) error {
	return s.write(ctx, "forgetting claimants", func(w *conn) error {
		for _, topic := range topics {
			hash := HashTopic(connectorID, topic)
			if _, err := w.exec("DELETE FROM claimants WHERE topic = ?", hash[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
