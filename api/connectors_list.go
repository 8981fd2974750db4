package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// listedConnector is a connector in the list, and how it is doing.
type listedConnector struct {
	ID               string          `json:"id"`
	Organization     string          `json:"organization"`
	Health           string          `json:"health"` // ok, warning (also: it is to be set up), error
	Findings         []listedFinding `json:"findings"`
	Streams          int             `json:"streams"` // of this node
	LastNotification string          `json:"last_notification,omitempty"`
}

// listedFinding is something that is wrong with a connector. Its severity is warning,
// error or setupRequired.
type listedFinding struct {
	Severity hull.Severity `json:"severity"`
	Message  string        `json:"message"`
}

// getConnectors answers the connectors that the operator may see, in the order of their
// ids.
func (s *Server) getConnectors(c *gin.Context) {
	ctx, cancel := inStatusTimeout(c)
	defer cancel()
	limit, err := listLimit(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	known, next, err := s.knownConnectors(ctx, operatorOf(c), c.Query("cursor"), limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	items := make([]listedConnector, len(known))
	for i, conn := range known {
		items[i] = s.listed(ctx, conn)
	}
	c.JSON(http.StatusOK, listing{items, next})
}

// knownConnectors are those that who may see, at most limit after the one with the id
// cursor. Those that cannot be read now are left out.
func (s *Server) knownConnectors(ctx context.Context, who operator, cursor string, limit int) (known []*connector, next string, err error) {
	records, err := s.store.Connectors(ctx)
	if err != nil && !errors.Is(err, store.ErrSealed) && !errors.Is(err, store.ErrNewer) {
		return nil, "", err
	}
	for _, record := range records {
		if record.ID <= cursor || !who.may(record.ID) {
			continue
		}
		if len(known) == limit {
			return known, known[limit-1].id, nil
		}
		conn, err := s.connectors.find(ctx, record.ID)
		switch {
		case err == nil:
			known = append(known, conn)
		case !errors.Is(err, errUnknownConnector): // it was deleted just now
			return nil, "", err
		}
	}
	return known, "", nil
}

func (s *Server) listed(ctx context.Context, conn *connector) listedConnector {
	f := s.factsIn(ctx, conn)
	item := listedConnector{
		ID: conn.id, Organization: conn.credentials().Organization, Health: "ok", Findings: []listedFinding{}, Streams: f.streams,
	}
	for _, found := range f.findings() {
		item.Findings = append(item.Findings, listedFinding{found.Severity, found.Message})
		switch {
		case found.Severity == hull.SeverityError:
			item.Health = "error"
		case item.Health == "ok":
			item.Health = "warning"
		}
	}
	if f.ever(markTaken) {
		item.LastNotification = f.happened[markTaken].at.UTC().Format(timeFormat)
	}
	return item
}
