//go:build unix

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// front is a proxy before a node that does one thing wrong: the one that the first part of the
// path names. The node is known by the proxy's address. Beside it there is a site with pages.
type front struct {
	url   string
	node  *url.URL
	site  string // of the pages, another origin
	pages *http.ServeMux
}

func newFront(t *testing.T) *front {
	f := &front{pages: http.NewServeMux()}
	server, site := httptest.NewServer(f), httptest.NewServer(f.pages)
	t.Cleanup(site.Close)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	f.url, f.site = server.URL, site.URL
	return f
}

// to says which node it is before.
func (f *front) to(t *testing.T, address string) {
	node, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	f.node = node
}

// page is the address of a page with a policy.
func (f *front) page(name, policy, html string) string {
	path := "/" + strings.ReplaceAll(name, " ", "-")
	f.pages.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, html)
	})
	return f.site + path
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, rest, _ := strings.Cut(r.URL.Path[1:], "/")
	stream := rest == "api/v1/stream"
	r.URL.Path, r.URL.RawPath = "/"+rest, ""
	switch {
	case fault == "answers_preflights_itself" && r.Method == http.MethodOptions:
		http.Error(w, "no", http.StatusMethodNotAllowed)
		return
	case fault == "takes_4_KiB_lines" && len(r.RequestURI) > 4096:
		http.Error(w, "", http.StatusRequestURITooLong)
		return
	case fault == "blocks_streams" && stream && r.URL.RawQuery != "" && len(r.RequestURI) < 4096:
		http.Error(w, "blocked", http.StatusForbidden)
		return
	case fault == "cuts_what_is_idle" && stream:
		w = &cutting{ResponseWriter: w, cut: time.AfterFunc(time.Hour, func() { http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) })}
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { f.rewrite(fault, stream, p) },
		ModifyResponse: func(res *http.Response) error { return spoil(fault, stream, res) },
	}
	proxy.ServeHTTP(w, r)
}

// rewrite is what becomes of a request.
func (f *front) rewrite(fault string, stream bool, p *httputil.ProxyRequest) {
	p.SetURL(f.node)
	p.Out.Host = p.In.Host
	if fault != "does_not_forward_the_address" {
		p.SetXForwarded()
	}
	switch fault {
	case "forwards_what_the_client_says":
		p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
	case "takes_origin_away":
		p.Out.Header.Del("Origin")
	case "takes_last_event_id_away":
		p.Out.Header.Del("Last-Event-Id")
	case "takes_the_query_away":
		if stream {
			p.Out.URL.RawQuery = ""
		}
	}
}

// spoil is what becomes of an answer.
func spoil(fault string, stream bool, res *http.Response) error {
	h := res.Header
	switch fault {
	case "takes_cors_away":
		h.Del("Access-Control-Allow-Origin")
	case "adds_cors_again":
		h.Add("Access-Control-Allow-Origin", "*")
	case "adds_cors_of_another_page":
		h.Set("Access-Control-Allow-Origin", "https://other.test")
	case "has_another_clock":
		h.Set("Date", time.Now().Add(-5*time.Minute).UTC().Format(http.TimeFormat))
	case "allows_scripts_on_its_own":
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	case "compresses_scripts_again":
		if strings.HasSuffix(res.Request.URL.Path, "/ship.js") {
			h.Add("Content-Encoding", "gzip")
		}
	case "speaks_another_protocol":
		return replaceBody(res, `version: "1"`, `version: "2"`)
	}
	if stream && res.StatusCode == http.StatusOK {
		spoilStream(fault, res)
	}
	return nil
}

func spoilStream(fault string, res *http.Response) {
	switch fault {
	case "holds_events_back":
		res.Body = pipe(res.Body, func(to io.Writer, from io.Reader) {
			all, _ := io.ReadAll(io.LimitReader(from, 64<<10))
			to.Write(all)
		})
	case "holds_answers_back":
		all, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		res.Body = io.NopCloser(bytes.NewReader(all))
	case "compresses_streams":
		if !strings.Contains(res.Request.Header.Get("Accept-Encoding"), "gzip") {
			return
		}
		res.Header.Set("Content-Encoding", "gzip")
		res.Body = pipe(res.Body, func(to io.Writer, from io.Reader) {
			packed := gzip.NewWriter(to)
			for lines := bufio.NewScanner(from); lines.Scan(); packed.Flush() {
				io.WriteString(packed, lines.Text()+"\n")
			}
		})
	}
}

// pipe is a body that is made of another.
func pipe(body io.ReadCloser, make func(to io.Writer, from io.Reader)) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		make(w, body)
		w.Close()
	}()
	return struct {
		io.Reader
		io.Closer
	}{r, body}
}

func replaceBody(res *http.Response, old, with string) error {
	if !strings.HasSuffix(res.Request.URL.Path, "openapi.yaml") {
		return nil
	}
	text, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(strings.NewReader(strings.Replace(string(text), old, with, 1)))
	return err
}

// cutting ends a stream on which nothing was written for a while.
type cutting struct {
	http.ResponseWriter
	cut *time.Timer
}

func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutting) Write(b []byte) (int, error) {
	c.cut.Reset(300 * time.Millisecond)
	return c.ResponseWriter.Write(b)
}
