package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"
)

// put writes the users of p and sets what became of them.
func (w *writer) put(p *put, now time.Time) error {
	connector, err := w.connectorKey(p.connectorID)
	if err != nil {
		return err
	}
	p.written = make([]Written, len(p.users))
	for i, u := range p.users {
		if p.written[i], err = w.putUser(connector, u, now); err != nil {
			return err
		}
	}
	return nil
}

// connectorKey returns the key of the connector with that id, which is made if
// need be.
func (w *writer) connectorKey(id string) (int64, error) {
	key, ok, err := w.conn.connectorKey(id)
	if ok || err != nil {
		return key, err
	}
	result, err := w.exec("INSERT INTO connector_keys (id) VALUES (?)", id)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// connectorKey returns the key of the connector with that id, which stays the
// same. ok: there is one.
func (c *conn) connectorKey(id string) (key int64, ok bool, err error) {
	if key, ok = c.connectors[id]; ok {
		return key, true, nil
	}
	found, err := c.first(1, "SELECT key FROM connector_keys WHERE id = ?", id)
	if err != nil || found == nil {
		return 0, false, err
	}
	key = found[0].(int64)
	c.connectors[id] = key
	return key, true, nil
}

func (w *writer) putUser(connector int64, u User, now time.Time) (Written, error) {
	k := userKey{connector, u.ID}
	topics := slices.Compact(slices.Sorted(slices.Values(u.Topics)))

	r, known := w.rows.get(k)
	if !known {
		var err error
		if r, known, err = w.row(k); err != nil {
			return Written{}, err
		}
	}
	stateAt, stale := settle(u.StateAt, r.stateAt, now)
	if known && stale {
		return Written{Version: uint64(r.version), Stale: true}, nil
	}

	next := row{
		key:     r.key,
		version: max(r.version+1, now.UnixMicro()),
		stateAt: stateAt,
		topics:  hashTopics(w.seed, topics),
	}
	written := Written{Version: uint64(next.version)}
	var err error
	if known {
		err = w.update(next, u.State)
	} else {
		next.key, err = w.insert(k, next, u.State)
	}
	if err == nil && (!known || next.topics != r.topics) {
		written.Gone, written.Taken, err = w.setTopics(connector, next.key, topics)
	}
	if err != nil {
		return Written{}, err
	}
	w.rows.put(k, next)
	return written, nil
}

// settle returns the time to store for a state from at when one from stored is
// there, and whether that makes it stale; see User.StateAt. The times are in
// microseconds since 1970, and unknown is the zero time.
func settle(at time.Time, stored int64, now time.Time) (stateAt int64, stale bool) {
	switch {
	case at.IsZero():
		return stored, false
	case at.After(now.Add(time.Hour)):
		at = now
	}
	return at.UnixMicro(), at.UnixMicro() < stored
}

// unknown is the stored form of the zero time, before all others.
var unknown = time.Time{}.UnixMicro()

func fromMicro(us driver.Value) time.Time { return time.UnixMicro(us.(int64)).UTC() }

// row reads what the writer has to know of a user. ok: there is one.
func (w *writer) row(k userKey) (r row, ok bool, err error) {
	found, err := w.first(4, "SELECT key, version, state_at, topics FROM users WHERE connector = ? AND id = ?",
		k.connector, k.id)
	if err != nil || found == nil {
		return row{stateAt: unknown}, false, err
	}
	topics, err := decodeTopics(blob(found[3]))
	return row{found[0].(int64), found[1].(int64), found[2].(int64), hashTopics(w.seed, topics)}, true, err
}

func (w *writer) insert(k userKey, r row, state []byte) (key int64, err error) {
	result, err := w.exec(`INSERT INTO users (connector, id, version, state_at, state)
		VALUES (?, ?, ?, ?, ?)`, k.connector, k.id, r.version, r.stateAt, state)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

func (w *writer) update(r row, state []byte) error {
	result, err := w.exec("UPDATE users SET version = ?, state_at = ?, state = ? WHERE key = ?",
		r.version, r.stateAt, state, r.key)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errForeign, err)
	}
	return nil
}

// errForeign makes the writer forget what it knew of the database.
var errForeign error = unavailable{errors.New("another program has deleted users")}

