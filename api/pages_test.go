package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/store/storetest"
	"hullbeam/stream"
)

const (
	identityKey = "the site's identity secret"
	tracking    = `{"whitelisted_domains":["www.harbor.example"],"track_page_views":true,"identity_secret":"` + identityKey + `"}`
	ownPage     = page + "/pricing"
)

// hullEntry is an entry of the firehose as Hull reads it.
type hullEntry struct {
	Type    string
	Body    map[string]any
	Headers map[string]string

	secret string        // of the request
	claims jwt.MapClaims // of the entry's own token
}

// asUser is whom the entry is about.
func (e hullEntry) asUser() map[string]any {
	user, _ := e.claims["io.hull.asUser"].(map[string]any)
	return user
}

// recorder is a Hull that notes what its firehose gets.
type recorder struct {
	t   *testing.T
	URL string

	refuses atomic.Int32 // the status with which it does; 0: it takes all

	mu      sync.Mutex
	entries []hullEntry
}

func record(t *testing.T) *recorder {
	r := &recorder{t: t}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if status := r.refuses.Load(); status != 0 {
		w.WriteHeader(int(status))
		return
	}
	secret := req.Header.Get("Hull-Access-Token")
	var body struct{ Batch []hullEntry }
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range body.Batch {
		e.secret, e.claims = secret, jwt.MapClaims{}
		if _, err := jwt.ParseWithClaims(e.Headers["Hull-Access-Token"], e.claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }); err != nil {
			r.t.Errorf("the entry's token: %v", err)
		}
		r.entries = append(r.entries, e)
	}
}

// wait returns the entries once there are so many.
func (r *recorder) wait(n int) []hullEntry {
	r.t.Helper()
	var entries []hullEntry
	storetest.Eventually(r.t, fmt.Sprintf("Hull has %d entries", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		entries = r.entries
		return len(entries) >= n
	})
	return entries
}

// view is the body of a page view.
func view(token, id string) string {
	return string(must(json.Marshal(map[string]any{"token": token, "url": ownPage, "view": id})))
}

// beacon posts as a page does that is left.
func (s *server) beacon(path, body string, headers ...string) reply {
	s.t.Helper()
	return s.do("POST", path, body, append(headers, "Origin: "+page, "Content-Type: text/plain;charset=UTF-8")...)
}

// viewed posts a page view that is taken.
func (s *server) viewed(body string) {
	s.t.Helper()
	if r := s.beacon("/api/v1/pages", body); r.status != http.StatusAccepted {
		s.t.Fatalf("page view: %d %s", r.status, r.body)
	}
}

