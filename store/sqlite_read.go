package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
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
		if !ok || len(topics) == 0 {
			return ErrNotFound
		}
		args := []driver.Value{connector}
		for _, topic := range topics {
			args = append(args, topic)
		}
		var found []driver.Value
		user, found, err = s.latest(c, 7, findQuery(len(topics)), args...)
		if err == nil && found == nil {
			return ErrNotFound
		}
		if err == nil {
			index = int(found[6].(int64))
		}
		return err
	})
	return user, index, err
}

// findQuery asks for the user that the first of n topics which leads to one
// leads to. It is one statement, which sees one state of the database without
// the cost of a transaction around it, and looks no further than it has to.
func findQuery(n int) string {
	var q strings.Builder
	q.WriteString("SELECT " + snapshotColumns + ", n FROM (")
	for i := range n {
		if i > 0 {
			q.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&q, "SELECT %d AS n, user FROM topics WHERE connector = ?1 AND topic = ?%d", i, i+2)
	}
	q.WriteString(" LIMIT 1) JOIN users ON users.key = user")
	return q.String()
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
			user, found, err := s.latest(c, 6, "SELECT "+snapshotColumns+` FROM users
				WHERE connector = ? AND id = ?`, connector, id)
			if err != nil {
				return err
			}
			if found != nil {
				users = append(users, user)
			}
		}
		return nil
	})
	return users, err
}

// latest returns the user of the first row, of n columns, that query returns,
// with its latest state, and that row; nil when there is none.
func (s *SQLite) latest(c *conn, n int, query string, args ...driver.Value) (Snapshot, []driver.Value, error) {
	for {
		before := s.journals.epoch()
		row, err := c.first(n, query, args...)
		if err != nil {
			return Snapshot{}, nil, err
		}
		if row == nil && s.journals.epoch().drops == before.drops {
			return Snapshot{}, nil, nil
		}
		if row == nil {
			continue
		}
		user, key, err := snapshot(row)
		if err != nil {
			return Snapshot{}, nil, err
		}
		again, err := s.journals.refresh(&user, key, before)
		if err != nil || !again {
			return user, row, err
		}
	}
}
