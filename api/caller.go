package api

import (
	"errors"
	"net/url"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// caller is the connector whose credentials a request of Hull's carries that is no
// notification. They are compared with those that are known; nobody is asked, and
// nothing is learnt (docs/hull-protocol.md 7.2 and A4). Errors are
// hull.ErrMissingCredentials, hull.ErrInvalidCredentials, hull.ErrTooManyTries, or the
// store's.
func (s *Server) caller(c *gin.Context) (*connector, error) {
	return s.connectorOf(c, c.Request.URL.Query())
}

// connectorOf is caller with the credentials of query.
func (s *Server) connectorOf(c *gin.Context, query url.Values) (*connector, error) {
	said, err := hull.ParseCaller(query, s.cfg.Secrets)
	if errors.Is(err, hull.ErrMissingCredentials) {
		return nil, err
	} else if err != nil {
		return nil, s.wrong(c, "secret", err)
	}
	conn, err := s.connectors.find(c.Request.Context(), said.ID)
	switch {
	case err == nil && sameOrganization(conn, said) != nil, errors.Is(err, errUnknownConnector):
		return nil, s.wrong(c, "secret", hull.ErrInvalidCredentials)
	case err != nil:
		return nil, err
	}
	if err := s.hasSecret(c, conn, said, hull.ErrInvalidCredentials); err != nil {
		return nil, err
	}
	return conn, nil
}
