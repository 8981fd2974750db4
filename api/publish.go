package api

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// tooLarge stands for an update that would be above stream.MaxEvent. The stream
// stays open.
var tooLarge = userError("too_large")

// notFound says that Hull does not know the user either.
var notFound = userError("not_found")

func userError(message string) *stream.Event {
	return mustEvent(stream.Fields{Type: "user.error", Data: []byte(`{"message":"` + message + `","user":{},"account":{},"segments":[]}`)})
}

// mustEvent encodes an event whose type is a constant and whose data is short.
func mustEvent(f stream.Fields) *stream.Event {
	e, err := stream.NewEvent(f)
	if err != nil {
		panic(err)
	}
	return e
}

// Farewell tells a page that a user it was shown is not its user any more.
func Farewell(userID string) *stream.Event {
	return mustEvent(stream.Fields{Type: "user.private", Data: hull.PrivatePayload(userID), Effect: stream.Hides,
		ID: stream.ID{Version: uint64(time.Now().UnixMicro()), Tag: "0"}})
}

// state is one user's state on its way to pages.
type state struct {
	message  *hull.Message
	version  uint64
	topics   []string
	gone     []string
	accepted time.Time // zero: a snapshot, whose latency is not counted
	path     stream.Path
	exemplar prometheus.Labels // nil: none
	delivery *tracedDelivery   // nil: it is not traced
}

// publication projects a state under c's settings. c.mu is held by the caller.
// private tells that nobody may see the user; tooLarge counts.
func (s *Server) publication(c *connector, st state) (p *stream.Publication, result string) {
	p = &stream.Publication{
		User: st.message.UserID, Version: st.version, Generation: c.generation,
		Topics: st.topics, Gone: st.gone, Foreign: func(of iter.Seq2[string, bool]) bool { return isForeign(st.topics, of) },
	}
	p.Unsigned, result = s.project(c.settings, st, false)
	if p.Signed = p.Unsigned; !c.settings.SameForUnsigned() {
		p.Signed, result = s.project(c.settings, st, true)
	}
	return p, result
}

// project makes the event that shows st to one audience. result is sent,
// private or too_large.
func (s *Server) project(settings *hull.Settings, st state, signed bool) (e *stream.Event, result string) {
	id := stream.ID{Version: st.version, Tag: settings.Tag(signed, st.message.UserID)}
	scratch := s.scratch.Get().(*[]byte) // an event has a copy
	defer s.scratch.Put(scratch)
	payload, public := settings.Project((*scratch)[:0], st.message, signed)
	if !public {
		return mustEvent(stream.Fields{Type: "user.private", Data: hull.PrivatePayload(st.message.UserID), ID: id, Effect: stream.Hides}), "private"
	}
	if cap(payload.JSON) <= stream.MaxEvent {
		*scratch = payload.JSON
	}
	e, err := stream.NewEvent(stream.Fields{
		Type: "user.update", Data: payload.JSON, ID: id, Effect: stream.Shows,
		NamesStart: payload.EventsStart, NamesEnd: payload.EventsEnd, Accepted: st.accepted, Path: st.path, Exemplar: st.exemplar,
		Delivery: st.delivery.counter(),
	})
	if errors.Is(err, stream.ErrTooLarge) {
		return tooLarge, "too_large"
	} else if err != nil {
		s.log.Error("encoding an update", "error", err)
		return tooLarge, "too_large"
	}
	return e, "sent"
}

// stored is a message as the store keeps it.
func (s *Server) stored(m *hull.Message) store.User {
	list := m.Topics(make([]hull.Topic, 0, 8))
	topics := make([]string, len(list))
	for i, t := range list {
		topics[i] = t.String()
	}
	return store.User{ID: m.UserID, Topics: s.fewest(bestFirst(topics)), StateAt: m.IndexedAt, State: m.State()}
}

// fewest are as many of a user's topics as there may be: of the last kind, anonymous
// ids, those that Hull names last, which are the latest.
func (s *Server) fewest(topics []string) []string {
	over := len(topics) - s.cfg.Limits.UserTopics
	if over <= 0 {
		return topics
	}
	s.log.Warn("identifiers of a user left out", "count", over)
	anonymous := slices.IndexFunc(topics, func(t string) bool { return strings.HasPrefix(t, string(hull.KindAnonymousID)+":") })
	return slices.Delete(topics, anonymous, anonymous+over)
}

// bestFirst sorts topics by their kinds, as the broker wants them.
func bestFirst(topics []string) []string {
	slices.SortStableFunc(topics, func(a, b string) int { return rank(a) - rank(b) })
	return topics
}

// rank is the place of a topic's kind in hull.Kinds.
func rank(topic string) int {
	kind, _, _ := strings.Cut(topic, ":")
	return slices.Index(hull.Kinds[:], hull.Kind(kind))
}

// snapshotState is a snapshot on its way to one stream.
func snapshotState(snap store.Snapshot) (state, error) {
	m, err := hull.ParseState(snap.State)
	if err != nil {
		return state{}, err
	}
	return state{message: &m, version: snap.Version, topics: bestFirst(slices.Clone(snap.Topics))}, nil
}

// joined is the first event of every stream.
func (s *Server) joined(g stream.Grant) *stream.Event {
	data, _ := json.Marshal(struct {
		Topics    []string `json:"topics"`
		Heartbeat int64    `json:"heartbeat_ms"`
	}{grantTopics(g), s.cfg.Stream.Heartbeat.Milliseconds()})
	return mustEvent(stream.Fields{Type: "room.joined", Data: data, Retry: s.broker.Retry()})
}

func grantTopics(g stream.Grant) []string {
	names := make([]string, len(g.Topics))
	for i, t := range g.Topics {
		names[i] = t.Name
	}
	return names
}
