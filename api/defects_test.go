package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/store"
)

// Tests here are named after the defects of the predecessors that no other test
// shows to be absent (docs/decisions/0023-defects.md has all of them).

// What a page is allowed is what the connector of its token says, whatever else the
// request or its body names.
func TestA5PagesAreJudgedByTheirOwnConnector(t *testing.T) {
	s := start(t, options{noHull: true})
	const elsewhere = "https://elsewhere.example"
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", PrivateSettings: []byte(`{"whitelisted_domains":["elsewhere.example"],"public_traits":["plan"]}`)}))
	for _, body := range []string{claim("anonymous_id", anonymous), `{"shipId":"other","connectorId":"other","connector":"other","claims":{"anonymous_id":"` + anonymous + `"}}`} {
		if r := s.do("POST", tokenPath, body, "Origin: "+elsewhere, "Content-Type: application/json"); r.code() != "origin_not_allowed" {
			t.Errorf("got %d %s", r.status, r.body)
		}
	}
	l := s.listen(s.token(claim("anonymous_id", anonymous)) + "&connector=other")
	l.expect("cache.miss")
	l.expect("user.error")
	if r := s.do("POST", "/api/v1/connectors/other/users", userMessage("u2", plan("theirs"), anonymousIDs(anonymous)), "Authorization: Bearer an admin key for tests", "Content-Type: application/json"); r.status != 202 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	s.update(userMessage("u1", plan("ours"), anonymousIDs(anonymous)))
	l.expectPlan("ours")
	if r := s.do("POST", "/api/v1/connectors/hb:connectors/token", claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json"); r.code() != "connector_unknown" {
		t.Errorf("a key of the store for a connector: got %d %s", r.status, r.body)
	}
}

func TestA6EmptyRowsAdmitNobody(t *testing.T) {
	s := start(t, options{private: `{"whitelisted_domains":[""," ","*","null"]}`})
	for _, origin := range []string{"null", "", "https://", "file://", page} {
		if r := s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: "+origin, "Content-Type: application/json"); r.code() != "origin_not_allowed" {
			t.Errorf("%q: got %d %s", origin, r.status, r.body)
		}
	}
}

func TestA7RefusalsTellNoDomains(t *testing.T) {
	s := start(t, options{private: `{"whitelisted_domains":["www.harbor.example","https://intranet.harbor.example"]}`})
	r := s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: https://evil.example", "Content-Type: application/json")
	if r.code() != "origin_not_allowed" || strings.Contains(string(r.body), "harbor") || strings.Contains(fmt.Sprint(r.header), "harbor") {
		t.Errorf("got %d %s %v", r.status, r.body, r.header)
	}
}

// A stream has the topics of its token and no others, whatever is asked for.
func TestA11StreamsCollectNoTopics(t *testing.T) {
	s := start(t, options{noHull: true})
	l := s.listen(s.token(claim("anonymous_id", anonymous)) + "&anonymous_id=" + second + "&topics=anonymous_id:" + second)
	l.expect("cache.miss")
	l.expect("user.error")
	s.update(userMessage("u2", plan("theirs"), anonymousIDs(second)))
	s.update(userMessage("u1", plan("ours"), anonymousIDs(anonymous)))
	l.expectPlan("ours")
}

func TestA12LookUpsAreFiltered(t *testing.T) {
	s := start(t, options{private: `{"whitelisted_domains":["www.harbor.example"],"synchronized_segments":["vip"],"public_traits":["plan"]}`})
	if err := s.hull.PutReport(ship, []byte(`{"id":"u1","traits_plan":"pro","anonymous_ids":["`+anonymous+`"],"segments":[{"id":"other","name":"O"}]}`)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // from Hull, then from the store
		l := s.listen(s.token(claim("anonymous_id", anonymous)))
		e := l.next()
		if string(e.Event) == "cache.miss" {
			e = l.next()
		}
		if string(e.Event) != "user.private" || string(e.Data) != `{"user":{"id":"u1"}}` {
			t.Errorf("got %s %s", e.Event, e.Data)
		}
	}
}

// The log is read by people who may not read the data.
func TestA15LogsTellNothingOfAnybody(t *testing.T) {
	const key = "the site's identity secret"
	s := start(t, options{private: `{"whitelisted_domains":["www.harbor.example"],"public_traits":["email","plan"],"identity_secret":"` + key + `"}`})
	proof := identityToken(key, jwt.MapClaims{"email": "ada@harbor.example"})
	token := s.token(`{"claims":{"anonymous_id":"` + anonymous + `"},"identity_token":"` + proof + `"}`)
	l := s.listen(token)
	l.expect("cache.miss")
	l.expect("user.error")
	s.update(userMessage("u1", plan("confidential"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)), `{"user":{"email":"ada@harbor.example"}}`)
	l.expectPlan("confidential")
	s.notification("user:delete", "", `{"id":"u1"}`)
	l.expect("user.private")
	s.do("POST", "/smart-notifier?ship="+ship+"&organization="+org+"&secret="+secret, "{}")
	s.notify([]byte(configuration(ship, org, "a guessed secret")))
	s.drain()
	for _, private := range []string{"ada@", anonymous, "confidential", secret, "guessed", key, token[:24], proof[:24]} {
		if strings.Contains(s.log.String(), private) {
			t.Errorf("the log holds %q:\n%s", private, s.log)
		}
	}
}

