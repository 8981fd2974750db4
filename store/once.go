package store

import (
	"context"
	"crypto/sha256"
	"time"
)

// Digest tells what is done under a key from something else under the same key.
type Digest = [sha256.Size]byte

// Once is the memory of what is to be done once: notifications, which whoever
// sees one could send again.
//
// Begin takes a connector's key for who asks first. Whoever has it does what is
// to be done and then says Done, or Undone when it was not, so that it may be
// tried again. Who neither says loses the key after hold.
type Once interface {
	// Begin tells whether a key is free, and takes it if it is. A store that
	// nodes share decides for all of them.
	Begin(ctx context.Context, connectorID, key string, digest Digest, hold time.Duration) (Turn, error)

	// Done notes, for as long as keep, that what a turn was for has been done.
	// [SQLite] writes it down within a tenth of a second: what a crash takes of it
	// can be done once more.
	Done(ctx context.Context, turn Turn, keep time.Duration) error

	// Undone gives a turn back.
	Undone(ctx context.Context, turn Turn) error
}

// Turn is what became of a Begin. One that is Yours goes to Done or Undone.
type Turn struct {
	State TurnState

	connectorID, key string
	digest           Digest
	holder           string // tells turns of one key apart, where they may run out
}

// TurnState says whose turn it is.
type TurnState int

// The states of a turn, as store/lua/once.lua numbers them.
const (
	Yours   TurnState = iota // do it
	Running                  // somebody does it just now
	Same                     // it was done, with this digest
	Other                    // something was done under this key, with another digest
)
