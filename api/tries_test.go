package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
)

// guessed is where who guesses can show something wrong, and what it is counted as.
var guessed = []struct{ name, of, method, path, body, header string }{
	{"a key", "key", "GET", "/api/v1/connectors", "", "Authorization: Bearer a wrong key of operators"},
	{"a key for a change", "key", "DELETE", "/api/v1/connectors/" + ship, "", "Authorization: Bearer a wrong key of operators"},
	{"a key for the metrics", "key", "GET", "/metrics", "", "Authorization: Bearer a wrong key of operators"},
	{"a key to sign in", "key", "POST", "/api/v1/session", `{"key":"a wrong key of operators"}`, asJSON},
	{"a code to sign in", "code", "POST", "/api/v1/session", `{"code":"wrong"}`, asJSON},
	{"a secret to sign in", "secret", "POST", "/api/v1/session", `{"ship":"` + ship + `","organization":"` + org + `","secret":"wrong"}`, asJSON},
	{"a connector to sign in", "secret", "POST", "/api/v1/session", `{"ship":"nobody","organization":"` + org + `","secret":"wrong"}`, asJSON},
	{"a secret for the install page", "secret", "GET", "/admin.html" + shown(ship, "wrong"), "", "X-Nothing: there"},
	{"a secret for the status", "secret", "GET", "/status" + shown(ship, "wrong"), "", "X-Nothing: there"},
	{"a secret for the status, posted", "secret", "POST", "/status" + shown(ship, "wrong"), "", "X-Nothing: there"},
	{"a secret for a batch", "secret", "POST", "/batch" + shown(ship, "wrong"), `{}`, asJSON},
	{"a token for a batch", "secret", "POST", "/batch?hullToken=wrong", `{}`, asJSON},
	{"a secret of Amazon's way", "secret", "POST", "/smart-notifier" + shown(ship, "wrong"), `{}`, "X-Amz-Sns-Message-Type: Notification"},
	{"a token of the install page", "token", "GET", "/install/check", "", "Authorization: Bearer wrong"},
	{"a token for a code", "token", "POST", "/install/code", "", "Authorization: Bearer wrong"},
}

// shown are a connector's credentials in a query.
func shown(connectorID, secret string) string {
	return "?" + url.Values{"ship": {connectorID}, "organization": {org}, "secret": {secret}}.Encode()
}

// Wherever something wrong is shown it counts against its address, and is refused sooner
// when that was too often; what is right gets in all the same.
func TestWrongKeysAreLimited(t *testing.T) {
	now, ahead := skewed()
	s := start(t, options{now: now, store: func(*store.Config) {}, config: func(c *api.Config) {
		c.Limits.WrongKeysPerAddress, c.TrustedProxies = 3, []string{"127.0.0.1"}
	}})
	for i, try := range guessed {
		from := fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i)
		limited := s.metric("hullbeam_wrong_keys_total", "of", try.of, "result", "limited")
		for range 3 {
			if r := s.do(try.method, try.path, try.body, try.header, from); r.status != 401 && r.status != 403 && r.status != 400 {
				t.Errorf("%s: %d %s", try.name, r.status, r.body)
			}
		}
		r := s.do(try.method, try.path, try.body, try.header, from)
		if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") != "20" {
			t.Errorf("%s, the fourth: %d %v %s", try.name, r.status, r.header, r.body)
		}
		if got := s.metric("hullbeam_wrong_keys_total", "of", try.of, "result", "limited"); got != limited+1 {
			t.Errorf("%s: %v were limited, want %v", try.name, got, limited+1)
		}
		for what, status := range map[string]int{
			"a key":                 s.do("GET", "/api/v1/connectors", "", adminKey, from).status,
			"a key that signs in":   s.do("POST", "/api/v1/session", withKey, asJSON, from).status - 1,
			"a secret":              s.do("GET", "/admin.html"+credentials, "", from).status,
			"a secret to sign in":   s.do("POST", "/api/v1/session", withHull, asJSON, from).status - 1,
			"a page of no operator": s.do("GET", "/healthz", "", from).status,
		} {
			if status != http.StatusOK {
				t.Errorf("%s, from where %s was tried: %d", what, try.name, status)
			}
		}
	}
	ahead.Add(int64(20 * time.Second))
	again := guessed[0]
	if r := s.do(again.method, again.path, again.body, again.header, "X-Forwarded-For: 203.0.113.0"); r.code() != "unauthorized" {
		t.Errorf("after Retry-After: %d %s", r.status, r.body)
	}
}

