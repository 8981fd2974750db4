package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// operator is who asks for an operators' route.
type operator struct {
	label     string    // key: and the first 8 hex digits of the key's SHA-256, or hull: and the connector
	connector string    // the only one that they may see and change; "": all
	ends      time.Time // of their session; zero: they have shown the key itself
}

// may tells whether the operator may see and change a connector. "": what concerns all.
func (o operator) may(connectorID string) bool {
	return o.connector == "" || o.connector == connectorID
}

const operatorKey = "operator"

// operatorOf is who asks, behind the middleware operator; the zero value elsewhere.
func operatorOf(c *gin.Context) operator {
	o, _ := c.Get(operatorKey)
	who, _ := o.(operator)
	return who
}

// operator lets operators in who may see and change the route's connector, if it has
// one: with an admin key, or the cookie of a session that a page of our own sends.
func (s *Server) operator(c *gin.Context) {
	operatorHeaders(c)
	who, err := s.whoOperates(c)
	if err != nil {
		s.refuseOperator(c, err)
		return
	}
	c.Set(operatorKey, who)
	if connectorID := c.Param("connector"); connectorID != "" && !who.may(connectorID) {
		s.fail(c, newProblem("forbidden", "This session is for another connector."))
	}
}

// forAll lets operators in who may see and change everything. It comes after operator.
func (s *Server) forAll(c *gin.Context) {
	if !operatorOf(c).may("") {
		s.fail(c, newProblem("forbidden", "This session is for one connector."))
	}
}

// operatorHeaders keep answers for operators to them, and visitors' texts in them from
// being taken for a page.
func operatorHeaders(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// whoOperates tells who asks. A key that is shown is what counts, also beside a cookie.
func (s *Server) whoOperates(c *gin.Context) (operator, error) {
	if c.GetHeader("Authorization") == "" {
		return s.inSession(c)
	}
	hash, known := s.operators.find(bearer(c))
	if !known {
		return operator{}, errNoOperator
	}
	return operator{label: keyLabel(hash[:])}, nil
}

// stillEach is how often it is looked whether who reads a stream would still be let in.
const stillEach = 5 * time.Second

const stillKey = "operator_still"

// stillOperator tells whether who was let in still would be, as of stillEach ago at most.
// While that cannot be known, they are.
func (s *Server) stillOperator(c *gin.Context) bool {
	now := time.Now()
	if now.Sub(c.GetTime(stillKey)) < stillEach {
		return true
	}
	c.Set(stillKey, now)
	_, err := s.whoOperates(c)
	return err == nil || problemOf(err).Status != http.StatusUnauthorized
}

// errNoOperator: who asks has shown nothing that lets operators in.
var errNoOperator = newProblem("unauthorized", "Send an admin key, Authorization: Bearer …, or sign in at /admin/.")

// refuseOperator answers who is not let in.
func (s *Server) refuseOperator(c *gin.Context, err error) {
	if problemOf(err).Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	s.fail(c, err)
}

// credential is what an operator has shown, kept so that it can be told later whether it
// still holds.
type credential struct {
	Key       []byte `json:"k,omitempty"` // SHA-256 of an admin key; none: the connector's secret was shown
	Connector string `json:"c,omitempty"`
	Secret    []byte `json:"s,omitempty"` // SHA-256 of it
}

// credentialOf is the credential of who knows a connector's secret.
func credentialOf(conn *connector) credential {
	secret := sha256.Sum256([]byte(conn.credentials().Secret))
	return credential{Connector: conn.id, Secret: secret[:]}
}

// errOver: what was shown does not let anybody in any more.
var errOver = errors.New("the credential does not hold any more")

// holds returns the operator of a credential. errOver: the key is not an admin key any
// more, or the connector has another secret, or is not there.
func (s *Server) holds(ctx context.Context, shown credential) (operator, error) {
	if shown.Key != nil {
		if !s.operators.has(shown.Key) {
			return operator{}, errOver
		}
		return operator{label: keyLabel(shown.Key)}, nil
	}
	conn, err := s.connectors.find(ctx, shown.Connector)
	switch {
	case errors.Is(err, errUnknownConnector):
		return operator{}, errOver
	case err != nil:
		return operator{}, err
	case conn.credentials().Secret == "" || subtle.ConstantTimeCompare(credentialOf(conn).Secret, shown.Secret) != 1:
		return operator{}, errOver
	}
	return operator{label: "hull:" + conn.id, connector: conn.id}, nil
}

// keyLabel names an admin key by its hash.
func keyLabel(hash []byte) string { return "key:" + hex.EncodeToString(hash[:4]) }
