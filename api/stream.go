package api

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

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
	s.broker.Serve(c.Writer, c.Request, o.sub) // the stream may live on
	lookup.Wait()
}

// open is all that comes before the first byte.
func (s *Server) open(c *gin.Context) (o *opening, cached bool, err error) {
	if !s.openings.take("") {
		return nil, false, newProblem("unavailable", "Too many streams are being opened.").shed()
	}
	defer s.openings.giveBack("")
	g, conn, err := s.openGrant(c)
	if err != nil {
		return nil, false, err
	}
	last := lastEventID(c)
	sub, v, err := s.subscribe(clientAddress(c), conn, g, last)
	if err != nil {
		return nil, false, err
	}
	o = &opening{conn: conn, grant: g, sub: sub, visit: v, last: last}
	cached, err = s.tellSnapshot(c.Request.Context(), o)
	if isAway(err) && s.cluster != nil {
		cached, err = s.tellRemembered(o), nil
	}
	if err != nil {
		s.broker.Unsubscribe(sub, openFailed(err))
		return nil, false, err
	}
	return o, cached, nil
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

// visit is what ends with a stream: the places that it takes, what the node
// follows for it, and its look-up.
type visit struct {
	server             *Server
	address, connector string
	served             served
	lookup             atomic.Pointer[context.CancelFunc] // nil: none is under way
}

// Follows implements stream.Owner.
func (v *visit) Follows(sub *stream.Subscriber, user string, rank int) {
	if c := v.server.cluster; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.serveLocked(v.connector, &v.served, sub, user, rank, true)
	}
}

// Ended implements stream.Owner.
func (v *visit) Ended(stream.Reason) {
	v.server.addressStreams.giveBack(v.address)
	v.server.connectorStreams.giveBack(v.connector)
	if c := v.server.cluster; c != nil {
		c.leave(v.connector, &v.served)
	}
	if cancel := v.lookup.Load(); cancel != nil {
		(*cancel)()
	}
}

// openGrant reads the token, which the query carries since an EventSource can
// set no header. The token is bound to the origin of the page that got it.
func (s *Server) openGrant(c *gin.Context) (stream.Grant, *connector, error) {
	token := c.Query("token")
	if token == "" {
		token = bearer(c)
	}
	g, err := s.tokens.OpenGrant(token)
	if err != nil {
		return g, nil, err
	}
	if !s.now().Before(g.Expires) {
		return g, nil, newProblem("token_expired", "Ask for a new token.")
	}
	s.track(connectionCheck)
	conn, err := s.grantor(c, g)
	return g, conn, err
}

// grantor is the connector of a grant, if the page that asks may use both.
func (s *Server) grantor(c *gin.Context, g stream.Grant) (*connector, error) {
	if origin := c.GetHeader("Origin"); origin != "" && origin != g.Origin {
		return nil, newProblem("origin_not_allowed", "The token was made for another origin.")
	}
	conn, err := s.connectors.find(c.Request.Context(), g.Connector)
	if errors.Is(err, errUnknownConnector) {
		return nil, newProblem("token_invalid", "Its connector is not there any more.")
	} else if err != nil {
		return nil, err
	}
	if !conn.current().AllowsOrigin(g.Origin) {
		return nil, newProblem("origin_not_allowed", "The connector's whitelisted domains do not have this origin any more.")
	}
	if !s.counts(conn, grantProof(g)) {
		return nil, newProblem("token_invalid", "What it was given for does not count as proof any more: ask for a new token.")
	}
	return conn, nil
}

// grantProof yields the topics of a grant, and whether each is signed.
func grantProof(g stream.Grant) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, t := range g.Topics {
			if !yield(t.Name, t.Signed) {
				return
			}
		}
	}
}

// counts tells whether all that was proven would still count: settings may ask for more
// than they did.
func (s *Server) counts(conn *connector, proven iter.Seq2[string, bool]) bool {
	policy := s.policy(conn.id, conn.current())
	for name, signed := range proven {
		if topic, err := hull.ParseTopic(name); err != nil || !policy.Counts(topic, signed) {
			return false
		}
	}
	return true
}