// Of IPv6 the network is what counts, and an address that nobody trusted has forwarded
// does not.
func TestWrongKeysAreLimitedByNetwork(t *testing.T) {
	now, _ := skewed()
	limits := func(proxies ...string) func(*api.Config) {
		return func(c *api.Config) { c.Limits.WrongKeysPerAddress, c.TrustedProxies = 2, proxies }
	}
	s := start(t, options{now: now, store: func(*store.Config) {}, config: limits("127.0.0.1")})
	try := func(s *server, from string) string {
		return s.do("GET", "/api/v1/connectors", "", withBearer("wrong"), "X-Forwarded-For: "+from).code()
	}
	for from, want := range map[string]string{"2001:db8::3": "rate_limited", "2001:db8:0:1::1": "unauthorized"} {
		try(s, "2001:db8::1")
		try(s, "2001:db8::2")
		if got := try(s, from); got != want {
			t.Errorf("from %s: %s, want %s", from, got, want)
		}
	}
	direct := start(t, options{now: now, store: func(*store.Config) {}, config: limits()})
	try(direct, "203.0.113.1")
	try(direct, "203.0.113.2")
	if got := try(direct, "203.0.113.3"); got != "rate_limited" {
		t.Errorf("who says to be elsewhere each time: %s", got)
	}
}

// A secret that is short enough to be guessed waits as well: of a hundred guesses at
// once, of which one is right, no more are looked at than the limit has.
func TestShortSecretIsNotGuessed(t *testing.T) {
	now, ahead := skewed()
	s := start(t, options{now: now, store: func(*store.Config) {}, config: func(c *api.Config) { c.Limits.WrongKeysPerAddress = 3 }})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "weak", Organization: org, Secret: "077"}))
	status := func(secret string) int { return s.do("GET", "/admin.html"+shown("weak", secret), "").status }
	if got := status("077"); got != http.StatusOK {
		t.Fatalf("the right one, at first: %d", got)
	}
	for range 3 {
		status("none")
	}
	var guesses sync.WaitGroup
	var looked atomic.Int64
	for i := range 100 {
		guesses.Go(func() {
			if got := status(fmt.Sprintf("%03d", i)); got != http.StatusTooManyRequests {
				looked.Add(1)
			}
		})
	}
	guesses.Wait()
	if looked.Load() > 0 {
		t.Errorf("%d were looked at", looked.Load())
	}
	ahead.Add(int64(time.Minute))
	if got := status("077"); got != http.StatusOK {
		t.Errorf("the right one, a minute later: %d", got)
	}
}

// 0 is no bound.
func TestWrongKeysWithoutLimit(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.WrongKeysPerAddress = 0 }})
	for range 30 {
		if r := s.do("GET", "/status"+shown(ship, "wrong"), ""); r.status != http.StatusForbidden {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
}

func TestOffersPerOperator(t *testing.T) {
	now, ahead := skewed()
	s := start(t, options{now: now, store: func(*store.Config) {}, config: func(c *api.Config) {
		withKeys(c)
		c.Limits.OffersPerOperator = 3
	}})
	const offer = `{"to":{"visitor":"v_1"},"data":1}`
	post := func(headers ...string) reply {
		return s.do("POST", "/api/v1/connectors/"+ship+"/offers", offer, headers...)
	}
	hulls := s.signIn(withHull)
	for range 3 {
		if r := post(withBearer(writeOne)); r.status != http.StatusAccepted {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	r := post(withBearer(writeOne))
	if r.code() != "rate_limited" || r.header.Get("Retry-After") != "20" {
		t.Errorf("the fourth: %d %v %s", r.status, r.header, r.body)
	}
	cookie := s.signIn(`{"key":"` + writeOne + `"}`)
	if r := post(cookie, sameSite); r.code() != "rate_limited" {
		t.Errorf("in a session of the same key: %d %s", r.status, r.body)
	}
	for name, headers := range map[string][]string{"another key": {withBearer(writeAll)}, "a session of Hull's": {hulls, sameSite}} {
		if r := post(headers...); r.status != http.StatusAccepted {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	ahead.Add(int64(20 * time.Second))
	if r := post(withBearer(writeOne)); r.status != http.StatusAccepted {
		t.Errorf("after Retry-After: %d %s", r.status, r.body)
	}
	if offers := string(s.do("GET", "/api/v1/connectors/"+ship+"/offers", "", adminKey).body); strings.Count(offers, `"id"`) != 6 {
		t.Errorf("kept are %s", offers)
	}
}
