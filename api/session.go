package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
)

// session is what the cookie of a signed-in operator has, sealed: any node opens it, and
// none keeps it. One that was signed out is remembered until it would have ended.
type session struct {
	ID    string     `json:"i"`
	Shown credential `json:"s"`
	Ends  time.Time  `json:"e"`
}

// sessionContext tells the sealed texts of sessions from those of one-time codes.
var sessionContext = []byte("cookie")

// maxSession bounds a cookie's text, in bytes: a longer one is not ours.
const maxSession = 1024

// errSignedOut: there is no session, or it has ended.
var errSignedOut = newProblem("unauthorized", "Sign in: there is no session, or it has ended.")

// inSession tells who asks by the cookie of their session. Only our own pages may use it.
func (s *Server) inSession(c *gin.Context) (operator, error) {
	open, err := s.sessionOf(c)
	if err != nil {
		return operator{}, errNoOperator
	}
	if err := ownPage(c.Request); err != nil {
		return operator{}, err
	}
	who, err := s.holds(c.Request.Context(), open.Shown)
	if errors.Is(err, errOver) {
		return operator{}, errSignedOut
	} else if err != nil {
		return operator{}, err
	}
	who.ends = open.Ends
	return who, s.notEnded(c.Request.Context(), open)
}

// sessionOf opens the cookie of a request. errSignedOut: there is none that is good for
// now.
func (s *Server) sessionOf(c *gin.Context) (open session, err error) {
	cookies := c.Request.CookiesNamed(s.cookieName(c))
	if len(cookies) != 1 || len(cookies[0].Value) > maxSession { // of two, one may be somebody else's, put there by another host
		return open, errSignedOut
	}
	if s.unseal(cookies[0].Value, sessionContext, &open) != nil || !s.now().Before(open.Ends) {
		return open, errSignedOut
	}
	return open, nil
}

// seal makes a text of v that only we can read and make.
func (s *Server) seal(v any, context []byte) string {
	text, _ := json.Marshal(v) // of texts, bytes and times
	return base64.RawURLEncoding.EncodeToString(s.sessions.Seal(text, context))
}

// unseal reads what seal has made.
func (s *Server) unseal(text string, context []byte, v any) error {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return err
	}
	plain, err := s.sessions.Open(sealed, context)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// endTurn is how long a look at whether a session was ended holds its key at most, and
// endEach how often who ends one tries to get it.
const (
	endTurn = 5 * time.Second
	endEach = 10 * time.Millisecond
)

// notEnded tells whether a session was not signed out: nil, errSignedOut, or the store's
// error. Others that look at the same time are no reason for it to be over.
func (s *Server) notEnded(ctx context.Context, open session) error {
	turn, err := s.store.Begin(ctx, open.Shown.Connector, "session:"+open.ID, store.Digest{}, endTurn)
	switch {
	case err != nil:
		return fmt.Errorf("looking whether a session was ended: %w", err)
	case turn.State == store.Yours:
		return s.store.Undone(context.WithoutCancel(ctx), turn)
	case turn.State == store.Running:
		return nil
	}
	return errSignedOut
}

// end ends a session on all nodes.
func (s *Server) end(ctx context.Context, open session) error {
	ctx, cancel := context.WithTimeout(ctx, 2*endTurn)
	defer cancel()
	for {
		turn, err := s.store.Begin(ctx, open.Shown.Connector, "session:"+open.ID, store.Digest{}, endTurn)
		switch {
		case err != nil:
			return fmt.Errorf("ending a session: %w", err)
		case turn.State == store.Yours:
			return s.store.Done(ctx, turn, open.Ends.Sub(s.now())+time.Minute)
		case turn.State != store.Running:
			return nil // it has ended before
		}
		select {
		case <-time.After(endEach):
		case <-ctx.Done():
			return fmt.Errorf("ending a session: %w", store.ErrUnavailable)
		}
	}
}

// sessionAnswer is what an operator is told of the session.
type sessionAnswer struct {
	Operator   string   `json:"operator"`
	Connectors []string `json:"connectors"`           // those that it is for; null: all
	ExpiresAt  string   `json:"expires_at,omitempty"` // "": who asks has shown a key, and has no session
	Scope      string   `json:"scope"`
}

func answerOf(who operator) sessionAnswer {
	answer := sessionAnswer{Operator: who.label, Scope: who.scope}
	if who.connector != "" {
		answer.Connectors = []string{who.connector}
	}
	if !who.ends.IsZero() {
		answer.ExpiresAt = who.ends.UTC().Format(timeFormat)
	}
	return answer
}

// getSession tells operators who they are.
func (s *Server) getSession(c *gin.Context) { c.JSON(http.StatusOK, answerOf(operatorOf(c))) }

// postSession signs an operator in.
func (s *Server) postSession(c *gin.Context) {
	operatorHeaders(c)
	who, open, err := s.signIn(c)
	switch p := problemOf(err); {
	case err == nil:
		s.metrics.signIns.WithLabelValues("begun").Inc()
	case p.Code == "rate_limited":
		s.metrics.signIns.WithLabelValues("limited").Inc()
	case p.Code == "unauthorized":
		s.metrics.signIns.WithLabelValues("refused").Inc()
		slow(c.Request.Context())
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(whoKey, who)
	s.setCookie(c, s.seal(open, sessionContext), s.cfg.Admin.SessionTTL)
	c.JSON(http.StatusCreated, answerOf(who))
}

// refusalDelay is how long who was wrong waits for the answer.
const refusalDelay = 500 * time.Millisecond

func slow(ctx context.Context) {
	select {
	case <-time.After(refusalDelay):
	case <-ctx.Done():
	}
}

// signIn makes a session of what the request shows.
func (s *Server) signIn(c *gin.Context) (who operator, open session, err error) {
	if err := s.mayHaveCookie(c); err != nil {
		return who, open, err
	}
	req, err := readSignIn(c)
	if err != nil {
		return who, open, err
	}
	note(c, "session.begin", req.method())
	shown, err := s.shown(c, req)
	if err != nil {
		return who, open, err
	}
	if who, err = s.holds(c.Request.Context(), shown); errors.Is(err, errOver) {
		err = errWrong
	}
	who.ends = s.now().Add(s.cfg.Admin.SessionTTL)
	return who, session{ID: rand.Text(), Shown: shown, Ends: who.ends}, err
}

// deleteSession signs out. Who is not signed in is so already.
func (s *Server) deleteSession(c *gin.Context) {
	operatorHeaders(c)
	open, err := s.sessionOf(c)
	if err == nil {
		if err := s.signOut(c, open); err != nil {
			s.fail(c, err)
			return
		}
	}
	s.setCookie(c, "", -time.Second)
	c.Status(http.StatusNoContent)
}

func (s *Server) signOut(c *gin.Context, open session) error {
	if err := ownPage(c.Request); err != nil {
		return err
	}
	who, err := s.holds(c.Request.Context(), open.Shown)
	if errors.Is(err, errOver) {
		return nil
	} else if err != nil {
		return err
	}
	c.Set(whoKey, who)
	note(c, "session.end", "")
	if err := s.end(c.Request.Context(), open); err != nil {
		return err
	}
	s.metrics.signIns.WithLabelValues("ended").Inc()
	return nil
}
