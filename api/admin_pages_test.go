package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hullbeam/api"
)

func TestAdminPages(t *testing.T) {
	s := start(t, options{})
	r := s.do("GET", "/admin/", "")
	if r.status != http.StatusOK || !strings.HasPrefix(string(r.body), "<!doctype html>") {
		t.Errorf("got %d %.80s", r.status, r.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
			"frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for path, want := range map[string]int{
		"/admin": 308, "/admin/nothing.js": 404, "/admin/..%2Fdist%2Findex.html": 404, "/admin/../../openapi.yaml": 404, "/admin/.": 404,
	} {
		if r := s.do("GET", path, ""); r.status != want {
			t.Errorf("%s: %d, want %d", path, r.status, want)
		}
	}
	apart := start(t, options{config: func(c *api.Config) { c.AdminApart = true }})
	if r := apart.do("GET", "/admin/", ""); r.status != http.StatusNotFound {
		t.Errorf("on the browsers' listener: %d", r.status)
	}
	w := httptest.NewRecorder()
	apart.api.AdminHandler().ServeHTTP(w, httptest.NewRequest("GET", "/admin/", nil))
	if w.Code != http.StatusOK {
		t.Errorf("on the operators' listener: %d", w.Code)
	}
}

// Hull's dashboard may frame its own page, and nobody anything else that operators use.
func TestOnlyHullsPageIsFramed(t *testing.T) {
	s := start(t, options{})
	for path, want := range map[string]string{
		"/admin.html" + credentials:      "'self' https://hullapp.io https://*.hullapp.io",
		"/admin/":                        "'none'",
		"/api/v1/session":                "'none'",
		"/api/v1/connectors":             "'none'",
		"/api/v1/connectors/" + ship:     "'none'",
		"/api/v1/connectors/no/such/one": "'none'",
	} {
		r := s.do("GET", path, "", adminKey)
		_, got, _ := strings.Cut(r.header.Get("Content-Security-Policy"), "frame-ancestors ")
		if got, _, _ = strings.Cut(got, ";"); got != want {
			t.Errorf("%s: %d, framed by %q, want %q", path, r.status, got, want)
		}
	}
}
