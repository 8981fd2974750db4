package store

import "sync"

// overlay knows where in the journals the states are that the database does not
// have yet. Versions of a user grow, so that of two states the one with the
// higher version counts, wherever it is: no order has to be kept between the
// journals and the database.
type overlay struct {
	mu sync.RWMutex

	active map[int64]pending // by users.key; those in the journal that is appended to
	frozen map[int64]pending // those on their way into the database

	// seen counts what makes a row that was read before outdated in a way that
	// the states here do not show.
	seen epoch
}

type epoch struct {
	drops   uint64 // of frozen, when all of it was in the database
	commits uint64 // of transactions, in which topics may have changed
}

func (o *overlay) epoch() epoch {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.seen
}

func (o *overlay) committed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen.commits++
}

// add notes states that are in a journal from now on, in a frame at that place.
func (o *overlay) add(states []keyed, file uint8, at int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.active == nil {
		o.active = make(map[int64]pending)
	}
	for _, s := range states {
		s.file, s.at = file, at+s.at
		o.active[s.key] = s.pending
	}
}

// freeze makes the active states those that go to the database. None are frozen.
func (o *overlay) freeze() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.active, o.frozen = nil, o.active
}

// onTheirWay returns the frozen states, nil when there are none. They do not
// change.
func (o *overlay) onTheirWay() map[int64]pending {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.frozen
}

// drop forgets the frozen states, which are in the database.
func (o *overlay) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frozen = nil
	o.seen.drops++
}

// findLocked returns the latest state of the user with that key.
func (o *overlay) findLocked(key int64) (pending, bool) {
	p, ok := o.active[key]
	if !ok {
		p, ok = o.frozen[key]
	}
	return p, ok
}

func (o *overlay) find(key int64) (pending, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.findLocked(key)
}
