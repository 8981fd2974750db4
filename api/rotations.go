package api

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"
)

const (
	// rotationEach is how often Hull is asked about the same new secret at most.
	rotationEach = time.Minute

	// rotationSecrets is about how many new secrets of a connector it is asked within
	// rotationEach.
	rotationSecrets = 10
)

// rotations are the new secrets of a connector that Hull was asked about lately. Whoever
// has a notification of Hull's may say any: one guess must not keep the good one out.
type rotations struct {
	mu    sync.Mutex
	asked map[[sha256.Size]byte]time.Time // by the hash, rotationSecrets at most
}

// may tells whether Hull may be asked about a secret, and counts that it is.
func (r *rotations) may(secret string, now time.Time) bool {
	sum := sha256.Sum256([]byte(secret))
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.asked, func(_ [sha256.Size]byte, asked time.Time) bool { return now.Sub(asked) >= rotationEach })
	if _, again := r.asked[sum]; again || len(r.asked) >= rotationSecrets {
		return false
	}
	if r.asked == nil {
		r.asked = make(map[[sha256.Size]byte]time.Time)
	}
	r.asked[sum] = now
	return true
}