func TestPageViewsReachHull(t *testing.T) {
	calls := record(t)
	s := start(t, options{private: tracking, firehose: calls.URL})
	token := s.token(`{"claims":{"anonymous_id":"` + anonymous + `","email":"ceo@harbor.example"},"page":{"url":"` + page + `/?utm_source=x&email=ada%40harbor.example","title":"Home","view":"v1"}}`)
	s.viewed(`{"token":"` + token + `","url":"` + page + `/pr%C3%AFs?token=1#top","title":"Prices & more","referrer":"https://search.example/?q=me","local_time":"2026-01-01T10:00:00.5+02:00","tab":"t1","view":"v2"}`)
	s.viewed(view(token, "v2"))
	s.viewed(view(token, "v1"))
	s.viewed(`{"token":"` + token + `","tab":"t1","gone":true}`)
	s.viewed(view(token, "marker"))
	entries := calls.wait(3)
	want := []map[string]any{
		{"ip": nil, "url": page + "/", "referer": nil, "source": "hullbeam", "event": "page", "properties": map[string]any{"title": "Home"}},
		{"ip": nil, "url": page + "/pr%C3%AFs", "referer": "https://search.example/", "source": "hullbeam", "event": "page", "properties": map[string]any{"title": "Prices & more", "local_time": "2026-01-01T10:00:00.5+02:00"}},
		{"ip": nil, "url": ownPage, "referer": nil, "source": "hullbeam", "event": "page", "properties": map[string]any{}},
	}
	ids := map[any]bool{}
	for i, e := range entries {
		ids[e.Body["event_id"]] = true
		delete(e.Body, "event_id")
		if diff := cmp.Diff(want[i], e.Body); diff != "" || e.Type != "track" {
			t.Errorf("entry %d, a %s (-want +got):\n%s", i, e.Type, diff)
		}
		if diff := cmp.Diff(map[string]any{"anonymous_id": anonymous}, e.asUser()); diff != "" {
			t.Errorf("A1: entry %d is about (-want +got):\n%s", i, diff)
		}
		if e.claims["io.hull.active"] != true || e.claims["io.hull.create"] != true || e.claims["iss"] != ship || e.claims["scopes"] != nil {
			t.Errorf("A13: entry %d has the token %v", i, e.claims)
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d event ids of three views", len(ids))
	}
	for result, want := range map[string]float64{"counted": 3, "repeated": 2, "ended": 1, "invalid": 0, "limited": 0} {
		if got := s.metric("hullbeam_page_views_total", "result", result); got != want {
			t.Errorf("%s: %v, want %v", result, got, want)
		}
	}
	if log := s.log.String(); strings.Contains(log, "/pr") || strings.Contains(log, anonymous) || strings.Contains(log, secret) {
		t.Errorf("A15: the log holds an address, a claim or a secret:\n%s", log)
	}
}

// Another node, which has not seen the view, tells Hull of it as the same event.
func TestViewIsOneEventOnAllNodes(t *testing.T) {
	calls := record(t)
	nodes := []*server{start(t, options{private: tracking, firehose: calls.URL}), start(t, options{private: tracking, firehose: calls.URL})}
	token := nodes[0].token(claim("anonymous_id", anonymous))
	for i, s := range nodes {
		s.viewed(view(token, "v1"))
		calls.wait(i + 1)
	}
	entries := calls.wait(2)
	if a, b := entries[0].Body["event_id"], entries[1].Body["event_id"]; a != b {
		t.Errorf("event ids %v and %v", a, b)
	}
}

func TestTrackingIsOffByDefault(t *testing.T) {
	calls := record(t)
	s := start(t, options{firehose: calls.URL})
	token := s.token(`{"claims":{"anonymous_id":"` + anonymous + `"},"page":{"url":"` + ownPage + `"}}`)
	s.viewed(view(token, "before"))
	if r := s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"ada@harbor.example"}`); r.status != http.StatusAccepted {
		t.Fatalf("email: %d %s", r.status, r.body)
	}
	s.notification("ship:update", `{"id":"`+ship+`","private_settings":`+tracking+`}`)
	s.quiet()
	s.viewed(view(token, "marker"))
	if entries := calls.wait(1); len(entries) != 1 || entries[0].Body["url"] != ownPage {
		t.Errorf("Hull was told of more than the marker: %v", entries)
	}
	if got := s.metric("hullbeam_page_views_total", "result", "counted"); got != 3 {
		t.Errorf("%v counted, want 3", got)
	}
}

// What waits for Hull does not create again who was deleted, and is not sent when page
// views are not to be tracked any more. Who was merged has become somebody.
func TestQueuedPageViewsAreForgotten(t *testing.T) {
	untracked := strings.ReplaceAll(tracking, `"track_page_views":true`, `"track_page_views":false`)
	for _, test := range []struct {
		name string
		when func(s *server)
		want int // entries
	}{
		{"when their user is deleted", func(s *server) { s.notification("user:delete", "", `{"user":{"id":"u1"}}`) }, 1},
		{"when an operator erases them", func(s *server) { s.erase(userPath("id:u1")) }, 1},
		{"not when an operator erases others", func(s *server) { s.erase(userPath("id:u2")) }, 2},
		{"when tracking is switched off", func(s *server) {
			s.notification("ship:update", `{"id":"`+ship+`","private_settings":`+untracked+`}`)
			s.notification("ship:update", `{"id":"`+ship+`","private_settings":`+tracking+`}`)
		}, 1},
		{"not when others are deleted", func(s *server) { s.notification("user:delete", "", `{"user":{"id":"u2"}}`) }, 2},
		{"not when their user is merged", func(s *server) { s.update(merged("new", "u1", "old@harbor.example", plan("new"))) }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := record(t)
			calls.refuses.Store(http.StatusInternalServerError)
			s := start(t, options{private: tracking, firehose: calls.URL})
			s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)), userMessage("u2", plan("pro"), anonymousIDs("anon-of-somebody-else")))
			s.viewed(view(s.token(claim("anonymous_id", anonymous)), "queued"))
			storetest.Eventually(t, "it was tried", func() bool { return s.metric("hullbeam_firehose_requests_total", "result", "failed") > 0 })
			test.when(s)
			s.quiet()
			calls.refuses.Store(0)
			s.viewed(view(s.token(claim("anonymous_id", "anon-of-a-third-visitor")), "marker"))
			storetest.Eventually(t, "nothing waits", func() bool { return s.metric("hullbeam_firehose_queue") == 0 })
			if entries := calls.wait(test.want); len(entries) != test.want {
				t.Errorf("Hull has %d entries, want %d: %v", len(entries), test.want, entries)
			}
			if got := s.metric("hullbeam_firehose_entries_total", "result", "dropped_forgotten"); int(got) != 2-test.want {
				t.Errorf("%v forgotten", got)
			}
		})
	}
}

// What has no look of its own, or makes a text look like another, is not passed on.
func TestTextsAreShownAsTheyAre(t *testing.T) {
	calls := record(t)
	s := start(t, options{private: tracking, firehose: calls.URL})
	token := s.token(claim("anonymous_id", anonymous))
	for _, email := range []string{`a\u0000b@harbor.example`, `\"a\u0001b\"@harbor.example`, `a\u0085b@harbor.example`, `a\u202eb@harbor.example`, `\"a\tb\"@harbor.example`} {
		r := s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"`+email+`"}`)
		if r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", email, r.status, r.body)
		}
	}
	s.viewed(`{"token":"` + token + `","url":"` + ownPage + `","title":"Pri\u0000ces\u001b\u0085 \u202e& \u2067more\u2069, שלום","view":"v"}`)
	if got := calls.wait(1)[0].Body["properties"]; !cmp.Equal(got, map[string]any{"title": "Prices & more, שלום"}) {
		t.Errorf("got %q", got)
	}
}

// A connector that does not stand on Hull has no firehose.
func TestNoOrganizationNoFirehose(t *testing.T) {
	s := start(t, options{private: tracking, noHull: true})
	s.viewed(view(s.token(claim("anonymous_id", anonymous)), "v"))
	if got := s.metric("hullbeam_firehose_queue") + s.metric("hullbeam_firehose_entries_total"); got != 0 {
		t.Errorf("%v entries", got)
	}
}

func TestOnlyProvenClaimsReachHull(t *testing.T) {
	signed := identityToken(identityKey, jwt.MapClaims{"email": "ada@harbor.example", "external_id": "77"})
	for _, c := range []struct {
		name  string
		extra string // of the settings
		token string
		want  map[string]any
	}{
		{"signed ones", "", `{"claims":{"anonymous_id":"` + anonymous + `","id":"5c5b7b694aa3a8d42e03895a"},"identity_token":"` + signed + `"}`, map[string]any{"email": "ada@harbor.example", "external_id": "77"}},
		{"an anonymous id, not what is claimed beside it", "", `{"claims":{"anonymous_id":["` + anonymous + `","anon-fedcba9876543210"],"email":"ceo@harbor.example","external_id":"1","id":"2"}}`, map[string]any{"anonymous_id": anonymous}},
		{"no unsigned email though identities are not verified", `,"identity_verification":"off"`, `{"claims":{"anonymous_id":["short","` + anonymous + `"],"email":"ceo@harbor.example","external_id":"1","id":"2"}}`, map[string]any{"anonymous_id": anonymous}},
	} {
		t.Run("A1 "+c.name, func(t *testing.T) {
			calls := record(t)
			s := start(t, options{private: strings.TrimSuffix(tracking, "}") + c.extra + "}", firehose: calls.URL})
			token := s.token(c.token)
			s.viewed(view(token, "v"))
			if r := s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"boss@harbor.example"}`); r.status != http.StatusAccepted {
				t.Fatalf("email: %d %s", r.status, r.body)
			}
			for _, e := range calls.wait(2) {
				if diff := cmp.Diff(c.want, e.asUser()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", e.Type, diff)
				}
			}
		})
	}
	t.Run("A1 nothing when nothing is sure", func(t *testing.T) {
		calls := record(t)
		s := start(t, options{private: strings.TrimSuffix(tracking, "}") + `,"identity_verification":"off"}`, firehose: calls.URL})
		s.viewed(view(s.token(claim("email", "ceo@harbor.example")), "v"))
		s.viewed(view(s.token(claim("anonymous_id", anonymous)), "marker"))
		if entries := calls.wait(1); len(entries) != 1 || entries[0].asUser()["anonymous_id"] != anonymous {
			t.Errorf("got %v", entries)
		}
	})
}

