package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hullbeam/store"
)

// listedConnector is what a test looks at in the list.
type listedConnector struct {
	ID, Organization, Health string
	Findings                 []struct{ Severity, Message string }
	Streams                  int
	LastNotification         string `json:"last_notification"`
}

func listedConnectors(t *testing.T, r reply) []listedConnector {
	t.Helper()
	var list struct{ Items []listedConnector }
	if err := json.Unmarshal(r.body, &list); err != nil || r.status != http.StatusOK {
		t.Fatalf("the list: %d %s", r.status, r.body)
	}
	return list.Items
}

func TestConnectorsAreListed(t *testing.T) {
	s := start(t, options{private: wellSet})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "a", PrivateSettings: []byte(`{"identity_verification":"signed","whitelisted_domains":["a.example"],"public_traits":["x"]}`)}))
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "b"}))
	s.update(somebody)
	s.listen(s.token(claim("anonymous_id", anonymous)))
	want := map[string]string{"a": "error", "b": "warning", ship: "ok"}
	var ids []string
	for _, c := range listedConnectors(t, s.do("GET", "/api/v1/connectors", "", adminKey)) {
		ids = append(ids, c.ID)
		if c.Health != want[c.ID] || (c.Health == "ok") != (len(c.Findings) == 0) {
			t.Errorf("%+v", c)
		}
		if c.ID == ship && (c.Streams != 1 || c.LastNotification == "" || c.Organization != org) {
			t.Errorf("%+v", c)
		}
	}
	if got := strings.Join(ids, " "); got != ship+" a b" {
		t.Errorf("the list has %s", got)
	}
	r := s.do("GET", "/api/v1/connectors?limit=2", "", adminKey)
	if !strings.HasSuffix(string(r.body), `"next_cursor":"a"}`) || len(listedConnectors(t, r)) != 2 {
		t.Errorf("two: %s", r.body)
	}
	r = s.do("GET", "/api/v1/connectors?limit=2&cursor=a", "", adminKey)
	if got := listedConnectors(t, r); len(got) != 1 || got[0].ID != "b" || strings.Contains(string(r.body), "next_cursor") {
		t.Errorf("the rest: %s", r.body)
	}
	for _, limit := range []string{"0", "501", "x"} {
		if r := s.do("GET", "/api/v1/connectors?limit="+limit, "", adminKey); r.code() != "invalid_request" {
			t.Errorf("limit %s: %d %s", limit, r.status, r.body)
		}
	}
}

func TestPutConnector(t *testing.T) {
	s := start(t, options{})
	put := func(id, body string) reply { return s.do("PUT", "/api/v1/connectors/"+id, body, adminKey) }
	const body = `{"organization":" New.hullapp.io","secret":"s1","settings":{"script":"go()","own":9007199254740993},` +
		`"private_settings":{"identity_secret":"i1","whitelisted_domains":["new.example"],"their_token":"t1"}}`
	want := `{"id":"new","organization":"new.hullapp.io","settings":{"own":9007199254740993,"script":"go()"},"private_settings":{"whitelisted_domains":["new.example"]},"segments":[]}`
	for i, status := range []int{201, 200} {
		if r := put("new", body); r.status != status || string(r.body) != want {
			t.Errorf("put %d: %d %s\nwant %s", i+1, r.status, r.body, want)
		}
	}
	stored := func() string {
		c := must(s.store.Connector(t.Context(), "new"))
		return fmt.Sprintf("%s %s %s %s", c.Organization, c.Secret, c.Settings, c.PrivateSettings)
	}
	for _, test := range []struct{ what, body, want string }{
		{"secrets are kept, the rest is not", `{"private_settings":{"public_traits":["plan"]}}`,
			` s1 {} {"identity_secret":"i1","public_traits":["plan"],"their_token":"t1"}`},
		{"secrets are replaced", `{"organization":"new.hullapp.io","secret":"s2","private_settings":{"identity_secret":"i2","their_token":7}}`,
			`new.hullapp.io s2 {} {"identity_secret":"i2","their_token":7}`},
		{"secrets are removed", `{"secret":null,"settings":null,"private_settings":{"identity_secret":null,"their_token":null}}`, `  {} {}`},
	} {
		if r := put("new", test.body); r.status != http.StatusOK || stored() != test.want {
			t.Errorf("%s: %d, %s, want %s", test.what, r.status, stored(), test.want)
		}
	}
	for body, pointer := range map[string]string{
		`{"organization":"https://x.example/"}`:         "/organization",
		`{"organization":7}`:                            "/organization",
		`{"secret":""}`:                                 "/secret",
		`{"secret":7}`:                                  "/secret",
		`{"settings":[]}`:                               "/settings",
		`{"settings":{"script":7}}`:                     "/settings/script",
		`{"private_settings":"x"}`:                      "/private_settings",
		`{"private_settings":{"public_traits":"plan"}}`: "/private_settings/public_traits",
		`{"private_settings":{"identity_verification":"sometimes"}}`: "/private_settings/identity_verification",
		`[`: "",
	} {
		r := put("new", body)
		if r.code() != "invalid_request" || !strings.Contains(string(r.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %d %s, want %s", body, r.status, r.body, pointer)
		}
	}
	if r := put("a%20b", `{}`); r.code() != "invalid_request" {
		t.Errorf("no id: %d %s", r.status, r.body)
	}
	// The answer does not wait for the body, and the connection ends behind it.
	if r := s.send("PUT /api/v1/connectors/new HTTP/1.1\r\nHost: beam.example\r\n" + adminKey + "\r\nContent-Length: 1048577\r\n\r\n"); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d %s", r.status, r.body)
	}
	if stored() != `  {} {}` {
		t.Errorf("what was refused has changed %s", stored())
	}
}

