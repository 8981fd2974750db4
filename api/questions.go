package api

import (
	"context"
	"sync"
	"time"

	"hullbeam/hull"
)

// questions to Hull about a connector: one at a time. Those who come while one is on
// its way share the next, whose answer is of after they came.
type questions struct {
	mu     sync.Mutex
	began  time.Time // of the last
	answer error
}

// ask asks, or waits for an answer to a question that somebody else asks meanwhile.
func (q *questions) ask(question func() error) error {
	came := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.began.After(came) {
		return q.answer
	}
	q.began = time.Now()
	q.answer = question()
	return q.answer
}

// askSettings asks Hull for a connector's settings, which n says have changed, and
// applies them.
func (s *Server) askSettings(ctx context.Context, conn *connector, n *hull.Notification) error {
	ctx = context.WithoutCancel(ctx) // others may wait for it
	return conn.asking.ask(func() (err error) {
		if n.Connector, err = s.askApp(ctx, conn.credentials()); err != nil {
			return err
		}
		return s.takeSettings(ctx, conn, n)
	})
}
