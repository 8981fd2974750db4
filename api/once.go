package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// onceHold is how long what is to be done once may take before somebody else may try.
const onceHold = 2 * time.Minute

// errRepeated tells that something was done before, and need not be done again.
var errRepeated = errors.New("done before")

// once does what is to be done once (docs/hull-protocol.md 3.6): an id that was answered
// with success is not processed again, and is refused with another body, since a
// signature is of the id alone. One that was not may come again, also with another
// body. errRepeated: it was done before; hull.ErrInProgress: it is being done.
func (s *Server) once(ctx context.Context, conn *connector, id string, body []byte, do func() error) (err error) {
	turn, err := s.store.Begin(ctx, conn.id, onceKey(id), sha256.Sum256(body), onceHold)
	if err != nil {
		s.markOutcome(conn, err)
		return fmt.Errorf("looking whether a notification was answered before: %w", err)
	}
	switch turn.State {
	case store.Running:
		return hull.ErrInProgress
	case store.Same:
		return errRepeated
	case store.Other:
		return hull.ErrReplayedNotification
	}
	ctx = context.WithoutCancel(ctx) // what was done was done, also when the sender has left
	done := false
	defer func() { // also after a panic
		if !done {
			err = errors.Join(err, s.store.Undone(ctx, turn))
		}
	}()
	if err := do(); err != nil {
		return err
	}
	done = true
	if err := s.store.Done(ctx, turn, s.verifier.ReplayWindow()); err != nil {
		s.log.WarnContext(ctx, "a notification was taken, and it could not be noted that it was", "connector", conn.id, "error", err)
	}
	return nil
}

// onceKey keeps the ids of notifications, which may be any text, apart from what else is
// done once, and bounds them: one may be as long as a body.
func onceKey(id string) string {
	const most = 128
	if len(id) <= most {
		return "notification:" + id
	}
	sum := sha256.Sum256([]byte(id))
	return "notification-sha256:" + hex.EncodeToString(sum[:])
}
