package api_test

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"hullbeam/api"
)

// What is for pages of any origin; all else only pages of our own may embed.
var embeddable = regexp.MustCompile(`^/(ship|api/v1/(stream|pages|visitors/email|offers/:offer/receipt|connectors/:connector/(token|:script))$|manifest.json|readme)`)

// Every route tells browsers to guess no types, to pass on no address, and who may frame
// and embed what it answers.
func TestHeadersOfEveryRoute(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Demo = true }})
	routes := s.api.Routes()
	if len(routes) < 50 {
		t.Fatalf("%d routes", len(routes))
	}
	for _, route := range append(routes, "GET /nothing", "DELETE /ship.js") {
		method, pattern, _ := strings.Cut(route, " ")
		path := regexp.MustCompile(`[:*]\w+`).ReplaceAllString(pattern, "x")
		r := s.do(method, path, "")
		want := map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Server": "", "X-Powered-By": "",
			"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "",
		}
		if embeddable.MatchString(pattern) || r.status == http.StatusMethodNotAllowed || r.status == http.StatusNotFound && pattern == "/nothing" {
			want["Cross-Origin-Resource-Policy"] = "cross-origin"
		}
		if method == http.MethodGet && strings.HasPrefix(pattern, "/demo/") {
			want["Referrer-Policy"] = "strict-origin-when-cross-origin"
		}
		for name, value := range want {
			if got := r.header.Get(name); got != value {
				t.Errorf("%s (%d): %s is %q, want %q", route, r.status, name, got, value)
			}
		}
		if policy := r.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, "frame-ancestors ") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: its policy is %q", route, policy)
		}
	}
}

// Pages of ours say what they load, who frames them, and that they need nothing of the
// visitor's machine.
func TestHeadersOfPages(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Demo = true }})
	for path, framers := range map[string]string{
		"/admin/": "frame-ancestors 'none'", "/demo/": "frame-ancestors 'self'", "/demo/dashboard.html": "frame-ancestors 'self'",
		"/admin.html": "frame-ancestors 'self' https://hullapp.io https://*.hullapp.io",
	} {
		r := s.do("GET", path, "")
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: got %d %s", path, r.status, r.header.Get("Content-Type"))
		}
		if policy := r.header.Get("Content-Security-Policy"); !strings.Contains(policy, framers) || !strings.Contains(policy, "script-src 'self';") {
			t.Errorf("%s: its policy is %q, want %s", path, policy, framers)
		}
		if got := r.header.Get("Permissions-Policy"); !strings.Contains(got, "geolocation=()") {
			t.Errorf("%s: Permissions-Policy is %q", path, got)
		}
	}
}

func TestStrictTransportSecurity(t *testing.T) {
	for url, want := range map[string]string{
		"https://beam.example.com": "max-age=31536000", "https://beam.example.com:8443": "max-age=31536000",
		"http://beam.example.com": "", "https://localhost:8443": "", "https://127.0.0.1": "", "": "",
	} {
		s := start(t, options{config: func(c *api.Config) { c.PublicURL = url }})
		for _, path := range []string{"/healthz", "/ship.js", "/api/v1/stream", "/admin/"} {
			if got := s.do("GET", path, "", "X-Forwarded-Proto: https").header.Get("Strict-Transport-Security"); got != want {
				t.Errorf("%s%s: got %q, want %q", url, path, got, want)
			}
		}
	}
}

// Development mode is asked by a name of this machine, without a proxy, or not at all;
// other pages read nothing there.
func TestDevelopmentModeIsForThisMachine(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Demo = true }})
	paths := []string{"/demo/", "/demo/hull/", "/healthz", "/admin/", "/metrics", "/api/v1/stream", "/ship.js", "/api/v1/connectors"}
	for what, header := range map[string]string{
		"a name that leads here":    "Host: evil.example",
		"one with our port":         "Host: evil.example:8082",
		"a name like ours":          "Host: localhost.evil.example",
		"an address of the network": "Host: 192.0.2.1:8082",
		"a proxy":                   "X-Forwarded-For: 127.0.0.1",
		"a proxy that names a host": "X-Forwarded-Host: localhost",
		"a proxy by the standard":   "Forwarded: for=127.0.0.1",
		"a proxy that names itself": "Via: 1.1 proxy",
		"nginx":                     "X-Real-Ip: 127.0.0.1",
	} {
		for _, path := range paths {
			if r := s.do("GET", path, "", header); r.status != http.StatusForbidden && r.status != http.StatusBadRequest {
				t.Errorf("%s, %s: got %d %s", what, path, r.status, r.body)
			}
		}
	}
	for _, host := range []string{"localhost", "localhost:8082", "127.0.0.1:1", "127.8.8.8", "[::1]:8082"} {
		if r := s.do("GET", "/demo/", "", "Host: "+host); r.status != http.StatusOK {
			t.Errorf("%s: got %d %s", host, r.status, r.body)
		}
	}
	for _, path := range []string{"/demo/", "/demo/hull/", "/demo/dashboard.js", "/admin/"} {
		h := maps.Clone(s.do("GET", path, "", "Origin: https://evil.example").header)
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: another site's page may read it: %v", path, h)
		}
	}
}
