package api

import (
	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// wrong is what who has shown something wrong is told, and counts it: that it is refused,
// or, when there was too much of that from their address, hull.ErrTooManyTries. What is right
// does not come here, so that strangers behind the same proxy lock nobody out
// (docs/decisions/0030-keys.md). of is a label of the metric.
func (s *Server) wrong(c *gin.Context, of string, refused error) error {
	_, inTime := s.wrongKeys.allow(s.clientAddress(c), s.now())
	return s.tried(c, of, refused, inTime)
}

// tried is wrong for what has been counted.
func (s *Server) tried(c *gin.Context, of string, refused error, inTime bool) error {
	if inTime {
		s.metrics.wrongKeys.WithLabelValues(of, "refused").Inc()
		return refused
	}
	s.met(limitWrongKeys)
	s.metrics.wrongKeys.WithLabelValues(of, "limited").Inc()
	comeBack(c, s.wrongKeys.wait())
	return hull.ErrTooManyTries
}

// hasSecret tells whether said has a connector's secret: nil, refused, or
// hull.ErrTooManyTries. A secret that is short enough to be found by trying is not let in
// either once there were too many wrong ones from the address: who guesses would learn
// that it is right.
func (s *Server) hasSecret(c *gin.Context, conn *connector, said hull.Configuration, refused error) error {
	right, inTime := s.wrongKeys.judge(s.clientAddress(c), s.now(), func() bool { return sameSecret(conn, said) })
	if right && (inTime || len(said.Secret) >= MinKey) {
		return nil
	}
	return s.tried(c, "secret", refused, inTime)
}
