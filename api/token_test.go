package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/api"
	"hullbeam/store"
)

const tokenPath = "/api/v1/connectors/" + ship + "/token"

// identityToken is signed as a site's back end would.
func identityToken(key string, claims jwt.MapClaims) string {
	if claims["exp"] == nil {
		claims["exp"] = time.Now().Add(time.Hour).Unix()
	}
	return must(jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key)))
}

func intercomHash(key, value string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(value))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestTokenAnswers(t *testing.T) {
	const key = "the site's identity secret"
	s := start(t, options{private: `{"whitelisted_domains":["www.harbor.example"],"identity_secret":"` + key + `"}`})
	signed := identityToken(key, jwt.MapClaims{"email": "Ada@Harbor.example", "aud": ship})
	forged := identityToken("another", jwt.MapClaims{"email": "ada@harbor.example"})
	const asJSON, fromPage = "Content-Type: application/json", "Origin: " + page
	for _, c := range []struct {
		name    string
		path    string
		body    string
		headers []string
		status  int
		code    string
	}{
		{"an anonymous id counts by possession", "", claim("anonymous_id", anonymous), []string{fromPage, asJSON}, 201, ""},
		{"text/plain spares the preflight", "", claim("anonymous_id", anonymous), []string{fromPage, "Content-Type: text/plain;charset=UTF-8"}, 201, ""},
		{"unknown members are ignored", "", `{"claims":{"anonymous_id":"` + anonymous + `","new":1},"newer":true}`, []string{fromPage, asJSON}, 201, ""},
		{"empty and null claims are absent", "", `{"claims":{"id":"","email":null,"anonymous_id":["` + anonymous + `"]}}`, []string{fromPage, asJSON}, 201, ""},
		{"a page view may come with it", "", `{"claims":{"anonymous_id":"` + anonymous + `"},"page":{"url":"https://www.harbor.example/","tab":"t","view":"v"}}`, []string{fromPage, asJSON}, 201, ""},
		{"a signed email counts", "", `{"identity_token":"` + signed + `"}`, []string{fromPage, asJSON}, 201, ""},
		{"Intercom's hash of the email as written counts", "", `{"claims":{"email":"Ada@Harbor.example"},"user_hash":"` + intercomHash(key, "Ada@Harbor.example") + `"}`, []string{fromPage, asJSON}, 201, ""},
		{"and of the email in lower case", "", `{"claims":{"email":"Ada@Harbor.example"},"user_hash":"` + intercomHash(key, "ada@harbor.example") + `"}`, []string{fromPage, asJSON}, 201, ""},
		{"a list for a body", "", `[]`, []string{fromPage, asJSON}, 400, "invalid_claims"},
		{"a forged token does not", "", `{"claims":{"anonymous_id":"` + anonymous + `"},"identity_token":"` + forged + `"}`, []string{fromPage, asJSON}, 401, "identity_token_invalid"},
		{"a wrong user_hash does not", "", `{"claims":{"email":"ada@harbor.example"},"user_hash":"00"}`, []string{fromPage, asJSON}, 401, "identity_token_invalid"},
		{"an email alone does not count", "", claim("email", "ada@harbor.example"), []string{fromPage, asJSON}, 403, "claims_unproven"},
		{"nor a short anonymous id", "", claim("anonymous_id", "fifteen-letters"), []string{fromPage, asJSON}, 403, "claims_unproven"},
		{"nor another service's", "", claim("anonymous_id", "hubspot:0123456789abcdef"), []string{fromPage, asJSON}, 403, "claims_unproven"},
		{"no claims", "", `{"claims":{}}`, []string{fromPage, asJSON}, 400, "empty_claims"},
		{"no claims member", "", `{}`, []string{fromPage, asJSON}, 400, "empty_claims"},
		{"a claim of the wrong type", "", `{"claims":{"email":{"$ne":""}}}`, []string{fromPage, asJSON}, 400, "invalid_claims"},
		{"not JSON", "", `claims=1`, []string{fromPage, asJSON}, 400, "invalid_claims"},
		{"two values", "", `{"claims":{}}{}`, []string{fromPage, asJSON}, 400, "invalid_claims"},
		{"a body of nothing", "", "", []string{fromPage, asJSON}, 400, "invalid_claims"},
		{"a member of the wrong type", "", `{"claims":{},"identity_token":7}`, []string{fromPage, asJSON}, 400, "invalid_claims"},
		{"nested deeply", "", `{"claims":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, []string{fromPage, asJSON}, 400, "invalid_claims"},
		{"no origin", "", claim("anonymous_id", anonymous), []string{asJSON}, 403, "origin_not_allowed"},
		{"another origin", "", claim("anonymous_id", anonymous), []string{"Origin: https://evil.example", asJSON}, 403, "origin_not_allowed"},
		{"http where https is meant", "", claim("anonymous_id", anonymous), []string{"Origin: http://www.harbor.example", asJSON}, 403, "origin_not_allowed"},
		{"a sandboxed page", "", claim("anonymous_id", anonymous), []string{"Origin: null", asJSON}, 403, "origin_not_allowed"},
		{"two origins, the first of them allowed", "", claim("anonymous_id", anonymous), []string{fromPage, "Origin: https://evil.example", asJSON}, 403, "origin_not_allowed"},
		{"an unknown connector", "/api/v1/connectors/nobody/token", claim("anonymous_id", anonymous), []string{fromPage, asJSON}, 404, "connector_unknown"},
		{"an impossible connector", "/api/v1/connectors/..%2f..%2fetc/token", claim("anonymous_id", anonymous), []string{fromPage, asJSON}, 404, "connector_unknown"},
		{"a form", "", "a=b", []string{fromPage, "Content-Type: application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		{"no type", "", claim("anonymous_id", anonymous), []string{fromPage}, 415, "unsupported_media_type"},
		{"a large body", "", `{"claims":{"anonymous_id":"` + strings.Repeat("x", 70000) + `"}}`, []string{fromPage, asJSON}, 413, "body_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.path == "" {
				c.path = tokenPath
			}
			r := s.do("POST", c.path, c.body, c.headers...)
			if r.status != c.status || r.code() != c.code {
				t.Errorf("got %d %s, want %d %s", r.status, r.body, c.status, c.code)
			}
			if r.header.Get("Vary") != "Origin" || r.header.Get("X-Request-Id") == "" {
				t.Errorf("headers: got %v", r.header)
			}
			if c.code != "" && r.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("type: got %s", r.header.Get("Content-Type"))
			}
			if allowed := r.header.Get("Access-Control-Allow-Origin"); strings.Contains(allowed, "null") || allowed == "*" {
				t.Errorf("allowed: got %s", allowed)
			}
		})
	}
	if log := s.log.String(); strings.Contains(log, anonymous) || strings.Contains(log, "ada@") || strings.Contains(log, signed) {
		t.Errorf("the log holds a claim:\n%s", log)
	}
}

func TestTokenAnswer(t *testing.T) {
	const key = "the site's identity secret"
	clock := clockAt(time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC))
	s := start(t, options{now: clock.now, private: `{"whitelisted_domains":["www.harbor.example"],"identity_secret":["old","` + key + `"]}`})
	proof := identityToken(key, jwt.MapClaims{"external_id": "77-in-the-shop", "exp": clock.now().Add(time.Hour).Unix()})
	body := fmt.Sprintf(`{"claims":{"email":"Ada@Harbor.example ","external_id":"1","anonymous_id":["%s","intercom:5c5b7b694aa3a8d4","short"]},"identity_token":"%s"}`, anonymous, proof)
	r := s.do("POST", tokenPath, body, "Origin: "+page, "Content-Type: application/json", "X-Request-Id: abc-1")
	var got struct {
		Token      string
		ExpiresAt  string `json:"expires_at"`
		StreamURL  string `json:"stream_url"`
		Topics     []string
		Unproven   []string
		Visitor    string
		VisitorKey string `json:"visitor_key"`
	}
	if err := json.Unmarshal(r.body, &got); err != nil || r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if want := "[external_id:77-in-the-shop anonymous_id:" + anonymous + " anonymous_id:intercom:5c5b7b694aa3a8d4]"; fmt.Sprint(got.Topics) != want {
		t.Errorf("topics: got %v, want %v", got.Topics, want)
	}
	if fmt.Sprint(got.Unproven) != "[email]" {
		t.Errorf("unproven: got %v", got.Unproven)
	}
	if got.ExpiresAt != "2026-01-02T05:04:05.006Z" || got.StreamURL != "http://beam.example/api/v1/stream" {
		t.Errorf("got %s %s", got.ExpiresAt, got.StreamURL)
	}
	if !strings.HasPrefix(got.Visitor, "v_") || r.header.Get("X-Request-Id") != "abc-1" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s %v", got.Visitor, r.header)
	}
	for _, secretText := range []string{"77-in-the", "harbor", anonymous} {
		if strings.Contains(strings.ToLower(got.Token), secretText) {
			t.Errorf("the token shows %q", secretText)
		}
	}
	again := func(key, origin string) (visitor string) {
		body := `{"claims":{"anonymous_id":"` + anonymous + `"},"visitor_key":"` + key + `"}`
		var answer struct{ Visitor string }
		json.Unmarshal(s.do("POST", tokenPath, body, "Origin: "+origin, "Content-Type: application/json").body, &answer)
		return answer.Visitor
	}
	if v := again(got.VisitorKey, page); v != got.Visitor {
		t.Errorf("with the key: got %s, want the same visitor", v)
	}
	for name, key := range map[string]string{"the id": got.Visitor, "rubbish": "AAAA", "none": ""} {
		if v := again(key, page); v == got.Visitor || !strings.HasPrefix(v, "v_") {
			t.Errorf("with %s: got %s, want a new visitor", name, v)
		}
	}
	if v := again(got.VisitorKey, page+":8443"); v == got.Visitor {
		t.Error("another origin's key makes the same visitor")
	}
}

func TestPreflight(t *testing.T) {
	s := start(t, options{})
	for _, path := range []string{tokenPath, "/api/v1/stream"} {
		r := s.do("OPTIONS", path, "", "Origin: "+page, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,last-event-id")
		if r.status != http.StatusNoContent || r.header.Get("Access-Control-Allow-Origin") != page || r.header.Get("Access-Control-Max-Age") != "7200" ||
			r.header.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, Last-Event-ID, Cache-Control" {
			t.Errorf("%s: got %d %v", path, r.status, r.header)
		}
	}
}

func TestTokensPerAddress(t *testing.T) {
	clock := clockAt(time.Unix(1_800_000_000, 0))
	s := start(t, options{now: clock.now, store: func(*store.Config) {}, config: func(c *api.Config) {
		c.Limits.TokensPerAddress = 3
		c.TrustedProxies = []string{"127.0.0.1"}
	}})
	ask := func(forwarded string) reply {
		return s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json", "X-Forwarded-For: "+forwarded)
	}
	for i := range 3 {
		if r := ask("203.0.113.7"); r.status != http.StatusCreated {
			t.Fatalf("token %d: %d %s", i, r.status, r.body)
		}
	}
	r := ask("203.0.113.7")
	if r.status != http.StatusTooManyRequests || r.code() != "rate_limited" || r.header.Get("Retry-After") != "20" || r.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("the fourth: got %d %s %v", r.status, r.body, r.header)
	}
	if r := ask("203.0.113.8"); r.status != http.StatusCreated {
		t.Errorf("another address: got %d", r.status)
	}
	for i, host := range []string{"1", "2", "3", "4"} {
		if r := ask("2001:db8:0:7::" + host); (r.status == http.StatusCreated) != (i < 3) {
			t.Errorf("%d of one IPv6 network: got %d", i, r.status)
		}
	}
	clock.pass(20 * time.Second)
	if r := ask("203.0.113.7"); r.status != http.StatusCreated {
		t.Errorf("later: got %d", r.status)
	}
}

func TestForwardedAddressesOfStrangersDoNotCount(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.TokensPerAddress = 1 }})
	for i, want := range []int{201, 429} {
		r := s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json", fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i))
		if r.status != want {
			t.Errorf("token %d: got %d, want %d", i, r.status, want)
		}
	}
}

// A store that cannot be read is told as such, and the token comes later.
func TestTokenWhileTheStoreIsGone(t *testing.T) {
	s := start(t, options{store: func(c *store.Config) { c.BusyTimeout = 10 * time.Millisecond }})
	s.store.Close()
	r := s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json")
	if r.status != http.StatusServiceUnavailable || r.code() != "unavailable" || r.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s %v", r.status, r.body, r.header)
	}
	if strings.Contains(string(r.body), "sqlite") || strings.Contains(string(r.body), t.TempDir()) {
		t.Errorf("the answer tells too much: %s", r.body)
	}
	if r := s.do("GET", "/readyz", ""); r.status != http.StatusServiceUnavailable {
		t.Errorf("readyz: got %d", r.status)
	}
	if r := s.do("GET", "/healthz", ""); r.status != http.StatusOK {
		t.Errorf("healthz: got %d", r.status)
	}
}
