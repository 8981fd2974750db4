package store

import (
	"database/sql/driver"
	"errors"
	"slices"
	"time"
)

// put puts the users of p and sets what became of them.
func (c *commit) put(p *put) error {
	p.written = make([]Written, len(p.users))
	if len(p.users) == 0 {
		return nil
	}
	connector, err := c.connectorKey(p.connectorID)
	if err != nil {
		return err
	}
	for i, u := range p.users {
		if p.written[i], err = c.putUser(connector, u); err != nil {
			return err
		}
		if u.Erased && !p.written[i].Stale {
			if err := c.entomb(userKey{connector, u.ID}, p.written[i].Version); err != nil {
				return err
			}
		}
	}
	return nil
}

// connectorKey returns the key of the connector with that id, which is made if
// need be.
func (c *commit) connectorKey(id string) (int64, error) {
	key, ok, err := c.conn().connectorKey(id)
	if ok || err != nil {
		return key, err
	}
	if err := c.begin(); err != nil {
		return 0, err
	}
	result, err := c.w.exec("INSERT INTO connector_keys (id) VALUES (?)", id)
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

func (c *commit) putUser(connector int64, u User) (Written, error) {
	k := userKey{connector, u.ID}
	r, err := c.row(k)
	if err != nil {
		return Written{}, err
	}
	if r == nil {
		return c.insert(k, c.name(u.Topics, u.Merged), u)
	}
	stateAt, stale := settle(u.StateAt, r.stateAt, c.now)
	if stale {
		if stale, err = c.stands(r); err != nil {
			return Written{}, err
		}
	}
	if stale {
		return Written{Version: uint64(r.version), Stale: true}, nil
	}
	r.version, r.stateAt = max(r.version+1, c.now.UnixMicro()), stateAt
	merged, err := c.merge(r, u)
	if err != nil {
		return Written{}, err
	}
	topics := c.name(u.Topics, merged)
	written := Written{Version: uint64(r.version), Merged: without(merged, u.Topics)}
	if topics == r.topics && c.fits(u.State) {
		c.frame.add(r.key, r.version, r.stateAt, u.State)
		return written, nil
	}
	same := topics == r.topics
	r.topics = topics
	if err := c.begin(); err != nil {
		return Written{}, err
	}
	if err := c.update(r, u.State); err != nil {
		return Written{}, err
	}
	if !same {
		written.NewTopics = len(c.topics) > 0
		written.Gone, written.Taken, err = c.setTopics(connector, r.key, c.topics)
	}
	return written, err
}

// name makes c.topics those that lead to a user, and returns their hash.
func (c *commit) name(topics, merged []string) uint64 {
	c.topics = append(append(c.topics[:0], topics...), merged...)
	slices.Sort(c.topics)
	c.topics = slices.Compact(c.topics)
	return hashTopics(c.seed, c.topics)
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

// row returns what has to be known of a user, to be changed with it; nil when
// there is none.
func (c *commit) row(k userKey) (*row, error) {
	if r := c.rows.get(k); r != nil {
		return r, nil
	}
	found, err := c.conn().first(5, "SELECT key, version, state_at, topics, merged IS NOT NULL FROM users WHERE connector = ? AND id = ?",
		k.connector, k.id)
	if err != nil || found == nil {
		return nil, err
	}
	topics, err := decodeTopics(blob(found[3]))
	if err != nil {
		return nil, err
	}
	r := row{found[0].(int64), found[1].(int64), found[2].(int64), hashTopics(c.seed, topics), found[4].(int64) == 1}
	if p, ok := c.journals.find(r.key); ok && p.version > r.version {
		r.version, r.stateAt = p.version, p.stateAt
	}
	return c.rows.put(k, r), nil
}

func (c *commit) insert(k userKey, topics uint64, u User) (Written, error) {
	if err := c.begin(); err != nil {
		return Written{}, err
	}
	stateAt, _ := settle(u.StateAt, unknown, c.now)
	r := row{version: c.now.UnixMicro(), stateAt: stateAt, topics: topics}
	result, err := c.w.exec(`INSERT INTO users (connector, id, version, state_at, state)
		VALUES (?, ?, ?, ?, ?)`, k.connector, k.id, r.version, r.stateAt, u.State)
	if err != nil {
		return Written{}, err
	}
	if r.key, err = result.LastInsertId(); err != nil {
		return Written{}, err
	}
	if len(u.Merged) > 0 {
		if err := c.writeMerged(&r, u.Merged); err != nil {
			return Written{}, err
		}
	}
	written := Written{Version: uint64(r.version), Merged: without(u.Merged, u.Topics), NewTopics: len(c.topics) > 0}
	written.Gone, written.Taken, err = c.setTopics(k.connector, r.key, c.topics)
	c.rows.put(k, r)
	return written, err
}

func (c *commit) update(r *row, state []byte) error {
	result, err := c.w.exec("UPDATE users SET version = ?, state_at = ?, state = ? WHERE key = ?",
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
