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
// writes, and it is not stopping.
func (s *Server) getReady(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	if s.broker.Draining() {
		s.fail(c, newProblem("unavailable", "The node is stopping."))
		return
	}
	// A store that waits for a lock does not look at ctx.
	answer := s.pings.DoChan("", func() (any, error) { return nil, s.store.Ping(context.WithoutCancel(ctx)) })
	select {
	case ping := <-answer:
		if ping.Err != nil {
			s.fail(c, ping.Err)
			return
		}
		c.String(http.StatusOK, "ready\n")
	case <-ctx.Done():
		s.fail(c, newProblem("unavailable", "The store does not answer in time.").after(shedRetry))
	}
}
