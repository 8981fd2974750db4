package api_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// explained is the answer of GET users/{topic}.
type explained struct {
	Topic string
	User  *struct {
		ID        string
		Topics    []string
		Version   uint64
		IndexedAt string `json:"indexed_at"`
		State     json.RawMessage
	}
	Payload *struct{ Signed, Unsigned json.RawMessage }
	Gates   []struct {
		Gate, Detail, Hint string
		Pass               bool
	}
	Streams []struct {
		Visitor, Origin, Topic string
		Signed                 bool
	}
}

func userPath(topic string) string {
	return "/api/v1/connectors/" + ship + "/users/" + url.PathEscape(topic)
}

func (s *server) explain(topic string) (e explained) {
	s.t.Helper()
	r := s.do("GET", userPath(topic), "", adminKey)
	if r.status != 200 || r.header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("explain %s: %d %s", topic, r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &e); err != nil {
		s.t.Fatal(err)
	}
	for _, g := range e.Gates {
		if g.Pass != (g.Hint == "") || g.Detail == "" {
			s.t.Errorf("a gate has a hint if and only if it fails, and a detail: %+v", g)
		}
	}
	return e
}

// failing are the gates that fail, in their order.
func (e explained) failing() string {
	var names []string
	for _, g := range e.Gates {
		if !g.Pass {
			names = append(names, g.Gate)
		}
	}
	return strings.Join(names, " ")
}

func (e explained) gate(name string) string {
	for _, g := range e.Gates {
		if g.Gate == name {
			return g.Detail + " " + g.Hint
		}
	}
	return ""
}

// What is explained is what a browser gets, to the letter, for both audiences.
func TestExplainShowsWhatBrowsersGet(t *testing.T) {
	s := start(t, options{noHull: true, private: `{"whitelisted_domains":["www.harbor.example"],"identity_secret":"an identity secret of the site",
		"public_traits":["plan","score","note","group","group/a","account.name","nothing"],"public_traits_unsigned":["plan"],"public_segments":["vip"],"public_segments_unsigned":[]}`})
	s.update(`{"user":{"id":"u1","email":"ada+x/y@harbor.example","traits_plan":"pro","score":1.50000000000000000001,"note":"<b>&","group":{"a":1},
		"anonymous_ids":["` + anonymous + `"],"indexed_at":"2026-01-01T00:00:00.123Z"},"account":{"name":"Harbor"},"segments":[{"id":"vip","name":"VIP"}]}`)
	s.quiet()
	unsigned := s.listen(s.token(claim("anonymous_id", anonymous)))
	signed := s.listen(s.token(`{"identity_token":"` + identityToken("an identity secret of the site", jwt.MapClaims{"email": "ada+x/y@harbor.example"}) + `"}`))
	for _, topic := range []string{"email:ada+x/y@harbor.example", "email: ADA+x/y@harbor.example ", "anonymous_id:" + anonymous, "id:u1"} {
		e := s.explain(topic)
		if e.User == nil || e.User.ID != "u1" || len(e.User.Topics) != 3 || e.User.Version == 0 || e.User.IndexedAt != "2026-01-01T00:00:00.123Z" || !strings.Contains(string(e.User.State), `"note":"<b>&"`) {
			t.Fatalf("%s: %+v", topic, e.User)
		}
		if e.Topic != strings.ToLower(strings.ReplaceAll(topic, " ", "")) || len(e.Streams) != 2 {
			t.Errorf("%s: %q, streams %+v", topic, e.Topic, e.Streams)
		}
		if e.Payload == nil {
			t.Fatal("no payload")
		}
		if unsigned != nil {
			if got, want := string(e.Payload.Unsigned), string(unsigned.expect("user.update").Data); got != want {
				t.Errorf("unsigned: %s, the page got %s", got, want)
			}
			if got, want := string(e.Payload.Signed), string(signed.expect("user.update").Data); got != want || !strings.Contains(got, "1.50000000000000000001") {
				t.Errorf("signed: %s, the page got %s", got, want)
			}
			unsigned = nil
		}
		want := ""
		if strings.HasPrefix(topic, "id:") {
			want = "identity" // nobody has it signed
		}
		if got := e.failing(); got != want {
			t.Errorf("%s: %q fails, want %q: %+v", topic, got, want, e.Gates)
		}
		if got := e.gate("whitelist"); !strings.Contains(got, "lacks: nothing") || !strings.Contains(got, "Public attributes: 7, of which the user has 6.") {
			t.Errorf("whitelist: %s", got)
		}
	}
}