func TestStatedEmailIsATraitOfItsOwn(t *testing.T) {
	calls := record(t)
	s := start(t, options{private: tracking, firehose: calls.URL})
	token := s.token(claim("anonymous_id", anonymous))
	r := s.beacon("/api/v1/visitors/email", `{"token":"`+token+`","email":"  CEO@Harbor.example "}`)
	if r.status != http.StatusAccepted || len(r.body) != 0 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	e := calls.wait(1)[0]
	if diff := cmp.Diff(map[string]any{"hullbeam/stated_email": "ceo@harbor.example"}, e.Body); diff != "" || e.Type != "traits" {
		t.Errorf("%s (-want +got):\n%s", e.Type, diff)
	}
	if diff := cmp.Diff(map[string]any{"anonymous_id": anonymous}, e.asUser()); diff != "" {
		t.Errorf("A1: it is about (-want +got):\n%s", diff)
	}
	if got := s.metric("hullbeam_stated_emails_total"); got != 1 {
		t.Errorf("%v counted", got)
	}
	if log := strings.ToLower(s.log.String()); strings.Contains(log, "ceo@") {
		t.Errorf("A15: the log holds the email:\n%s", log)
	}
	s.update(`{"user":{"id":"boss","email":"ceo@harbor.example","plan":"secret"}}`)
	l := s.listen(token)
	if miss := l.expect("cache.miss"); strings.Contains(string(miss.Data), "ceo@") {
		t.Errorf("A1: the email opens a topic: %s", miss.Data)
	}
}

