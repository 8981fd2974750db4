package bench

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// onlooker is an operator who looks at the live view, and knows how late it is.
type onlooker struct {
	navigation *navigation
	conn       net.Conn
	wire       atomic.Int64 // bytes that came over the connection
	ready      chan struct{}
	ended      chan error

	mu                   sync.Mutex
	known                []uint32 // by visitor, the last view that was told
	staleness            hist     // from when a view was due until it was told, or a newer one
	changes, conflated   int64
	backwards            int64
	text                 int64 // bytes of events
	wireReady, textReady int64 // what of both was told of who is there at the beginning
	readyAfter           int64 // nanoseconds
	lastArrival          int64 // clock
}

// look opens the live view and returns when the operator knows who is there.
func (l Live) look(ctx context.Context, s *session, n *navigation) (*onlooker, error) {
	began := clock()
	conn, err := (&net.Dialer{Timeout: requestTimeout}).DialContext(ctx, "tcp", s.server.address(0).String())
	if err != nil {
		return nil, err
	}
	o := &onlooker{navigation: n, conn: conn, ready: make(chan struct{}), ended: make(chan error, 1), known: make([]uint32, l.Visitors)}
	headers := "Accept: text/event-stream\r\n"
	if !l.Plain {
		headers += "Accept-Encoding: gzip\r\n"
	}
	if _, err := conn.Write(s.operatorRequest(0, "/live", headers)); err != nil {
		conn.Close()
		return nil, err
	}
	go func() { o.ended <- o.read(l.Plain) }()
	select {
	case <-o.ready:
		o.mu.Lock()
		o.readyAfter = clock() - began
		o.mu.Unlock()
		return o, nil
	case err = <-o.ended:
	case <-time.After(requestTimeout):
		err = errors.New("the live view is not ready")
	case <-ctx.Done():
		err = ctx.Err()
	}
	conn.Close()
	return nil, fmt.Errorf("opening the live view: %w", err)
}

func (o *onlooker) close() { o.conn.Close() }

// Read counts what comes over the connection.
func (o *onlooker) Read(b []byte) (int, error) {
	n, err := o.conn.Read(b)
	o.wire.Add(int64(n))
	return n, err
}

func (o *onlooker) read(plain bool) error {
	res, err := http.ReadResponse(bufio.NewReader(o), nil)
	if err != nil {
		return err
	}
	zipped := res.Header.Get("Content-Encoding") == "gzip"
	if res.StatusCode != http.StatusOK || zipped == plain {
		return fmt.Errorf("the server answers %d, compressed: %v", res.StatusCode, zipped)
	}
	var text io.Reader = res.Body
	if zipped {
		if text, err = gzip.NewReader(res.Body); err != nil {
			return err
		}
	}
	events := response{phase: inBody, sse: true}
	buffer := make([]byte, 64<<10)
	for {
		n, err := text.Read(buffer)
		o.mu.Lock()
		o.text += int64(n)
		_, broken := events.feed(buffer[:n], o)
		o.mu.Unlock()
		if err := errors.Join(broken, err); err != nil {
			return err
		}
	}
}

// event implements receiver, with o locked.
func (o *onlooker) event(e event) {
	switch string(e.kind) {
	case "live.ready":
		o.wireReady, o.textReady = o.wire.Load(), o.text
		close(o.ready)
	case "visitor.joined", "visitor.page", "visitor.identified":
		if m, ok := findMark(e.data); ok && m.epoch == o.navigation.epoch && int(m.topic) < len(o.known) {
			o.told(m.topic, m.seq)
		}
	}
}

func (o *onlooker) told(visitor, seq uint32) {
	if seq < o.known[visitor] {
		o.backwards++
		return
	}
	now := clock()
	for n := o.known[visitor] + 1; n <= seq; n++ {
		o.staleness.add(now - o.navigation.dueAt(visitor, n))
	}
	if seq > o.known[visitor] {
		o.conflated += int64(seq - o.known[visitor] - 1)
	}
	o.known[visitor] = seq
	o.changes++
	o.lastArrival = now
}

// behindLocked is of how many visitors the operator does not know the latest page.
func (o *onlooker) behindLocked() (n int) {
	for visitor := range o.known {
		if o.known[visitor] != o.navigation.latest[visitor].Load() {
			n++
		}
	}
	return n
}

// settle waits until the operator knows all, or has heard nothing for so long.
func (o *onlooker) settle(ctx context.Context, silence time.Duration) error {
	for from := clock(); ; {
		o.mu.Lock()
		done := o.behindLocked() == 0 || clock()-max(from, o.lastArrival) > int64(silence)
		o.mu.Unlock()
		if done {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}
