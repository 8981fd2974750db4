package api

import (
	"io/fs"
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/static"
)

// adminPath is where the operators' pages are.
const adminPath = "/admin"

// adminFiles are the operators' pages.
var adminFiles, _ = fs.Sub(static.FS, "admin/dist") // it is there: embed

// adminPolicy lets the pages use what is theirs and nothing else, and nobody frame them:
// what visitors write is shown there.
const adminPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"

// hashed are names that another content would have changed.
var hashed = regexp.MustCompile(`-[A-Z0-9]{8}\.[a-z0-9]+$`)

// getAdminPage answers the operators' pages, which hold nothing secret: what they show
// they ask for with a session.
func (s *Server) getAdminPage(c *gin.Context) {
	name := strings.TrimPrefix(c.Param("file"), "/")
	caching := "no-cache"
	switch {
	case name == "":
		name, caching = "index.html", "no-store"
	case hashed.MatchString(name):
		caching = "public, max-age=31536000, immutable"
	}
	info, err := fs.Stat(adminFiles, name)
	if err != nil || info.IsDir() {
		refuse := s.missing
		if s.cfg.AdminApart { // where there are no documents
			refuse = s.fail
		}
		refuse(c, newProblem("not_found", "There is no such file."))
		return
	}
	asPage(c, adminPolicy)
	c.Header("Cross-Origin-Opener-Policy", "same-origin")
	c.Header("Cache-Control", caching)
	if name == "index.html" { // which ServeFileFS would redirect to its directory
		text, _ := fs.ReadFile(adminFiles, name)
		c.Data(http.StatusOK, "text/html; charset=utf-8", text)
		return
	}
	http.ServeFileFS(c.Writer, c.Request, adminFiles, name)
}

// toAdmin leads to the pages.
func toAdmin(c *gin.Context) { c.Redirect(http.StatusPermanentRedirect, adminPath+"/") }
