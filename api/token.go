package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/stream"
)

// tokenRequest is what a browser posts to get a token (docs/protocol.md).
type tokenRequest struct {
	Claims        json.RawMessage `json:"claims"`
	IdentityToken string          `json:"identity_token"`
	UserHash      string          `json:"user_hash"`
	VisitorKey    string          `json:"visitor_key"`
	Page          *pageView       `json:"page"`
}

// tokenResponse is its answer.
type tokenResponse struct {
	Token      string   `json:"token"`
	ExpiresAt  string   `json:"expires_at"`
	StreamURL  string   `json:"stream_url"`
	Topics     []string `json:"topics"`
	Unproven   []string `json:"unproven"`
	Visitor    string   `json:"visitor"`
	VisitorKey string   `json:"visitor_key"`
}

func (s *Server) postToken(c *gin.Context) {
	answer, view, err := s.token(c)
	if err != nil {
		s.reject(c, err)
		return
	}
	text, err := encode(answer)
	if err != nil {
		s.reject(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Length", strconv.Itoa(len(text)))
	c.Data(http.StatusCreated, "application/json; charset=utf-8", text)
	c.Writer.Flush() // the page need not wait until its view is written down, and may be gone by then
	c.Request = c.Request.WithContext(context.WithoutCancel(c.Request.Context()))
	view()
}

// reject counts a refused page and tells it why.
func (s *Server) reject(c *gin.Context, err error) {
	s.metrics.rejects.WithLabelValues(problemOf(err).Code).Inc()
	s.track(connectionError)
	s.fail(c, err)
}

// token is the way from claims to a token: admit, read, prove, seal. view takes the page
// view that the request is.
func (s *Server) token(c *gin.Context) (answer *tokenResponse, view func(), err error) {
	if wait, ok := s.tokenRates.allow(s.clientAddress(c), s.now()); !ok {
		return nil, nil, s.over(limitTokensPerAddress, "rate_limited", "Too many tokens for this address.").after(wait)
	}
	origin := pageOrigin(c.Request)
	if origin == "" {
		return nil, nil, newProblem("origin_not_allowed", "A token request has an Origin header.")
	}
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		return nil, nil, err
	}
	settings := conn.current()
	s.track(connectionCheck)
	if !settings.AllowsOrigin(origin) {
		s.mark(conn, markRefused)
		return nil, nil, newProblem("origin_not_allowed", "The connector's whitelisted domains do not have this origin.")
	}
	if wait, ok := s.connectorTokens.allow(conn.id, s.now()); !ok {
		return nil, nil, s.over(limitTokensPerConnector, "rate_limited", "Too many tokens for this connector.").after(wait)
	}
	req, err := s.readTokenRequest(c)
	if err != nil {
		return nil, nil, err
	}
	proof, err := s.prove(c.Request.Context(), req, conn.id, settings)
	if err != nil {
		return nil, nil, err
	}
	answer, g, err := s.grant(conn, origin, req.VisitorKey, proof)
	if err != nil {
		return nil, nil, err
	}
	s.mark(conn, markLetIn)
	annotateGrant(c.Request.Context(), g)
	s.metrics.tokens.WithLabelValues(conn.label).Inc()
	answer.StreamURL = s.publicURL(c) + "/api/v1/stream"
	return answer, func() { s.pageOfToken(c, conn, g, req.Page) }, nil
}

// readTokenRequest reads JSON, by its content and not by its name: text/plain
// spares browsers the preflight.
func (s *Server) readTokenRequest(c *gin.Context) (*tokenRequest, error) {
	body, err := s.readBrowserBody(c)
	if err != nil {
		return nil, err
	}
	req := &tokenRequest{}
	return req, decode(body, "invalid_claims", req)
}

// readBrowserBody reads the body of a POST by a page.
func (s *Server) readBrowserBody(c *gin.Context) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || kind != "application/json" && kind != "text/plain" {
		return nil, newProblem("unsupported_media_type", "Send JSON as application/json or text/plain.")
	}
	body, err := readText(c, s.cfg.Limits.Body)
	if err != nil && problemOf(err).Code == "body_too_large" {
		s.met(limitBody)
	}
	return body, err
}

