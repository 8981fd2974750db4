package api

import (
	"context"
	"errors"
	"slices"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

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
	ctx, span := step(ctx, "look up user")
	defer span.End()
	result, err := s.lookUpUser(ctx, o)
	span.SetAttributes(attrConnector.String(o.conn.id), attrResult.String(result))
	switch {
	case ctx.Err() != nil:
		return // the page has left
	case err == nil:
		s.track(fetchSuccess, outgoingSuccess)
	case errors.Is(err, hull.ErrNotFound):
		s.track(fetchError, outgoingError)
		o.sub.GreetNobody(notFound)
	default:
		s.track(fetchError, outgoingFetchError, clientFail)
		if errors.Is(err, hull.ErrTimeout) {
			s.track(clientTimeout)
		}
		if !s.hullFails.Swap(true) {
			s.log.WarnContext(ctx, "users cannot be looked up in Hull", "connector", o.conn.id, "error", err)
		}
	}
	if result != "failed" && s.hullFails.Swap(false) {
		s.log.Info("users can be looked up in Hull again")
	}
	s.metrics.lookups.WithLabelValues(result).Inc()
}

// lookUpUser returns hull.ErrNotFound when Hull knows nobody, or somebody else
// than was proven, or than is signed.
func (s *Server) lookUpUser(ctx context.Context, o *opening) (result string, err error) {
	cred := o.conn.credentials()
	if cred.Organization == "" {
		return "not_found", hull.ErrNotFound // a connector that does not stand on Hull
	}
	asked, err := s.unburied(ctx, o.grant)
	if err != nil {
		return "failed", err
	} else if len(asked.Topics) == 0 {
		return "erased", hull.ErrNotFound
	}
	report, err := s.hull.UserReport(ctx, cred, provenTopics(asked))
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
	if rank < 0 || s.isLedAway(o.grant, rank, user.Topics) {
		return "foreign", hull.ErrNotFound
	}
	erased, err := s.wasErased(ctx, o.conn.id, m.UserID, user.Topics)
	if !erased && err == nil {
		erased, err = s.keep(ctx, o, &m, rank)
	}
	switch {
	case err != nil:
		return "failed", err
	case erased:
		return "erased", hull.ErrNotFound
	}
	return "found", nil
}

// wasErased tells whether a user was erased, or whom one of the user's topics led to,
// and is not to be brought back by what Hull may have yet.
func (s *Server) wasErased(ctx context.Context, connectorID, userID string, topics []string) (bool, error) {
	if buried, err := s.isBuried(ctx, connectorID, topics); buried || err != nil {
		return buried, err
	}
	known, err := s.store.Snapshots(ctx, connectorID, []string{userID})
	if err != nil || len(known) == 0 {
		return false, err
	}
	m, err := hull.ParseState(known[0].State)
	return err == nil && m.IsErased(s.now()), err
}

// keep stores what Hull answered, so that the next page need not ask, and shows
// it to sub. When the store has something newer by now, that is shown; when the user was
// erased meanwhile, nothing.
func (s *Server) keep(ctx context.Context, o *opening, m *hull.Message, rank int) (erased bool, err error) {
	user := s.stored(m)
	written, err := s.put(ctx, o.conn, []store.User{user})
	if err != nil {
		return false, err
	}
	if written[0].Stale {
		_, err := s.tellSnapshot(ctx, o)
		return false, err
	}
	if erased, err = s.isBuried(ctx, o.conn.id, user.Topics); err != nil {
		return false, err
	} else if erased {
		return true, s.erase(ctx, o.conn, []string{m.UserID}, s.now())
	}
	s.follow(o, state{message: m, version: written[0].Version, topics: leading(user, written[0])}, rank, stream.ID{})
	return false, nil
}
