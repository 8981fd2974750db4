package api

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// What browsers are told of every answer (docs/decisions/0033-rest-and-transit.md). The
// values are shared by all answers: whoever wants another sets it, and appends nothing.
var (
	noSniffing = []string{"nosniff"}
	noReferrer = []string{"no-referrer"} // tokens and Hull's secrets are in our URLs
	noPage     = []string{"default-src 'none'; frame-ancestors 'none'"}
	ours       = []string{"same-origin"}
	anyones    = []string{"cross-origin"}
	noFeatures = []string{"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"}
	// A year, for this host alone: what is below it may be others'.
	onlyHTTPS = []string{"max-age=31536000"}
)

// headers are those of every answer: it is what its type says, it is no page, and only
// pages of our own may embed it. What is otherwise says so itself.
func (s *Server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h["X-Content-Type-Options"] = noSniffing
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = noPage
	h["Cross-Origin-Resource-Policy"] = ours
	if s.onlyHTTPS || c.Request.TLS != nil && !isLoopback(c.Request.Host) {
		h["Strict-Transport-Security"] = onlyHTTPS
	}
	c.Next()
}

// forAnyPage lets pages of any origin embed the answer, also those that let in only what
// says so (Cross-Origin-Embedder-Policy).
func forAnyPage(c *gin.Context) {
	c.Writer.Header()["Cross-Origin-Resource-Policy"] = anyones
}

// asPage says what a page of ours may load, and who may frame it. It uses nothing of the
// visitor's machine.
func asPage(c *gin.Context, policy string) {
	c.Header("Content-Security-Policy", policy)
	c.Writer.Header()["Permissions-Policy"] = noFeatures
}

// isOnlyHTTPS tells whether browsers may be told to use https alone. They take it only of
// an answer that came so; not for this machine, where other ports are other programs'.
func isOnlyHTTPS(publicURL string) bool {
	host, https := strings.CutPrefix(publicURL, "https://")
	return https && !isLoopback(host)
}

// thisMachine keeps development mode to this machine: not for a page of another site whose
// name leads to this address, nor behind a proxy, which may stand before a network.
func (s *Server) thisMachine(c *gin.Context) {
	if !isDirectLoopback(c.Request) {
		s.fail(c, newProblem("forbidden", "This is development mode, for this machine alone: ask a loopback address or localhost, without a proxy. "+
			"To serve others set secret (docs/configuration.md#development-mode)."))
	}
}
