package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/static"
)

// installPages are the page that Hull's dashboard shows in a frame, its part that is
// read again and again ("check"), and what others see in its place.
var installPages = template.Must(template.New("").Funcs(template.FuncMap{"label": severityLabel}).
	ParseFS(static.FS, "install/*.html"))

func severityLabel(s hull.Severity) string {
	switch s {
	case hull.SeveritySetup:
		return "To do:"
	case hull.SeverityError:
		return "Error:"
	}
	return "Note:"
}

// installPage is what page.html shows.
type installPage struct {
	Snippet string
	Token   string // reads Check again, for a while
	Apart   bool   // the operators' pages are at another address
	Check   installCheck
}

// installCheck is what the template check shows: how a connector is doing.
type installCheck struct {
	Findings     []finding
	Settings     string
	Domains      []hull.Domain
	Verification string
	Notification string
	LetIn        string
	Refused      string
	Streams      int
	OneOfMany    bool      // Streams are those of this node, and there are others
	Now          time.Time // UTC
}

// getInstallPage answers who comes with the connector's credentials with the snippet
// and how the connector is doing. Others learn nothing of the connector, nor whether
// there is one (docs/hull-protocol.md 7.3).
func (s *Server) getInstallPage(c *gin.Context) {
	s.installHeaders(c)
	ctx, cancel := inStatusTimeout(c)
	defer cancel()
	conn, err := s.caller(c)
	if err != nil {
		s.refuseInstall(c, err)
		return
	}
	s.render(c, http.StatusOK, "page.html", installPage{
		Snippet: s.snippet(c, conn.id), Token: s.checkToken(conn), Apart: s.cfg.AdminApart, Check: s.installCheck(ctx, conn),
	})
}

// refuseInstall tells one who is not let in how to be.
func (s *Server) refuseInstall(c *gin.Context, err error) {
	var page struct{ Unavailable, Limited bool }
	status := http.StatusServiceUnavailable
	if e, told := errors.AsType[*hull.NotificationError](err); told {
		page.Limited, status = errors.Is(err, hull.ErrTooManyTries), e.Status
	} else {
		s.failed(c.Request.Context(), err, "route", c.FullPath(), "request_id", c.GetString(requestIDKey))
		page.Unavailable = true
	}
	s.render(c, status, "refused.html", page)
}

// getInstallCheck answers the page's part again. It wants the token that the page was
// given, so that the page need not keep the connector's secret.
func (s *Server) getInstallCheck(c *gin.Context) {
	s.installHeaders(c)
	ctx, cancel := inStatusTimeout(c)
	defer cancel()
	conn, err := s.openCheckToken(c, bearer(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	s.render(c, http.StatusOK, "check", s.installCheck(ctx, conn))
}

// render answers with a template. It escapes what comes from others.
func (s *Server) render(c *gin.Context, status int, name string, data any) {
	var page bytes.Buffer
	if err := installPages.ExecuteTemplate(&page, name, data); err != nil {
		s.fail(c, fmt.Errorf("rendering %s: %w", name, err))
		return
	}
	c.Data(status, "text/html; charset=utf-8", page.Bytes())
}

// installHeaders keep the page to itself: nothing of it is kept or told on, it loads
// only what is ours, and only Hull's dashboard may frame it.
func (s *Server) installHeaders(c *gin.Context) {
	asPage(c, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors "+s.framers())
	c.Header("Cache-Control", "no-store")
}

// framers are the sources, in the words of CSP, of pages that may frame ours: Hull's.
func (s *Server) framers() string {
	sources := []string{"'self'"}
	for _, domain := range s.cfg.Hull.Organizations {
		if hull.HostUnder(domain, []string{domain}) {
			sources = append(sources, "https://"+domain, "https://*."+domain)
		}
	}
	return strings.Join(sources, " ")
}

// snippet is the line for the customer's pages (docs/hull-protocol.md 9.1).
func (s *Server) snippet(c *gin.Context, connectorID string) string {
	url, id := template.HTMLEscapeString(s.publicURL(c)), template.HTMLEscapeString(connectorID)
	return fmt.Sprintf(`<script src="%s/ship.js" type="text/javascript" async defer data-hull-id="%s" data-hull-endpoint="%s" charset="utf-8"></script>`,
		url, id, url)
}

func (s *Server) installCheck(ctx context.Context, conn *connector) installCheck {
	f := s.factsIn(ctx, conn)
	settings := "not seen yet"
	switch {
	case f.ever(markSettings):
		settings = "received " + f.ago(markSettings)
	case f.review.Given:
		settings = "known, though Hull has not sent any"
	}
	return installCheck{
		Findings: f.findings(), Settings: settings, Domains: f.review.Domains, Verification: f.verification,
		Notification: f.last(markTaken), LetIn: f.last(markLetIn), Refused: f.last(markRefused),
		Streams: f.streams, OneOfMany: s.cluster != nil, Now: f.now.UTC().Truncate(time.Second),
	}
}

// last says when m happened last, if it did.
func (f *facts) last(m mark) string {
	switch {
	case f.ever(m):
		return f.ago(m)
	case f.unreadable:
		return "not known right now"
	}
	return "none yet"
}

// checkTokenTTL is how long an open page looks again.
const checkTokenTTL = time.Hour

// checkContext tells these tokens from those of streams, which have none.
var checkContext = []byte("install check")

// checkGrant is what a page may read with its token.
type checkGrant struct {
	Shown   credential `json:"s"`
	Expires time.Time  `json:"e"`
}

// checkToken makes the token with which a page reads how the connector is doing.
func (s *Server) checkToken(conn *connector) string {
	text, _ := json.Marshal(checkGrant{credentialOf(conn), s.now().Add(checkTokenTTL)})
	return base64.RawURLEncoding.EncodeToString(s.tokens.Seal(text, checkContext))
}

// openCheckToken returns the connector of a token. The problems are token_invalid,
// token_expired and rate_limited.
func (s *Server) openCheckToken(c *gin.Context, token string) (*connector, error) {
	g, err := s.readCheckToken(token)
	if err != nil {
		return nil, s.wrong(c, "token", newProblem("token_invalid", "Open the page again."))
	}
	if !s.now().Before(g.Expires) {
		return nil, newProblem("token_expired", "Open the page again.")
	}
	who, err := s.holds(c.Request.Context(), g.Shown)
	if errors.Is(err, errOver) {
		return nil, newProblem("token_invalid", "Its connector is not there any more, or has another secret.")
	} else if err != nil {
		return nil, err
	}
	return s.connectors.get(c.Request.Context(), who.connector)
}

// readCheckToken reads what checkToken has made.
func (s *Server) readCheckToken(token string) (g checkGrant, err error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return g, err
	}
	text, err := s.tokens.Open(sealed, checkContext)
	if err != nil {
		return g, err
	}
	return g, json.Unmarshal(text, &g)
}

// installFiles are what the page loads.
var installFiles, _ = fs.Sub(static.FS, "install/files") // it is there: embed

func (s *Server) getInstallFile(c *gin.Context) {
	if info, err := fs.Stat(installFiles, c.Param("file")); err != nil || info.IsDir() {
		s.fail(c, newProblem("not_found", "There is no such file."))
		return
	}
	c.Header("Cache-Control", "no-cache")
	http.ServeFileFS(c.Writer, c.Request, installFiles, c.Param("file"))
}
