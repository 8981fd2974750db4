package shiptest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// site is a customer's web site, of an origin of its own.
type site struct {
	URL string

	mu    sync.Mutex
	pages map[string]http.Handler
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{pages: map[string]http.Handler{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	page := s.pages[r.URL.Path]
	s.mu.Unlock()
	if page == nil {
		w.WriteHeader(http.StatusNoContent) // browsers ask for a favicon, and log a 404
		return
	}
	page.ServeHTTP(w, r)
}

func (s *site) handle(path string, h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = h
}

// page puts an HTML page at a path, with headers as "Name: value" pairs, and answers its URL.
func (s *site) page(path, html string, headers ...[2]string) string {
	s.handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for _, header := range headers {
			w.Header().Set(header[0], header[1])
		}
		fmt.Fprintf(w, "<!doctype html><html lang=en><title>A shop</title>%s</html>", html)
	}))
	return s.URL + path
}

// snippet is the script tag that a customer pastes; attributes are added to it.
func (b *beam) snippet(attributes string) string {
	return fmt.Sprintf(`<script src="%[1]s/ship.js" type="text/javascript" async defer data-hull-id="demo" data-hull-endpoint="%[1]s" charset="utf-8" %[2]s></script>`, b.URL, attributes)
}

// snippetBy is the snippet of a site whose pages reach Hullbeam by another address.
func (b *beam) snippetBy(endpoint string) string {
	return strings.Replace(b.snippet(""), `data-hull-endpoint="`+b.URL, `data-hull-endpoint="`+endpoint, 1)
}
