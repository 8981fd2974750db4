package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// getHealth says that the process answers.
func getHealth(c *gin.Context) { c.String(http.StatusOK, "ok\n") }

// getReady says whether this node should get requests: its store reads and
// writes, what other nodes write comes, and it is not stopping.
func (s *Server) getReady(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	if s.broker.Draining() {
		s.fail(c, newProblem("unavailable", "The node is stopping."))
		return
	}
	if !s.prepared.Load() {
		s.fail(c, newProblem("unavailable", "The store was not in reach yet since the node has started.").shed())
		return
	}
	if s.cluster != nil && (s.cluster.degraded() || s.cluster.stuck.Load()) {
		s.fail(c, newProblem("unavailable", "What other nodes write does not come, or cannot be read: the log says why.").shed())
		return
	}
	// A store that waits for a lock does not look at ctx.
	answer := s.pings.DoChan("", func() (any, error) { return nil, s.ping(context.WithoutCancel(ctx)) })
	select {
	case ping := <-answer:
		if ping.Err != nil {
			s.fail(c, ping.Err)
			return
		}
		c.String(http.StatusOK, "ready\n")
	case <-ctx.Done():
		s.fail(c, newProblem("unavailable", "The store does not answer in time.").shed())
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
