package api

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// cors lets the page that asks read the answer, an error's too. It opens
// nothing: there are no cookies, and each route checks the origin itself. "null"
// is never let in (docs/hull-protocol.md 10.5).
func cors(c *gin.Context) {
	forAnyPage(c)
	h := c.Writer.Header()
	h["Vary"] = byOrigin
	if origin := c.GetHeader("Origin"); strings.Contains(origin, "://") && len(origin) <= maxOrigin {
		h["Access-Control-Allow-Origin"] = []string{origin}
		h["Access-Control-Expose-Headers"] = exposed
	}
	c.Next()
}

const maxOrigin = 512

// pageOrigin is the origin of the page that asks, "" if it does not say. Of several
// headers, which no browser sends, it is what they mean together (RFC 9110, 5.3), a list:
// that is no page's origin, whichever of them a proxy may have looked at.
func pageOrigin(r *http.Request) string { return strings.Join(r.Header.Values("Origin"), ", ") }

// What all these answers have in common; the values are shared by them.
var (
	byOrigin = []string{"Origin"}
	exposed  = []string{"Retry-After, X-Request-Id"}
)

// preflight answers OPTIONS for the routes of browsers.
func preflight(c *gin.Context) {
	c.Header("Access-Control-Allow-Methods", "GET, POST")
	c.Header("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Cache-Control")
	c.Header("Access-Control-Max-Age", "7200")
	c.Status(http.StatusNoContent)
}
