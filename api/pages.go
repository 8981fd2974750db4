package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// pageRequest is what a page posts when it is looked at, or left.
type pageRequest struct {
	Token string `json:"token"`
	Gone  bool   `json:"gone"`
	// Personalized is after how many milliseconds a page that is left had its visitor's
	// state, if it reports that.
	Personalized *float64 `json:"personalized_ms"`
	view         pageView // whose members are beside these
}

// maxPersonalized bounds the time that a page reports. What is longer is not counted: nobody
// has waited so long. The tab is left all the same.
const maxPersonalized = 10 * time.Minute

func (s *Server) postPage(c *gin.Context) {
	if err := s.page(c); err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusAccepted)
}

// refuse is reject for a request that is no step on the way to a stream.
func (s *Server) refuse(c *gin.Context, err error) {
	s.metrics.rejects.WithLabelValues(problemOf(err).Code).Inc()
	s.fail(c, err)
}

// page takes a page view.
func (s *Server) page(c *gin.Context) error {
	req, err := s.readPage(c)
	if err != nil {
		return err
	}
	g, conn, err := s.visitGrant(c, req.Token)
	if err != nil {
		return err
	}
	result := "ended"
	if req.Gone {
		err = s.endTab(c.Request.Context(), g, req)
	} else {
		result, err = s.takeView(c, conn, g, &req.view)
	}
	s.countView(result, err)
	return err
}

// endTab takes that a page was left.
func (s *Server) endTab(ctx context.Context, g stream.Grant, req *pageRequest) error {
	p := &req.view
	if err := p.checkIDs(); err != nil {
		return err
	}
	// A page is left as often as it is looked at: that is no part of its allowance.
	if wait, ok := s.visitorRates.allow("gone "+g.Visitor, s.now()); !ok {
		return s.over(limitPages, "rate_limited", "Too many pages of this visitor are left.").after(wait)
	}
	if took := req.Personalized; took != nil && *took >= 0 && *took <= float64(maxPersonalized.Milliseconds()) {
		s.metrics.personalizedSeconds.Observe(*took / 1000)
	}
	s.presence.gone(g.Connector, g.Visitor, p.Tab)
	s.tellPage(ctx, g.Connector, toldPage{Visitor: g.Visitor, Tab: tab{ID: p.Tab}, Gone: true})
	return nil
}

func (s *Server) readPage(c *gin.Context) (*pageRequest, error) {
	body, err := s.readBrowserBody(c)
	if err != nil {
		return nil, err
	}
	return parsePage(body)
}

// parsePage reads the body of a page view. The error is a problem.
func parsePage(body []byte) (*pageRequest, error) {
	req := &pageRequest{}
	if err := decode(body, "invalid_request", req); err != nil {
		return nil, err
	}
	return req, decode(body, "invalid_request", &req.view)
}

// pageOfToken takes the page view that a token request is, if the page tells where it
// is: one that does not track its visitors names tab and view alone. It refuses
// nothing: the page has its token whatever it says of itself.
func (s *Server) pageOfToken(c *gin.Context, conn *connector, g stream.Grant, p *pageView) {
	if p != nil && p.URL != "" {
		s.countView(s.takeView(c, conn, g, p))
	}
}

// takeView records a page view, and tells Hull of it, if the connector asks for that.
// result is counted, repeated when it was before, or ignored when nobody looks at the page.
func (s *Server) takeView(c *gin.Context, conn *connector, g stream.Grant, p *pageView) (result string, err error) {
	if err := p.check(g.Origin); err != nil {
		return "", err
	}
	if err := s.admitVisitor(g); err != nil {
		return "", err
	}
	if s.cfg.History.isIgnored(c.Request.Header) {
		return "ignored", nil
	}
	key := newViewKey(g, p.View)
	news, err := s.views.once(c.Request.Context(), key, func() (bool, error) { return s.recordView(c.Request.Context(), g, p, key) })
	if err != nil {
		return "", err // it comes again
	}
	if !news {
		return "repeated", nil
	}
	if about, ok := s.about(c, conn, g); ok {
		s.firehose.Track(about, p.event(key))
	}
	return "counted", nil
}

// recordView writes a page view into the history and has operators told of it.
func (s *Server) recordView(ctx context.Context, g stream.Grant, p *pageView, key viewKey) (news bool, err error) {
	view := &store.PageView{
		ID: cmp.Or(p.View, key.eventID()), LocalTime: p.LocalTime, Title: strings.Map(shown, p.Title),
		URL: s.cfg.History.kept(p.URL), Referrer: s.cfg.History.kept(p.Referrer),
	}
	now := s.now()
	if news, err = s.record(ctx, store.Visit{ConnectorID: g.Connector, Visitor: g.Visitor, At: now, View: view}); err != nil || !news {
		return news, err
	}
	t := tab{ID: p.Tab, URL: view.URL, Title: view.Title, Referrer: view.Referrer, LocalTime: p.LocalTime, At: now}
	s.presence.viewed(g.Connector, g.Visitor, t)
	s.tellPage(ctx, g.Connector, toldPage{Visitor: g.Visitor, Tab: t})
	return true, nil
}

// admitVisitor takes one of a visitor's allowance.
func (s *Server) admitVisitor(g stream.Grant) error {
	if wait, ok := s.visitorRates.allow(g.Visitor, s.now()); !ok {
		return s.over(limitPages, "rate_limited", "Too many page views, emails and receipts of this visitor.").after(wait)
	}
	return nil
}

// countView counts what became of a page view: result, unless it was refused.
func (s *Server) countView(result string, err error) {
	switch {
	case err == nil:
	case problemOf(err).Code == "rate_limited":
		result = "limited"
	case problemOf(err).Code == "unavailable":
		result = "unavailable"
	default:
		result = "invalid"
	}
	s.metrics.pageViews.WithLabelValues(result).Inc()
}

// about says whom Hull is told of, and as whom. ok is false when it is to be told
// nothing: the connector does not ask for it or does not stand on Hull, or the visitor
// has proven too little to be told of.
func (s *Server) about(c *gin.Context, conn *connector, g stream.Grant) (about hull.About, ok bool) {
	settings, credentials := conn.current(), conn.credentials()
	if !settings.TracksPageViews() || credentials.Organization == "" {
		return hull.About{}, false
	}
	var proof hull.Proof
	for _, t := range g.Topics {
		if topic, err := hull.ParseTopic(t.Name); err == nil {
			proof.Topics, proof.Signed = append(proof.Topics, topic), append(proof.Signed, t.Signed)
		}
	}
	claims := s.policy(conn.id, settings).Vouched(proof)
	return hull.About{
		Credentials: credentials, Claims: claims, RequestID: c.GetString(requestIDKey), At: s.now(),
	}, !claims.Empty()
}
