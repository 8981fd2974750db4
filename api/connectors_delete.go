package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
	"hullbeam/stream"
)

// deleteConnector has nobody know a connector any more: its streams end, its tokens open
// none, and what is kept of its visitors is forgotten.
func (s *Server) deleteConnector(c *gin.Context) {
	note(c, "connector.delete", "")
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err == nil {
		err = s.revokeAll(c.Request.Context(), conn) // also for when it is put in again
	}
	if err == nil {
		err = s.connectors.delete(c.Request.Context(), conn)
	}
	if errors.Is(err, errUnknownConnector) {
		err = newProblem("connector_unknown", "No connector has this id.")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	ctx := context.WithoutCancel(c.Request.Context())
	s.dismiss(conn)
	if err := s.revokeDeleted(ctx, conn); err != nil {
		s.log.Warn("tokens that a connector's pages got while it was deleted are good if it is put in again", "connector", conn.id, "error", err)
	}
	if s.cluster != nil {
		s.cluster.tellSettings(ctx, conn.id)
	}
	if err := s.forgetVisitors(ctx, conn.id); err != nil {
		s.log.Warn("a deleted connector's visitors are not all forgotten", "connector", conn.id, "error", err)
	}
	c.Status(http.StatusNoContent)
}

// dismiss lets go of a connector that was deleted, on this or another node.
func (s *Server) dismiss(conn *connector) {
	s.connectors.drop(conn)
	s.live.drop(conn.id)
	s.pending.drop(conn.id)
	s.firehose.Forget(conn.id, nil)
	for _, sub := range s.broker.Subscribers(conn.id) {
		sub.End(stream.ReasonRevoked, s.broker.Retry())
	}
	s.log.Info("the connector was deleted", "connector", conn.id)
}

// forgetFor bounds how long is waited for a deleted connector's visitors to be forgotten:
// what is left goes when history.retention is over.
const forgetFor = 30 * time.Second

// forgetVisitors forgets who has come to a connector's pages, and what they did.
func (s *Server) forgetVisitors(ctx context.Context, connectorID string) error {
	ctx, cancel := context.WithTimeout(ctx, forgetFor)
	defer cancel()
	for cursor := ""; ; {
		visitors, next, err := s.store.RecentVisitors(ctx, connectorID, cursor, maxListed)
		if err != nil {
			return err
		}
		persons := make([]store.Person, len(visitors))
		for i, v := range visitors {
			persons[i] = store.Person{UserID: v.UserID, Visitor: v.ID}
		}
		if err := s.forgetPersons(ctx, connectorID, persons); err != nil {
			return err
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}
