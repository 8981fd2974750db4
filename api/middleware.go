package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

const requestIDKey = "request_id"

// requestID gives every answer an X-Request-Id: the caller's, when it is sane.
func requestID(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !saneID(id) {
		id = rand.Text()
	}
	c.Set(requestIDKey, id)
	c.Header("X-Request-Id", id)
	c.Next()
}

// saneID bounds what is copied into headers and log lines.
func saneID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, b := range []byte(id) {
		if !(b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '-' || b == '_' || b == '.') {
			return false
		}
	}
	return true
}

// recovery turns a panic into a problem without a trace of it; the trace is in
// the log.
func (s *Server) recovery(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		s.log.ErrorContext(c.Request.Context(), "panic", "route", c.FullPath(), "request_id", c.GetString(requestIDKey), "panic", p, "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			s.fail(c, newProblem("internal", ""))
		}
		c.Abort()
	}()
	c.Next()
}

// accessLog writes a line per request, at debug: the route's pattern, never its
// path or query, since those carry tokens and Hull's secrets.
func (s *Server) accessLog(c *gin.Context) {
	start := time.Now()
	c.Next()
	s.log.LogAttrs(context.WithoutCancel(c.Request.Context()), slog.LevelDebug, "request",
		slog.String("method", c.Request.Method), slog.String("route", c.FullPath()), slog.Int("status", c.Writer.Status()),
		slog.Duration("took", time.Since(start)), slog.String("request_id", c.GetString(requestIDKey)))
}

// readDeadline bounds how long a request's body may take to arrive, also one that
// nobody reads and that net/http discards after the answer.
func (s *Server) readDeadline(c *gin.Context) {
	if c.Request.Body != http.NoBody {
		http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(s.cfg.Limits.ReadTimeout)) // a writer without deadlines has no connection
		awaitBody(c.Request, func() { s.met(limitReadTimeout) })
	}
	c.Next()
}

var errBodyTooLarge = errors.New("the body is too large")

// leaveBody has the request answered before its body has come, and the connection closed
// behind that. Else net/http would wait for the body first, of which awaitBody has taken the
// length from its sight. Over HTTP/2 it does not, and others share the connection.
func leaveBody(c *gin.Context) {
	if c.Request.ProtoMajor == 1 {
		c.Header("Connection", "close")
	}
}

// readBody reads a request's body of at most max bytes. errBodyTooLarge; any
// other error is the client's connection's.
func readBody(c *gin.Context, max int64) ([]byte, error) {
	if c.Request.ContentLength > max {
		leaveBody(c)
		return nil, errBodyTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, max))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, errBodyTooLarge
	}
	return body, err
}

// readText is readBody for those whom a problem is answered.
func readText(c *gin.Context, max int64) ([]byte, error) {
	body, err := readBody(c, max)
	switch {
	case errors.Is(err, errBodyTooLarge):
		return nil, newProblem("body_too_large", fmt.Sprintf("At most %d bytes.", max))
	case err != nil:
		return nil, newProblem("invalid_request", "The body did not arrive.")
	}
	return body, nil
}
