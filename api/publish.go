package api

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

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
}

// publication projects a state under c's settings. c.mu is held by the caller.
// private tells that nobody may see the user; tooLarge counts.
func (s *Server) publication(c *connector, st state) (p *stream.Publication, result string) {
	p = &stream.Publication{
		User: st.message.UserID, Version: st.version, Generation: c.generation,
		Topics: st.topics, Gone: st.gone,
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
	payload, public := settings.Project(nil, st.message, signed)
	if !public {
		return mustEvent(stream.Fields{Type: "user.private", Data: hull.PrivatePayload(st.message.UserID), ID: id, Effect: stream.Hides}), "private"
	}
	e, err := stream.NewEvent(stream.Fields{
		Type: "user.update", Data: payload.JSON, ID: id, Effect: stream.Shows,
		NamesStart: payload.EventsStart, NamesEnd: payload.EventsEnd, Accepted: st.accepted,
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
func stored(m *hull.Message) store.User {
	return store.User{ID: m.UserID, Topics: topicNames(m), StateAt: m.IndexedAt, State: m.State()}
}

// topicNames are the topics that lead to m's user, best kind first, as the
// broker wants them.
func topicNames(m *hull.Message) []string {
	topics := bestFirst(m.Topics(make([]hull.Topic, 0, 8)))
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.String()
	}
	return names
}

func bestFirst(topics []hull.Topic) []hull.Topic {
	slices.SortStableFunc(topics, func(a, b hull.Topic) int { return a.Rank() - b.Rank() })
	return topics
}

// snapshotState is a snapshot on its way to one stream.
func snapshotState(snap store.Snapshot) (state, error) {
	m, err := hull.ParseState(snap.State)
	if err != nil {
		return state{}, err
	}
	return state{message: &m, version: snap.Version, topics: leading(&m, snap.Topics)}, nil
}

// leading are those of m's topics, best kind first, that still lead to its user:
// named has them, sorted.
func leading(m *hull.Message, named []string) []string {
	return slices.DeleteFunc(topicNames(m), func(topic string) bool {
		_, leads := slices.BinarySearch(named, topic)
		return !leads
	})
}

// applySettings makes a change of settings visible to open streams at once:
// those of origins that are not allowed any more end, the others get their
// user's state as the new settings show it.
func (s *Server) applySettings(ctx context.Context, c *connector) {
	settings := c.current()
	users := map[string]bool{}
	for _, sub := range s.broker.Subscribers(c.id) {
		if !settings.AllowsOrigin(sub.Origin()) {
			sub.End(stream.ReasonOrigin, s.broker.Retry())
		} else if user := sub.Following(); user != "" {
			users[user] = true
		}
	}
	if s.cluster != nil {
		s.cluster.show(c.id, keys(users))
		return
	}
	const atOnce = 500
	for ids := range slices.Chunk(keys(users), atOnce) {
		snapshots, err := s.store.Snapshots(ctx, c.id, ids)
		if err != nil {
			s.log.Error("reading the snapshots of live users after a change of settings", "connector", c.id, "error", err)
			return
		}
		for _, snap := range snapshots {
			s.republish(c, snap)
		}
	}
}

// republish publishes a state as it was stored.
func (s *Server) republish(c *connector, snap store.Snapshot) {
	st, err := snapshotState(snap)
	if err != nil {
		s.log.Error("reading a snapshot", "connector", c.id, "error", err)
		return
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, _ := s.publication(c, st)
	s.broker.Publish(c.id, p)
}

func keys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for key := range set {
		list = append(list, key)
	}
	return list
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
