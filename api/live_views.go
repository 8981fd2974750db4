package api

import (
	"context"
	"sync"
	"time"
)

// liveViews are the views that operators look at, by connector. The zero liveViews has
// none.
type liveViews struct {
	mu    sync.Mutex
	views map[string]*liveView
}

// used is a connector's view, that is there from now on.
func (l *liveViews) used(conn *connector) *liveView {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.views[conn.id]
	if v == nil {
		v = newLiveView(conn)
		if l.views == nil {
			l.views = map[string]*liveView{}
		}
		l.views[conn.id] = v
	}
	v.mu.Lock()
	v.used = time.Now()
	v.mu.Unlock()
	return v
}

// known is a connector's view; nil: nobody looks at it.
func (l *liveViews) known(connectorID string) *liveView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.views[connectorID]
}

// drop has a connector's view made anew, if anybody looks again.
func (l *liveViews) drop(connectorID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.views, connectorID)
}

// sweep drops views that nobody has looked at for a while.
func (l *liveViews) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, v := range l.views {
		v.mu.Lock()
		if len(v.watchers) == 0 && time.Since(v.used) > liveUnused {
			delete(l.views, id)
		}
		v.mu.Unlock()
	}
}

// unread are the connectors of whose visitors something could not be read.
func (l *liveViews) unread() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, v := range l.views {
		v.mu.Lock()
		if len(v.unread) > 0 {
			ids = append(ids, id)
		}
		v.mu.Unlock()
	}
	return ids
}

// liveView is a connector's view with all who are there.
func (s *Server) liveView(ctx context.Context, conn *connector) (*liveView, error) {
	v := s.live.used(conn)
	v.filling.Lock() // whoever comes meanwhile waits for what is being read
	defer v.filling.Unlock()
	if v.filled {
		return v, nil
	}
	// Changes that come after this are told as well, for the view is there.
	touched := v.take("", changes{present: s.presence.all(conn.id)}, true)
	if s.cluster != nil {
		touched = append(touched, s.cluster.lookAround(ctx, v)...)
	}
	if err := v.refresh(ctx, s.store, touched); err != nil {
		return nil, err
	}
	v.filled = true
	return v, nil
}
