package api

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// connections are those of the node's HTTP servers that carry no stream: a stream has a
// bound of its own. Above the bound the one is closed whose client has been waited for
// longest, for the rest of a request or for the next one: who sends what they have is
// answered however many others send little by little.
type connections struct {
	most          int           // 0: as many as come
	headerTimeout time.Duration // what arrives too late is counted, net/http cuts it off
	met           func(limit)

	mu      sync.Mutex
	all     map[net.Conn]*connection
	count   int       // of those without a stream
	waiting list.List // *connection: those whose client is waited for, the longest first
}

// connection is guarded by the mu of its connections.
type connection struct {
	of      *connections
	conn    net.Conn
	came    time.Time
	place   *list.Element // in waiting; nil: a request is worked on, or it carries a stream
	asked   bool
	idle    bool // no request is under way, but for handlers whose client has left (HTTP/2)
	streams int  // over HTTP/2, where they share a connection
	extra   bool // there was none to close: it is told to come back
}

type connectionKey struct{}

func newConnections(l Limits, met func(limit)) *connections {
	return &connections{most: l.Connections, headerTimeout: l.HeaderTimeout, met: met, all: map[net.Conn]*connection{}}
}

// Bound gives an HTTP server the limits of its connections and of their requests' heads.
// It is called before the server serves. Connections of operators' own server are counted
// by themselves.
func (s *Server) Bound(server *http.Server) {
	l, of := s.cfg.Limits, s.connections
	if s.cfg.AdminApart && server.Handler == http.Handler(s.admin) {
		of = s.adminConnections
	}
	server.MaxHeaderBytes = l.Header - 4<<10 // net/http lets so many more in
	server.ReadHeaderTimeout, server.IdleTimeout = l.HeaderTimeout, l.IdleTimeout
	server.WriteTimeout = l.ReadTimeout + l.WriteTimeout // it counts from the head on
	server.ConnContext, server.ConnState = of.enter, of.changed
}

// enter counts a new connection.
func (l *connections) enter(ctx context.Context, conn net.Conn) context.Context {
	c := &connection{of: l, conn: conn, came: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[conn] = c
	l.count++
	l.waitLocked(c)
	l.makeRoomLocked(c)
	return context.WithValue(ctx, connectionKey{}, c)
}

// makeRoomLocked closes a connection if there are too many with the newest.
func (l *connections) makeRoomLocked(newest *connection) {
	if l.most == 0 || l.count <= l.most {
		return
	}
	l.met(limitConnections)
	c := l.waiting.Front().Value.(*connection)
	if c == newest {
		c.extra = true
		return
	}
	l.leaveLocked(c)
	conn := c.conn
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn() // TLS would take its leave first
	}
	conn.Close()
}

// changed follows net/http's states. A connection is active once a whole head has come.
func (l *connections) changed(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.all[conn]
	if c == nil {
		return
	}
	c.idle = state == http.StateIdle
	switch state {
	case http.StateActive:
		l.askedLocked(c)
		l.workLocked(c)
	case http.StateIdle:
		l.waitLocked(c)
	case http.StateHijacked:
		l.leaveLocked(c)
	case http.StateClosed:
		l.askedLocked(c)
		l.leaveLocked(c)
	}
}

// askedLocked: the head of the first request is there, or the connection ends without one.
// What net/http has cut off is active for a moment, too.
func (l *connections) askedLocked(c *connection) {
	if !c.asked && time.Since(c.came) >= l.headerTimeout {
		l.met(limitHeaderTimeout)
	}
	c.asked = true
}

// waitLocked: from now on the client is waited for.
func (l *connections) waitLocked(c *connection) {
	l.workLocked(c)
	if l.all[c.conn] == c && c.streams == 0 {
		c.place = l.waiting.PushBack(c)
	}
}

func (l *connections) workLocked(c *connection) {
	if c.place != nil {
		l.waiting.Remove(c.place)
		c.place = nil
	}
}

func (l *connections) leaveLocked(c *connection) {
	if l.all[c.conn] != c {
		return
	}
	l.workLocked(c)
	delete(l.all, c.conn)
	if c.streams == 0 {
		l.count--
	}
}

// carry has the connection of a request count as one with a stream until done is called.
func carry(r *http.Request) (done func()) {
	c, ok := r.Context().Value(connectionKey{}).(*connection)
	if !ok { // the reactor has it from the start
		return func() {}
	}
	c.addStreams(1)
	return func() { c.addStreams(-1) }
}

func (c *connection) addStreams(n int) {
	l := c.of
	l.mu.Lock()
	defer l.mu.Unlock()
	before := c.streams
	if c.streams += n; l.all[c.conn] != c {
		return
	}
	switch {
	case before == 0:
		l.workLocked(c)
		l.count--
	case c.streams == 0:
		l.count++   // it may be one too many until the next comes
		if c.idle { // its page has reset the stream, which nobody tells of again
			l.waitLocked(c)
		}
	}
}

// shedConnections answers requests over connections for which there was no room. That the
// node is alive is said all the same: who asks would else start it anew, and end its streams.
func (s *Server) shedConnections(c *gin.Context) {
	if c.FullPath() == healthPath {
		return
	}
	if of, ok := c.Request.Context().Value(connectionKey{}).(*connection); ok && of.extra {
		c.Header("Connection", "close")
		http.NewResponseController(c.Writer).SetReadDeadline(time.Now()) // the body is not waited for
		s.fail(c, newProblem("unavailable", "This node has too many connections.").shed())
	}
}

// arriving is a request's body: until it is there, its client is waited for.
type arriving struct {
	io.ReadCloser
	of      *connection // nil: it shares a connection with other requests
	tooLate func()
}

// awaitBody has the client of a request be waited for until the body is there. tooLate is
// called when it does not come in time.
func awaitBody(r *http.Request, tooLate func()) {
	body := &arriving{ReadCloser: r.Body, tooLate: tooLate}
	if c, ok := r.Context().Value(connectionKey{}).(*connection); ok && r.ProtoMajor == 1 {
		body.of = c
		c.of.mu.Lock()
		c.of.waitLocked(c)
		c.of.mu.Unlock()
	}
	r.Body = body
}

func (b *arriving) Read(p []byte) (n int, err error) {
	n, err = b.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.tooLate()
	}
	if err != nil && b.of != nil {
		b.of.of.mu.Lock()
		defer b.of.of.mu.Unlock()
		b.of.of.workLocked(b.of)
	}
	return n, err
}
