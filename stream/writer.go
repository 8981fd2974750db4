package stream

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"time"
)

// heartbeatEvent is shared by all streams. It is a named event, since page
// script never sees a comment (docs/sse-facts.md).
var heartbeatEvent, _ = NewEvent(Fields{Type: "heartbeat", Data: []byte("{}")})

// Serve writes the stream of s to w, and takes s out of the index when it has
// ended. If there is a reactor and r came to it over plain HTTP/1.1, Serve
// returns while the stream lives on, and w is of no use any more. Otherwise it
// returns when the stream has ended. Errors before the first byte are for the
// caller to answer; Serve answers 200.
func (b *Broker) Serve(w http.ResponseWriter, r *http.Request, s *Subscriber) {
	taken, reason := false, ReasonError // if a ResponseWriter panics
	defer func() {
		if !taken {
			b.Unsubscribe(s, reason)
		}
	}()
	if taken = b.reactor.serve(w, r, s); !taken {
		reason = b.write(w, r, s)
	}
}

// setHead sets the headers of an event stream.
func setHead(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx holds a stream back without it
}

// write is the portable transport: the caller's goroutine, a deadline per write,
// any HTTP version.
func (b *Broker) write(w http.ResponseWriter, r *http.Request, s *Subscriber) Reason {
	out := writer{w: w, rc: http.NewResponseController(w), timeout: b.cfg.WriteTimeout}
	setHead(w.Header())
	w.WriteHeader(http.StatusOK)

	wakeups := s.wakeups()
	end := time.Now().Add(b.cfg.MaxAge - jitter(b.cfg.MaxAge/10))
	timer := time.NewTimer(0)
	defer timer.Stop()
	var beat time.Time // when the next heartbeat is due; zero: the head is not written yet
	var due []frame
	for {
		var ended bool
		due, ended = s.take(due[:0])
		if len(due) == 0 && !beat.IsZero() && !time.Now().Before(beat) {
			due = append(due, frame{bytes: heartbeatEvent.frame})
		}
		if len(due) > 0 || beat.IsZero() {
			if err := out.write(due, ended); err != nil {
				return failed(err)
			}
			b.written(due)
			clear(due) // a waiting stream holds no frame
			beat = time.Now().Add(b.cfg.Heartbeat - jitter(b.cfg.Heartbeat/5))
		}
		if ended {
			return s.ending.reason
		}
		timer.Reset(min(time.Until(beat), time.Until(end)))
		select {
		case <-wakeups:
		case <-r.Context().Done():
			return ReasonGone
		case <-timer.C:
			if !time.Now().Before(end) {
				s.End(ReasonMaxAge, 0)
			}
		}
	}
}

// written counts the delivery latency of what has just been written.
func (b *Broker) written(due []frame) {
	for _, f := range due {
		if !f.accepted.IsZero() {
			b.metrics.delivery.Observe(time.Since(f.accepted).Seconds())
		}
	}
}

// failed is why a stream ended that could not be written to.
func failed(err error) Reason {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonSlow
	case errors.Is(err, http.ErrNotSupported):
		return ReasonError // a ResponseWriter without deadlines or flushing
	default:
		return ReasonGone
	}
}

// writer writes frames to a response, each write within its time.
type writer struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
}

// write writes and flushes what is due. The last write's deadline stays, for the
// end of the body. The others' are lifted: over HTTP/2 a deadline that passes
// ends the stream although nothing is being written.
func (w *writer) write(due []frame, last bool) error {
	if err := w.rc.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return err
	}
	for _, f := range due {
		if _, err := w.w.Write(f.bytes); err != nil {
			return err
		}
	}
	if err := w.rc.Flush(); err != nil || last {
		return err
	}
	return w.rc.SetWriteDeadline(time.Time{})
}

func jitter(most time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(most) + 1)) }