func TestEmailAnswers(t *testing.T) {
	s := start(t, options{private: tracking})
	token := s.token(claim("anonymous_id", anonymous))
	long := strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 90)
	for _, c := range []struct {
		email  string
		status int
	}{
		{"ada@harbor.example", 202},
		{"ada+tag@harbor.example", 202},
		{"ada@münchen.example", 202},
		{"ada@localhost", 202},
		{long + strings.Repeat("c", 254-len(long)), 202},
		{long + strings.Repeat("c", 255-len(long)), 400},
		{"", 400},
		{" ", 400},
		{"ada", 400},
		{"@harbor.example", 400},
		{"ada@", 400},
		{"a b@harbor.example", 400},
		{"Ada <ada@harbor.example>", 400},
		{"<ada@harbor.example>", 400},
		{"ada@harbor.example, bob@harbor.example", 400},
		{"ada@harbor.example\r\nBcc: bob@harbor.example", 400},
	} {
		body := string(must(json.Marshal(map[string]string{"token": token, "email": c.email})))
		r := s.beacon("/api/v1/visitors/email", body)
		if r.status != c.status {
			t.Errorf("%q: got %d %s, want %d", c.email, r.status, r.body, c.status)
		}
		if r.status == 400 && (r.code() != "invalid_request" || !strings.Contains(string(r.body), `"pointer":"/email"`) || c.email != "" && c.email != " " && strings.Contains(string(r.body), c.email)) {
			t.Errorf("%q: got %s", c.email, r.body)
		}
	}
}

