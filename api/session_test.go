package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
)

const (
	withKey  = `{"key":"an admin key for tests"}`
	withHull = `{"ship":"` + ship + `","organization":"` + org + `","secret":"` + secret + `"}`
	asJSON   = "Content-Type: application/json"
	sameSite = "Sec-Fetch-Site: same-origin"
)

// signIn begins a session, and returns the header with its cookie.
func (s *server) signIn(body string, headers ...string) (cookie string) {
	s.t.Helper()
	r := s.do("POST", "/api/v1/session", body, append(headers, asJSON)...)
	if r.status != http.StatusCreated {
		s.t.Fatalf("signing in: %d %s", r.status, r.body)
	}
	name, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	return "Cookie: " + name
}

// lets tells whether a cookie is that of a session.
func (s *server) lets(cookie string) bool {
	s.t.Helper()
	r := s.do("GET", "/api/v1/session", "", cookie)
	if r.status != http.StatusOK && r.code() != "unauthorized" {
		s.t.Fatalf("the session: %d %s", r.status, r.body)
	}
	return r.status == http.StatusOK
}

func TestSignIn(t *testing.T) {
	now, ahead := skewed()
	s := start(t, options{now: now, private: wellSet})
	for name, test := range map[string]struct{ body, operator, connectors string }{
		"an admin key":           {withKey, `"key:`, `null`},
		"a connector's, of Hull": {withHull, `"hull:` + ship + `"`, `["` + ship + `"]`},
	} {
		r := s.do("POST", "/api/v1/session", test.body, asJSON, sameSite)
		if r.status != http.StatusCreated || r.header.Get("Cache-Control") != "no-store" ||
			!strings.HasPrefix(string(r.body), `{"operator":`+test.operator) || !strings.Contains(string(r.body), `"connectors":`+test.connectors+`,"expires_at":"`) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		set := r.header.Get("Set-Cookie")
		cookie, attributes, _ := strings.Cut(set, "; ")
		if want := "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"; attributes != want || !strings.HasPrefix(cookie, "hullbeam_session=") {
			t.Errorf("%s: the cookie is %s, want %s", name, set, want)
		}
		again := s.do("GET", "/api/v1/session", "", "Cookie: "+cookie)
		if again.status != http.StatusOK || string(again.body) != string(r.body) {
			t.Errorf("%s: the session is %d %s, want %s", name, again.status, again.body, r.body)
		}
	}
	cookie := s.signIn(withKey)
	ahead.Add(int64(12*time.Hour - time.Minute))
	if !s.lets(cookie) {
		t.Error("the session has ended before its time")
	}
	ahead.Add(int64(2 * time.Minute))
	if s.lets(cookie) {
		t.Error("the session goes on after its time")
	}
	if r := s.do("GET", "/api/v1/session", "", adminKey); r.status != http.StatusOK || !strings.Contains(string(r.body), `"connectors":null,"scope":"write"}`) {
		t.Errorf("with the key itself: %d %s", r.status, r.body)
	}
}

