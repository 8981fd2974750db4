package api

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/stream"
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

// getLive opens the event stream of the live view.
func (s *Server) getLive(c *gin.Context) {
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		s.fail(c, err)
		return
	}
	if !s.liveStreams.take("") {
		s.fail(c, s.over(limitLiveStreams, "unavailable", "Too many operators look at live views of this node.").shed())
		return
	}
	defer s.liveStreams.giveBack("")
	v, err := s.liveView(c.Request.Context(), conn)
	if err != nil {
		s.fail(c, err)
		return
	}
	w := v.watch()
	defer w.leave()
	if err := s.writeLive(c, w); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Debug("a live view ended", "connector", conn.id, "error", err)
	}
}

// writeLive writes to an operator until one of both leaves.
func (s *Server) writeLive(c *gin.Context, w *watcher) error {
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Vary", "Accept-Encoding")
	out := newLiveWriter(c, s.cfg.Stream.WriteTimeout)
	http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // it ends when the operator leaves
	tick := time.NewTicker(presenceStep)
	defer tick.Stop()
	end := time.NewTimer(s.cfg.Stream.MaxAge)
	defer end.Stop()
	silent := s.now()
	for {
		events := w.take(time.Now(), s.cfg.Visitors.LiveRate)
		if len(events) == 0 && time.Since(silent) >= s.cfg.Stream.Heartbeat {
			events = append(events, mustEvent(stream.Fields{Type: "heartbeat", Data: []byte(`{}`)}))
		}
		if len(events) > 0 {
			silent = time.Now()
			if err := out.write(events...); err != nil {
				return err
			}
		}
		select {
		case <-c.Request.Context().Done():
			return c.Request.Context().Err()
		case <-w.wake:
		case <-end.C:
			return out.end(stream.ReasonMaxAge, s.broker.Retry())
		case <-tick.C:
			if s.broker.Draining() {
				return out.end(stream.ReasonDrain, s.broker.Retry())
			}
			if !s.stillOperator(c) {
				return out.end(stream.ReasonRevoked, s.broker.Retry())
			}
		}
	}
}

// liveWriter writes events to an operator, compressed if the client takes that: one step
// after the other, so that a step's events arrive with it.
type liveWriter struct {
	control *http.ResponseController
	timeout time.Duration
	to      io.Writer
	zip     *gzip.Writer // nil: not compressed
}

func newLiveWriter(c *gin.Context, timeout time.Duration) *liveWriter {
	w := &liveWriter{control: http.NewResponseController(c.Writer), timeout: timeout, to: c.Writer}
	if takesGzip(c.Request.Header) {
		c.Header("Content-Encoding", "gzip")
		w.zip, _ = gzip.NewWriterLevel(c.Writer, gzip.BestSpeed) // a level that is there
		w.to = w.zip
	}
	c.Status(http.StatusOK)
	return w
}

func (w *liveWriter) write(events ...*stream.Event) error {
	w.control.SetWriteDeadline(time.Now().Add(w.timeout))
	for _, e := range events {
		if _, err := w.to.Write(e.Frame()); err != nil {
			return err
		}
	}
	if w.zip != nil {
		if err := w.zip.Flush(); err != nil {
			return err
		}
	}
	if err := w.control.Flush(); err != nil {
		return err
	}
	return w.control.SetWriteDeadline(time.Time{}) // over HTTP/2 one that passes ends the stream although nothing is being written
}

// end tells the operator why the stream ends, and when to come back.
func (w *liveWriter) end(reason stream.Reason, in time.Duration) error {
	err := w.write(stream.CloseEvent(reason, in))
	if w.zip != nil {
		err = errors.Join(err, w.zip.Close())
	}
	return err
}