func TestPageAnswers(t *testing.T) {
	now := time.Now()
	var late atomic.Int64
	s := start(t, options{private: tracking, now: func() time.Time { return now.Add(time.Duration(late.Load())) }})
	token := s.token(claim("anonymous_id", anonymous))
	elsewhere := must(s.tokens.SealGrant(stream.Grant{Connector: "nobody", Origin: page, Visitor: "v_x", Issued: now, Expires: now.Add(time.Hour)}))
	body := func(member string, value any) string {
		b := map[string]any{"token": token, "url": ownPage}
		b[member] = value
		return string(must(json.Marshal(b)))
	}
	const fromPage, asJSON = "Origin: " + page, "Content-Type: application/json"
	for _, c := range []struct {
		name    string
		body    string
		headers []string
		status  int
		code    string
		pointer string
	}{
		{"a page view", view(token, "a"), []string{fromPage, asJSON}, 202, "", ""},
		{"a beacon", view(token, "b"), []string{fromPage, "Content-Type: text/plain"}, 202, "", ""},
		{"without an origin: the token has it", view(token, "c"), []string{asJSON}, 202, "", ""},
		{"unknown members are ignored", body("newer", 1), []string{fromPage, asJSON}, 202, "", ""},
		{"a port that need not be said", body("url", page+":443/x"), []string{fromPage, asJSON}, 202, "", ""},
		{"a host in other letters", body("url", "https://WWW.harbor.example/x"), []string{fromPage, asJSON}, 202, "", ""},
		{"a referrer that is no web page", body("referrer", "android-app://com.example"), []string{fromPage, asJSON}, 202, "", ""},
		{"a tab that is left", `{"token":"` + token + `","gone":true}`, []string{fromPage, asJSON}, 202, "", ""},
		{"a tab that was personalized at once", `{"token":"` + token + `","gone":true,"personalized_ms":0}`, []string{fromPage, asJSON}, 202, "", ""},
		{"a tab that was personalized after ten minutes", `{"token":"` + token + `","gone":true,"personalized_ms":600000}`, []string{fromPage, asJSON}, 202, "", ""},
		{"a tab that was personalized later", `{"token":"` + token + `","gone":true,"personalized_ms":600001}`, []string{fromPage, asJSON}, 202, "", ""},
		{"a tab that was personalized before it was there", `{"token":"` + token + `","gone":true,"personalized_ms":-1}`, []string{fromPage, asJSON}, 202, "", ""},
		{"another origin", view(token, "d"), []string{"Origin: https://evil.example", asJSON}, 403, "origin_not_allowed", ""},
		{"a sandboxed page", view(token, "d"), []string{"Origin: null", asJSON}, 403, "origin_not_allowed", ""},
		{"no token", `{"url":"` + ownPage + `"}`, []string{fromPage, asJSON}, 401, "token_invalid", ""},
		{"a token that is none", `{"token":"x","url":"` + ownPage + `"}`, []string{fromPage, asJSON}, 401, "token_invalid", ""},
		{"a connector that is gone", view(elsewhere, "d"), []string{fromPage, asJSON}, 401, "token_invalid", ""},
		{"no address", `{"token":"` + token + `"}`, []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"another site's address", body("url", "https://evil.example/"), []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"another scheme of the site", body("url", "http://www.harbor.example/"), []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"another port of the site", body("url", page+":8443/"), []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"no web address", body("url", "javascript:alert(1)"), []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"half an address", body("url", "/pricing"), []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"an address as long as may be", body("url", ownPage+"?"+strings.Repeat("x", 4096-len(ownPage)-1)), []string{fromPage, asJSON}, 202, "", ""},
		{"a longer one", body("url", ownPage+"?"+strings.Repeat("x", 4096-len(ownPage))), []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"an address of the wrong type", body("url", 7), []string{fromPage, asJSON}, 400, "invalid_request", "/url"},
		{"a title as long as may be", body("title", strings.Repeat("x", 1024)), []string{fromPage, asJSON}, 202, "", ""},
		{"a longer one", body("title", strings.Repeat("x", 1025)), []string{fromPage, asJSON}, 400, "invalid_request", "/title"},
		{"a long referrer", body("referrer", strings.Repeat("x", 4097)), []string{fromPage, asJSON}, 400, "invalid_request", "/referrer"},
		{"a time without an offset", body("local_time", "2026-01-01T10:00:00"), []string{fromPage, asJSON}, 400, "invalid_request", "/local_time"},
		{"a tab with other signs", body("tab", "a b"), []string{fromPage, asJSON}, 400, "invalid_request", "/tab"},
		{"a view as long as may be", body("view", strings.Repeat("x", 64)), []string{fromPage, asJSON}, 202, "", ""},
		{"a longer one", body("view", strings.Repeat("x", 65)), []string{fromPage, asJSON}, 400, "invalid_request", "/view"},
		{"not JSON", "token=1", []string{fromPage, asJSON}, 400, "invalid_request", ""},
		{"no body", "", []string{fromPage, asJSON}, 400, "invalid_request", ""},
		{"a form", "a=b", []string{fromPage, "Content-Type: application/x-www-form-urlencoded"}, 415, "unsupported_media_type", ""},
		{"a large body", body("more", strings.Repeat("x", 70000)), []string{fromPage, asJSON}, 413, "body_too_large", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range visitRoutes {
				if path != "/api/v1/pages" && (c.status == 202 || c.pointer != "" || strings.Contains(c.name, "address")) {
					continue
				}
				r := s.do("POST", path, c.body, c.headers...)
				if r.status != c.status || r.code() != c.code {
					t.Fatalf("%s: got %d %s, want %d %s", path, r.status, r.body, c.status, c.code)
				}
				if c.pointer != "" && !strings.Contains(string(r.body), `"pointer":"`+c.pointer+`"`) {
					t.Errorf("got %s, want the pointer %s", r.body, c.pointer)
				}
				if r.header.Get("Vary") != "Origin" {
					t.Errorf("headers: got %v", r.header)
				}
			}
		})
	}

	t.Run("a token too old for streams is good for the visit", func(t *testing.T) {
		late.Store(int64(24*time.Hour - time.Second))
		if r := s.do("GET", "/api/v1/stream?token="+token, "", fromPage); r.code() != "token_expired" {
			t.Errorf("stream: got %d %s", r.status, r.body)
		}
		s.viewed(view(token, "late"))
	})
	t.Run("and not for longer", func(t *testing.T) {
		late.Store(int64(24 * time.Hour))
		for _, path := range visitRoutes {
			if r := s.beacon(path, view(token, "later")); r.status != 401 || r.code() != "token_expired" {
				t.Errorf("%s: got %d %s", path, r.status, r.body)
			}
		}
	})
	t.Run("preflights", func(t *testing.T) {
		for _, path := range visitRoutes {
			r := s.do("OPTIONS", path, "", fromPage, "Access-Control-Request-Method: POST")
			if r.status != 204 || r.header.Get("Access-Control-Allow-Origin") != page || r.header.Get("Access-Control-Max-Age") != "7200" {
				t.Errorf("%s: got %d %v", path, r.status, r.header)
			}
		}
	})
}

