package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"hullbeam/api"
	"hullbeam/stream"
)

const adminKey = "Authorization: Bearer an admin key for tests"

// Every route of operators wants their key, and says so.
func TestOperatorsOnly(t *testing.T) {
	s := start(t, options{})
	for _, route := range []string{"GET /api/v1/connectors/" + ship, "POST /api/v1/connectors/" + ship + "/users", "POST /api/v1/connectors/" + ship + "/offers"} {
		method, path, _ := strings.Cut(route, " ")
		for _, header := range []string{"X-Nothing: there", "Authorization: Bearer wrong", "Authorization: Basic an admin key for tests"} {
			r := s.do(method, path, `{}`, header)
			if r.status != 401 || r.code() != "unauthorized" || r.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s with %q: %d %s", route, header, r.status, r.body)
			}
		}
	}
	apart := start(t, options{config: func(c *api.Config) { c.AdminApart = true }})
	if r := apart.do("POST", "/api/v1/connectors/"+ship+"/users", `[]`, adminKey); r.status != 404 && r.status != 405 {
		t.Errorf("operators' routes on the browsers' listener: %d %s", r.status, r.body)
	}
}

// What a connector is set to is shown, but for secrets.
func TestGetConnector(t *testing.T) {
	s := start(t, options{
		settings: `{"script":"","big":9007199254740993}`,
		private:  `{"identity_secret":"of the site","another_token":"of who knows what","public_traits":["plan"],"public_segments":["vip","gone"]}`,
	})
	s.notification("segment:update", "", `{"id":"vip","name":"Very <important>"}`, `{"id":"other","name":"Hidden"}`, `{"id":"gone","name":"Gone"}`)
	s.notification("segment:delete", "", `{"id":"gone","name":"Gone"}`)
	r := s.do("GET", "/api/v1/connectors/"+ship, "", adminKey)
	if r.status != 200 || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", r.status, r.header)
	}
	want := `{"id":"` + ship + `","organization":"` + org + `","settings":{"script":"","big":9007199254740993},` +
		`"private_settings":{"public_segments":["vip","gone"],"public_traits":["plan"]},"segments":[{"id":"vip","name":"Very <important>"}]}`
	if got := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(r.body)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r := s.do("GET", "/api/v1/connectors/nobody", "", adminKey); r.status != 404 || r.code() != "connector_unknown" {
		t.Errorf("no connector: %d %s", r.status, r.body)
	}
	bare := start(t, options{settings: " ", private: " ", noHull: true})
	r = bare.do("GET", "/api/v1/connectors/"+ship, "", adminKey)
	if want := `{"id":"` + ship + `","organization":"","settings":{},"private_settings":{},"segments":[]}`; r.status != 200 || string(r.body) != want {
		t.Errorf("without anything: %d %s", r.status, r.body)
	}
}

// Users come from anywhere, as Hull's messages.
func TestPostUsers(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.NotificationBody = 70000 }})
	page := s.listen(s.token(claim("anonymous_id", anonymous)))
	page.expect("cache.miss")
	page.expect("user.error")
	post := func(body string) reply { return s.do("POST", "/api/v1/connectors/"+ship+"/users", body, adminKey) }

	r := post(`[` + userMessage("u1", anonymousIDs(anonymous)) + `,7,{"user":{}}]`)
	if want := `{"accepted":1,"skipped":[{"index":1,"reason":"not an object"},{"index":2,"reason":"no user id"}]}`; r.status != 202 || string(r.body) != want {
		t.Errorf("%d %s, want 202 %s", r.status, r.body, want)
	}
	if e := page.expect("user.update"); !strings.Contains(string(e.Data), `"id":"u1"`) {
		t.Errorf("the page got %s", e.Data)
	}
	if r := post(`{"user":{"id":"u2"}}`); r.status != 202 || string(r.body) != `{"accepted":1,"skipped":[]}` {
		t.Errorf("a single message: %d %s", r.status, r.body)
	}
	if r := post(`[]`); r.status != 202 || string(r.body) != `{"accepted":0,"skipped":[]}` {
		t.Errorf("none: %d %s", r.status, r.body)
	}
	for body, code := range map[string]string{
		`7`: "invalid_request", `[`: "invalid_request", ``: "invalid_request",
		strings.Repeat(" ", 70001):                "body_too_large",
		`[` + strings.Repeat("7,", 10_000) + `7]`: "body_too_large",
	} {
		if r := post(body); r.code() != code {
			t.Errorf("%.20q: %d %s, want %s", body, r.status, r.body, code)
		}
	}
	if r := s.do("POST", "/api/v1/connectors/nobody/users", `[]`, adminKey); r.code() != "connector_unknown" {
		t.Errorf("no connector: %d %s", r.status, r.body)
	}
}