// Who has signed in from Hull makes settings, and not whose connector it is.
func TestPutConnectorOfHull(t *testing.T) {
	s := start(t, options{})
	cookie := s.signIn(withHull)
	for body, status := range map[string]int{
		`{"organization":"` + org + `","settings":{"script":"go()"}}`: 200,
		`{"organization":"other.hullapp.io"}`:                         403,
		`{}`:                                                          403,
		`{"organization":"` + org + `","secret":"another"}`:           403,
		`{"organization":"` + org + `","secret":null}`:                403,
	} {
		if r := s.do("PUT", "/api/v1/connectors/"+ship, body, cookie, sameSite); r.status != status {
			t.Errorf("%s: %d %s, want %d", body, r.status, r.body, status)
		}
	}
}

// Settings hold for the streams that are open.
func TestPutConnectorReachesOpenStreams(t *testing.T) {
	s := start(t, options{})
	s.update(`{"user":{"id":"u1","plan":"max","anonymous_ids":["` + anonymous + `"]},"segments":[]}`)
	page := s.listen(s.token(claim("anonymous_id", anonymous)))
	if e := page.expect("user.update"); !strings.Contains(string(e.Data), `"plan":"max"`) {
		t.Errorf("the page got %s", e.Data)
	}
	put := func(private string) {
		body := `{"organization":"` + org + `","private_settings":` + private + `}`
		if r := s.do("PUT", "/api/v1/connectors/"+ship, body, adminKey); r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	put(`{"whitelisted_domains":["www.harbor.example"]}`)
	if e := page.expect("user.update"); strings.Contains(string(e.Data), "plan") {
		t.Errorf("the page got %s", e.Data)
	}
	put(`{"whitelisted_domains":[]}`)
	if e := page.expect("close"); !strings.Contains(string(e.Data), "origin_not_allowed") {
		t.Errorf("the page got %s", e.Data)
	}
}

func TestDeleteConnector(t *testing.T) {
	s := start(t, options{})
	token := s.token(claim("anonymous_id", anonymous))
	page := s.listen(token)
	page.expect("cache.miss")
	page.expect("user.error")
	session := s.signIn(withHull)
	visitor := must(s.tokens.OpenGrant(token)).Visitor
	s.record(visitor)
	if r := s.do("DELETE", "/api/v1/connectors/"+ship, "", adminKey); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if e := page.expect("close"); !strings.Contains(string(e.Data), "revoked") {
		t.Errorf("the page got %s", e.Data)
	}
	if r := s.do("GET", "/api/v1/stream?token="+token, ""); r.code() != "token_invalid" {
		t.Errorf("its token: %d %s", r.status, r.body)
	}
	if r := s.do("POST", "/api/v1/connectors/"+ship+"/token", claim("anonymous_id", anonymous), "Origin: https://www.harbor.example", asJSON); r.code() != "connector_unknown" {
		t.Errorf("a new token: %d %s", r.status, r.body)
	}
	if s.lets(session) {
		t.Error("its operator is still let in")
	}
	for _, method := range []string{"GET", "DELETE"} {
		if r := s.do(method, "/api/v1/connectors/"+ship, "", adminKey); r.code() != "connector_unknown" {
			t.Errorf("%s: %d %s", method, r.status, r.body)
		}
	}
	if got := listedConnectors(t, s.do("GET", "/api/v1/connectors", "", adminKey)); len(got) != 0 {
		t.Errorf("the list has %+v", got)
	}
	if left := must(s.store.Visitors(t.Context(), ship, []string{visitor})); len(left) != 0 {
		t.Errorf("its visitors are known: %+v", left)
	}
	s.update(somebody) // Hull has it still, and so it is learnt anew
	if r := s.do("GET", "/api/v1/connectors/"+ship, "", adminKey); r.status != http.StatusOK {
		t.Errorf("after Hull's next notification: %d %s", r.status, r.body)
	}
}

// record has a visitor in the history.
func (s *server) record(visitor string) {
	s.t.Helper()
	must(s.store.Record(s.t.Context(), []store.Visit{{ConnectorID: ship, Visitor: visitor, At: s.now(), Email: "ada@harbor.example"}}))
	if known := must(s.store.Visitors(s.t.Context(), ship, []string{visitor})); len(known) != 1 {
		s.t.Fatalf("recorded: %+v", known)
	}
}