func (s *Server) prove(ctx context.Context, req *tokenRequest, connectorID string, settings *hull.Settings) (hull.Proof, error) {
	limits := hull.ClaimLimits{Length: s.cfg.Limits.ClaimLength, AnonymousIDs: s.cfg.Limits.AnonymousIDs}
	claims, err := hull.ParseClaims(req.Claims, limits)
	if err != nil {
		return hull.Proof{}, err
	}
	policy := s.policy(connectorID, settings)
	policy.Limits = limits
	proof, err := hull.Prove(claims, req.IdentityToken, req.UserHash, policy, s.now())
	s.metrics.confusions.WithLabelValues("shaped").Add(float64(proof.Shaped))
	if err != nil || policy.Verification != hull.VerifyPossession {
		return proof, err
	}
	return s.unconfused(ctx, connectorID, proof)
}

// policy says which claims count for a connector.
func (s *Server) policy(connectorID string, settings *hull.Settings) hull.Policy {
	verification := settings.Verification()
	if verification == "" {
		verification = s.cfg.Identity.Verification
	}
	return hull.Policy{
		Verification:       verification,
		Secrets:            settings.IdentitySecrets(),
		PossessionServices: s.cfg.Identity.PossessionServices,
		Connector:          connectorID,
	}
}

// grant seals what was proven.
func (s *Server) grant(conn *connector, origin, visitorKey string, proof hull.Proof) (*tokenResponse, stream.Grant, error) {
	now := s.now()
	g := stream.Grant{Connector: conn.id, Origin: origin, Issued: conn.revoked.issue(now), Expires: now.Add(s.cfg.Stream.TokenTTL)}
	answer := &tokenResponse{
		ExpiresAt: g.Expires.UTC().Format(timeFormat),
		Unproven:  append([]string{}, proof.Unproven...),
	}
	for i, t := range proof.Topics {
		g.Topics = append(g.Topics, stream.Topic{Name: t.String(), Signed: proof.Signed[i]})
		answer.Topics = append(answer.Topics, t.String())
	}
	g.Visitor, answer.VisitorKey = s.visitor(conn.id, origin, visitorKey)
	answer.Visitor = g.Visitor
	token, err := s.tokens.SealGrant(g)
	if err != nil {
		return nil, g, newProblem("invalid_claims", "The claims are too long for a token.")
	}
	answer.Token = token
	return answer, g, nil
}

// publicURL is the configured one, or the address that c's client asked.
func (s *Server) publicURL(c *gin.Context) string {
	if s.cfg.PublicURL != "" {
		return s.cfg.PublicURL
	}
	scheme := "http"
	if s.isSecure(c) {
		scheme = "https"
	}
	return scheme + "://" + c.Request.Host
}

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// visitor is the visitor that key was sealed for, or a new one when key is not
// ours or was made for another connector or origin.
func (s *Server) visitor(connectorID, origin, key string) (id, newKey string) {
	context := []byte(connectorID + "\n" + origin)
	if sealed, err := base64.RawURLEncoding.DecodeString(key); err == nil {
		if id, err := s.visitors.Open(sealed, context); err == nil {
			return string(id), key
		}
	}
	id = "v_" + strings.ToLower(rand.Text())
	return id, base64.RawURLEncoding.EncodeToString(s.visitors.Seal([]byte(id), context))
}

// decode reads one JSON value, and nothing behind it, into v. Members that v does
// not have are ignored, so that a newer snippet may say more. The error is a
// problem with that code.
func decode(body []byte, code string, v any) error {
	err := json.Unmarshal(body, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		pointer := ""
		if wrong.Field != "" {
			pointer = "/" + strings.ReplaceAll(wrong.Field, ".", "/")
		}
		return newProblem(code, "A value has the wrong type.").at(pointer, "cannot be of the type "+wrong.Value)
	} else if err != nil {
		return newProblem(code, "The body is not JSON.").at("", err.Error())
	}
	return nil
}
