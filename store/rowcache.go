package store

import "strings"

// rowCache remembers what has to be known of a user before it is written, so
// that an update of a known user reads nothing. It holds the users written last,
// between half and all of cachedRows, some 200 bytes each.
// The zero rowCache is empty.
type rowCache struct {
	young, old map[userKey]*row // what was used since young was last full; before that
}

const cachedRows = 1 << 17

type userKey struct {
	connector int64
	id        string
}

// row is what has to be known of a user before it is written.
type row struct {
	key     int64
	version int64
	stateAt int64
	topics  uint64 // hash of the list
	merged  bool   // there are topics of merges
}

// get returns the row to read and to change, nil when it is not there.
func (c *rowCache) get(k userKey) *row {
	if r, ok := c.young[k]; ok {
		return r
	}
	r, ok := c.old[k]
	if !ok {
		return nil
	}
	return c.put(k, *r)
}

func (c *rowCache) forget(k userKey) {
	delete(c.young, k)
	delete(c.old, k)
}

func (c *rowCache) put(k userKey, r row) *row {
	if c.young == nil || len(c.young) >= cachedRows/2 {
		c.young, c.old = make(map[userKey]*row), c.young
	}
	k.id = strings.Clone(k.id) // which may be a part of something large
	c.young[k] = &r
	return &r
}
