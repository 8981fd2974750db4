package store

import (
	"context"
	"time"
)

// Revocations is the memory of tokens that are refused though they have not expired. Of
// those of a name it has the latest, as long as the callers ask for it.
type Revocations interface {
	// Revoke notes revocations. One with an empty name stands for those of all names that
	// were made before it. What was made until since is forgotten.
	Revoke(ctx context.Context, connectorID string, revocations []Revocation, since time.Time) error

	// Revocations returns those of a connector that were made after since, in no particular
	// order.
	Revocations(ctx context.Context, connectorID string, since time.Time) ([]Revocation, error)
}

// Revocation has tokens refused.
type Revocation struct {
	Name string    `json:"name"` // of what the tokens have in common; opaque here
	At   time.Time `json:"at"`   // those issued until then
}
