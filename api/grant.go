package api

import (
	"errors"
	"iter"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/stream"
)

// openGrant reads the token, which the query carries since an EventSource can
// set no header. The token is bound to the origin of the page that got it.
func (s *Server) openGrant(c *gin.Context) (stream.Grant, *connector, error) {
	token := c.Query("token")
	if token == "" {
		token = bearer(c)
	}
	g, err := s.tokens.OpenGrant(token)
	if err != nil {
		return g, nil, err
	}
	if !s.now().Before(g.Expires) {
		return g, nil, newProblem("token_expired", "Ask for a new token.")
	}
	s.track(connectionCheck)
	conn, err := s.grantor(c, g)
	return g, conn, err
}

// visitGrant reads a token that need not open a stream any more.
func (s *Server) visitGrant(c *gin.Context, token string) (stream.Grant, *connector, error) {
	g, err := s.tokens.OpenGrant(token)
	if err != nil {
		return g, nil, err
	}
	if !s.now().Before(g.Issued.Add(s.cfg.Stream.VisitWindow)) {
		return g, nil, newProblem("token_expired", "Ask for a new token.")
	}
	conn, err := s.grantor(c, g)
	return g, conn, err
}

// grantor is the connector of a grant, if the page that asks may use both.
func (s *Server) grantor(c *gin.Context, g stream.Grant) (*connector, error) {
	if origin := pageOrigin(c.Request); origin != "" && origin != g.Origin {
		return nil, newProblem("origin_not_allowed", "The token was made for another origin.")
	}
	conn, err := s.connectors.find(c.Request.Context(), g.Connector)
	if errors.Is(err, errUnknownConnector) {
		return nil, newProblem("token_invalid", "Its connector is not there any more.")
	} else if err != nil {
		return nil, err
	}
	if !conn.current().AllowsOrigin(g.Origin) {
		return nil, newProblem("origin_not_allowed", "The connector's whitelisted domains do not have this origin any more.")
	}
	if conn.revoked.refuses(g) {
		return nil, newProblem("token_invalid", "It was revoked: ask for a new token.")
	}
	if !s.counts(conn, grantProof(g)) {
		return nil, newProblem("token_invalid", "What it was given for does not count as proof any more: ask for a new token.")
	}
	return conn, nil
}

// grantProof yields the topics of a grant, and whether each is signed.
func grantProof(g stream.Grant) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, t := range g.Topics {
			if !yield(t.Name, t.Signed) {
				return
			}
		}
	}
}

// counts tells whether all that was proven would still count: settings may ask for more
// than they did.
func (s *Server) counts(conn *connector, proven iter.Seq2[string, bool]) bool {
	policy := s.policy(conn.id, conn.current())
	for name, signed := range proven {
		if topic, err := hull.ParseTopic(name); err != nil || !policy.Counts(topic, signed) {
			return false
		}
	}
	return true
}

func provenTopics(g stream.Grant) []hull.Topic {
	topics := make([]hull.Topic, 0, len(g.Topics))
	for _, t := range g.Topics {
		if topic, err := hull.ParseTopic(t.Name); err == nil {
			topics = append(topics, topic)
		}
	}
	return topics
}
