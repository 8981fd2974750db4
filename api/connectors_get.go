package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// shownConnector is a connector as operators see it: without a secret.
type shownConnector struct {
	ID              string                     `json:"id"`
	Organization    string                     `json:"organization"`
	Settings        json.RawMessage            `json:"settings"`
	PrivateSettings map[string]json.RawMessage `json:"private_settings"`
	Segments        []shownSegment             `json:"segments"` // the public ones whose names are known
}

// shownSegment is a segment of users or of accounts.
type shownSegment struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// getConnector answers what a connector is set to.
func (s *Server) getConnector(c *gin.Context) {
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, conn.shown())
}

// shown is a connector as operators see it.
func (conn *connector) shown() shownConnector {
	known := conn.known()
	shown := shownConnector{
		ID: conn.id, Organization: known.record.Organization, Settings: known.record.Settings,
		PrivateSettings: hull.WithoutSecrets(known.record.PrivateSettings), Segments: []shownSegment{},
	}
	if len(bytes.TrimSpace(shown.Settings)) == 0 {
		shown.Settings = json.RawMessage("{}")
	}
	for id, segment := range known.segments {
		if !segment.Deleted {
			shown.Segments = append(shown.Segments, shownSegment{id, segment.Name})
		}
	}
	slices.SortFunc(shown.Segments, func(a, b shownSegment) int { return cmp.Compare(a.ID, b.ID) })
	return shown
}
