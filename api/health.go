package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// readyPatience bounds how long the store may take to answer /readyz and /metrics.
const readyPatience = 2 * time.Second

// getHealth says that the process answers.
func getHealth(c *gin.Context) { c.String(http.StatusOK, "ok\n") }

// getReady says whether this node should get requests: its store reads and
// writes, what other nodes write comes, and it is not stopping.
func (s *Server) getReady(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyPatience)
	defer cancel()
	if err := s.ready(ctx); err != nil {
		s.fail(c, err)
		return
	}
	c.String(http.StatusOK, "ready\n")
}

// ready is why this node should get no requests; nil: it should.
func (s *Server) ready(ctx context.Context) error {
	switch {
	case s.broker.Draining():
		return newProblem("unavailable", "The node is stopping.")
	case !s.prepared.Load():
		return newProblem("unavailable", "The store was not in reach yet since the node has started.").shed()
	case s.cluster != nil && !s.cluster.hears():
		return newProblem("unavailable", "What other nodes write does not come, or cannot be read: the log says why.").shed()
	}
	// A store that waits for a lock does not look at ctx.
	answer := s.pings.DoChan("", func() (any, error) { return nil, s.ping(context.WithoutCancel(ctx)) })
	select {
	case ping := <-answer:
		return ping.Err
	case <-ctx.Done():
		return newProblem("unavailable", "The store does not answer in time.").shed()
	}
}

// ping asks the store. One that is elsewhere is asked three times: what is lost on
// the way there once is no reason to send everybody to other nodes.
func (s *Server) ping(ctx context.Context) (err error) {
	tries := 1
	if s.cluster != nil {
		tries = 3
	}
	for range tries {
		if err = s.store.Ping(ctx); err == nil {
			return nil
		}
	}
	return err
}