// Who comes over https gets a cookie that browsers send over https alone, and that no
// other host can set. In clear it is for this machine.
func TestSessionCookieIsForItsWay(t *testing.T) {
	s := start(t, options{})
	const https = "X-Forwarded-Proto: https"
	r := s.do("POST", "/api/v1/session", withKey, asJSON, https, "Host: beam.example")
	set := r.header.Get("Set-Cookie")
	if !strings.HasPrefix(set, "__Host-hullbeam_session=") || !strings.HasSuffix(set, "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Strict") {
		t.Errorf("over https: %d %s", r.status, set)
	}
	value, _, _ := strings.Cut(strings.TrimPrefix(set, "__Host-hullbeam_session="), ";")
	for name, test := range map[string]struct {
		headers []string
		lets    bool
	}{
		"the cookie over https":                {[]string{https, "Cookie: __Host-hullbeam_session=" + value}, true},
		"the cookie in clear":                  {[]string{"Cookie: __Host-hullbeam_session=" + value}, false},
		"the other name, which others may set": {[]string{https, "Cookie: hullbeam_session=" + value}, false},
	} {
		if r := s.do("GET", "/api/v1/session", "", test.headers...); (r.status == http.StatusOK) != test.lets {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := s.do("POST", "/api/v1/session", withKey, asJSON, "Host: beam.example"); r.code() != "forbidden" || r.header.Get("Set-Cookie") != "" {
		t.Errorf("in clear, from elsewhere: %d %s", r.status, r.body)
	}
}

func TestSignInIsRefused(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.WrongKeysPerAddress = 0 }})
	for name, test := range map[string]struct{ body, code string }{
		"another key":            {`{"key":"another key for tests."}`, "unauthorized"},
		"another secret":         {`{"ship":"` + ship + `","organization":"` + org + `","secret":"x"}`, "unauthorized"},
		"another organization":   {`{"ship":"` + ship + `","organization":"other.hullapp.io","secret":"` + secret + `"}`, "unauthorized"},
		"another ship":           {`{"ship":"000000000000000000000000","organization":"` + org + `","secret":"` + secret + `"}`, "unauthorized"},
		"a part of credentials":  {`{"ship":"` + ship + `"}`, "unauthorized"},
		"rubbish for a code":     {`{"code":"x"}`, "unauthorized"},
		"nothing":                {`{}`, "invalid_request"},
		"two ways":               {`{"key":"an admin key for tests","code":"x"}`, "invalid_request"},
		"a number":               {`{"key":7}`, "invalid_request"},
		"no JSON":                {`key`, "invalid_request"},
		"too much":               {`{"key":"` + strings.Repeat("x", 8<<10) + `"}`, "body_too_large"},
		"a key that is too long": {`{"key":"an admin key for tests."}`, "unauthorized"},
	} {
		r := s.do("POST", "/api/v1/session", test.body, asJSON)
		if r.code() != test.code || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s, want %s", name, r.status, r.body, test.code)
		}
	}
	if r := s.do("POST", "/api/v1/session", withKey, "Content-Type: text/plain"); r.code() != "unsupported_media_type" {
		t.Errorf("as a form of another site could: %d %s", r.status, r.body)
	}
	if got := s.metric("hullbeam_operator_sessions_total", "result", "refused"); got != 7 {
		t.Errorf("%v were refused, want 7", got)
	}
}

// Who is limited is answered at once, and is in the metric of sessions; right ones get in.
func TestSignInsAreLimited(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.WrongKeysPerAddress = 1 }})
	for _, code := range []string{"unauthorized", "rate_limited"} {
		if r := s.do("POST", "/api/v1/session", `{"key":"wrong"}`, asJSON); r.code() != code {
			t.Errorf("%d %s, want %s", r.status, r.body, code)
		}
	}
	if r := s.do("POST", "/api/v1/session", withKey, asJSON); r.status != http.StatusCreated {
		t.Errorf("the right key: %d %s", r.status, r.body)
	}
	if got := s.metric("hullbeam_operator_sessions_total", "result", "limited"); got != 1 {
		t.Errorf("%v were limited, want 1", got)
	}
}

// Who has signed in from Hull's dashboard sees and changes their connector alone.
func TestSessionOfOneConnector(t *testing.T) {
	s := start(t, options{})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Organization: org, Secret: secret}))
	cookie := s.signIn(withHull)
	for route, want := range map[string]int{
		"GET /api/v1/connectors/" + ship:                 200,
		"GET /api/v1/connectors/" + ship + "/audit":      200,
		"POST /api/v1/connectors/" + ship + "/users":     202,
		"GET /api/v1/connectors/other":                   403,
		"PUT /api/v1/connectors/other":                   403,
		"DELETE /api/v1/connectors/other":                403,
		"GET /api/v1/connectors/other/audit":             403,
		"POST /api/v1/connectors/other/users":            403,
		"POST /api/v1/connectors/other/offers":           403,
		"PUT /api/v1/connectors/5c0fa1fbe6e53d5e4b1a2c9": 403,
		"GET /api/v1/audit":                              403,
	} {
		method, path, _ := strings.Cut(route, " ")
		r := s.do(method, path, `[]`, cookie, sameSite)
		if r.status != want || want == 403 && r.code() != "forbidden" {
			t.Errorf("%s: %d %s, want %d", route, r.status, r.body, want)
		}
	}
	if got := listedConnectors(t, s.do("GET", "/api/v1/connectors", "", cookie)); len(got) != 1 || got[0].ID != ship {
		t.Errorf("the list has %+v", got)
	}
	if r := s.do("GET", "/metrics", "", cookie, "X-Forwarded-For: 203.0.113.7"); r.code() != "unauthorized" {
		t.Errorf("metrics: %d %s", r.status, r.body)
	}
}

