package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// skipped is a message of a list that is of no use.
type skipped struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// postUsers takes user messages from any source other than Hull, as a
// notification brings them, and answers when they are stored.
func (s *Server) postUsers(c *gin.Context) {
	accepted, skips, err := s.takeMessages(c, time.Now()) // the latency is counted by the real clock
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusAccepted, gin.H{"accepted": accepted, "skipped": skips})
}

func (s *Server) takeMessages(c *gin.Context, arrived time.Time) (accepted int, skips []skipped, err error) {
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		return 0, nil, err
	}
	body, leave, err := s.intake.read(c)
	defer leave()
	if err != nil {
		return 0, nil, err
	}
	note(c, "users.put", "")
	messages, useless, err := hull.ParseMessages(body, s.cfg.Limits.JSONDepth)
	if err != nil {
		return 0, nil, err
	}
	if err := s.takeUsers(c.Request.Context(), conn, messages, useless, arrived); err != nil {
		return 0, nil, err
	}
	note(c, "users.put", strconv.Itoa(len(messages)))
	skips = make([]skipped, len(useless))
	for i, skip := range useless {
		skips[i] = skipped{skip.Index, skip.Reason}
	}
	return len(messages), skips, nil
}
