package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
)

// codeTTL is how long a one-time code is good: the page that asks for it opens the other
// at once.
const codeTTL = time.Minute

// codeContext tells the sealed texts of one-time codes from those of sessions.
var codeContext = []byte("code")

// codeGrant is what a one-time code lets do: begin one session.
type codeGrant struct {
	ID    string     `json:"i"`
	Shown credential `json:"s"`
	Ends  time.Time  `json:"e"`
}

// postInstallCode gives Hull's page, in whose frame no cookie works, the address with
// which it opens the operators' pages. The code is behind a #, which no server sees.
func (s *Server) postInstallCode(c *gin.Context) {
	s.installHeaders(c)
	url, err := s.codeURL(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusCreated, gin.H{"url": url})
}

func (s *Server) codeURL(c *gin.Context) (string, error) {
	conn, err := s.openCheckToken(c, bearer(c))
	if err != nil {
		return "", err
	}
	if s.cfg.AdminApart {
		return "", newProblem("not_found", "The operators' pages are at another address, which those who run this server know.")
	}
	c.Set(whoKey, hullOperator(conn))
	note(c, "session.code", "")
	code := codeGrant{rand.Text(), credentialOf(conn), s.now().Add(codeTTL)}
	return adminPath + "/#code=" + s.seal(code, codeContext), nil
}

// redeem returns what was shown for a one-time code. errWrong: it is none of ours, too
// old, or was used before, on any node.
func (s *Server) redeem(ctx context.Context, text string) (credential, error) {
	var code codeGrant
	if s.unseal(text, codeContext, &code) != nil || !s.now().Before(code.Ends) {
		return credential{}, errWrong
	}
	turn, err := s.store.Begin(ctx, code.Shown.Connector, "code:"+code.ID, store.Digest{}, 2*codeTTL)
	switch {
	case err != nil:
		return credential{}, fmt.Errorf("looking whether a code was used before: %w", err)
	case turn.State != store.Yours:
		return credential{}, errWrong
	}
	if err := s.store.Done(context.WithoutCancel(ctx), turn, 2*codeTTL); err != nil {
		return credential{}, fmt.Errorf("noting that a code was used: %w", err)
	}
	return code.Shown, nil
}