// A session is used by our own pages alone, though browsers add the cookie to whatever is
// asked of this host. Keys are added by nobody.
func TestCrossSiteRequestsAreRefused(t *testing.T) {
	s := start(t, options{})
	cookie, users := s.signIn(withKey), "/api/v1/connectors/"+ship+"/users"
	own := "Origin: " + s.URL
	for name, test := range map[string]struct {
		method  string
		headers []string
		lets    bool
	}{
		"a change by our page":                            {"POST", []string{sameSite}, true},
		"a change by our page, of an older browser":       {"POST", []string{own}, true},
		"a change by another site":                        {"POST", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, false},
		"a change by another host of the site":            {"POST", []string{"Sec-Fetch-Site: same-site"}, false},
		"a change by another site, of an older browser":   {"POST", []string{"Origin: https://evil.example"}, false},
		"a change from a frame without origin":            {"POST", []string{"Origin: null"}, false},
		"a change by who does not say":                    {"POST", nil, false},
		"a change by an address that was typed":           {"POST", []string{"Sec-Fetch-Site: none"}, false},
		"a change by an origin that says it is no page":   {"POST", []string{"Sec-Fetch-Site: none", own}, false},
		"a change by our host at another port":            {"POST", []string{"Origin: http://127.0.0.1:1"}, false},
		"a change by our host without its port":           {"POST", []string{"Origin: http://127.0.0.1"}, false},
		"a change by a host below ours":                   {"POST", []string{"Origin: http://sub." + strings.TrimPrefix(s.URL, "http://")}, false},
		"a change by a host that begins as ours":          {"POST", []string{"Origin: " + s.URL + ".evil.example"}, false},
		"a change by who has our host as a user":          {"POST", []string{"Origin: " + s.URL + "@evil.example"}, false},
		"a change by an origin that is none":              {"POST", []string{"Origin: ://"}, false},
		"a change by an origin of nothing":                {"POST", []string{"Origin: "}, false},
		"a change by a site that nobody has named yet":    {"POST", []string{"Sec-Fetch-Site: unknown", own}, false},
		"a change by two sites":                           {"POST", []string{"Sec-Fetch-Site: cross-site, same-origin"}, false},
		"a change by a form of another site":              {"POST", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "Content-Type: text/plain"}, false},
		"a change by a form of an older browser":          {"POST", []string{"Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"}, false},
		"a change by a page without referrer or origin":   {"POST", []string{"Origin: null", "Sec-Fetch-Site: cross-site"}, false},
		"a look by a site that nobody has named yet":      {"GET", []string{"Sec-Fetch-Site: unknown"}, false},
		"a look by our page":                              {"GET", []string{sameSite}, true},
		"a look by an address that was typed":             {"GET", []string{"Sec-Fetch-Site: none"}, true},
		"a look by an older browser":                      {"GET", nil, true},
		"a look by another site":                          {"GET", []string{"Sec-Fetch-Site: cross-site"}, false},
		"a look by another host of the site":              {"GET", []string{"Sec-Fetch-Site: same-site"}, false},
		"a change by another site that has our key":       {"POST", []string{"Sec-Fetch-Site: cross-site", adminKey}, true},
		"a change with a wrong key beside a good session": {"POST", []string{sameSite, "Authorization: Bearer wrong"}, false},
	} {
		path := users
		if test.method == "GET" {
			path = "/api/v1/connectors"
		}
		r := s.do(test.method, path, `[]`, append(test.headers, cookie)...)
		if (r.status < 300) != test.lets || !test.lets && r.code() != "forbidden" && r.code() != "unauthorized" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	for _, from := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: null", "Origin: https://evil.example", "Origin: http://127.0.0.1:1"} {
		if r := s.do("POST", "/api/v1/session", withKey, asJSON, from); r.code() != "forbidden" || r.header.Get("Set-Cookie") != "" {
			t.Errorf("another site signs in, %s: %d %s", from, r.status, r.body)
		}
	}
	if r := s.do("DELETE", "/api/v1/session", "", cookie, "Sec-Fetch-Site: cross-site"); r.code() != "forbidden" || !s.lets(cookie) {
		t.Errorf("another site signs out: %d %s", r.status, r.body)
	}
}

