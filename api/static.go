package api

import (
	"io/fs"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/static"
)

// getOpenAPI answers the description of the API.
func getOpenAPI(c *gin.Context) {
	text, _ := static.FS.ReadFile("openapi.yaml") // it is there: embed
	c.Data(http.StatusOK, "application/yaml", text)
}

// demoPath is where development mode has its demonstration site.
const demoPath = "/demo"

// getDemo answers the files of the demonstration site.
func (s *Server) getDemo(c *gin.Context) {
	if strings.HasPrefix(c.Request.URL.Path, demoPath+"/hull/") {
		s.playDemo(c)
		return
	}
	// The site may be asked by another of this machine's names than streams are.
	asPage(c, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'; connect-src 'self' "+
		s.cfg.PublicURL+"; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'")
	// It plays a site of a customer's: with no-referrer browsers would say of its beacons that
	// they are of no origin.
	c.Header("Referrer-Policy", "strict-origin-when-cross-origin")
	c.Header("Cache-Control", "no-cache")
	demo, _ := fs.Sub(static.FS, "demo") // it is there: embed
	http.StripPrefix(demoPath, http.FileServerFS(demo)).ServeHTTP(c.Writer, c.Request)
}

// playDemo has what is behind the demonstration site do something: the pretend Hull, or
// the site's own back end.
func (s *Server) playDemo(c *gin.Context) {
	if s.demo == nil {
		s.fail(c, newProblem("not_found", "No route has this path."))
		return
	}
	http.StripPrefix(demoPath, s.demo).ServeHTTP(c.Writer, c.Request)
}
