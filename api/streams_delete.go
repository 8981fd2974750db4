package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// deleteStreams ends streams and revokes their tokens: of whom a topic leads to, and
// without one all of the connector's. Who can still prove the topic gets a new token.
func (s *Server) deleteStreams(c *gin.Context) {
	ctx := context.WithoutCancel(c.Request.Context())
	note(c, "streams.revoke", "")
	conn, err := s.connectors.get(ctx, c.Param("connector"))
	if err == nil {
		err = s.endStreams(ctx, c, conn)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (s *Server) endStreams(ctx context.Context, c *gin.Context, conn *connector) error {
	texts, named := c.Request.URL.Query()["topic"]
	if !named {
		if c.Request.URL.RawQuery != "" {
			return newProblem("invalid_request", "The query may have a topic, and nothing else: without one all streams of the connector end.")
		}
		return s.countRevocation(conn, "connector", s.revokeAll(ctx, conn))
	}
	topic, err := parseTopic(texts[0])
	if err != nil || len(texts) > 1 {
		return newProblem("invalid_request", "The query has one topic: id:…, external_id:…, email:… or anonymous_id:….")
	}
	note(c, "streams.revoke", s.auditTopic(topic.String()))
	snap, _, err := s.store.Find(ctx, conn.id, []string{topic.String()})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return s.countRevocation(conn, "topic", s.revoke(ctx, conn, []string{topic.String()}, ""))
	case err != nil:
		return fmt.Errorf("looking for whose streams are to end: %w", err)
	}
	topics := append(slices.Clone(snap.Topics), topic.String(), string(hull.KindID)+":"+snap.UserID)
	slices.Sort(topics)
	return s.countRevocation(conn, "user", s.revoke(ctx, conn, slices.Compact(topics), ""))
}

// countRevocation counts a revocation, unless it has failed.
func (s *Server) countRevocation(conn *connector, of string, err error) error {
	if err != nil {
		return err
	}
	s.metrics.revocations.WithLabelValues(of).Inc()
	s.log.Info("streams revoked", "connector", conn.id, "of", of)
	return nil
}

// parseTopic reads a topic that an operator names.
func parseTopic(text string) (hull.Topic, error) {
	if len(text) > maxTopic || strings.ContainsFunc(text, unicode.IsControl) {
		return hull.Topic{}, errors.New("too long for a topic, or with controls")
	}
	return hull.ParseTopic(text)
}
