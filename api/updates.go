package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"hullbeam/hull"
	"hullbeam/store"
)

// takeUsers stores the users of messages and publishes them: in one step those between
// messages that tell of merges.
func (s *Server) takeUsers(ctx context.Context, conn *connector, messages []hull.Message, skipped []hull.Skip, accepted time.Time) error {
	for range skipped {
		s.track(userStart, userFailed)
		s.metrics.updated(conn, "invalid", 1)
	}
	if len(skipped) > 0 {
		first := skipped[0]
		s.log.WarnContext(ctx, "messages skipped", "connector", conn.id, "count", len(skipped), "first", first.Index, "reason", first.Reason)
	}
	for len(messages) > 0 {
		n := nextMerge(messages)
		if err := s.putUsers(ctx, conn, messages[:n], accepted); err != nil {
			return err
		}
		if messages = messages[n:]; len(messages) > 0 {
			if err := s.takeMerge(ctx, conn, &messages[0], accepted); err != nil {
				return err
			}
			messages = messages[1:]
		}
	}
	return nil
}

// putUsers stores the users of messages in one step and publishes them.
func (s *Server) putUsers(ctx context.Context, conn *connector, messages []hull.Message, accepted time.Time) error {
	if len(messages) == 0 {
		return nil
	}
	users, of := s.states(messages, accepted)
	_, err := s.putStates(ctx, conn, messages, users, of, accepted)
	return err
}

// putStates stores what states has made of messages, and publishes it.
func (s *Server) putStates(ctx context.Context, conn *connector, messages []hull.Message, users []store.User, of []int, accepted time.Time) ([]store.Written, error) {
	written, err := s.put(ctx, conn, users)
	if err != nil {
		return nil, fmt.Errorf("keeping %d users: %w", len(users), err)
	}
	if s.storeFails.Load() && s.storeFails.Swap(false) {
		s.log.Info("the store works again")
	}
	back, err := s.holdBack(ctx, conn.id, users, written)
	if err != nil {
		return nil, err
	}
	s.publishAll(ctx, conn, messages, users, of, written, back, accepted)
	return written, s.eraseBack(ctx, conn, users, back)
}

// put keeps users. If this is traced, what publishes them says so to the other nodes.
func (s *Server) put(ctx context.Context, conn *connector, users []store.User) (written []store.Written, err error) {
	ctx, span := step(ctx, "put users")
	defer func() { endStep(span, err) }()
	if carried := carrier(ctx); carried != "" && s.cluster != nil {
		for i := range users {
			users[i].Trace = carried
		}
	}
	written, err = s.store.Put(ctx, conn.id, users)
	if span.IsRecording() {
		stale := slices.DeleteFunc(slices.Clone(written), func(w store.Written) bool { return !w.Stale })
		span.SetAttributes(attrConnector.String(conn.id), attrUsers.Int(len(users)), attrStale.Int(len(stale)))
	}
	return written, err
}

// publishAll publishes what was written, but for what is held back.
func (s *Server) publishAll(ctx context.Context, conn *connector, messages []hull.Message, users []store.User, of []int, written []store.Written, back map[int]time.Time, accepted time.Time) {
	if s.cluster == nil {
		var span trace.Span
		ctx, span = step(ctx, "publish users")
		defer span.End()
	}
	conn.mu.RLock()
	defer conn.mu.RUnlock()
	for i, at := range of {
		s.track(userStart)
		if _, held := back[at]; held {
			continue
		}
		result := "stale"
		switch {
		case at < 0 || written[at].Stale:
		case s.cluster != nil:
			result = "published" // by the step that wrote it; it comes back over the bus
		default:
			result = s.publish(ctx, conn, state{
				message: &messages[i], version: written[at].Version, topics: leading(users[at], written[at]), gone: written[at].Gone, accepted: accepted,
			})
		}
		s.metrics.updated(conn, result, 1)
	}
}

// leading are the topics that lead to a user who was put.
func leading(u store.User, written store.Written) []string {
	if len(written.Merged) == 0 {
		return u.Topics
	}
	return bestFirst(slices.Concat(u.Topics, written.Merged))
}

// publish sends a state to the streams that follow its user. conn.mu is held by
// the caller.
func (s *Server) publish(ctx context.Context, conn *connector, st state) (result string) {
	s.track(outgoingStart)
	s.presence.updated(conn.id, st.message.UserID)
	if !s.broker.Reaches(conn.id, st.topics) && !s.broker.Reaches(conn.id, st.gone) {
		s.track(outgoingError) // the predecessors' "no rooms"
		return "no_listener"
	}
	st.exemplar, st.delivery = exemplarOf(ctx), beginDelivery(ctx, conn.id, st.topics)
	told := 0
	defer func() { st.delivery.published(result, told) }()
	p, result := s.publication(conn, st)
	if result == "private" {
		s.track(outgoingSkip)
		s.broker.Publish(conn.id, p)
		return "filtered_segment"
	}
	s.track(outgoingSend)
	taken, told := s.broker.Publish(conn.id, p)
	switch {
	case result != "sent":
		told = 0
	case taken == 0:
		return "no_listener" // it follows somebody else, or has just left
	case told == 0:
		result = "unchanged"
	}
	s.track(outgoingSuccess)
	return result
}
