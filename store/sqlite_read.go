package store

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// The columns of a Snapshot, with the key of its row, in the order in which
// snapshot reads them.
const snapshotColumns = "users.key, users.id, users.version, users.topics, users.state_at, users.state"

func snapshot(row []driver.Value) (user Snapshot, key int64, err error) {
	topics, err := decodeTopics(blob(row[3]))
	return Snapshot{
		UserID:  row[1].(string),
		Version: uint64(row[2].(int64)),
		Topics:  topics,
		StateAt: fromMicro(row[4]),
		State:   blob(row[5]),
	}, row[0].(int64), err
}

// Find implements [Store].
func (s *SQLite) Find(ctx context.Context, connectorID string, topics []string) (Snapshot, int, error) {
	var user Snapshot
	index := -1
	err := s.read(ctx, "looking for a user", func(c *conn) error {
		connector, ok, err := c.connectorKey(connectorID)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotFound
		}
		read := c.reading
		if len(topics) == 1 { // one statement reads one state of the database
			read = at
		}
		user, ok, err = s.latest(c, read, func() (found []driver.Value, err error) {
			for i, topic := range topics {
				found, err = c.first(6, "SELECT "+snapshotColumns+` FROM topics
					JOIN users ON users.key = topics.user WHERE topics.connector = ? AND topic = ?`, connector, topic)
				if err != nil || found != nil {
					index = i
					break
				}
			}
			return found, err
		})
		if err == nil && !ok {
			return ErrNotFound
		}
		return err
	})
	return user, index, err
}

// Snapshots implements [Store].
func (s *SQLite) Snapshots(ctx context.Context, connectorID string, userIDs []string) ([]Snapshot, error) {
	var users []Snapshot
	err := s.read(ctx, fmt.Sprintf("reading %d users", len(userIDs)), func(c *conn) error {
		connector, ok, err := c.connectorKey(connectorID)
		if err != nil || !ok {
			return err
		}
		for _, id := range userIDs {
			user, ok, err := s.latest(c, at, func() ([]driver.Value, error) {
				return c.first(6, "SELECT "+snapshotColumns+` FROM users
					WHERE connector = ? AND id = ?`, connector, id)
			})
			if err != nil {
				return err
			}
			if ok {
				users = append(users, user)
			}
		}
		return nil
	})
	return users, err
}

// at reads without a transaction.
func at(do func() error) error { return do() }

// latest returns the user whose row look returns, with its latest state, wherever
// that is. ok: there is one. With read look reads one state of the database.
func (s *SQLite) latest(c *conn, read func(func() error) error, look func() ([]driver.Value, error)) (user Snapshot, ok bool, err error) {
	for again := true; again && err == nil; {
		before := s.journals.epoch()
		var key int64
		err = read(func() error {
			row, err := look()
			if ok = row != nil; !ok || err != nil {
				return err
			}
			user, key, err = snapshot(row)
			return err
		})
		switch {
		case err != nil:
		case ok:
			again, err = s.journals.refresh(&user, key, before)
		default:
			again = false
		}
	}
	return user, ok, err
}
