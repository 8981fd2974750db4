package store

// rowCache remembers what the writer has to know of a user before it writes,
// which saves a third of what a write costs. It holds the users written last,
// between half and all of cachedRows, some 150 bytes each.
// The zero rowCache is empty.
type rowCache struct {
	young, old map[userKey]row // what was used since young was last full; before that
}

const cachedRows = 1 << 17

type userKey struct {
	connector int64
	id        string
}

// row is what the writer has to know of a user.
type row struct {
	key     int64
	version int64
	stateAt int64
	topics  uint64 // hash of the list
}

func (c *rowCache) get(k userKey) (row, bool) {
	r, ok := c.young[k]
	if !ok {
		if r, ok = c.old[k]; ok {
			c.put(k, r)
		}
	}
	return r, ok
}

func (c *rowCache) put(k userKey, r row) {
	if c.young == nil || len(c.young) >= cachedRows/2 {
		c.young, c.old = make(map[userKey]row), c.young
	}
	c.young[k] = r
}

func (c *rowCache) forget(k userKey) {
	delete(c.young, k)
	delete(c.old, k)
}