// The page gets its token whatever it says of itself.
func TestTokenWithAPage(t *testing.T) {
	for _, c := range []struct{ name, page, result string }{
		{"a page view", `{"url":"` + ownPage + `","tab":"t","view":"v"}`, "counted"},
		{"another site's address", `{"url":"https://evil.example/"}`, "invalid"},
		{"an address and a name with other signs", `{"url":"` + ownPage + `","tab":"a b"}`, "invalid"},
		{"no address: the page does not track its visitors", `{"tab":"t","view":"v"}`, ""},
		{"no address but a name with other signs", `{"tab":"a b"}`, ""},
		{"an empty address", `{"url":"","view":"v"}`, ""},
		{"nothing", `null`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := record(t)
			s := start(t, options{private: tracking, firehose: calls.URL})
			token := s.token(`{"claims":{"anonymous_id":"` + anonymous + `"},"page":` + c.page + `}`)
			for _, result := range []string{"counted", "repeated", "ended", "limited", "invalid"} {
				want := 0.0
				if result == c.result {
					want = 1
				}
				storetest.Eventually(t, fmt.Sprintf("%v %s", want, result), func() bool { // it is written behind the answer
					return s.metric("hullbeam_page_views_total", "result", result) == want
				})
			}
			s.viewed(view(token, "v"))
			if c.result == "" {
				if entries := calls.wait(1); len(entries) != 1 {
					t.Errorf("Hull was told of more than the view that had an address: %v", entries)
				}
			}
		})
	}
}

