package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// problem is an error as a client is told it (RFC 9457).
type problem struct {
	Type   string       `json:"type"` // a path under /docs/errors/
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"`
	Code   string       `json:"code"` // stable, snake_case
	Errors []fieldError `json:"errors,omitempty"`

	retryAfter time.Duration
}

// problemCodes are the codes of all problems.
func problemCodes() []string {
	list := make([]string, len(codes))
	for i, c := range codes {
		list[i] = c.code
	}
	return list
}

// fieldError names the part of the request that is wrong.
type fieldError struct {
	Pointer string `json:"pointer"` // RFC 6901, into the request's body
	Detail  string `json:"detail"`
}

// codes are all problems that there are: code, status, title. Each has a page
// under docs/errors/.
var codes = []struct {
	code   string
	status int
	title  string
}{
	{"invalid_claims", http.StatusBadRequest, "The token request cannot be read"},
	{"empty_claims", http.StatusBadRequest, "No identifier was claimed"},
	{"invalid_request", http.StatusBadRequest, "The request cannot be read"},
	{"identity_token_invalid", http.StatusUnauthorized, "The proof of identity does not hold"},
	{"token_invalid", http.StatusUnauthorized, "The stream token is not good here"},
	{"token_expired", http.StatusUnauthorized, "The stream token has expired"},
	{"unauthorized", http.StatusUnauthorized, "An operators' key or a session is needed"},
	{"forbidden", http.StatusForbidden, "This is not for you"},
	{"origin_not_allowed", http.StatusForbidden, "This page's origin is not allowed"},
	{"claims_unproven", http.StatusForbidden, "No claim counts without proof"},
	{"connector_unknown", http.StatusNotFound, "There is no such connector"},
	{"not_found", http.StatusNotFound, "There is nothing here"},
	{"conflict", http.StatusConflict, "Something else has this id"},
	{"method_not_allowed", http.StatusMethodNotAllowed, "This method is not for this address"},
	{"body_too_large", http.StatusRequestEntityTooLarge, "The body is too large"},
	{"unsupported_media_type", http.StatusUnsupportedMediaType, "The body's type is not understood"},
	{"rate_limited", http.StatusTooManyRequests, "Too many requests"},
	{"internal", http.StatusInternalServerError, "Something went wrong here"},
	{"unavailable", http.StatusServiceUnavailable, "Not available right now"},
}

// newProblem makes the problem of a code.
func newProblem(code, detail string) *problem {
	for _, c := range codes {
		if c.code == code {
			return &problem{Type: "/docs/errors/" + code, Title: c.title, Status: c.status, Detail: detail, Code: code}
		}
	}
	panic("no such problem: " + code)
}

// wrong is the problem of one value of a request. Without a pointer it is in the query.
func wrong(pointer, detail string) *problem {
	return newProblem("invalid_request", "A value cannot be used.").at(pointer, detail)
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

func (p *problem) at(pointer, detail string) *problem {
	p.Errors = append(p.Errors, fieldError{pointer, detail})
	return p
}

func (p *problem) after(d time.Duration) *problem {
	p.retryAfter = d
	return p
}

// problemOf says what a client is told of an error: the one table from errors to
// answers. What it does not know is the server's fault, and its text is for the
// log alone.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if c, ok := errors.AsType[*hull.ClaimsError](err); ok {
		return newProblem("invalid_claims", "A claim has the wrong form.").at(c.Pointer, c.Detail)
	}
	if e, ok := errors.AsType[*hull.NotificationError](err); ok {
		switch e.Status {
		case http.StatusServiceUnavailable:
			return newProblem("unavailable", e.Reason).shed()
		case http.StatusRequestEntityTooLarge:
			return newProblem("body_too_large", e.Reason)
		case http.StatusTooManyRequests:
			return newProblem("rate_limited", e.Reason+".")
		case http.StatusBadRequest:
			return newProblem("invalid_request", e.Reason)
		}
	}
	switch {
	case errors.Is(err, hull.ErrNoClaims):
		return newProblem("empty_claims", "Claim at least one of id, external_id, email and anonymous_id.")
	case errors.Is(err, hull.ErrIdentityToken):
		return newProblem("identity_token_invalid", err.Error())
	case errors.Is(err, hull.ErrUnproven):
		return newProblem("claims_unproven", "This connector wants other identifiers, or signed ones: see its identity_verification.")
	case errors.Is(err, stream.ErrSealed):
		return newProblem("token_invalid", "Ask for a new token.")
	case errors.Is(err, store.ErrCursor):
		return newProblem("invalid_request", "The cursor is not one of this list.").at("", "cursor is what an answer has given as next_cursor")
	case errors.Is(err, stream.ErrFull), errors.Is(err, stream.ErrDraining):
		return newProblem("unavailable", "This node takes no more streams now.").shed()
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrSealed), errors.Is(err, store.ErrNewer): // other nodes may
		return newProblem("unavailable", "What is needed cannot be read right now.").shed()
	}
	return newProblem("internal", "")
}

// failed logs what an operator must know of: a fault of ours each time, a store
// that fails once until it works again. What was turned away on purpose is only
// counted.
func (s *Server) failed(ctx context.Context, err error, where ...any) {
	switch p := problemOf(err); {
	case errors.Is(err, context.Canceled): // the client has left
	case errors.Is(err, store.ErrUnavailable):
		if !s.storeFails.Swap(true) {
			s.log.ErrorContext(ctx, "the store fails", append(where, "error", err)...)
		}
	case p.Code == "internal", errors.Is(err, store.ErrSealed), errors.Is(err, store.ErrNewer):
		s.log.ErrorContext(ctx, "request failed", append(where, "error", err)...)
	}
}

// shedRetry is how long a client that was turned away is asked to wait, on average.
const shedRetry = 5 * time.Second

// shed asks the client to come back between half of shedRetry and one and a half:
// those who were turned away together shall not come back together.
func (p *problem) shed() *problem {
	return p.after(shedRetry/2 + rand.N(shedRetry))
}

// comeBack asks the client to come back in so long, 0: it may as it likes.
func comeBack(c *gin.Context, in time.Duration) {
	if in > 0 {
		c.Header("Retry-After", strconv.Itoa(int((in+time.Second-1)/time.Second)))
	}
}

// fail answers with the problem that err is, and ends the request.
func (s *Server) fail(c *gin.Context, err error) {
	p := s.refusal(c, err)
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(p.Status, p)
}

// refusal notes that a request fails, and says of the answer what does not depend on its form.
func (s *Server) refusal(c *gin.Context, err error) *problem {
	p := problemOf(err)
	annotate(c.Request.Context(), attrResult.String(p.Code))
	s.failed(c.Request.Context(), err, "route", c.FullPath(), "request_id", c.GetString(requestIDKey))
	comeBack(c, p.retryAfter)
	c.Set(problemKey, p.Code)
	c.Header("Cache-Control", "no-store")
	return p
}
