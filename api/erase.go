package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// deleteUser erases whom a topic leads to, and keeps them out (docs/decisions/0027-erasures.md).
func (s *Server) deleteUser(c *gin.Context) {
	ctx := context.WithoutCancel(c.Request.Context()) // what has begun is done, also when the operator leaves
	note(c, "user.erase", "")
	conn, topic, err := s.topicOfPath(c)
	if err == nil {
		note(c, "user.erase", s.auditTopic(topic.String()))
		err = s.eraseTopic(ctx, conn, topic.String())
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// deleteVisitor erases a visitor; one who is known to be a user as that user.
func (s *Server) deleteVisitor(c *gin.Context) {
	ctx := context.WithoutCancel(c.Request.Context())
	note(c, "visitor.erase", auditVisitor(c.Param("visitor")))
	conn, err := s.connectors.get(ctx, c.Param("connector"))
	if err == nil {
		err = s.eraseVisitor(ctx, conn, c.Param("visitor"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// topicOfPath reads the connector and the topic of a request for a user.
func (s *Server) topicOfPath(c *gin.Context) (*connector, hull.Topic, error) {
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		return nil, hull.Topic{}, err
	}
	path := c.Request.URL.EscapedPath() // of the parameter a plus has become a space
	text, err := url.PathUnescape(path[strings.LastIndexByte(path, '/')+1:])
	var topic hull.Topic
	if err == nil {
		topic, err = parseTopic(text)
	}
	if err != nil {
		return nil, hull.Topic{}, newProblem("invalid_request",
			"The path ends in a topic as one percent-encoded segment: id:…, external_id:…, email:… or anonymous_id:….")
	}
	return conn, topic, nil
}

// maxTopic bounds a topic in a path, in bytes: no claim's value can be longer.
const maxTopic = 1024 + len("anonymous_id:")

// eraseTopic erases whom a topic leads to. The topic is buried first, so that who
// brings the user back meanwhile finds it so.
func (s *Server) eraseTopic(ctx context.Context, conn *connector, topic string) error {
	now := s.now()
	if err := s.store.Bury(ctx, conn.id, []string{topic}, now); err != nil {
		return fmt.Errorf("erasing a topic: %w", err)
	}
	snap, _, err := s.store.Find(ctx, conn.id, []string{topic})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("looking for whom to erase: %w", err)
	}
	snap.UserID = cmp.Or(snap.UserID, idOf(topic))
	if !slices.Contains(snap.Topics, topic) {
		snap.Topics = append(snap.Topics, topic)
	}
	return s.eraseWhole(ctx, conn, snap, now)
}

// idOf is the user's id that a topic is; "": it is no id.
func idOf(topic string) string {
	if id, ok := strings.CutPrefix(topic, string(hull.KindID)+":"); ok {
		return id
	}
	return ""
}

// eraseWhole erases a user everywhere; without an id what there may be of the topics.
func (s *Server) eraseWhole(ctx context.Context, conn *connector, snap store.Snapshot, now time.Time) error {
	if err := s.store.Bury(ctx, conn.id, snap.Topics, later(now, snap.StateAt)); err != nil {
		return fmt.Errorf("erasing %d topics: %w", len(snap.Topics), err)
	}
	if err := s.forgetTopics(ctx, conn.id, snap.Topics); err != nil {
		return err
	}
	of, persons := "topic", s.personsOf(conn.id, snap) // before their streams end
	if err := s.revoke(ctx, conn, snap.Topics, snap.UserID); err != nil {
		return err
	}
	if snap.UserID != "" {
		of = "user"
		if err := s.erase(ctx, conn, []string{snap.UserID}, now); err != nil {
			return err
		}
	}
	if err := s.forgetPersons(ctx, conn.id, persons); err != nil {
		return err
	}
	s.metrics.erasures.WithLabelValues(of).Inc()
	return nil
}

// personsOf is a user as the history knows them: by the id, by those of users who were
// merged into this one, by visitors who were not joined to it yet, and by the topics that
// offers may name.
func (s *Server) personsOf(connectorID string, snap store.Snapshot) (persons []store.Person) {
	if snap.UserID != "" {
		persons = append(persons, store.Person{UserID: snap.UserID})
		for _, sub := range s.broker.Subscribers(connectorID) {
			p := store.Person{UserID: snap.UserID, Visitor: sub.Visitor()}
			if sub.Following() == snap.UserID && !slices.Contains(persons, p) {
				persons = append(persons, p)
			}
		}
	}
	for _, topic := range snap.Topics {
		persons = append(persons, store.Person{UserID: topic})
		if id := idOf(topic); id != "" && id != snap.UserID {
			persons = append(persons, store.Person{UserID: id})
		}
	}
	return persons
}

// forgetPersons forgets what persons did here, and what they were sent, on all nodes.
func (s *Server) forgetPersons(ctx context.Context, connectorID string, persons []store.Person) error {
	if err := s.store.EraseVisitors(ctx, connectorID, persons); err != nil {
		return fmt.Errorf("erasing the history of a person: %w", err)
	}
	s.forgetPresent(connectorID, persons)
	if s.cluster == nil {
		return nil
	}
	if _, err := s.cluster.tell(ctx, connectorID, told{Op: opErased, Persons: persons}); err != nil {
		return fmt.Errorf("%w: telling the other nodes of an erasure: %w", store.ErrUnavailable, err)
	}
	return nil
}

// forgetPresent forgets what this node has in memory of persons.
func (s *Server) forgetPresent(connectorID string, persons []store.Person) {
	for _, p := range persons {
		s.presence.forget(connectorID, p.UserID, p.Visitor)
	}
	s.pending.drop(connectorID) // offers to them are not there any more
}

// eraseVisitor erases a visitor whom the history knows, or who has a stream here.
func (s *Server) eraseVisitor(ctx context.Context, conn *connector, visitor string) error {
	known, err := s.store.Visitors(ctx, conn.id, []string{visitor})
	if err != nil {
		return fmt.Errorf("looking for a visitor to erase: %w", err)
	}
	topics, following, live := s.visitorStreams(conn.id, visitor)
	if len(known) > 0 {
		following = cmp.Or(known[0].UserID, following)
	}
	if following == "" && s.cluster != nil { // who may be at another node
		v, err := s.liveView(ctx, conn)
		if err != nil {
			return err
		}
		item, there := v.find(visitor)
		if live = live || there; item.User != nil {
			following = item.User.ID
		}
	}
	switch {
	case following != "":
		return s.eraseTopic(ctx, conn, string(hull.KindID)+":"+following)
	case len(known) == 0 && !live:
		return newProblem("not_found", "No visitor has this id.")
	}
	if err := s.forgetTopics(ctx, conn.id, topics); err != nil {
		return err
	}
	if err := s.revoke(ctx, conn, []string{visitorTopic(visitor)}, ""); err != nil {
		return err
	}
	if err := s.forgetPersons(ctx, conn.id, []store.Person{{Visitor: visitor}}); err != nil {
		return err
	}
	s.metrics.erasures.WithLabelValues("visitor").Inc()
	s.log.Info("a visitor erased", "connector", conn.id)
	return nil
}

// visitorStreams tells of a visitor's streams on this node: their topics, and a user
// whom one of them follows.
func (s *Server) visitorStreams(connectorID, visitor string) (topics []string, following string, live bool) {
	for _, sub := range s.broker.Subscribers(connectorID) {
		if sub.Visitor() != visitor {
			continue
		}
		live, following = true, cmp.Or(following, sub.Following())
		for topic := range sub.Topics() {
			topics = append(topics, topic)
		}
	}
	return topics, following, live
}

// forgetTopics drops what waits for Hull, on all nodes, of whom topics lead to, and who has
// claimed them.
func (s *Server) forgetTopics(ctx context.Context, connectorID string, topics []string) error {
	if err := s.forgetWaiting(ctx, connectorID, topics); err != nil {
		return err
	}
	if err := s.store.ForgetClaimants(ctx, connectorID, topics); err != nil {
		return fmt.Errorf("forgetting who has claimed %d topics: %w", len(topics), err)
	}
	return nil
}

// forgetWaiting drops what waits for Hull, on all nodes, of whom topics lead to.
func (s *Server) forgetWaiting(ctx context.Context, connectorID string, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	s.forgetSent(connectorID, topics)
	if s.cluster == nil {
		return nil
	}
	if _, err := s.cluster.tell(ctx, connectorID, told{Op: opForget, Topics: topics}); err != nil {
		return fmt.Errorf("%w: telling the other nodes of an erasure: %w", store.ErrUnavailable, err)
	}
	return nil
}

// forgetSent is forgetWaiting on this node.
func (s *Server) forgetSent(connectorID string, names []string) {
	var topics []hull.Topic
	for _, name := range names {
		if topic, err := hull.ParseTopic(name); err == nil {
			topics = append(topics, topic)
		}
	}
	if len(topics) > 0 { // none would be all
		s.firehose.Forget(connectorID, topics)
	}
}
