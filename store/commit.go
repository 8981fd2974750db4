package store

import (
	"context"
	"fmt"
)

// Group commit. What makes a Put durable, a sync, costs a fraction of a
// millisecond or several whether one user was written or a thousand. So a Put
// joins a queue, and whichever Put in it gets the turn to write takes what is
// queued, up to the bounds of a batch, into one sync, while the next ones gather.

// put is a call of Put under way.
type put struct {
	connectorID string
	users       []User
	bytes       int // of all states

	done    chan struct{} // closed when what follows is set
	written []Written
	err     error
}

func newPut(connectorID string, users []User) *put {
	p := &put{connectorID: connectorID, users: users, done: make(chan struct{})}
	for _, u := range users {
		p.bytes += len(u.State)
	}
	return p
}

func (p *put) size() (count, bytes int) { return len(p.users), p.bytes }

func (p *put) finish(err error) {
	if err != nil {
		p.written, p.err = nil, err
	}
	close(p.done)
}

func (p *put) doing() string {
	if len(p.users) == 1 {
		return "writing 1 user"
	}
	return fmt.Sprintf("writing %d users", len(p.users))
}

// Put implements [Store]. If its batch fails, so do the other Puts that
// were in it, and no others.
func (s *SQLite) Put(ctx context.Context, connectorID string, users []User) ([]Written, error) {
	p := newPut(connectorID, users)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.doing(), err)
	}
	s.queue.add(p)
	select {
	case <-p.done:
	case s.turn <- struct{}{}:
		s.lead(p)
		<-s.turn
	case <-ctx.Done():
		if s.queue.withdraw(p) {
			return nil, fmt.Errorf("%s: %w", p.doing(), ctx.Err())
		}
		<-p.done // it is being written, and others with it
	}
	return p.written, p.err
}

// lead commits what is queued, a batch at a time, until p is done. The caller
// has the turn.
func (s *SQLite) lead(p *put) {
	for {
		select {
		case <-p.done:
			return
		default:
		}
		batch := s.queue.take()
		err := s.commit(batch)
		for _, p := range batch {
			if err != nil {
				p.finish(failed(p.doing(), err))
			} else {
				p.finish(nil)
			}
		}
	}
}
