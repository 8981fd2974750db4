package attack

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
)

// Bait is where attacks try to have the server connect to: a listener on this machine,
// on both loopback addresses where it has both. Whoever connects is counted.
type Bait struct {
	port      string
	listeners []net.Listener
	hull      *httptest.Server
	bites     atomic.Int64
}

// NewBait lays a bait. Close takes it away.
func NewBait() (*Bait, error) {
	b := &Bait{}
	four, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("laying the bait: %w", err)
	}
	_, b.port, _ = net.SplitHostPort(four.Addr().String())
	b.listeners = append(b.listeners, four)
	if six, err := net.Listen("tcp6", "[::1]:"+b.port); err == nil { // there may be no IPv6
		b.listeners = append(b.listeners, six)
	}
	for _, l := range b.listeners {
		go b.count(l)
	}
	b.hull = httptest.NewServer(http.HandlerFunc(b.answerAsHull))
	return b, nil
}

func (b *Bait) count(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		b.bites.Add(1)
		conn.Close()
	}
}

// Bites is how many have connected.
func (b *Bait) Bites() int64 { return b.bites.Load() }

// Close takes the bait away.
func (b *Bait) Close() {
	for _, l := range b.listeners {
		l.Close()
	}
	b.hull.Close()
}

// Hull is the address of a Hull that knows nobody, and leads into the bait: to be the
// server's hull.api_url.
func (b *Bait) Hull() string { return b.hull.URL }

func (b *Bait) answerAsHull(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/redirect") {
		http.Redirect(w, r, b.url("http", "127.0.0.1"), http.StatusFound)
		return
	}
	http.NotFound(w, r)
}

// url is one that would end at the bait, by however the host is written.
func (b *Bait) url(scheme, host string) string { return scheme + "://" + host + ":" + b.port + "/bait" }