// Each gate fails for what is wrong with it, and with nothing else.
func TestExplainGates(t *testing.T) {
	const open = `"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"]`
	for _, test := range []struct {
		name, private, topic, failing string
		detail, says                  string
	}{
		{"all is well but that nobody is there", open, "anonymous_id:" + anonymous, "stream", "stream", "No stream is open"},
		{"no domain", `"public_traits":["plan"]`, "anonymous_id:" + anonymous, "origin stream", "origin", "whitelisted_domains"},
		{"domains that match nothing", `"whitelisted_domains":["*"],"public_traits":["plan"]`, "anonymous_id:" + anonymous, "origin stream", "origin", "No domain is allowed"},
		{"an email that is not signed", open, "email:ada@harbor.example", "identity stream", "identity", "identity_secret"},
		{"an email where nobody verifies", open + `,"identity_verification":"off"`, "email:ada@harbor.example", "stream", "identity", "off"},
		{"an anonymous id that can be guessed", open, "anonymous_id:short", "identity cached stream", "identity", "16 characters"},
		{"one of a service that counts through", open, "anonymous_id:crm:0123456789abcdef", "identity cached stream", "identity", "possession_services"},
		{"one where only signed ids count", open + `,"identity_verification":"signed"`, "anonymous_id:" + anonymous, "identity stream", "identity", "unless it is signed"},
		{"nobody is stored", open, "anonymous_id:0123456789abcdef-nobody", "cached stream", "cached", "Hull is asked when a page proves it"},
		{"not in the segments", open + `,"synchronized_segments":["gold"]`, "anonymous_id:" + anonymous, "segment stream", "segment", "synchronized segments: gold. They are in: vip"},
		{"in one of the segments", open + `,"synchronized_segments":["gold","vip"]`, "anonymous_id:" + anonymous, "stream", "segment", "is in one of"},
		{"nothing is public", `"whitelisted_domains":["www.harbor.example"]`, "anonymous_id:" + anonymous, "whitelist stream", "whitelist", "public_traits"},
		{"nothing that the user has", `"whitelisted_domains":["www.harbor.example"],"public_traits":["size","account.size"]`, "anonymous_id:" + anonymous, "whitelist stream", "whitelist", "lacks: account.size, size"},
		{"a group of which the user has a part", `"whitelisted_domains":["www.harbor.example"],"public_traits":["clearbit"]`, "anonymous_id:" + anonymous, "whitelist stream", "whitelist", "lacks: clearbit"},
		{"nothing for those who are not signed in", open + `,"public_traits_unsigned":[]`, "anonymous_id:" + anonymous, "whitelist stream", "whitelist", "Unsigned streams: Public attributes: 0"},
		{"too large", `"whitelisted_domains":["www.harbor.example"],"public_traits":["long"]`, "anonymous_id:" + anonymous, "size stream", "size", "too_large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, options{private: "{" + test.private + "}"})
			s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example","clearbit/name":"x","long":"`+strings.Repeat("x", 70_000)+`"`, anonymousIDs(anonymous)))
			e := s.explain(test.topic)
			if got := e.failing(); got != test.failing {
				t.Errorf("%q fails, want %q: %+v", got, test.failing, e.Gates)
			}
			if got := e.gate(test.detail); !strings.Contains(got, test.says) {
				t.Errorf("%s says %q, want %q", test.detail, got, test.says)
			}
			if (e.User == nil) != strings.Contains(test.failing, "cached") || (e.Payload == nil) != (e.User == nil || strings.Contains(test.failing, "segment")) {
				t.Errorf("user %v, payload %v", e.User, e.Payload)
			}
		})
	}
}

// To explain changes nothing: Hull is not asked, and nobody is stored.
func TestExplainChangesNothing(t *testing.T) {
	s := start(t, options{})
	if err := s.hull.PutReport(ship, json.RawMessage(`{"id":"u1","anonymous_ids":["`+anonymous+`"]}`)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if e := s.explain("anonymous_id:" + anonymous); e.User != nil || e.failing() != "cached stream" {
			t.Errorf("got %+v", e)
		}
	}
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	l.expect("user.update")
	if got := s.metric("hullbeam_lookups_total"); got != 1 {
		t.Errorf("looked up: %v", got)
	}
}

// Pages of other domains that were refused are told of, and streams that follow somebody
// else.
func TestExplainRefusedAndElsewhere(t *testing.T) {
	s := start(t, options{noHull: true, private: everyClaim})
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)), userMessage("u2", plan("max"), `"email":"bo@harbor.example"`))
	refused := s.do("POST", "/api/v1/connectors/"+ship+"/token", claim("anonymous_id", anonymous), "Origin: https://other.example", "Content-Type: application/json")
	if refused.code() != "origin_not_allowed" {
		t.Fatalf("got %s", refused.body)
	}
	if e := s.explain("anonymous_id:" + anonymous); e.failing() != "origin stream" || !strings.Contains(e.gate("origin"), "refused just now, 1 in all") {
		t.Errorf("%q: %s", e.failing(), e.gate("origin"))
	}
	l := s.listen(s.token(`{"claims":{"email":"bo@harbor.example","anonymous_id":"` + anonymous + `"}}`))
	l.expectPlan("max")
	e := s.explain("anonymous_id:" + anonymous)
	if e.failing() != "stream" || !strings.Contains(e.gate("stream"), "somebody else") || !strings.Contains(e.gate("origin"), "Others were let in") {
		t.Errorf("%q: %s, %s", e.failing(), e.gate("stream"), e.gate("origin"))
	}
	if len(e.Streams) != 1 || e.Streams[0].Origin != page || e.Streams[0].Topic != "anonymous_id:"+anonymous || e.Streams[0].Signed || !strings.HasPrefix(e.Streams[0].Visitor, "v_") {
		t.Errorf("streams: %+v", e.Streams)
	}
}

// A topic is one segment that can be read; only the connector can be missing.
func TestTopicsInPaths(t *testing.T) {
	s := start(t, options{})
	for path, code := range map[string]string{
		"nothing": "invalid_request", "phone:1": "invalid_request", "email:": "invalid_request", "email:%20": "invalid_request", "id:%FF": "invalid_request",
		"id:a%00b": "invalid_request", "id:" + strings.Repeat("x", 2000): "invalid_request", "id:a/b": "not_found",
	} {
		for _, method := range []string{"GET", "DELETE"} {
			if r := s.do(method, "/api/v1/connectors/"+ship+"/users/"+path, "", adminKey); r.code() != code {
				t.Errorf("%s %.30s: %d %s, want %s", method, path, r.status, r.body, code)
			}
		}
	}
	if r := s.do("GET", "/api/v1/connectors/nobody/users/id:u1", "", adminKey); r.code() != "connector_unknown" {
		t.Errorf("no connector: %d %s", r.status, r.body)
	}
	if r := s.do("GET", userPath("id:u1"), ""); r.code() != "unauthorized" {
		t.Errorf("no key: %d %s", r.status, r.body)
	}
}
