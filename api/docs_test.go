package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hullbeam/api"
)

// Browsers get pages, and who does not ask for one gets Markdown.
func TestDocsAreWhatIsAskedFor(t *testing.T) {
	s := start(t, options{})
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	const html, markdown = "text/html; charset=utf-8", "text/markdown; charset=utf-8"
	for _, row := range []struct{ path, accept, kind, has string }{
		{"/docs/", browser, html, "<h1 id=\"start-here\">Start here</h1>"},
		{"/docs/", "Accept: */*", markdown, "# Start here"},
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
}

var relative = regexp.MustCompile(`\]\(([\w./-]+\.md)[#)]`)

// Each document has one address, from which the relative links of its Markdown lead to
// other documents: another way to write it leads there.
func TestDocsHaveOneAddress(t *testing.T) {
	s := start(t, options{})
	for path, want := range map[string]string{
		"/docs": "/docs/", "/docs//": "/docs/", "/docs/errors/": "/docs/errors", "/docs//start": "/docs/start",
		"/docs/decisions/0039-documents.md/": "/docs/decisions/0039-documents.md",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := s.do(method, path, "", "Accept: text/markdown")
			if got := r.header.Get("Location"); r.status != http.StatusPermanentRedirect || got != want {
				t.Errorf("%s %s: got %d to %q, want %q", method, path, r.status, got, want)
			}
		}
		text := s.do("GET", want, "", "Accept: text/markdown")
		links := relative.FindAllStringSubmatch(string(text.body), -1)
		if text.status != http.StatusOK || len(links) == 0 {
			t.Errorf("%s: got %d, without links", want, text.status)
		}
		base, _ := url.Parse(want)
		for _, m := range links {
			to, _ := base.Parse(m[1])
			if r := s.do("HEAD", to.Path, ""); r.status != http.StatusOK {
				t.Errorf("%s: %s leads to %s: %d", want, m[1], to, r.status)
			}
		}
	}
}

// Where nothing is, a browser gets a page that leads to the documents, and a program the
// problem.
func TestNothingIsHere(t *testing.T) {
	s := start(t, options{})
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, path := range []string{
		"/", "/nothing", "/admin/nothing", "/docs/nothing", "/docs//etc/passwd", "/docs/site/page.html", "/docs/site/site.css",
		"/docs/other.css", "/docs/errors/nothing", "/docs/errors/nothing/", "/docs/docs.go", "/docs/%3Cscript%3E",
	} {
		page := s.do("GET", path, "", browser)
		text := string(page.body)
		if page.status != http.StatusNotFound || page.header.Get("Content-Type") != "text/html; charset=utf-8" || page.header.Get("Cache-Control") != "no-store" ||
			!strings.Contains(page.header.Get("Content-Security-Policy"), "style-src 'self'") ||
			!strings.Contains(text, "<h1>There is nothing here</h1>") || !strings.Contains(text, `<a href="/docs/start"`) || strings.Contains(text, "/docs/.md") {
			t.Errorf("%s: a browser got %d %v %.300s", path, page.status, page.header, text)
		}
		for _, accept := range []string{"*/*", "application/json", "text/markdown, text/html;q=0.5", "text/event-stream"} {
			r := s.do("GET", path, "", "Accept: "+accept)
			if r.status != http.StatusNotFound || r.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(r.body), `"code":"not_found"`) {
				t.Errorf("%s, %s: got %d %v %.300s", path, accept, r.status, r.header, r.body)
			}
		}
	}
	if r := s.do("GET", "/api/v1/connectors/nothing", "", browser, adminKey); r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("what a route refuses: got %v", r.header)
	}
}

// The operators' listener has no documents that a page could lead to.
func TestNothingIsHereApart(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.AdminApart = true }})
	for _, path := range []string{"/", "/docs/", "/admin/nothing"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		s.api.AdminHandler().ServeHTTP(w, r)
		if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %d %v", path, w.Code, w.Header())
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
