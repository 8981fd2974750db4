package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// Begin implements [Once].
func (s *Redis) Begin(ctx context.Context, connectorID, key string, digest Digest, hold time.Duration) (Turn, error) {
	const doing = "looking whether it was done before"
	turn := Turn{connectorID: connectorID, key: key, digest: digest, holder: rand.Text()}
	status, err := s.turn(ctx, doing, "begin", turn, hold)
	switch {
	case err != nil:
		return Turn{}, err
	case status == 4:
		return Turn{}, fmt.Errorf("%s: the key was %w", doing, ErrNewer)
	}
	turn.State = TurnState(status)
	return turn, nil
}

// Done implements [Once].
func (s *Redis) Done(ctx context.Context, turn Turn, keep time.Duration) error {
	_, err := s.turn(ctx, "noting what was done", "done", turn, keep)
	return err
}

// Undone implements [Once].
func (s *Redis) Undone(ctx context.Context, turn Turn) error {
	_, err := s.turn(ctx, "noting what was not done", "undone", turn, 0)
	return err
}

func (s *Redis) turn(ctx context.Context, doing, op string, turn Turn, life time.Duration) (status int, err error) {
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return 0, err
	}
	defer leave()
	c := &call{
		script: onceScript, key: s.cfg.key("o", turn.connectorID, turn.key),
		args: []any{op, turn.holder, turn.digest[:], max(life.Milliseconds(), 1)},
	}
	if err := s.run(ctx, doing, []*call{c}); err != nil {
		return 0, err
	}
	status, err = c.cmd.Int()
	return status, s.failed(ctx, doing, err)
}
