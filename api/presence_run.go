package api

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// presenceStep is how often what has changed is told: half of what an operator may be
// late, or less.
const presenceStep = 250 * time.Millisecond

// runPresence stores who visitors are, and tells operators who is there, until ctx ends.
func (s *Server) runPresence(ctx context.Context) {
	tick := time.NewTicker(presenceStep)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.stepPresence(ctx)
		case <-s.presence.wake:
			s.stepOthers(ctx)
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			s.storeRests = time.Time{}
			s.stepStore(ctx)
			return
		}
	}
}

func (s *Server) stepPresence(ctx context.Context) {
	s.stepStore(ctx)
	s.presence.sweep()
	changed := s.presence.takeChanges()
	for connectorID, ch := range changed {
		s.stepLive(ctx, connectorID, &ch)
	}
	for _, connectorID := range s.watchedUnchanged(changed) {
		s.stepLive(ctx, connectorID, nil)
	}
	s.live.sweep()
}

// presenceRest is how long a store that has failed is left alone by what can wait: asked
// again and again it would come back later.
const presenceRest = 2 * time.Second

// stepStore stores what has come of visitors and offers, and sends offers that wait.
func (s *Server) stepStore(ctx context.Context) {
	if time.Now().Before(s.storeRests) {
		return
	}
	for _, step := range []func(context.Context) error{s.storeJoins, s.sendWaiting, s.storeDeliveries} {
		if err := step(ctx); err != nil {
			s.failed(ctx, err)
			s.storeRests = time.Now().Add(presenceRest)
			return
		}
	}
}

// storeJoins stores who visitors turned out to be.
func (s *Server) storeJoins(ctx context.Context) error {
	joins := s.presence.takeJoins()
	if len(joins) == 0 {
		return nil
	}
	if err := s.store.Join(ctx, joins); err != nil {
		s.presence.returnJoins(joins)
		return fmt.Errorf("storing who visitors are: %w", err)
	}
	return nil
}

// watchedUnchanged are connectors of which nothing has changed here, but at whose visitors
// somebody looks: other nodes may have told something, or want to be, or something could
// not be read.
func (s *Server) watchedUnchanged(changed map[string]changes) (ids []string) {
	if s.cluster != nil {
		ids = s.cluster.lookedAt()
	}
	ids = append(ids, s.live.unread()...)
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool {
		_, has := changed[id]
		return has
	})
}

// stepOthers does at once what other nodes wait for.
func (s *Server) stepOthers(ctx context.Context) {
	if s.cluster == nil {
		return
	}
	s.cluster.sendOffers(ctx)
	for _, connectorID := range s.cluster.lookedAt() {
		s.cluster.answer(ctx, connectorID, nil)
	}
}

// show has a view's operators told of visitors, with what is stored of them by now.
func (s *Server) show(ctx context.Context, v *liveView, touched []string) {
	touched = v.withUnread(touched)
	if len(touched) == 0 {
		return
	}
	if err := v.refresh(ctx, s.store, touched); err != nil {
		s.failed(ctx, err, "doing", "reading who is live")
		v.mu.Lock()
		v.unread = touched
		v.mu.Unlock()
	}
	v.notify(touched)
}
