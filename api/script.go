package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// getScript serves the operator's script as a file, so that a page's policy need
// only name this host. The name holds the script's hash: the file never changes,
// and an old name is gone with the old script (docs/protocol.md).
func (s *Server) getScript(c *gin.Context) {
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		s.fail(c, err)
		return
	}
	settings := conn.current()
	if url := settings.ScriptURL(); url == "" || url != c.Request.URL.Path {
		s.fail(c, newProblem("not_found", "The connector has no such script."))
		return
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Data(http.StatusOK, "text/javascript; charset=utf-8", settings.ScriptFile())
}
