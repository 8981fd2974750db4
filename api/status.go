package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// statusTimeout bounds an answer on how a connector is doing, whatever hangs. What the
// store does not say until half of it is over is not waited for: Hull is to be told.
const statusTimeout = 10 * time.Second

// reportFailed is what Hull's libraries say (docs/hull-protocol.md 7.4).
const reportFailed = "Error while reporting Status to Hull Platform"

// anyStatus tells Hull how a connector is doing: in the answer, and by a call of its own
// to Hull's API, as Hull expects it.
func (s *Server) anyStatus(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	ctx, cancel := inStatusTimeout(c)
	defer cancel()
	conn, err := s.caller(c)
	if err != nil {
		s.refuseStatus(c, err)
		return
	}
	status := statusOf(s.factsIn(ctx, conn).findings())
	if err := s.report(ctx, conn, status); err != nil {
		status.Status, status.Messages = hull.SeverityError, slices.Insert(status.Messages, 0, reportFailed)
		c.JSON(http.StatusInternalServerError, status) // as Hull's newer library does
		return
	}
	c.JSON(http.StatusOK, status)
}

// inStatusTimeout gives a request statusTimeout from now on.
func inStatusTimeout(c *gin.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), statusTimeout)
	c.Request = c.Request.WithContext(ctx)
	return ctx, cancel
}

// refuseStatus answers who is not known to be a connector, or whose connector cannot be
// read now, in the shape of a status.
func (s *Server) refuseStatus(c *gin.Context, err error) {
	if e, ok := errors.AsType[*hull.NotificationError](err); ok {
		c.JSON(e.Status, hull.Status{Status: hull.SeverityError, Messages: []string{e.Reason}})
		return
	}
	s.failed(c.Request.Context(), err, "route", c.FullPath(), "request_id", c.GetString(requestIDKey))
	c.JSON(http.StatusServiceUnavailable, hull.Status{Status: hull.SeverityError, Messages: []string{"The connector cannot be read right now. Ask again in a minute."}})
}

// factsIn is factsOf in half of statusTimeout.
func (s *Server) factsIn(ctx context.Context, conn *connector) *facts {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout/2)
	defer cancel()
	return s.factsOf(ctx, conn)
}

// report tells Hull's API. A connector without organization has none.
func (s *Server) report(ctx context.Context, conn *connector, status hull.Status) error {
	cred := conn.credentials()
	if cred.Organization == "" {
		s.metrics.reports.WithLabelValues("none").Inc()
		return nil
	}
	err := s.hull.PutStatus(ctx, cred, status)
	result := "reported"
	if err != nil {
		result = "failed"
		s.log.Warn("a status cannot be reported to Hull", "connector", conn.id, "error", err)
	}
	s.metrics.reports.WithLabelValues(result).Inc()
	return err
}