// subscribe admits a stream and enters it into the index.
func (s *Server) subscribe(address string, conn *connector, g stream.Grant, last stream.ID) (*stream.Subscriber, *visit, error) {
	if !s.addressStreams.take(address) {
		return nil, nil, newProblem("unavailable", "Too many streams of this address.").shed()
	}
	if !s.connectorStreams.take(g.Connector) {
		s.addressStreams.giveBack(address)
		return nil, nil, newProblem("unavailable", "Too many streams of this connector.").shed()
	}
	v := &visit{server: s, address: address, connector: conn.id}
	sub, err := s.broker.Await(g, v, last, s.joined(g))
	if err != nil {
		v.Ended("")
		return nil, nil, err
	}
	if s.cluster != nil {
		s.cluster.begin(conn.id, &v.served, sub, len(g.Topics))
	}
	return sub, v, nil
}

// tellSnapshot tells a new stream what is cached of its user, unless the page
// has seen it. cached is false when nothing is.
func (s *Server) tellSnapshot(ctx context.Context, o *opening) (cached bool, err error) {
	find := s.store.Find
	if s.cluster != nil {
		find = s.cluster.find
	}
	snap, rank, err := find(ctx, o.conn.id, grantTopics(o.grant))
	if errors.Is(err, store.ErrNotFound) {
		s.metrics.snapshots.WithLabelValues("miss").Inc()
		o.sub.Greet(cacheMiss(o.grant))
		o.sub.Resolved()
		return false, nil
	} else if err != nil {
		return false, err
	}
	st, err := snapshotState(snap)
	if err != nil {
		return false, err
	}
	s.metrics.snapshots.WithLabelValues(s.follow(o, st, rank, o.last)).Inc()
	return true, nil
}

// tellRemembered is tellSnapshot while Redis is away: from memory, if that has
// anything, and the rest later. The page is not told that nothing is cached, since
// nobody knows.
func (s *Server) tellRemembered(o *opening) (cached bool) {
	result := "away"
	if snap, rank, err := s.cluster.remembered(o.conn.id, grantTopics(o.grant)); err == nil {
		if st, err := snapshotState(snap); err == nil {
			result = s.follow(o, st, rank, o.last)
		}
	}
	s.cluster.later(o) // behind what may be old
	s.metrics.snapshots.WithLabelValues(result).Inc()
	return true
}

// follow makes one stream follow the user of st, which its topic number rank
// leads to. result is seen, or what project says.
func (s *Server) follow(o *opening, st state, rank int, last stream.ID) (result string) {
	o.conn.mu.RLock()
	defer o.conn.mu.RUnlock()
	p, result := s.publication(o.conn, st)
	tag := o.conn.settings.Tag(o.grant.Topics[rank].Signed, st.message.UserID)
	seen := last.Tag == tag && last.Version >= st.version
	if seen && result == "sent" {
		result = "seen"
	}
	o.sub.Follow(p, rank)
	return result
}

// lastEventID is what the page saw last, from the header of an EventSource that
// reconnects or the query of a new one that takes over. Rubbish is none.
func lastEventID(c *gin.Context) stream.ID {
	text := c.GetHeader("Last-Event-ID")
	if text == "" {
		text = c.Query("last_event_id")
	}
	id, _ := stream.ParseID(text)
	return id
}

// cacheMiss tells the page that nothing is cached of what it proved.
func cacheMiss(g stream.Grant) *stream.Event {
	data, _ := json.Marshal(struct {
		Connector string      `json:"connector"`
		Claims    hull.Claims `json:"claims"`
	}{g.Connector, hull.ClaimsOf(provenTopics(g))})
	return mustEvent(stream.Fields{Type: "cache.miss", Data: data})
}

