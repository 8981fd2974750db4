package hull

import (
	"crypto/sha256"
	"sync"
	"time"
)

// negativeEntries bounds what is remembered of users that Hull does not know:
// pages can invent as many as they like.
const negativeEntries = 10_000

// negatives remembers for a while what was not found. It holds two generations
// of half its bound each: when the younger is full the older is forgotten, so it
// costs the same however many come, at about a hundred bytes each.
type negatives struct {
	ttl time.Duration

	mu    sync.Mutex
	young map[flightKey]time.Time // until when
	old   map[flightKey]time.Time
}

// flightKey stands for a question to Hull. It is a hash, so that neither
// identifiers nor secrets lie about, and all have one size.
type flightKey [sha256.Size]byte

func (n *negatives) has(key flightKey) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	until, ok := n.young[key]
	if !ok {
		until = n.old[key]
	}
	return time.Now().Before(until)
}

func (n *negatives) add(key flightKey) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.young == nil || len(n.young) >= negativeEntries/2 {
		n.old, n.young = n.young, make(map[flightKey]time.Time)
	}
	n.young[key] = time.Now().Add(n.ttl)
}
