package api

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/docs"
	"hullbeam/static"
)

// getOpenAPI answers the description of the API.
func getOpenAPI(c *gin.Context) {
	text, _ := static.FS.ReadFile("openapi.yaml") // it is there: embed
	c.Data(http.StatusOK, "application/yaml", text)
}

// playHull is the path below which development mode's pretend Hull is played.
const playHull = "/demo/hull"

// getDemo answers the demonstration page of development mode.
func (s *Server) getDemo(c *gin.Context) {
	if strings.HasPrefix(c.Request.URL.Path, playHull+"/") {
		s.play(c)
		return
	}
	c.Header("Content-Security-Policy", "default-src 'self'")
	c.Header("Cache-Control", "no-cache")
	demo, _ := fs.Sub(static.FS, "demo") // it is there: embed
	http.StripPrefix("/demo", http.FileServerFS(demo)).ServeHTTP(c.Writer, c.Request)
}

// play has the pretend Hull of development mode do something.
func (s *Server) play(c *gin.Context) {
	if s.playedHull == nil || !strings.HasPrefix(c.Request.URL.Path, playHull+"/") {
		s.fail(c, newProblem("not_found", "No route has this path."))
		return
	}
	http.StripPrefix(playHull, s.playedHull).ServeHTTP(c.Writer, c.Request)
}

// getDocs answers a document by its name without .md: /docs/errors/token_expired
// is what a problem's type leads to.
func (s *Server) getDocs(c *gin.Context) {
	name := strings.Trim(c.Param("page"), "/")
	if name == "" {
		name = "start"
	}
	text, err := fs.ReadFile(docs.FS, path.Clean(strings.TrimSuffix(name, ".md"))+".md")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		s.fail(c, newProblem("not_found", "There is no such document."))
		return
	} else if err != nil {
		s.fail(c, err)
		return
	}
	c.Data(http.StatusOK, "text/markdown; charset=utf-8", text)
}
