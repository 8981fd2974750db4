package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/docs"
	"hullbeam/static"
)

// getManifest answers what Hull needs to install a connector
// (docs/hull-protocol.md 7.1).
func (s *Server) getManifest(c *gin.Context) {
	text, _ := static.FS.ReadFile("manifest.json") // it is there: embed
	fill := strings.NewReplacer("{url}", insideJSON(s.publicURL(c)), "{version}", insideJSON(cmp.Or(s.cfg.Version, "dev")))
	public(c)
	c.Data(http.StatusOK, "application/json; charset=utf-8", []byte(fill.Replace(string(text))))
}

// insideJSON is text as it stands between the quotes of a JSON string: without a
// public_url it comes from a request.
func insideJSON(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted[1 : len(quoted)-1])
}

// getReadme answers what a connector's administrator should know. Hull's libraries
// redirect from here to wherever the request's Host leads (A17).
func getReadme(c *gin.Context) {
	text, _ := docs.FS.ReadFile("install-hull.md") // it is there: embed
	public(c)
	c.Data(http.StatusOK, "text/markdown; charset=utf-8", text)
}

// public lets anybody read the answer, for it is the same for all: Hull's dashboard
// does so with a browser.
func public(c *gin.Context) {
	c.Header("Access-Control-Allow-Origin", "*")
	c.Header("Cache-Control", "no-cache")
	forAnyPage(c)
}
