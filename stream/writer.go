package stream

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// heartbeatEvent is shared by all streams. It is a named event, since page
// script never sees a comment (docs/sse-facts.md).
var heartbeatEvent, _ = NewEvent(Fields{Type: "heartbeat", Data: []byte("{}")})

// Serve writes the stream of s to w, and takes s out of the index when it has
// ended. Over HTTP/1.1 it takes the connection and returns while the stream lives
// on; w is of no use any more. Otherwise it returns when the stream has ended.
// Errors before the first byte are for the caller to answer; Serve answers 200.
func (b *Broker) Serve(w http.ResponseWriter, r *http.Request, s *Subscriber) {
	taken, reason := false, ReasonError // if a ResponseWriter panics
	defer func() {
		if !taken {
			b.Unsubscribe(s, reason)
		}
	}()
	setHead(w.Header())
	if taken = b.reactor.serve(w, r, s) || b.detach(w, r, s); !taken {
		reason = b.respond(w, r, s)
	}
}

// What each event stream says of itself; the values are shared by all.
var (
	eventStream = []string{"text/event-stream"}
	notKept     = []string{"no-cache, no-store, no-transform"}
	unbuffered  = []string{"no"} // nginx holds a stream back without it
)

// setHead sets the headers of an event stream.
func setHead(h http.Header) {
	h["Content-Type"], h["Cache-Control"], h["X-Accel-Buffering"] = eventStream, notKept, unbuffered
}

// headSize is more than what the head of a stream has.
const headSize = 1 << 10

// ofConnection are the headers that headOf writes itself.
var ofConnection = map[string]bool{"Connection": true, "Date": true}

// headOf is that of a response that ends its connection.
func headOf(status int, h http.Header) []byte {
	head := fmt.Appendf(make([]byte, 0, headSize), "HTTP/1.1 %d %s\r\nConnection: close\r\nDate: ", status, http.StatusText(status))
	head = append(time.Now().UTC().AppendFormat(head, http.TimeFormat), "\r\n"...)
	b := bytes.NewBuffer(head)
	h.WriteSubset(b, ofConnection) // a buffer takes all
	b.WriteString("\r\n")
	return b.Bytes()
}

// respond is the portable transport for what has no connection of its own, such
// as a stream of HTTP/2: the caller's goroutine, and a deadline per write.
func (b *Broker) respond(w http.ResponseWriter, r *http.Request, s *Subscriber) Reason {
	w.WriteHeader(http.StatusOK)
	return b.write(&responder{w: w, rc: http.NewResponseController(w), timeout: b.cfg.WriteTimeout}, r.Context().Done(), s)
}

// detach is the portable transport for HTTP/1.1, with or without TLS: two small
// goroutines on the connection, without what net/http keeps for a request. If
// there is no connection to be had, nothing has happened.
func (b *Broker) detach(w http.ResponseWriter, r *http.Request, s *Subscriber) (taken bool) {
	if r.ProtoMajor != 1 {
		return false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	conn.SetDeadline(time.Time{})
	limitConn(conn, b.cfg.WriteTimeout)
	head := headOf(http.StatusOK, w.Header())
	go func() {
		gone, why := make(chan struct{}), error(nil)
		go func() { // ends when conn is closed
			defer close(gone)
			why = ignore(conn)
		}()
		reason := b.write(&connection{conn: conn, head: head, timeout: b.cfg.WriteTimeout}, gone, s)
		select {
		case <-gone:
			reason = failed(why)
		default:
		}
		b.Unsubscribe(s, reason) // before its page sees the end
		if tcp, ok := conn.(*net.TCPConn); ok && reason == ReasonSlow {
			tcp.SetLinger(0) // the system need not try on
		}
		conn.Close()
		<-gone
	}()
	return true
}

// maxIgnored is how much a page may send on its stream, which it has no reason
// to, before the stream ends.
const maxIgnored = 1 << 20

// ignore reads what a page sends, until it leaves.
func ignore(conn net.Conn) error {
	var junk [128]byte // more would be kept for each stream
	for read := 0; read < maxIgnored; {
		n, err := conn.Read(junk[:])
		if err != nil {
			return err
		}
		read += n
	}
	return errors.New("the page sends too much")
}

// out is where a stream is written.
type out interface {
	// write writes the head, the first time, and what is due, in one go and
	// within a time. last: nothing comes after it.
	write(due []frame, last bool) error
}

// write writes a stream until it ends, or gone is closed.
func (b *Broker) write(to out, gone <-chan struct{}, s *Subscriber) Reason {
	wakeups := s.wakeups()
	oldest := time.Now().Add(b.cfg.MaxAge - jitter(b.cfg.MaxAge/10))
	timer := time.NewTimer(0)
	defer timer.Stop()
	var beat time.Time // when the next heartbeat is due; zero: the head is not written yet
	var due []frame
	for {
		var got taken
		due, got = s.take(due[:0])
		if len(due) == 0 && !beat.IsZero() && !time.Now().Before(beat) {
			due = append(due, frame{bytes: heartbeatEvent.frame})
		}
		if len(due) > 0 || beat.IsZero() {
			began := time.Now()
			if err := to.write(due, got == takenLast); err != nil {
				return failed(err)
			}
			b.metrics.wrote(due, began)
			clear(due) // a waiting stream holds no frame
			beat = time.Now().Add(b.cfg.Heartbeat - jitter(b.cfg.Heartbeat/5))
		}
		switch got {
		case takenLast:
			return s.ending.reason
		case takenPart:
			continue
		}
		timer.Reset(min(time.Until(beat), time.Until(oldest)))
		select {
		case <-wakeups:
		case <-gone:
			return ReasonGone
		case <-timer.C:
			if !time.Now().Before(oldest) {
				s.End(ReasonMaxAge, 0)
			}
		}
	}
}

// failed is why a stream ended that could not be written to.
func failed(err error) Reason {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return ReasonSlow
	case errors.Is(err, http.ErrNotSupported):
		return ReasonError // a ResponseWriter without deadlines or flushing
	default:
		return ReasonGone
	}
}

// responder writes frames to a ResponseWriter.
type responder struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
}

// The last write's deadline stays, for the end of the body. The others' are
// lifted: over HTTP/2 a deadline that passes ends the stream although nothing is
// being written.
func (r *responder) write(due []frame, last bool) error {
	if err := r.rc.SetWriteDeadline(time.Now().Add(r.timeout)); err != nil {
		return err
	}
	for _, f := range due {
		if _, err := r.w.Write(f.bytes); err != nil {
			return err
		}
	}
	if err := r.rc.Flush(); err != nil || last {
		return err
	}
	return r.rc.SetWriteDeadline(time.Time{})
}

// connection writes frames to a connection that was taken from net/http.
type connection struct {
	conn    net.Conn
	head    []byte // nil: written
	timeout time.Duration
}

func (c *connection) write(due []frame, _ bool) error {
	text := c.head
	if c.head = nil; text == nil && len(due) == 1 {
		text = due[0].bytes
	} else {
		for _, f := range due {
			text = append(text, f.bytes...)
		}
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(text)
	return err
}

func jitter(most time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(most) + 1)) }