// One rule for origins, for the answer to a preflight as for the request: scheme, host
// and port as the page has them.
func TestA18OriginsAreComparedOneWay(t *testing.T) {
	s := start(t, options{private: `{"whitelisted_domains":["https://www.harbor.example:8443"]}`})
	for origin, want := range map[string]int{page + ":8443": 201, page: 403, page + ":9443": 403, "http://www.harbor.example:8443": 403} {
		preflight := s.do("OPTIONS", tokenPath, "", "Origin: "+origin, "Access-Control-Request-Method: POST")
		r := s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: "+origin, "Content-Type: application/json")
		if r.status != want || r.header.Get("Access-Control-Allow-Origin") != origin || preflight.header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: got %d %v", origin, r.status, r.header)
		}
	}
}

// A page that knows its visitor by one identifier is reached by an update that has no
// other of its identifiers, whichever it is; a page that knows them by all is reached
// once, also when they are the same text.
func TestC1C2EveryIdentifierOnce(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	open := func(claims string) *listener {
		l := s.listen(s.token(claims))
		l.expect("cache.miss")
		l.expect("user.error")
		return l
	}
	for name, test := range map[string]struct{ claims, user, members string }{
		"id":             {claim("id", "u1"), "u1", `"name":"Ada"`},
		"external id":    {claim("external_id", "4711"), "u2", `"external_id":"4711"`},
		"email":          {claim("email", "bob@harbor.example"), "u3", `"email":"bob@harbor.example"`},
		"contact email":  {claim("email", "eve@harbor.example"), "u4", `"contact_email":"eve@harbor.example"`},
		"anonymous id":   {claim("anonymous_id", anonymous), "u5", anonymousIDs("another-0123456789", anonymous)},
		"a second claim": {`{"claims":{"anonymous_id":["a-third-0123456789","` + second + `"]}}`, "u6", anonymousIDs(second)},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(test.claims)
			s.update(userMessage(test.user, plan("pro"), test.members))
			l.expectPlan("pro")
		})
	}
	t.Run("all of them", func(t *testing.T) {
		const same = "ada@harbor.example"
		l := open(`{"claims":{"id":"` + same + `","external_id":"` + same + `","email":"` + same + `","anonymous_id":["a-fourth-0123456789","a-fifth-0123456789"]}}`)
		for _, name := range []string{"free", "pro", "team"} {
			s.update(userMessage(same, plan(name), `"external_id":"`+same+`","email":"`+same+`","contact_email":"`+same+`"`, anonymousIDs("a-fourth-0123456789", "a-fifth-0123456789")))
			l.expectPlan(name)
		}
		s.quiet()
		s.drain()
		for _, e := range l.rest() {
			if string(e.Event) == "user.update" {
				t.Errorf("again: %s", e.Data)
			}
		}
	})
}

// What one page asks for is told to that page.
func TestC3LookUpsAreForOnePage(t *testing.T) {
	s := start(t, options{private: everyClaim})
	first := s.listen(s.token(claim("anonymous_id", anonymous)))
	first.expect("cache.miss")
	first.expect("user.error")
	if err := s.hull.PutReport(ship, []byte(`{"id":"u1","traits_plan":"pro","anonymous_ids":["`+anonymous+`","`+second+`"]}`)); err != nil {
		t.Fatal(err)
	}
	other := s.listen(s.token(claim("anonymous_id", second)))
	other.expect("cache.miss")
	other.expectPlan("pro")
	s.quiet()
	s.drain()
	for _, e := range other.rest() {
		if string(e.Event) == "user.update" {
			t.Errorf("again: %s", e.Data)
		}
	}
}

// A page of a connector that nobody knows is told so, at once.
func TestC6UnknownConnectorsAreSaid(t *testing.T) {
	s := start(t, options{unknown: true})
	r := s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json")
	if r.status != 404 || r.code() != "connector_unknown" || r.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("got %d %s %v", r.status, r.body, r.header)
	}
}

// What is cached is shown, with no question to Hull.
func TestC7CacheHits(t *testing.T) {
	s := start(t, options{})
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	for range 3 {
		s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan("pro")
	}
	if n := len(s.hull.Calls()); n != 0 {
		t.Errorf("Hull was asked %d times", n)
	}
}

// A user is looked up by id, and by what of several identifiers is known.
func TestC8LookUps(t *testing.T) {
	for name, body := range map[string]string{
		"by id":                           claim("id", "u1"),
		"by email and a new anonymous id": `{"claims":{"email":"ada@harbor.example","anonymous_id":"a-fresh-one-0123456"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{private: everyClaim})
			if err := s.hull.PutReport(ship, []byte(`{"id":"u1","email":"ada@harbor.example","traits_plan":"pro","anonymous_ids":[]}`)); err != nil {
				t.Fatal(err)
			}
			l := s.listen(s.token(body))
			l.expect("cache.miss")
			l.expectPlan("pro")
		})
	}
}

// Settings that cannot be kept are answered at once, and not acknowledged.
func TestC12SettingsThatCannotBeKept(t *testing.T) {
	broken := &brokenStore{}
	s := start(t, options{store: func(*store.Config) {}, wrap: broken.wrap})
	broken.fails = true
	body := fmt.Appendf(nil, `{"notification_id":"n1","configuration":{"id":%q,"organization":%q,"secret":%q},"connector":{"id":%q,"private_settings":{"public_traits":["plan"]}},"channel":"ship:update","messages":[]}`,
		ship, org, secret, ship)
	began := time.Now()
	wants(t, s.notify(body), 503, "UNAVAILABLE")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("answered after %v", took)
	}
	broken.fails = false
	wants(t, s.notify(body), 200, "")
	if c := must(s.store.Connector(t.Context(), ship)); !strings.Contains(string(c.PrivateSettings), `"plan"`) {
		t.Errorf("kept: %s", c.PrivateSettings)
	}
}
