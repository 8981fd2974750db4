package clustertest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"hullbeam/stream/streamtest"
)

// page holds one stream as the snippet in a page does, and checks what it is told.
type page struct {
	crowd  *crowd
	name   string
	users  []*user  // whom its claims may lead to, best first
	claims []string // anonymous ids, best first

	following atomic.Pointer[user] // the last one that was shown
	shown     atomic.Int64         // that user's n; -1: nothing is shown
	open      atomic.Bool          // room.joined has come
	opens     atomic.Int64

	mu     sync.Mutex
	conn   net.Conn // nil: it is not connected
	kicked bool     // the stream was cut by the test
	fresh  bool     // and the page is another one, which has seen nothing

	// Of its goroutine:
	token, lastID string
	versions      map[string]uint64 // the newest by tag
	retry         time.Duration
	refused       int // attempts in a row
}

// run opens a stream again and again until ctx ends.
func (p *page) run(ctx context.Context) {
	for first := true; ctx.Err() == nil; first = false {
		if p.isFresh() || first {
			p.token, p.lastID, p.versions = "", "", map[string]uint64{}
			p.shown.Store(-1)
			p.following.Store(nil)
		}
		pause := p.visit(ctx)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// visit opens a stream, reads it to its end, and returns when to come back.
func (p *page) visit(ctx context.Context) time.Duration {
	known := p.due() != nil
	if p.token == "" {
		token, err := p.crowd.fetchToken(ctx, p.claims)
		if err != nil {
			return p.refuse(ctx, err)
		}
		p.token = token
	}
	conn, res, err := p.connect(ctx)
	if err != nil {
		return p.refuse(ctx, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	p.refused = 0
	p.attach(conn)
	defer p.detach()
	told := ""
	for e, err := range streamtest.Read(res.Body) {
		if err != nil {
			break
		}
		if told == "" && e.Type != "room.joined" {
			p.complain("the first event", e)
		}
		told = e.Type
		conn.SetReadDeadline(time.Now().Add(p.crowd.silence))
		switch e.Type {
		case "close":
			return p.closed(e)
		default:
			p.take(e, known)
		}
	}
	if p.wasKicked() || ctx.Err() != nil {
		return 0
	}
	p.crowd.lost.Add(1)
	return p.retry
}

// refuse is for what is not a stream: the pause grows.
func (p *page) refuse(ctx context.Context, err error) time.Duration {
	if ctx.Err() == nil {
		p.crowd.refused.Add(1)
		p.crowd.lastRefusal.Store(new(err.Error()))
	}
	pause := min(time.Second, 125*time.Millisecond<<p.refused)
	p.refused = min(p.refused+1, 10)
	return pause/2 + rand.N(pause)
}

// connect asks for the stream. The answer is 200.
func (p *page) connect(ctx context.Context) (net.Conn, *http.Response, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", p.crowd.addr())
	if err != nil {
		return nil, nil, err
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	last := ""
	if p.lastID != "" {
		last = "Last-Event-ID: " + p.lastID + "\r\n"
	}
	fmt.Fprintf(conn, "GET /api/v1/stream?token=%s HTTP/1.1\r\nHost: beam.test\r\nOrigin: %s\r\nAccept: text/event-stream\r\n%s\r\n",
		url.QueryEscape(p.token), origin, last)
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err == nil && res.StatusCode != http.StatusOK {
		err = problemOf(res)
		if res.StatusCode == http.StatusUnauthorized {
			p.token = ""
		}
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	conn.SetDeadline(time.Now().Add(p.crowd.silence))
	return conn, res, nil
}

// kick cuts the stream as a page does that is left: it opens again at once, or
// fresh, as a page that has seen nothing. It does nothing to a closed one.
func (p *page) kick(fresh bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil || !p.open.Load() {
		return false
	}
	p.kicked, p.fresh = true, fresh
	p.open.Store(false)
	p.conn.Close()
	return true
}

func (p *page) attach(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn, p.kicked = conn, false
}

func (p *page) detach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = nil
	p.open.Store(false)
}

func (p *page) wasKicked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kicked
}

func (p *page) isFresh() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := p.fresh
	p.fresh = false
	return fresh
}