// leaving is a page that goes away as soon as it has its answer.
type leaving struct {
	*httptest.ResponseRecorder
	leave func()
}

func (l *leaving) Flush() {
	l.ResponseRecorder.Flush()
	l.leave()
}

func TestViewOfATokenOutlivesItsRequest(t *testing.T) {
	s := start(t, options{noHull: true})
	ctx, leave := context.WithCancel(t.Context())
	body := fmt.Sprintf(`{"claims":{"anonymous_id":%q},"page":{"url":%q}}`, anonymous, ownPage)
	req := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/connectors/"+ship+"/token", strings.NewReader(body))
	req.Header.Set("Origin", page)
	req.Header.Set("Content-Type", "application/json")
	s.api.Handler().ServeHTTP(&leaving{httptest.NewRecorder(), leave}, req)
	if seen := ask[listed[visitorSeen]](s, "/visitors"); ctx.Err() == nil || len(seen.Items) != 1 || seen.Items[0].Views != 1 {
		t.Errorf("of a page that was left at once: %+v", seen)
	}
}

// What a page that is left says of its time is counted, unless nobody can have waited so long.
func TestPersonalizedSeconds(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	for _, took := range []string{"0", "599999.5", "600000", "600001", "-1", "null"} {
		s.viewed(`{"token":"` + token + `","tab":"t1","gone":true,"personalized_ms":` + took + `}`)
	}
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "hullbeam_page_personalized_seconds" {
			if h := f.GetMetric()[0].GetHistogram(); h.GetSampleCount() != 3 || h.GetSampleSum() != 1199.9995 {
				t.Errorf("got %d, together %v s", h.GetSampleCount(), h.GetSampleSum())
			}
		}
	}
}

func TestPagesPerVisitor(t *testing.T) {
	clock := clockAt(time.Now())
	s := start(t, options{now: clock.now, store: func(*store.Config) {}, config: func(c *api.Config) { c.Limits.PagesPerVisitor = 3 }})
	token := s.token(`{"claims":{"anonymous_id":"` + anonymous + `"},"page":{"url":"` + ownPage + `"}}`)
	storetest.Eventually(t, "the token's view is counted", func() bool {
		return s.metric("hullbeam_page_views_total", "result", "counted") == 1
	})
	for i := range 2 {
		s.viewed(view(token, fmt.Sprint(i)))
	}
	for path, body := range map[string]string{
		"/api/v1/pages":          view(token, "above"),
		"/api/v1/visitors/email": `{"token":"` + token + `","email":"ada@harbor.example"}`,
		receiptPath:              receipt(token, "seen"),
	} {
		if r := s.beacon(path, body); r.status != 429 || r.code() != "rate_limited" || r.header.Get("Retry-After") != "20" {
			t.Errorf("C20 %s: got %d %s %v", path, r.status, r.body, r.header)
		}
	}
	s.viewed(view(s.token(claim("anonymous_id", anonymous)), "of-another-visitor"))
	if got := s.metric("hullbeam_page_views_total", "result", "limited"); got != 1 {
		t.Errorf("%v limited, want 1", got)
	}
	clock.pass(20 * time.Second)
	s.viewed(view(token, "above"))
	if got := s.metric("hullbeam_page_views_total", "result", "counted"); got != 5 {
		t.Errorf("%v counted, want 5: what was refused may be told again", got)
	}
}

// What a node remembers of views has a bound, and the latest are in it.
func TestViewsAreBounded(t *testing.T) {
	s := start(t, options{})
	s.api.AddViews(0, 1)
	s.api.AddViews(1, 60_000)
	if again := s.api.AddViews(0, 60_000); again != 60_000 {
		t.Errorf("%d of 60,000 are remembered", again)
	}
	if held := s.api.AddViews(60_000, 500_000); held != 0 || s.api.Views() > 100_000 {
		t.Errorf("%d of new ones are remembered, %d in all", held, s.api.Views())
	}
	if again := s.api.AddViews(450_000, 500_000); again != 50_000 {
		t.Errorf("%d of the latest 50,000 are remembered", again)
	}
}

