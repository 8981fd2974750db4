package shiptest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// line is the network between pages and a beam. It can fall silent as a phone's does:
// connections stay, and nothing comes through any more.
type line struct {
	URL    string
	silent atomic.Bool

	mu          sync.Mutex
	connections []net.Conn
}

func newLine(t *testing.T, b *beam) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	l := &line{URL: "http://" + listener.Addr().String()}
	proxy := httptest.NewServer(l.proxy(t, b))
	t.Cleanup(proxy.Close)
	t.Cleanup(l.cut)
	go l.serve(listener, strings.TrimPrefix(proxy.URL, "http://"))
	return l
}

// proxy has streams take the line as well: a beam in development mode names itself.
func (l *line) proxy(t *testing.T, b *beam) http.Handler {
	target, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			if !strings.HasSuffix(r.Request.URL.Path, "/token") {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			body = bytes.Replace(body, []byte(b.URL), []byte(l.URL), 1)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Del("Content-Length")
			return err
		},
	}
}

func (l *line) serve(listener net.Listener, addr string) {
	for {
		page, err := listener.Accept()
		if err != nil {
			return
		}
		beam, err := net.Dial("tcp", addr)
		if err != nil {
			page.Close()
			continue
		}
		l.mu.Lock()
		l.connections = append(l.connections, page, beam)
		l.mu.Unlock()
		go l.carry(beam, page)
		go l.carry(page, beam)
	}
}

func (l *line) carry(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if l.silent.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// cut ends the connections that there are.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.connections {
		c.Close()
	}
	l.connections = nil
}
