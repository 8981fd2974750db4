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
	access
	label string    // key: and the first 8 hex digits of the key's SHA-256, or hull: and the connector
	ends  time.Time // of their session; zero: they have shown the key itself
}

// may tells whether the operator may see a connector. "": what concerns all.
func (o operator) may(connectorID string) bool {
	return o.connector == "" || o.connector == connectorID
}

// isChange tells requests that need the scope write, and are noted in the audit log. A
// route of operators with another method changes something, or is taken for one that
// does.
func isChange(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// mayAsk is the one rule of what an operator may do: what is asked is of a connector that
// they may see ("": of all), and is a look, or they may change what they see. The problem
// says what is needed.
func (o operator) mayAsk(method, connectorID string) error {
	switch {
	case connectorID == "" && !o.may(""):
		return newProblem("forbidden", "This is of all connectors, and you are let in for one: a key for all is needed.")
	case !o.may(connectorID):
		return newProblem("forbidden", "This is of another connector: a key for that one, or for all, is needed.")
	case isChange(method) && o.scope != ScopeWrite:
		return newProblem("forbidden", "This is a change, and you are let in to read: a key with the scope write is needed.")
	}
	return nil
}

const whoKey = "operator"

// operatorOf is who asks, behind the middleware operator; the zero value elsewhere.
func operatorOf(c *gin.Context) operator {
	o, _ := c.Get(whoKey)
	who, _ := o.(operator)
	return who
}

// operator lets operators in: with a key, or the cookie of a session that a page of our
// own sends.
func (s *Server) operator(c *gin.Context) {
	operatorHeaders(c)
	who, err := s.whoOperates(c)
	if err != nil {
		s.refuseOperator(c, err)
		return
	}
	c.Set(whoKey, who)
}

// ofConnector lets those go on who may do this to the route's connector. It comes after
// operator.
func (s *Server) ofConnector(c *gin.Context) {
	if err := operatorOf(c).mayAsk(c.Request.Method, c.Param("connector")); err != nil {
		s.fail(c, err)
	}
}

// ofAll lets those go on who may do this to what concerns all connectors. It comes after
// operator.
func (s *Server) ofAll(c *gin.Context) {
	if err := operatorOf(c).mayAsk(c.Request.Method, ""); err != nil {
		s.fail(c, err)
	}
}

// operatorHeaders keep answers for operators to them.
func operatorHeaders(c *gin.Context) { c.Header("Cache-Control", "no-store") }

// whoOperates tells who asks. A key that is shown is what counts, also beside a cookie.
func (s *Server) whoOperates(c *gin.Context) (operator, error) {
	if c.GetHeader("Authorization") == "" {
		return s.inSession(c)
	}
	return s.keyHolder(c)
}

// keyHolder tells whose key is shown.
func (s *Server) keyHolder(c *gin.Context) (operator, error) {
	key := bearer(c)
	if key == "" {
		return operator{}, errNoOperator
	}
	hash, may, known := s.operators.find(key)
	if !known {
		return operator{}, s.wrong(c, "key", errNoOperator)
	}
	return operator{access: may, label: keyLabel(hash[:])}, nil
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
var errNoOperator = newProblem("unauthorized", "Send an operators' key, Authorization: Bearer …, or sign in at /admin/.")

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
	Key       []byte `json:"k,omitempty"` // SHA-256 of an operators' key; none: the connector's secret was shown
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

// holds returns the operator of a credential. errOver: the key is not configured any
// more, or the connector has another secret, or is not there.
func (s *Server) holds(ctx context.Context, shown credential) (operator, error) {
	if shown.Key != nil {
		may, known := s.operators.of(shown.Key)
		if !known {
			return operator{}, errOver
		}
		return operator{access: may, label: keyLabel(shown.Key)}, nil
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
	return hullOperator(conn), nil
}

// hullOperator is who has come with a connector's credentials of Hull.
func hullOperator(conn *connector) operator {
	return operator{access: access{conn.id, ScopeWrite}, label: "hull:" + conn.id}
}

// keyLabel names a key by its hash.
func keyLabel(hash []byte) string { return "key:" + hex.EncodeToString(hash[:4]) }
