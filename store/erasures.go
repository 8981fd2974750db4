package store

import (
	"context"
	"crypto/sha256"
	"time"
)

// ErasureLife is how long is remembered that somebody was erased.
const ErasureLife = 30 * 24 * time.Hour

// Erasures is the memory of topics whose users were erased, so that nobody whom they
// lead to comes back by what is older. It outlives the users themselves, and knows of
// topics that led to nobody here. What is kept of a topic is a hash.
type Erasures interface {
	// Bury notes that whom the topics lead to was erased at a time, until ErasureLife
	// after that. Of two times of a topic the later counts.
	Bury(ctx context.Context, connectorID string, topics []string, at time.Time) error

	// Buried returns for each of the topics, in their order, when whom it leads to was
	// erased; the zero time: nobody was.
	Buried(ctx context.Context, connectorID string, topics []string) ([]time.Time, error)

	// Lift forgets that whom the topics lead to was erased.
	Lift(ctx context.Context, connectorID string, topics []string) error
}

// buriedHash is what is kept of a topic.
func buriedHash(connectorID, topic string) []byte {
	sum := sha256.Sum256([]byte(connectorID + "\x00" + topic))
	return sum[:16]
}