// Pages are answered at once, however long Hull takes.
func TestPagesDoNotWaitForHull(t *testing.T) {
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-release
	}))
	t.Cleanup(hung.Close)
	s := start(t, options{private: tracking, firehose: hung.URL, config: func(c *api.Config) { c.Limits.PagesPerVisitor = 0 }})
	token := s.token(claim("anonymous_id", anonymous))
	s.viewed(view(token, "first"))
	<-arrived
	for i := range 200 {
		s.viewed(view(token, fmt.Sprint(i)))
	}
	if got := s.metric("hullbeam_firehose_queue"); got != 201 {
		t.Errorf("%v wait, want 201", got)
	}
	close(release)
	storetest.Eventually(t, "all was sent", func() bool { return s.metric("hullbeam_firehose_entries_total", "result", "sent") == 201 })
}

// What is told after Hull has given a connector a new secret is signed with it.
func TestFirehoseFollowsARotatedSecret(t *testing.T) {
	calls := record(t)
	s := start(t, options{private: tracking, firehose: calls.URL})
	token := s.token(claim("anonymous_id", anonymous))
	s.viewed(view(token, "before"))
	if got := calls.wait(1)[0].secret; got != secret {
		t.Fatalf("the secret is %q", got)
	}
	const rotated = "0123456789abcdef0123456789abcdef"
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: rotated}, nil)
	body := `{"notification_id":"rotation","channel":"user:update","configuration":{"id":"` + ship + `","organization":"` + org + `","secret":"` + rotated + `"},"messages":[]}`
	if r := s.notify([]byte(body)); r.status != http.StatusOK {
		t.Fatalf("notification: %d %s", r.status, r.body)
	}
	s.viewed(view(token, "after"))
	if got := calls.wait(2)[1].secret; got != rotated {
		t.Errorf("the secret is %q after the rotation", got)
	}
}

func FuzzPageBody(f *testing.F) {
	for _, seed := range []string{
		view("t", "v"), `{"url":"https://www.harbor.example/%zz"}`, `{"url":"https://u:p@www.harbor.example:443/a?b#c","referrer":"//x"}`,
		`{"url":"https://www.harbor.example/","local_time":"2026-01-01T10:00:00+02:00","gone":false}`, `[]`, `{"url":null}`, `{"URL":"\ud800"}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		url, referrer, err := api.ReadPage(body, page)
		if err != nil {
			return
		}
		for _, address := range []string{url, referrer} {
			if strings.ContainsAny(address, "?#@ \n") && !strings.Contains(address, "/") || strings.ContainsAny(address, "?#\n") {
				t.Errorf("%q is told", address)
			}
		}
		if rest, ok := strings.CutPrefix(strings.ToLower(url), page); !ok || rest != "" && rest[0] != '/' && rest[0] != ':' {
			t.Errorf("%q is not of %s", url, page)
		}
	})
}

// To say that pages are left is bounded as to look at them is, and keeps nobody there.
func TestLeavingIsBounded(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Visitors.Grace, c.Limits.PagesPerVisitor = time.Second, 1000 }})
	token := s.token(claim("anonymous_id", anonymous))
	s.viewed(pageView(token, "tab-1", "/cart", "Cart"))
	leave := func() int { return s.beacon("/api/v1/pages", `{"token":"`+token+`","gone":true,"tab":"tab-1"}`).status }
	storetest.Eventually(t, "the visitor has left", func() bool {
		leave()
		return len(ask[listed[visitorSeen]](s, "/visitors?live=true").Items) == 0
	})
	for range 10_000 { // faster than the allowance grows
		if leave() == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("nothing was refused")
}

// An address is bounded as it is kept, too.
func TestAddressesAreBoundedAsKept(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	long := "/" + strings.Repeat("é", 1000) // 6,000 bytes when it is escaped
	for name, body := range map[string]string{
		"url":      pageView(token, "tab-1", long, "Long"),
		"referrer": strings.Replace(pageView(token, "tab-1", "/", "Long"), "https://search.example/?q=secret", "https://search.example"+long, 1),
	} {
		if r := s.beacon("/api/v1/pages", body); r.code() != "invalid_request" || !strings.Contains(string(r.body), "/"+name) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}
