package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// explanation answers why the pages of a visitor get what they get.
type explanation struct {
	Topic   string            `json:"topic"`
	User    *explainedUser    `json:"user"`    // nil: nobody is stored whom the topic leads to
	Payload *explainedPayload `json:"payload"` // nil: pages get none
	Gates   []verdict         `json:"gates"`
	Streams []explainedStream `json:"streams"`
}

// explainedUser is what is stored of a user.
type explainedUser struct {
	ID        string          `json:"id"`
	Topics    []string        `json:"topics"`
	Version   uint64          `json:"version"`
	IndexedAt string          `json:"indexed_at,omitempty"`
	State     json.RawMessage `json:"state"`
}

// explainedPayload is the data of user.update, for streams that follow the user by a
// signed topic and for others; nil: it is too large.
type explainedPayload struct {
	Signed   json.RawMessage `json:"signed"`
	Unsigned json.RawMessage `json:"unsigned"`
}

// explainedStream is an open stream of this node that has the topic or follows its user.
type explainedStream struct {
	Visitor string `json:"visitor"`
	Origin  string `json:"origin"`
	Topic   string `json:"topic"` // the one asked for, else the best that leads to the user
	Signed  bool   `json:"signed"`

	follows string
}

// maxExplainedStreams bounds the streams of an answer.
const maxExplainedStreams = 100

// getUser explains. It changes nothing, and so asks Hull nothing: there a look-up marks
// a user as active.
func (s *Server) getUser(c *gin.Context) {
	conn, topic, err := s.topicOfPath(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	answer, err := s.explain(c.Request.Context(), conn, topic)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.PureJSON(http.StatusOK, answer) // of payloads the very text
}

func (s *Server) explain(ctx context.Context, conn *connector, topic hull.Topic) (*explanation, error) {
	v, err := s.visited(ctx, conn, topic)
	if err != nil {
		return nil, err
	}
	answer := &explanation{Topic: topic.String(), User: v.explained(), Gates: []verdict{}, Streams: v.streams}
	if v.user != nil {
		answer.Payload = s.explainPayload(v)
	}
	for _, gate := range gates {
		if gate.ofUser && v.user == nil {
			continue
		}
		verdict := gate.judge(v)
		verdict.Gate = gate.name
		answer.Gates = append(answer.Gates, verdict)
	}
	return answer, nil
}

// visited is what gates judge by: a topic, and what is known of whom it leads to.
type visited struct {
	topic   hull.Topic
	facts   *facts
	policy  hull.Policy
	snap    store.Snapshot
	user    *hull.Message // nil: nobody
	erased  time.Time     // zero: nobody was
	now     time.Time
	streams []explainedStream
	results [2]string // what project says of a stream that is signed, and of one that is not
	sizes   [2]int    // of the payloads

	clustered bool // there are other nodes
	confused  bool // two people have claimed the topic, which would count unsigned else
}

// visited gathers it.
func (s *Server) visited(ctx context.Context, conn *connector, topic hull.Topic) (*visited, error) {
	v := &visited{topic: topic, facts: s.factsOf(ctx, conn), now: s.now(), clustered: s.cluster != nil}
	v.policy = s.policy(conn.id, v.facts.settings)
	snap, _, err := s.store.Find(ctx, conn.id, []string{topic.String()})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("looking for a user to explain: %w", err)
	}
	if err == nil {
		st, err := snapshotState(snap)
		if err != nil {
			return nil, err
		}
		v.snap, v.user = snap, st.message
	} else if v.erased, err = s.erasedAt(ctx, conn.id, topic); err != nil {
		return nil, err
	}
	if v.policy.Verification == hull.VerifyPossession {
		claimants, err := s.store.Claimants(ctx, conn.id, []string{topic.String()})
		if err != nil {
			return nil, fmt.Errorf("looking for claimants: %w", err)
		}
		v.confused = claimants[topic.String()].Confused
	}
	v.streams = s.explainStreams(conn.id, topic.String(), v.snap)
	return v, nil
}

// erasedAt is when whom a topic led to was erased; zero: nobody was lately.
func (s *Server) erasedAt(ctx context.Context, connectorID string, topic hull.Topic) (time.Time, error) {
	times, err := s.store.Buried(ctx, connectorID, []string{topic.String()})
	if err != nil || !times[0].IsZero() || topic.Kind() != hull.KindID {
		return latest(times), err
	}
	known, err := s.store.Snapshots(ctx, connectorID, []string{topic.Value()})
	if err != nil || len(known) == 0 {
		return time.Time{}, err
	}
	m, err := hull.ParseState(known[0].State)
	if err != nil || !m.IsErased(s.now()) {
		return time.Time{}, err
	}
	return m.ErasedAt, nil
}

func (v *visited) explained() *explainedUser {
	if v.user == nil {
		return nil
	}
	u := &explainedUser{ID: v.snap.UserID, Topics: v.snap.Topics, Version: v.snap.Version, State: v.snap.State}
	if !v.snap.StateAt.IsZero() {
		u.IndexedAt = v.snap.StateAt.Format(timeFormat)
	}
	return u
}

// explainPayload makes the payloads as a stream gets them when it opens.
func (s *Server) explainPayload(v *visited) *explainedPayload {
	var shown [2]json.RawMessage
	for i, signed := range []bool{true, false} {
		st := state{message: v.user, version: v.snap.Version}
		_, v.results[i] = s.project(v.facts.settings, st, signed)
		if v.results[i] == "private" {
			return nil
		}
		payload, _ := v.facts.settings.Project(nil, v.user, signed)
		if v.sizes[i] = len(payload.JSON); v.results[i] == "sent" {
			shown[i] = payload.JSON
		}
	}
	return &explainedPayload{shown[0], shown[1]}
}

// explainStreams are the streams of this node that have a topic or follow its user.
func (s *Server) explainStreams(connectorID, topic string, snap store.Snapshot) []explainedStream {
	streams := []explainedStream{}
	for _, sub := range s.broker.Subscribers(connectorID) {
		led := stream.Topic{}
		for name, signed := range sub.Topics() {
			if name == topic {
				led = stream.Topic{Name: name, Signed: signed}
				break
			}
			if led.Name == "" && slices.Contains(snap.Topics, name) {
				led = stream.Topic{Name: name, Signed: signed}
			}
		}
		follows := sub.Following()
		if led.Name != topic && (follows == "" || follows != snap.UserID) {
			continue
		}
		if streams = append(streams, explainedStream{sub.Visitor(), sub.Origin(), led.Name, led.Signed, follows}); len(streams) == maxExplainedStreams {
			break
		}
	}
	return streams
}
