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
	if err := s.store.Ping(ctx); err != nil {
		s.fail(c, err)
		return
	}
	c.String(http.StatusOK, "ready\n")
}
