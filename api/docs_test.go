package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// Browsers get pages, and who does not ask for one gets Markdown.
func TestDocsAreWhatIsAskedFor(t *testing.T) {
	s := start(t, options{})
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	const html, markdown = "text/html; charset=utf-8", "text/markdown; charset=utf-8"
	for _, row := range []struct{ path, accept, kind, has string }{
		{"/docs", browser, html, "<h1 id=\"start-here\">Start here</h1>"},
		{"/docs/", browser, html, "<h1 id=\"start-here\">Start here</h1>"},
		{"/docs/start", browser, html, `<a href="/docs/protocol">`},
		{"/docs/start", "Accept: */*", markdown, "# Start here"},
		{"/docs/start", "X-Nothing: there", markdown, "# Start here"},
		{"/docs/start", "Accept: text/markdown, text/html;q=0.5", markdown, "# Start here"},
		{"/docs/start", "Accept: text/html;q=0", markdown, "# Start here"},
		{"/docs/start", "Accept: TEXT/HTML; charset=utf-8; q=0.3", html, "<h1"},
		{"/docs/start.md", browser, markdown, "# Start here"},
		{"/docs/errors/token_expired", "Accept: */*", markdown, "# token_expired"},
		{"/docs/errors/token_expired", browser, html, "<title>token_expired · Hullbeam</title>"},
		{"/docs/errors", browser, html, `<a href="/docs/errors/token_expired">`},
		{"/docs/decisions", "Accept: */*", markdown, "(decisions/0001-event-ids-are-version-tag.md): "},
		{"/docs/api", browser, html, `id="token"`},
		{"/docs/api", "Accept: */*", markdown, "- `GET /api/v1/stream`: Open an event stream"},
		{"/docs/site.css", "Accept: text/css,*/*;q=0.1", "text/css; charset=utf-8", "light-dark("},
		{"/docs/soak.svg", "Accept: image/avif,*/*", "image/svg+xml", "<svg"},
		{"/llms.txt", "Accept: */*", "text/plain; charset=utf-8", "](/docs/start.md): "},
	} {
		r := s.do("GET", row.path, "", row.accept)
		if r.status != http.StatusOK || r.header.Get("Content-Type") != row.kind || !strings.Contains(string(r.body), row.has) {
			t.Errorf("%s, %s: got %d %s %.300s, want %s", row.path, row.accept, r.status, r.header.Get("Content-Type"), r.body, row.has)
		}
	}
	for _, path := range []string{"/docs/nothing", "/docs/site/page.html", "/docs/site/site.css", "/docs/other.css", "/docs/errors/nothing", "/docs/docs.go"} {
		if r := s.do("GET", path, "", browser); r.status != http.StatusNotFound {
			t.Errorf("%s: got %d", path, r.status)
		}
	}
}

// Caches keep both forms of a document apart, and ask whether it has changed.
func TestDocsAreCached(t *testing.T) {
	s := start(t, options{})
	page := s.do("GET", "/docs/protocol", "", "Accept: text/html")
	text := s.do("GET", "/docs/protocol", "")
	for _, r := range []reply{page, text} {
		if r.header.Get("Vary") != "Accept, Accept-Encoding" || r.header.Get("Cache-Control") == "" || r.header.Get("ETag") == "" {
			t.Errorf("got %v", r.header)
		}
	}
	if page.header.Get("ETag") == text.header.Get("ETag") {
		t.Error("the page and its Markdown have the same tag")
	}
	if r := s.do("GET", "/docs/protocol", "", "Accept: text/html", "If-None-Match: "+page.header.Get("ETag")); r.status != http.StatusNotModified || r.header.Get("ETag") == "" || r.header.Get("Vary") == "" {
		t.Errorf("the same: got %d %v", r.status, r.header)
	}
	if r := s.do("GET", "/docs/protocol", "", "Accept: text/html", "If-None-Match: "+text.header.Get("ETag")); r.status != http.StatusOK {
		t.Errorf("with the tag of the other form: got %d", r.status)
	}
	if r := s.do("HEAD", "/docs/protocol", "", "Accept: text/html", "Accept-Encoding: gzip"); r.status != http.StatusOK || len(r.body) > 0 || r.header.Get("ETag") != page.header.Get("ETag") {
		t.Errorf("its head: got %d %v, %d bytes", r.status, r.header, len(r.body))
	}
	if r := s.do("GET", "/docs/protocol", "", "Accept: text/html", "Accept-Encoding: gzip"); r.header.Get("Content-Encoding") != "gzip" || len(r.body) > len(page.body)/2 {
		t.Errorf("got %v, %d bytes of %d", r.header, len(r.body), len(page.body))
	}
	for _, want := range []string{"default-src 'none'; style-src 'self'", "frame-ancestors 'none'"} {
		if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, want) || strings.Contains(policy, "script-src") {
			t.Errorf("its policy is %q", policy)
		}
	}
}
