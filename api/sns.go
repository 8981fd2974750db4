package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// isSNS tells messages of Amazon SNS, Hull's legacy notifications, from those of its
// smart-notifier, which come to the same path. What says to be both is a notification:
// each kind has its own checks, and nothing goes by without them.
func isSNS(h http.Header) bool {
	return len(h.Values(hull.HeaderSNSType)) > 0 && len(h.Values(hull.HeaderFlag)) == 0
}

// answerSNS answers Amazon SNS: in words when a message was taken, and else in Hull's
// shape. Amazon sends again what is answered with 5xx (docs/protocol.md).
func (s *Server) answerSNS(c *gin.Context, accepted time.Time) {
	n, word, err := s.sns(c, accepted)
	if status, refusal := s.judge(c, n, err); status != http.StatusOK {
		c.JSON(status, refusal)
		return
	}
	c.String(http.StatusOK, word)
}

// sns is the way of a message: credentials, body, topic and signature, what it says. An
// error means that nothing may be acknowledged. n is nil when there is no notification
// in it.
func (s *Server) sns(c *gin.Context, accepted time.Time) (n *hull.Notification, word string, err error) {
	ctx := c.Request.Context()
	said, err := hull.ParseCaller(c.Request.URL.Query(), s.cfg.Secrets)
	if err != nil {
		return nil, "", err
	}
	leave := func() {}
	defer func() { leave() }()
	var m *hull.SNSMessage
	conn, err := s.authenticate(c, said, s.verifier.KnowsSNS(), func() (err error) {
		if m, leave, err = s.readSNS(c); err != nil {
			return err
		}
		ctx, span := step(ctx, "verify signature")
		err = s.verifier.VerifySNS(ctx, m, said.ID)
		endStep(span, err)
		return err
	})
	if err != nil {
		return nil, "", asCaller(err)
	}
	s.track(notifierProcess)
	switch m.Type {
	case hull.SNSConfirmation:
		return nil, "subscribed", s.onceSNS(ctx, conn, m, func() error { return s.confirm(ctx, conn, m) })
	case hull.SNSUnsubscribing:
		s.log.Warn("Amazon SNS does not send the connector's notifications here any more", "connector", conn.id)
		return nil, "ok", nil
	}
	if n, err = m.Notification(said, s.cfg.Limits.JSONDepth); err != nil {
		return nil, "", err
	}
	return n, "ok", s.onceSNS(ctx, conn, m, func() error { return s.takeSNS(ctx, conn, n, accepted) })
}

func (s *Server) readSNS(c *gin.Context) (m *hull.SNSMessage, leave func(), err error) {
	body, leave, err := s.intake.read(c)
	if err != nil {
		return nil, leave, err
	}
	m, err = hull.ParseSNS(body, s.cfg.Limits.JSONDepth)
	return m, leave, err
}

// asCaller is how the credentials of a query are refused.
func asCaller(err error) error {
	e, ok := errors.AsType[*hull.NotificationError](err)
	if ok && e.Code == hull.ErrInvalidConfiguration.Code {
		return hull.ErrInvalidCredentials.Because(e.Reason)
	}
	return err
}

// onceSNS is once for a message. One without an id is of a mock, unsigned, and each is
// another.
func (s *Server) onceSNS(ctx context.Context, conn *connector, m *hull.SNSMessage, do func() error) error {
	if m.ID == "" {
		return do()
	}
	return s.once(ctx, conn, "sns:"+m.ID, []byte(m.Message), do)
}

func (s *Server) confirm(ctx context.Context, conn *connector, m *hull.SNSMessage) error {
	if err := s.verifier.ConfirmSNS(ctx, m); err != nil {
		return err
	}
	s.log.Info("Amazon SNS will send the connector's notifications here", "connector", conn.id)
	return nil
}

// takeSNS does what a notification says. Messages of users have their segments
// themselves; of the connector's settings SNS tells only that they have changed.
func (s *Server) takeSNS(ctx context.Context, conn *connector, n *hull.Notification, accepted time.Time) error {
	if hull.ClassifyChannel(n.Channel) == hull.ClassConnector {
		return s.askSettings(ctx, conn, n)
	}
	return s.take(ctx, conn, n, accepted)
}