func provenTopics(g stream.Grant) []hull.Topic {
	topics := make([]hull.Topic, 0, len(g.Topics))
	for _, t := range g.Topics {
		if topic, err := hull.ParseTopic(t.Name); err == nil {
			topics = append(topics, topic)
		}
	}
	return topics
}

// lookUpFor is lookUp until the stream ends.
func (s *Server) lookUpFor(ctx context.Context, o *opening) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.visit.lookup.Store(&cancel)
	defer o.visit.lookup.Store(nil) // a stream outlives its request, which the context would keep
	s.lookUp(ctx, o)
}

// lookUp asks Hull for the user of a stream about which nothing is cached, and
// tells that stream alone. When Hull cannot be asked the page hears nothing: an
// update may come yet.
func (s *Server) lookUp(ctx context.Context, o *opening) {
	s.track(fetchStart)
	result, err := s.lookUpUser(ctx, o)
	switch {
	case ctx.Err() != nil:
		return // the page has left
	case err == nil:
		s.track(fetchSuccess, outgoingSuccess)
	case errors.Is(err, hull.ErrNotFound):
		s.track(fetchError, outgoingError)
		o.sub.Greet(notFound)
	default:
		s.track(fetchError, outgoingFetchError, clientFail)
		if errors.Is(err, hull.ErrTimeout) {
			s.track(clientTimeout)
		}
		if !s.hullFails.Swap(true) {
			s.log.Warn("users cannot be looked up in Hull", "connector", o.conn.id, "error", err)
		}
	}
	if result != "failed" && s.hullFails.Swap(false) {
		s.log.Info("users can be looked up in Hull again")
	}
	s.metrics.lookups.WithLabelValues(result).Inc()
}

// lookUpUser returns hull.ErrNotFound when Hull knows nobody, or somebody else
// than was proven.
func (s *Server) lookUpUser(ctx context.Context, o *opening) (result string, err error) {
	cred := o.conn.credentials()
	if cred.Organization == "" {
		return "not_found", hull.ErrNotFound // a connector that does not stand on Hull
	}
	report, err := s.hull.UserReport(ctx, cred, provenTopics(o.grant))
	s.markAnswer(o.conn, err)
	if errors.Is(err, hull.ErrNotFound) {
		return "not_found", err
	} else if err != nil {
		return "failed", err
	}
	m, err := hull.ParseReport(report)
	if err != nil {
		return "failed", err
	}
	user := s.stored(&m)
	rank := slices.IndexFunc(o.grant.Topics, func(t stream.Topic) bool { return slices.Contains(user.Topics, t.Name) })
	if rank < 0 {
		return "foreign", hull.ErrNotFound
	}
	erased, err := s.wasErased(ctx, o.conn.id, m.UserID)
	if erased {
		return "erased", hull.ErrNotFound
	}
	if err == nil {
		err = s.keep(ctx, o, &m, rank)
	}
	if err != nil {
		return "failed", err
	}
	return "found", nil
}

// wasErased tells whether a user was erased, and is not to be brought back by what
// Hull may have yet.
func (s *Server) wasErased(ctx context.Context, connectorID, userID string) (bool, error) {
	known, err := s.store.Snapshots(ctx, connectorID, []string{userID})
	if err != nil || len(known) == 0 {
		return false, err
	}
	m, err := hull.ParseState(known[0].State)
	return err == nil && m.IsErased(s.now()), err
}

// keep stores what Hull answered, so that the next page need not ask, and shows
// it to sub. When the store has something newer by now, that is shown.
func (s *Server) keep(ctx context.Context, o *opening, m *hull.Message, rank int) error {
	user := s.stored(m)
	written, err := s.store.Put(ctx, o.conn.id, []store.User{user})
	if err != nil {
		return err
	}
	if written[0].Stale {
		_, err := s.tellSnapshot(ctx, o)
		return err
	}
	s.follow(o, state{message: m, version: written[0].Version, topics: leading(user, written[0])}, rank, stream.ID{})
	return nil
}
