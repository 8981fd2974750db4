package api_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
)

// installToken is what the install page reads how the connector is doing with.
func (s *server) installToken() string {
	s.t.Helper()
	r := s.do("GET", "/admin.html"+credentials, "")
	m := regexp.MustCompile(`data-token="([^"]+)"`).FindSubmatch(r.body)
	if r.status != http.StatusOK || m == nil {
		s.t.Fatalf("got %d %s", r.status, r.body)
	}
	return string(m[1])
}

func TestInstallPage(t *testing.T) {
	s := start(t, options{private: `{"whitelisted_domains":["www.harbor.example","*"],"public_events":["Viewed"]}`})
	s.update(somebody)
	s.token(claim("anonymous_id", anonymous))
	s.listen(s.token(claim("anonymous_id", anonymous)))
	r := s.do("GET", "/admin.html"+credentials, "")
	page := string(r.body)
	snippet := `&lt;script src=&#34;http://beam.example/ship.js&#34; type=&#34;text/javascript&#34; async defer ` +
		`data-hull-id=&#34;` + ship + `&#34; data-hull-endpoint=&#34;http://beam.example&#34; charset=&#34;utf-8&#34;&gt;&lt;/script&gt;`
	for _, part := range []string{snippet, "<code>www.harbor.example</code>", "a star alone matches nothing", "just now",
		`<dt>Pages open now</dt><dd>1`, `class="warning"`} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %s:\n%s", part, page)
		}
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'self' https://hullapp.io https://*.hullapp.io",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if regexp.MustCompile(`(?i)<style|<script>|style=|\son\w+=`).MatchString(page) {
		t.Error("the page has what its policy forbids")
	}
	for _, path := range regexp.MustCompile(`(?:href|src)="(/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		if r := s.do("GET", path[1], ""); r.status != http.StatusOK {
			t.Errorf("%s: %d", path[1], r.status)
		}
	}
}

// The page's policy names the dashboards of the organizations, and nothing else.
func TestInstallPageIsFramedByHullAlone(t *testing.T) {
	for _, test := range []struct {
		organizations []string
		want          string
	}{
		{nil, "'self'"},
		{[]string{"hullapp.io", "hull.io"}, "'self' https://hullapp.io https://*.hullapp.io https://hull.io https://*.hull.io"},
		{[]string{"a.example; script-src *", "*", "b.example"}, "'self' https://b.example https://*.b.example"},
	} {
		s := start(t, options{config: func(c *api.Config) { c.Hull.Organizations = test.organizations }})
		_, got, _ := strings.Cut(s.do("GET", "/admin.html", "").header.Get("Content-Security-Policy"), "frame-ancestors ")
		if got != test.want {
			t.Errorf("%q: %s, want %s", test.organizations, got, test.want)
		}
	}
}

func TestA15TheSecretStaysOutOfPageAndLog(t *testing.T) {
	s := start(t, options{private: `{"whitelisted_domains":["www.harbor.example"],"identity_secret":"the customer's own"}`})
	s.hullTakes()
	page := s.do("GET", "/admin.html"+credentials, "")
	check := s.do("GET", "/install/check", "", "Authorization: Bearer "+s.installToken())
	s.do("GET", "/status"+credentials, "")
	s.hullSays.Store(&reply{status: 500})
	s.do("GET", "/status"+credentials, "")
	for name, text := range map[string]string{"page": string(page.body), "check": string(check.body), "log": s.log.String()} {
		for _, secret := range []string{secret, "the customer's own"} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s has the secret", name)
			}
		}
	}
	if !strings.Contains(string(readFile(t, "../static/install/files/install.js")), `history.replaceState(null, "", location.pathname)`) {
		t.Error("the secret stays in the address")
	}
}

func TestInstallCheck(t *testing.T) {
	now, ahead := skewed()
	s := start(t, options{private: wellSet, now: now})
	stream, token := s.token(claim("anonymous_id", anonymous)), s.installToken()
	get := func(token string) reply { return s.do("GET", "/install/check", "", "Authorization: Bearer "+token) }
	r := get(token)
	if r.status != http.StatusOK || !strings.Contains(string(r.body), "No notification") || strings.Contains(string(r.body), "<html") || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	s.update(somebody)
	if r := get(token); !strings.Contains(string(r.body), "All is well") {
		t.Errorf("got %s", r.body)
	}
	for name, token := range map[string]string{"none": "", "rubbish": "x", "a stream's": stream, "cut": token[:len(token)-4], "another's": token[1:] + "A"} {
		if r := get(token); r.status != http.StatusUnauthorized || r.code() != "token_invalid" {
			t.Errorf("%s token: %d %s", name, r.status, r.body)
		}
	}
	if r := s.do("GET", "/api/v1/stream?token="+token, ""); r.status != http.StatusUnauthorized {
		t.Errorf("it opens a stream: %d", r.status)
	}
	ahead.Add(int64(time.Hour - time.Minute))
	if r := get(token); r.status != http.StatusOK {
		t.Errorf("after 59 minutes: %d", r.status)
	}
	ahead.Add(int64(2 * time.Minute))
	if r := get(token); r.status != http.StatusUnauthorized || r.code() != "token_expired" {
		t.Errorf("after an hour: %d %s", r.status, r.body)
	}
}

func TestA17InstallPageEscapesWhatOthersWrite(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	s := start(t, options{private: `{"whitelisted_domains":["www.harbor.example","\"><script>alert(1)</script>","{{.Token}}"],"public_traits":["email"]}`})
	page := string(s.do("GET", "/admin.html"+credentials, "").body)
	if strings.Contains(page, "alert(1)</script>") || !strings.Contains(page, "&lt;script&gt;alert(1)") || !strings.Contains(page, "{{.Token}}") {
		t.Errorf("got %s", page)
	}
	for _, name := range []string{"ship", "id", "organization", "secret", "token", "hullToken", "state", "x"} {
		query := url.Values{"ship": {ship}, "organization": {org}}
		query.Set(name, hostile)
		for _, path := range []string{"/admin.html", "/status"} {
			r := s.do("GET", path+"?"+query.Encode(), "")
			if r.status != http.StatusForbidden || strings.Contains(string(r.body), "alert") {
				t.Errorf("%s with a hostile %s: %d %s", path, name, r.status, r.body)
			}
		}
	}
}

// Who is not let in does not learn whether there is such a connector.
func TestInstallPageIsTheSameForAllWhoAreNotLetIn(t *testing.T) {
	s := start(t, options{})
	var first string
	for _, query := range []string{"", "?ship=" + ship, "?ship=" + ship + "&organization=" + org + "&secret=x",
		"?ship=5c0fa1fbe6e53d5e4b1a2c99&organization=" + org + "&secret=" + secret, "?token=x", credentials + "&secret=x"} {
		r := s.do("GET", "/admin.html"+query, "")
		if r.status != http.StatusForbidden || !strings.Contains(string(r.body), "Hull has sent its settings") {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
		if first == "" {
			first = string(r.body)
		}
		if string(r.body) != first {
			t.Errorf("%s: another page", query)
		}
	}
}

func TestInstallFiles(t *testing.T) {
	s := start(t, options{})
	for path, want := range map[string]int{
		"/install/files/install.css": 200, "/install/files/install.js": 200, "/install/files/logo.svg": 200,
		"/install/files/..%2Fpage.html": 404, "/install/files/page.html": 404, "/install/files/.": 404,
	} {
		if r := s.do("GET", path, ""); r.status != want {
			t.Errorf("%s: %d, want %d", path, r.status, want)
		}
	}
}
