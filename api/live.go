package api

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/stream"
)

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