// setTopics makes topics, sorted and each once, those that lead to the user
// with that key, and no others.
func (w *writer) setTopics(connector, key int64, topics []string) (gone []string, taken []Taken, err error) {
	found, err := w.first(1, "SELECT topics FROM users WHERE key = ?", key)
	if err != nil {
		return nil, nil, err
	}
	before, err := decodeTopics(blob(found[0]))
	if err != nil {
		return nil, nil, err
	}
	for _, topic := range before {
		if _, ok := slices.BinarySearch(topics, topic); ok {
			continue
		}
		if _, err := w.exec("DELETE FROM topics WHERE connector = ? AND topic = ?", connector, topic); err != nil {
			return nil, nil, err
		}
		gone = append(gone, topic)
	}
	for _, topic := range topics {
		if _, ok := slices.BinarySearch(before, topic); ok {
			continue
		}
		result, err := w.exec(`INSERT INTO topics (connector, topic, user) VALUES (?, ?, ?)
			ON CONFLICT DO NOTHING`, connector, topic, key)
		if err != nil {
			return nil, nil, err
		}
		if n, err := result.RowsAffected(); err != nil {
			return nil, nil, err
		} else if n == 1 {
			continue
		}
		from, err := w.takeTopic(connector, key, topic)
		if err != nil {
			return nil, nil, err
		}
		taken = append(taken, Taken{topic, from})
	}
	return gone, taken, w.writeTopics(key, topics)
}

// takeTopic makes topic, which leads to somebody else, lead to the user with
// that key, and returns the id of who has lost it.
func (w *writer) takeTopic(connector, key int64, topic string) (from string, err error) {
	found, err := w.first(3, `SELECT users.key, users.id, users.topics FROM topics
		JOIN users ON users.key = topics.user WHERE topics.connector = ? AND topic = ?`, connector, topic)
	if err != nil {
		return "", err
	}
	if found == nil {
		return "", errForeign
	}
	other, from := found[0].(int64), found[1].(string)
	topics, err := decodeTopics(blob(found[2]))
	if err != nil {
		return "", err
	}
	topics = slices.DeleteFunc(topics, func(t string) bool { return t == topic })
	if err := w.writeTopics(other, topics); err != nil {
		return "", err
	}
	w.rows.forget(userKey{connector, from})
	_, err = w.exec("UPDATE topics SET user = ? WHERE connector = ? AND topic = ?", key, connector, topic)
	return from, err
}

func (w *writer) writeTopics(key int64, topics []string) error {
	_, err := w.exec("UPDATE users SET topics = ? WHERE key = ?", encodeTopics(topics), key)
	return err
}

// The columns of a Snapshot, in the order in which snapshot reads them.
const snapshotColumns = "users.id, users.version, users.topics, users.state_at, users.state"

func snapshot(row []driver.Value) (Snapshot, error) {
	topics, err := decodeTopics(blob(row[2]))
	return Snapshot{
		UserID:  row[0].(string),
		Version: uint64(row[1].(int64)),
		Topics:  topics,
		StateAt: fromMicro(row[3]),
		State:   blob(row[4]),
	}, err
}

// Find implements [Store]. Its look-ups see one state of the database.
func (s *SQLite) Find(ctx context.Context, connectorID string, topics []string) (Snapshot, int, error) {
	var user Snapshot
	index := -1
	err := s.read(ctx, "looking for a user", func(c *conn) error {
		connector, ok, err := c.connectorKey(connectorID)
		if err != nil {
			return err
		}
		for i, topic := range topics {
			if !ok {
				break
			}
			found, err := c.first(5, "SELECT "+snapshotColumns+` FROM topics
				JOIN users ON users.key = topics.user WHERE topics.connector = ? AND topic = ?`, connector, topic)
			if err != nil {
				return err
			}
			if found != nil {
				index = i
				user, err = snapshot(found)
				return err
			}
		}
		return ErrNotFound
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
			found, err := c.first(5, "SELECT "+snapshotColumns+` FROM users
				WHERE connector = ? AND id = ?`, connector, id)
			if err != nil {
				return err
			}
			if found == nil {
				continue
			}
			user, err := snapshot(found)
			if err != nil {
				return err
			}
			users = append(users, user)
		}
		return nil
	})
	return users, err
}
