package api

import (
	"net/http"
	"net/mail"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// emailRequest is what a page posts when a visitor says who they are.
type emailRequest struct {
	Token string `json:"token"`
	Email string `json:"email"`
}

// maxEmail is the longest address that mail can be sent to (RFC 3696, erratum 1690).
const maxEmail = 254

func (s *Server) postEmail(c *gin.Context) {
	if err := s.email(c); err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusAccepted)
}

// email takes what a visitor typed. It proves nothing: it opens no topic, and Hull is
// told it as a trait of its own, never as a claim or as the trait email, by which Hull
// would join the visitor with whomever they name.
func (s *Server) email(c *gin.Context) error {
	body, err := s.readBrowserBody(c)
	if err != nil {
		return err
	}
	req := &emailRequest{}
	if err := decode(body, "invalid_request", req); err != nil {
		return err
	}
	g, conn, err := s.visitGrant(c, req.Token)
	if err != nil {
		return err
	}
	email, err := readEmail(req.Email)
	if err != nil {
		return err
	}
	if err := s.admitVisitor(g); err != nil {
		return err
	}
	if s.cfg.History.isIgnored(c.Request.Header) {
		return nil
	}
	ctx := c.Request.Context()
	if _, err := s.record(ctx, store.Visit{ConnectorID: g.Connector, Visitor: g.Visitor, At: s.now(), Email: email}); err != nil {
		return err
	}
	s.presence.stated(g.Connector, g.Visitor)
	s.tellPage(ctx, g.Connector, toldPage{Visitor: g.Visitor, Stated: true})
	s.metrics.statedEmails.Inc()
	if about, ok := s.about(c, conn, g); ok {
		s.firehose.SetTraits(about, map[string]any{"hullbeam/stated_email": email})
	}
	return nil
}

// readEmail returns an address trimmed and in lower case, as claims are. The error
// does not tell it.
func readEmail(text string) (string, error) {
	topic, err := hull.NewTopic(hull.KindEmail, text)
	if err == nil {
		address, err := mail.ParseAddress(topic.Value())
		if err == nil && address.Address == topic.Value() && len(topic.Value()) <= maxEmail && strings.Map(shown, address.Address) == address.Address {
			return address.Address, nil
		}
	}
	return "", wrong("/email", "must be an email address of at most 254 bytes")
}
