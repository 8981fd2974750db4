package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// postNotification answers Hull, in Hull's shape.
func (s *Server) postNotification(c *gin.Context) {
	s.track(notifierHandler, connectorRequest)
	accepted := time.Now() // latencies are counted by the real clock
	c.Request = c.Request.WithContext(identified(c))
	if isSNS(c.Request.Header) {
		s.answerSNS(c, accepted)
	} else {
		n, err := s.notification(c, accepted)
		s.answerHull(c, n, err)
	}
	observe(s.metrics.notificationSeconds, time.Since(accepted).Seconds(), exemplarOf(c.Request.Context()))
}

// answerHull answers a notification that was taken, or not because of err. n is nil
// when it could not be read.
func (s *Server) answerHull(c *gin.Context, n *hull.Notification, err error) {
	channel := ""
	if n != nil {
		channel = n.Channel
	}
	status, answer := s.judge(c, n, err)
	if status == http.StatusOK {
		answer = s.pace.Next(channel)
	} else if status >= http.StatusInternalServerError {
		comeBack(c, time.Duration(answer.FlowControl.In)*time.Millisecond)
	}
	c.JSON(status, answer)
}

// judge counts a notification that was taken, or not because of err, and returns the
// status that it is answered with, and the refusal unless that is 200.
func (s *Server) judge(c *gin.Context, n *hull.Notification, err error) (status int, refusal hull.Answer) {
	class, result := hull.ClassUnsupported, "ok"
	if n != nil {
		class = hull.ClassifyChannel(n.Channel)
	}
	status = http.StatusOK
	switch {
	case errors.Is(err, errRepeated):
		result = "repeated"
	case err != nil:
		status, refusal = s.pace.Retry(err)
		result = refusal.Errors[0].Code
		s.track(notifierError)
	}
	if status >= http.StatusInternalServerError {
		s.track(connectorTransientError)
		s.failed(c.Request.Context(), err, "route", c.FullPath(), "request_id", c.GetString(requestIDKey))
	}
	s.metrics.notifications.WithLabelValues(string(class), result).Inc()
	annotate(c.Request.Context(), attrChannel.String(string(class)), attrResult.String(result))
	s.track(notifierResponse)
	return status, refusal
}

// notification is the way of a notification: headers, body, who sends it, what
// it says. An error means that nothing may be acknowledged. n is nil when it could
// not be read.
func (s *Server) notification(c *gin.Context, accepted time.Time) (n *hull.Notification, err error) {
	ctx := c.Request.Context()
	if err := s.verifier.CheckHeaders(c.Request.Header); err != nil {
		return nil, err
	}
	body, leave, err := s.intake.read(c)
	defer leave()
	if err != nil {
		return nil, err
	}
	if n, err = hull.ParseNotification(body, s.cfg.Limits.JSONDepth); err != nil {
		return nil, err
	}
	conn, err := s.authenticate(c, n.Configuration, true, func() error {
		ctx, span := step(ctx, "verify signature")
		err := s.verifier.Verify(ctx, c.Request.Header, n.ID)
		endStep(span, err)
		return err
	})
	if err != nil {
		return n, err
	}
	s.track(notifierProcess)
	return n, s.once(ctx, conn, n.ID, body, func() error { return s.take(ctx, conn, n, accepted) })
}

// take does what a notification says. What its channel is not for is in none of its
// parts.
func (s *Server) take(ctx context.Context, conn *connector, n *hull.Notification, accepted time.Time) (err error) {
	annotate(ctx, attrConnector.String(conn.id), attrUsers.Int(n.Count))
	began := time.Now() // of our own work: what the sender or Hull takes is not ours to pace
	defer func() {
		if s.markOutcome(conn, err); err == nil {
			s.pace.Took(n.Count, time.Since(began))
		}
	}()
	if err := s.takeSettings(ctx, conn, n); err != nil {
		return err
	}
	if hull.ClassifyChannel(n.Channel) == hull.ClassUserDelete {
		return s.takeDeletions(ctx, conn, n, accepted)
	}
	return s.takeUsers(ctx, conn, n.Messages, n.Skipped, accepted)
}