func TestPostOffers(t *testing.T) {
	s := start(t, options{})
	token := s.token(claim("anonymous_id", anonymous))
	page := s.listen(token)
	page.expect("cache.miss")
	page.expect("user.error")
	grant := must(s.tokens.OpenGrant(token))
	post := func(body string) reply { return s.do("POST", "/api/v1/connectors/"+ship+"/offers", body, adminKey) }

	for i, to := range []string{`"topic":"anonymous_id:` + anonymous + `"`, `"visitor":"` + grant.Visitor + `"`, `"all":true`} {
		offerID := fmt.Sprintf("spring-%d", i)
		r := post(`{"to":{` + to + `},"data":{"text": "10 % <off>"},"expires_in":"10m","id":"` + offerID + `"}`)
		if r.status != 202 || string(r.body) != `{"id":"`+offerID+`","live":1}` {
			t.Errorf("to %s: %d %s", to, r.status, r.body)
		}
		e := page.expect("offer")
		if id, ok := stream.ParseID(string(e.ID)); !ok || id.Tag != "offer" {
			t.Errorf("the offer has the id %s", e.ID)
		}
		var got struct {
			ID                string
			Data              struct{ Text string }
			SentAt, ExpiresAt string
			Tabs              []string
		}
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(e.Data), "_at", "At")), &got); err != nil || got.ID != offerID || got.Data.Text != "10 % <off>" || got.ExpiresAt <= got.SentAt || got.Tabs == nil {
			t.Errorf("the page got %s: %v", e.Data, err)
		}
	}
	for _, to := range []string{`"topic":"anonymous_id:nobody-0123456789"`, `"visitor":"v_nobody"`} {
		if r := post(`{"to":{` + to + `},"data":1}`); r.status != 202 || !strings.HasSuffix(string(r.body), `,"live":0}`) || !strings.HasPrefix(string(r.body), `{"id":"o_`) {
			t.Errorf("to %s: %d %s", to, r.status, r.body)
		}
	}
	const all = `"to":{"all":true}`
	for body, pointer := range map[string]string{
		`{"data":1}`: "/to",
		`{"to":{"all":true,"visitor":"v_1"},"data":1}`:                 "/to",
		`{"to":{"topic":"nothing"},"data":1}`:                          "/to/topic",
		`{` + all + `,"data":null}`:                                    "/data",
		`{` + all + `}`:                                                "/data",
		`{` + all + `,"data":1,"expires_in":"soon"}`:                   "/expires_in",
		`{` + all + `,"data":1,"expires_in":"-1s"}`:                    "/expires_in",
		`{` + all + `,"data":1,"expires_in":"720h0m1s"}`:               "/expires_in",
		`{` + all + `,"data":1,"id":"a b"}`:                            "/id",
		`{` + all + `,"data":1,"id":7}`:                                "/id",
		`{` + all + `,"data":"` + strings.Repeat("x", 32<<10-1) + `"}`: "/data",
	} {
		r := post(body)
		if r.code() != "invalid_request" || !strings.Contains(string(r.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%.60s: %d %s, want %s", body, r.status, r.body, pointer)
		}
	}
	if r := post(`{` + all + `,"data":"` + strings.Repeat("x", 32<<10-2) + `","expires_in":"720h"}`); r.status != 202 {
		t.Errorf("at the bounds: %d %s", r.status, r.body)
	}
	if e := page.expect("offer"); len(e.Data) < 32<<10 {
		t.Errorf("the page got %d bytes", len(e.Data))
	}
	if r := post(`{` + all + `,"data":"` + strings.Repeat("<", 32<<10-2) + `"}`); r.status != 202 {
		t.Errorf("markup at the bounds: %d %s", r.status, r.body)
	}
	if e := page.expect("offer"); !strings.Contains(string(e.Data), "<<<") {
		t.Errorf("the page got %.80s", e.Data)
	}
	if r := post(strings.Repeat(" ", 64<<10+1)); r.code() != "body_too_large" {
		t.Errorf("too large: %d %s", r.status, r.body)
	}
}

func TestProfiles(t *testing.T) {
	s := start(t, options{})
	for path, status := range map[string]int{"goroutine?debug=1": 200, "profile?seconds=1": 200, "": 200, "cmdline": 404, "nothing": 404} {
		if r := s.do("GET", "/debug/pprof/"+path, ""); r.status != status {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := s.do("GET", "/debug/pprof/heap", "", "X-Forwarded-For: 203.0.113.9"); r.code() != "unauthorized" {
		t.Errorf("forwarded: %d %s", r.status, r.body)
	}
}
