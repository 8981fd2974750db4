package store

import (
	"context"
	"time"
)

// Marks remembers of each connector when something happened to it last, so that any
// node can say how it is doing.
type Marks interface {
	// Mark notes marks, of any connectors: of two with one name the later time counts,
	// and the counts are added up. [Redis] forgets the marks of a connector markLife
	// after its last one, and notes those of one connector at once.
	Mark(ctx context.Context, marks []Mark) error

	// Marks returns the marks of a connector by their names. The connector need not
	// be known.
	Marks(ctx context.Context, connectorID string) (map[string]Mark, error)

	// HasUsers tells whether any topic leads to a user of a connector: to who was erased
	// none does. False is certain; true may also mean that [Redis], where others have many users, did not look at all of
	// them: this is cheap.
	HasUsers(ctx context.Context, connectorID string) (bool, error)
}

// Mark is when something happened last to a connector.
type Mark struct {
	ConnectorID string
	Name        string // of what happened, from a closed list
	At          time.Time
	Count       uint64 // how often since the last Mark; of what Marks returns: in all
}

const markLife = 90 * 24 * time.Hour