// No other method gets around what is asked of a change, and no page of another site is
// told that it may ask.
func TestOtherMethodsOfOperatorsRoutes(t *testing.T) {
	s := start(t, options{})
	cookie := s.signIn(withKey)
	for _, method := range []string{"HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "post"} {
		for _, path := range []string{"/api/v1/connectors", "/api/v1/connectors/" + ship, "/api/v1/session", "/api/v1/audit"} {
			r := s.do(method, path, "", cookie, "Origin: https://evil.example", "Access-Control-Request-Method: DELETE")
			if r.status != http.StatusMethodNotAllowed || r.header.Get("Access-Control-Allow-Methods")+r.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: %d %v", method, path, r.status, r.header)
			}
		}
	}
	for _, header := range []string{"X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE"} {
		if r := s.do("GET", "/api/v1/connectors/"+ship, "", cookie, header); r.status != http.StatusOK {
			t.Errorf("%s: %d %s", header, r.status, r.body)
		}
	}
	if r := s.do("GET", "/api/v1/connectors", "", cookie, "Origin: https://evil.example"); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another site may read: %v", r.header)
	}
}

// Of two cookies of the name one may be somebody else's session, which another host of the
// site, or who is on the way, has put there: neither is taken.
func TestTossedCookies(t *testing.T) {
	s := start(t, options{})
	mine, others := s.signIn(withKey), strings.TrimPrefix(s.signIn(withHull), "Cookie: ")
	for name, cookies := range map[string][]string{
		"behind": {mine + "; " + others}, "in front": {"Cookie: " + others + "; " + strings.TrimPrefix(mine, "Cookie: ")},
		"in another header": {mine, "Cookie: " + others}, "rubbish in front": {"Cookie: hullbeam_session=x; " + strings.TrimPrefix(mine, "Cookie: ")},
	} {
		if r := s.do("GET", "/api/v1/session", "", cookies...); r.code() != "unauthorized" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := s.do("GET", "/api/v1/session", "", mine+"; another=x; __Host-hullbeam_session=x"); r.status != http.StatusOK {
		t.Errorf("beside others: %d %s", r.status, r.body)
	}
}

func TestSignOut(t *testing.T) {
	s := start(t, options{})
	cookie, other := s.signIn(withKey), s.signIn(withKey)
	var looks sync.WaitGroup
	for range 20 { // a look takes what ends the session for a moment
		looks.Go(func() { s.do("GET", "/api/v1/session", "", cookie) })
	}
	r := s.do("DELETE", "/api/v1/session", "", cookie, sameSite)
	looks.Wait()
	if set := r.header.Get("Set-Cookie"); r.status != http.StatusNoContent || !strings.HasPrefix(set, "hullbeam_session=; Path=/; Max-Age=0;") {
		t.Errorf("signing out: %d %s %s", r.status, set, r.body)
	}
	if s.lets(cookie) {
		t.Error("the session goes on")
	}
	if !s.lets(other) {
		t.Error("another session has ended with it")
	}
	for name, header := range map[string]string{"again": cookie, "without a session": "X-Nothing: there", "with rubbish": "Cookie: hullbeam_session=x"} {
		if r := s.do("DELETE", "/api/v1/session", "", header, sameSite); r.status != http.StatusNoContent {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// What an operator watches ends with the session.
func TestSignOutEndsWhatIsWatched(t *testing.T) {
	s := start(t, options{})
	cookie := s.signIn(withKey)
	name, value, _ := strings.Cut(cookie, ": ")
	req := must(http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/connectors/"+ship+"/live", nil))
	req.Header.Set(name, value)
	watched := must(http.DefaultTransport.RoundTrip(req))
	defer watched.Body.Close()
	if watched.StatusCode != http.StatusOK {
		t.Fatalf("watching: %d", watched.StatusCode)
	}
	if r := s.do("DELETE", "/api/v1/session", "", cookie, sameSite); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if text := must(io.ReadAll(watched.Body)); !strings.Contains(string(text), "revoked") {
		t.Errorf("it ended with %s", text)
	}
}

// A session stands on what it was begun with.
func TestSessionEndsWithItsCredential(t *testing.T) {
	directory := t.TempDir()
	s := start(t, options{directory: directory})
	keyed, hulls := s.signIn(withKey), s.signIn(withHull)
	body := `{"organization":"` + org + `","secret":"a new secret of Hull's"}`
	if r := s.do("PUT", "/api/v1/connectors/"+ship, body, adminKey); r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if s.lets(hulls) {
		t.Error("the session goes on with the old secret")
	}
	if !s.lets(keyed) {
		t.Error("the session of a key has ended")
	}
	s.stop()
	s.store.Close()
	restarted := start(t, options{directory: directory, unknown: true, config: func(c *api.Config) { c.AdminKeys = []string{"another admin key for tests"} }})
	if restarted.lets(keyed) {
		t.Error("the session goes on without its key")
	}
	kept := start(t, options{config: func(c *api.Config) { c.AdminKeys = []string{"another admin key for tests", "an admin key for tests"} }})
	if !kept.lets(keyed) {
		t.Error("another node with the key does not know the session")
	}
}

func TestForgedSessions(t *testing.T) {
	s := start(t, options{private: wellSet})
	cookie := s.signIn(withKey)
	_, code, _ := strings.Cut(s.installCode(), "#code=")
	for name, value := range map[string]string{
		"cut": cookie[:len(cookie)-2], "longer": cookie + "A", "empty": "Cookie: hullbeam_session=", "long": cookie + strings.Repeat("A", 2000),
		"a token of a stream":    "Cookie: hullbeam_session=" + s.token(claim("anonymous_id", anonymous)),
		"a token of Hull's page": "Cookie: hullbeam_session=" + s.installToken(),
		"a one-time code":        "Cookie: hullbeam_session=" + code,
	} {
		if s.lets(value) {
			t.Errorf("%s: it lets in", name)
		}
	}
	value := strings.TrimPrefix(cookie, "Cookie: hullbeam_session=")
	if r := s.do("POST", "/api/v1/session", `{"code":"`+value+`"}`, asJSON); r.code() != "unauthorized" {
		t.Errorf("a session for a code: %d %s", r.status, r.body)
	}
}

// installCode is the address that Hull's page opens the operators' pages with.
func (s *server) installCode() string {
	s.t.Helper()
	r := s.do("POST", "/install/code", "", "Authorization: Bearer "+s.installToken())
	var answer struct{ URL string }
	if err := json.Unmarshal(r.body, &answer); err != nil || r.status != http.StatusCreated || r.header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("a code: %d %s", r.status, r.body)
	}
	return answer.URL
}

func TestOneTimeCode(t *testing.T) {
	now, ahead := skewed()
	s := start(t, options{now: now, private: wellSet})
	url := s.installCode()
	code, ok := strings.CutPrefix(url, "/admin/#code=")
	if !ok {
		t.Fatalf("the address is %s", url)
	}
	body := `{"code":"` + code + `"}`
	var begun sync.WaitGroup
	answers := make(chan reply, 10)
	for range cap(answers) {
		begun.Go(func() { answers <- s.do("POST", "/api/v1/session", body, asJSON, sameSite) })
	}
	begun.Wait()
	close(answers)
	good := 0
	for r := range answers {
		if r.status != http.StatusCreated {
			continue
		}
		good++
		if !strings.Contains(string(r.body), `"operator":"hull:`+ship+`","connectors":["`+ship+`"]`) {
			t.Errorf("the session is %s", r.body)
		}
	}
	if good != 1 {
		t.Errorf("the code was good %d times", good)
	}
	if strings.Contains(s.log.String(), code) {
		t.Error("the code is in the log")
	}

	late := strings.TrimPrefix(s.installCode(), "/admin/#code=")
	ahead.Add(int64(time.Minute))
	if r := s.do("POST", "/api/v1/session", `{"code":"`+late+`"}`, asJSON); r.code() != "unauthorized" {
		t.Errorf("after a minute: %d %s", r.status, r.body)
	}
	for name, header := range map[string]string{"no token": "X-Nothing: there", "an admin key": adminKey, "a stream's token": "Authorization: Bearer " + s.token(claim("anonymous_id", anonymous))} {
		if r := s.do("POST", "/install/code", "", header); r.code() != "token_invalid" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// What Hull's page was given is over when the connector has another secret.
func TestOneTimeCodeEndsWithTheSecret(t *testing.T) {
	s := start(t, options{private: wellSet})
	token, code := s.installToken(), strings.TrimPrefix(s.installCode(), "/admin/#code=")
	s.do("PUT", "/api/v1/connectors/"+ship, `{"organization":"`+org+`","secret":"a new secret of Hull's"}`, adminKey)
	if r := s.do("POST", "/install/code", "", "Authorization: Bearer "+token); r.code() != "token_invalid" {
		t.Errorf("another code: %d %s", r.status, r.body)
	}
	if r := s.do("POST", "/api/v1/session", `{"code":"`+code+`"}`, asJSON); r.code() != "unauthorized" {
		t.Errorf("the code: %d %s", r.status, r.body)
	}
}

func TestOneTimeCodeOfAnotherAddress(t *testing.T) {
	s := start(t, options{private: wellSet, config: func(c *api.Config) { c.AdminApart = true }})
	if r := s.do("POST", "/install/code", "", "Authorization: Bearer "+s.installToken()); r.code() != "not_found" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	page := string(s.do("GET", "/admin.html"+credentials, "").body)
	if strings.Contains(page, `id="operators"`) || !strings.Contains(page, "at another address") {
		t.Errorf("the page is %s", page)
	}
}

// Who has signed in for one connector cannot make it anew as somebody else's, by a body that
// still comes when the connector has been deleted.
func TestSessionOfADeletedConnectorMakesNone(t *testing.T) {
	s := start(t, options{})
	cookie := s.signIn(withHull)
	body, rest := io.Pipe()
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", s.URL+"/api/v1/connectors/"+ship, body)
	for _, header := range []string{cookie, sameSite, asJSON, "Expect: 100-continue"} {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	answered := make(chan int, 1)
	go func() {
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		res.Body.Close()
		answered <- res.StatusCode
	}()
	io.WriteString(rest, `{"organization":"elsewhere.example","secret":"another",`) // it is let in: the body is read
	if r := s.do("DELETE", "/api/v1/connectors/"+ship, "", cookie, sameSite); r.status != http.StatusNoContent {
		t.Fatal(r.status, string(r.body))
	}
	io.WriteString(rest, `"settings":{}}`)
	rest.Close()
	if status := <-answered; status != http.StatusNotFound {
		t.Errorf("made: %d", status)
	}
	if known, err := s.store.Connector(t.Context(), ship); err == nil {
		t.Errorf("there is a connector of %s", known.Organization)
	}
}
