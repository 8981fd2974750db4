package api

import (
	"context"
	"errors"
	"net/url"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// caller is the connector whose credentials a request of Hull's carries that is no
// notification. They are compared with those that are known; nobody is asked, and
// nothing is learnt (docs/hull-protocol.md 7.2 and A4). Errors are
// hull.ErrMissingCredentials, hull.ErrInvalidCredentials, or the store's.
func (s *Server) caller(c *gin.Context) (*connector, error) {
	return s.connectorOf(c.Request.Context(), c.Request.URL.Query())
}

// connectorOf is caller with the credentials of query.
func (s *Server) connectorOf(ctx context.Context, query url.Values) (*connector, error) {
	said, err := hull.ParseCaller(query, s.cfg.Secrets)
	if err != nil {
		return nil, err
	}
	conn, err := s.connectors.find(ctx, said.ID)
	switch {
	case errors.Is(err, errUnknownConnector):
		return nil, hull.ErrInvalidCredentials
	case err != nil:
		return nil, err
	case sameOrganization(conn, said) != nil || !sameSecret(conn, said):
		return nil, hull.ErrInvalidCredentials
	}
	return conn, nil
}
