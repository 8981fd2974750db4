package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// getStream opens an event stream: open the grant, admit, subscribe, tell what
// is cached, hand over to the transport. Errors come before the first byte.
func (s *Server) getStream(c *gin.Context) {
	s.track(connectionStart)
	o, cached, err := s.open(c)
	if err != nil {
		s.reject(c, err)
		return
	}
	s.track(connectionSuccess, joinChannel, joinRoom)
	var lookup sync.WaitGroup
	switch {
	case cached:
	case o.conn.credentials().Organization == "":
		s.lookUp(c.Request.Context(), o) // which asks nobody, and goes out with the rest
	default:
		ctx := c.Request.Context()
		lookup.Go(func() { s.lookUpFor(ctx, o) })
	}
	if c.Request.Body != http.NoBody {
		http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // it ends when its page leaves
	}
	endRequest(trace.SpanFromContext(c.Request.Context()), http.StatusOK) // not with the stream
	defer carry(c.Request)()
	s.broker.Serve(c.Writer, c.Request, o.sub) // the stream may live on
	lookup.Wait()
}

// open is all that comes before the first byte.
func (s *Server) open(c *gin.Context) (o *opening, cached bool, err error) {
	if !s.openings.take("") {
		return nil, false, s.over(limitOpenings, "unavailable", "Too many streams are being opened.").shed()
	}
	defer s.openings.giveBack("")
	g, conn, err := s.openGrant(c)
	if err != nil {
		return nil, false, err
	}
	last, resumes := lastEventID(c)
	annotateGrant(c.Request.Context(), g)
	v := &visit{server: s, address: s.clientAddress(c), connector: conn.id, visitor: g.Visitor, watched: !s.cfg.History.isIgnored(c.Request.Header)}
	sub, err := s.subscribe(v, g, last)
	if err != nil {
		return nil, false, err
	}
	opened := false
	defer func() {
		if !opened { // also when something panics, or its places would be taken for good
			s.broker.Unsubscribe(sub, openFailed(err))
		}
	}()
	if conn.gone.Load() || conn.revoked.refuses(g) { // since it was looked for
		sub.End(stream.ReasonRevoked, s.broker.Retry())
	}
	o = &opening{conn: conn, grant: g, sub: sub, visit: v, last: last}
	told, err := s.tellSnapshot(c.Request.Context(), o)
	if isAway(err) && s.cluster != nil {
		told, err = s.tellRemembered(o), nil
	}
	if err != nil {
		return nil, false, err
	}
	opened = true
	s.metrics.opened(conn, last, resumes, told)
	return o, told != toldMiss, nil
}

// opening is a stream until its page has been told of the user.
type opening struct {
	conn  *connector
	grant stream.Grant
	sub   *stream.Subscriber
	visit *visit
	last  stream.ID // what the page saw last
}

// openFailed is why a stream ended that was not served.
func openFailed(err error) stream.Reason {
	if errors.Is(err, context.Canceled) {
		return stream.ReasonGone
	}
	return stream.ReasonError
}

// subscribe admits a stream and enters it into the index.
func (s *Server) subscribe(v *visit, g stream.Grant, last stream.ID) (*stream.Subscriber, error) {
	if err := s.takePlaces(v); err != nil {
		return nil, err
	}
	sub, err := s.broker.Await(g, v, last, s.joined(g))
	if err != nil {
		if errors.Is(err, stream.ErrFull) {
			s.met(limitStreams)
		}
		v.Ended("")
		return nil, err
	}
	if s.cluster != nil {
		s.cluster.begin(v.connector, &v.served, sub, len(g.Topics))
	}
	if v.sub = sub; v.watched {
		s.presence.opened(v.connector, sub, last)
	}
	return sub, nil
}

// tellSnapshot tells a new stream what is cached of its user, unless the page
// has seen it.
func (s *Server) tellSnapshot(ctx context.Context, o *opening) (told string, err error) {
	find := s.store.Find
	if s.cluster != nil {
		find = s.cluster.find
	}
	snap, rank, err := s.findOwn(o.grant, func(topics []string) (store.Snapshot, int, error) {
		return find(ctx, o.conn.id, topics)
	})
	if errors.Is(err, store.ErrNotFound) {
		o.sub.Greet(cacheMiss(o.grant))
		o.sub.Resolved()
		s.metrics.snapshots.WithLabelValues(toldMiss).Inc()
		return toldMiss, nil
	} else if err != nil {
		return "", err
	}
	st, err := snapshotState(snap)
	if err != nil {
		return "", err
	}
	told = s.follow(o, st, rank, o.last)
	s.metrics.snapshots.WithLabelValues(told).Inc()
	return told, nil
}

// tellRemembered is tellSnapshot while Redis is away: from memory, if that has
// anything, and the rest later. The page is not told that nothing is cached, since
// nobody knows.
func (s *Server) tellRemembered(o *opening) (told string) {
	told = toldAway
	snap, rank, err := s.findOwn(o.grant, func(topics []string) (store.Snapshot, int, error) {
		return s.cluster.remembered(o.conn.id, topics)
	})
	if err == nil {
		if st, err := snapshotState(snap); err == nil {
			told = s.follow(o, st, rank, o.last)
		}
	}
	s.cluster.later(o) // behind what may be old
	s.metrics.snapshots.WithLabelValues(told).Inc()
	return told
}

// What a page may be told when its stream is opened, beside what project says.
const (
	toldMiss = "miss" // nothing is cached
	toldAway = "away" // Redis is: it is told later
	toldSeen = "seen" // its Last-Event-ID is current
)

// follow makes one stream follow the user of st, which its topic number rank
// leads to. result is seen, or what project says.
func (s *Server) follow(o *opening, st state, rank int, last stream.ID) (result string) {
	o.conn.mu.RLock()
	defer o.conn.mu.RUnlock()
	p, result := s.publication(o.conn, st)
	tag := o.conn.settings.Tag(o.grant.Topics[rank].Signed, st.message.UserID)
	seen := last.Tag == tag && last.Version >= st.version
	if seen && result == "sent" {
		result = toldSeen
	}
	o.sub.Follow(p, rank)
	return result
}

// lastEventID is what the page saw last, from the header of an EventSource that
// reconnects or the query of a new one that takes over. Rubbish is none; given tells
// whether there was any.
func lastEventID(c *gin.Context) (id stream.ID, given bool) {
	text := c.GetHeader("Last-Event-ID")
	if text == "" {
		text = c.Query("last_event_id")
	}
	id, _ = stream.ParseID(text)
	return id, text != ""
}

// cacheMiss tells the page that nothing is cached of what it proved.
func cacheMiss(g stream.Grant) *stream.Event {
	data, _ := json.Marshal(struct {
		Connector string      `json:"connector"`
		Claims    hull.Claims `json:"claims"`
	}{g.Connector, hull.ClaimsOf(provenTopics(g))})
	return mustEvent(stream.Fields{Type: "cache.miss", Data: data})
}
