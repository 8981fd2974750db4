package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/stream"
)

// SetResidentLife has residents let go after d, before Run.
func (s *Server) SetResidentLife(d time.Duration) { s.cluster.life = d }

// SetRenewEach has followed users renewed so often, before Run.
func (s *Server) SetRenewEach(d time.Duration) { s.cluster.renews = d }

// SetCountWait has an offer wait so long for other nodes to say who took it, before Run.
func (s *Server) SetCountWait(d time.Duration) { s.cluster.patience = d }

// SetLookEach sets how often a node that has a live view asks the others.
func (s *Server) SetLookEach(d time.Duration) { s.cluster.looksEach = d }

// Residents is how many channels the node knows.
func (s *Server) Residents() int {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.residents)
}

// Backlog is how much the node has still to read or to tell.
func (s *Server) Backlog() int { return s.cluster.backlog() }

// Idle is how long the list is of residents that nobody holds, and Remembered how
// many states are in memory.
func (s *Server) Idle() int {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

func (s *Server) Remembered() int {
	s.cluster.tier.CleanUp()
	return s.cluster.tier.EstimatedSize()
}

// Late is how many streams are to be told of their user when Redis is back.
func (s *Server) Late() int {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.late)
}

// Arrivals is of how many connectors visitors have come, or changed, for whom offers have
// not been looked for yet.
func (s *Server) Arrivals() int {
	p := s.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.due)
}

// ReadPage reads the body of a page view as of a page of an origin, and returns what
// Hull is told of its addresses. The error is that of a body which is refused.
func ReadPage(body []byte, origin string) (url, referrer string, err error) {
	req, err := parsePage(body)
	if err == nil {
		err = req.view.check(origin)
	}
	if err != nil {
		return "", "", err
	}
	event := req.view.event(newViewKey(stream.Grant{}, req.view.View))
	return event.URL, event.Referrer, nil
}

// AddViews tells of page views by number, and returns how many were there already.
func (s *Server) AddViews(from, to int) (repeated int) {
	for i := from; i < to; i++ {
		count := func() (bool, error) { return true, nil }
		if news, _ := s.views.once(context.Background(), newViewKey(stream.Grant{}, strconv.Itoa(i)), count); !news {
			repeated++
		}
	}
	return repeated
}

// Views is how many page views are remembered.
func (s *Server) Views() int { return len(s.views.young) + len(s.views.old) }

// SetIntakeWait has notifications wait so long for room, before any is taken.
func (s *Server) SetIntakeWait(d time.Duration) { s.intake.wait = d }

// WriteMarks writes what was marked, as Run does now and then.
func (s *Server) WriteMarks(ctx context.Context) { s.writeMarks(ctx) }

// GlobMatches tells whether a glob means an address; ok is false when it is none.
func GlobMatches(glob, address string) (matches, ok bool) {
	g, err := parseGlob(glob)
	return err == nil && g.matches(address), err == nil
}

// ReadLiveCursor reads a cursor and writes it again.
func ReadLiveCursor(text string) (again string, err error) {
	l, err := parseLiveCursor(text)
	if err != nil || l == nil {
		return "", err
	}
	return newLiveCursor(visitorItem{Visitor: l.visitor, Since: &moment{time.Unix(0, l.since)}}), nil
}

// ReadTold reads what another node told and writes it again.
func ReadTold(data []byte) (again []byte, err error) {
	var t told
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, err
	}
	return json.Marshal(t)
}

// AddressOf is the address that limits count a request for.
func (s *Server) AddressOf(r *http.Request) string {
	c := gin.CreateTestContextOnly(httptest.NewRecorder(), s.public)
	c.Request = r
	return s.clientAddress(c)
}

// Revocations is how many revocations of a connector are in memory.
func (s *Server) Revocations(connectorID string) int {
	return len(s.connectors.known(connectorID).revoked.named)
}

// Connections is how many connections there are that carry no stream.
func (s *Server) Connections() int {
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	return s.connections.count
}
