package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"hullbeam/api"
	"hullbeam/store"
)

// Keys of every sort, and the header of each.
const (
	readOne   = "a key that reads one connector"
	writeOne  = "a key that writes one connector"
	readAll   = "a key that reads all connectors"
	writeAll  = "a key that writes all connectors"
	hashedKey = "an admin key of which the server has the hash"
)

func withBearer(key string) string { return "Authorization: Bearer " + key }

// withKeys has the keys above configured, those of one connector for ship.
func withKeys(c *api.Config) {
	c.AdminKeys = append(c.AdminKeys, api.KeyHash(hashedKey))
	c.OperatorKeys = []string{
		must(api.OperatorKey(api.ScopeRead, ship, readOne)), must(api.OperatorKey(api.ScopeWrite, ship, writeOne)),
		must(api.OperatorKey(api.ScopeRead, "*", readAll)), must(api.OperatorKey(api.ScopeWrite, "*", writeAll)),
	}
}

// ofPages are the routes below /api/v1 that are not for operators: all others there are.
var ofPages = []string{
	"POST /api/v1/connectors/:connector/token", "OPTIONS /api/v1/connectors/:connector/token", "GET /api/v1/connectors/:connector/:script",
	"GET /api/v1/stream", "OPTIONS /api/v1/stream", "POST /api/v1/pages", "OPTIONS /api/v1/pages",
	"POST /api/v1/visitors/email", "OPTIONS /api/v1/visitors/email", "POST /api/v1/offers/:offer/receipt", "OPTIONS /api/v1/offers/:offer/receipt",
	"POST /api/v1/session", "DELETE /api/v1/session", // by what is shown, and by a session alone
}

// operatorsRoutes are all routes that want a key.
func operatorsRoutes(s *server) (routes []string) {
	for _, route := range s.api.Routes() {
		_, path, _ := strings.Cut(route, " ")
		if strings.HasPrefix(path, "/api/v1/") && !slices.Contains(ofPages, route) || path == "/metrics" || strings.HasPrefix(path, "/debug/") {
			routes = append(routes, route)
		}
	}
	return routes
}

// asked is a route with something in the place of its parameters.
func asked(route, connectorID string) (method, path string) {
	method, path, _ = strings.Cut(route, " ")
	return method, strings.NewReplacer(":connector", connectorID, ":topic", "id:nobody", ":visitor", "v_nobody", ":offer", "none", "*name", "cmdline").Replace(path)
}

const fromElsewhere = "X-Forwarded-For: 203.0.113.7" // not directly of this machine

// What each sort of key may do on every route of operators that there is. What is not
// refused may still be answered with another error: nothing of what is asked for is there.
func TestKeysOnEveryRoute(t *testing.T) {
	s := start(t, options{config: withKeys})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Organization: org, Secret: secret}))
	routes := operatorsRoutes(s)
	if len(routes) < 20 || !slices.Contains(routes, "PUT /api/v1/connectors/:connector") {
		t.Fatalf("the routes are %s", routes)
	}
	for _, key := range []struct {
		name, key    string
		one, changes bool
	}{
		{"reads one", readOne, true, false}, {"writes one", writeOne, true, true},
		{"reads all", readAll, false, false}, {"writes all", writeAll, false, true},
		{"of the configuration, hashed", hashedKey, false, true},
	} {
		for _, route := range routes {
			for _, connectorID := range []string{"other", ship} {
				method, path := asked(route, connectorID)
				if strings.HasSuffix(path, "/live") && (connectorID == ship || !key.one) {
					continue // it would not end: TestReadKeyWatches
				}
				ofOne := strings.Contains(route, ":connector")
				aboutAll := !ofOne && !strings.HasSuffix(path, "/session") && !strings.HasSuffix(path, "/connectors")
				refused := key.one && (ofOne && connectorID == "other" || aboutAll) || !key.changes && method != "GET"
				r := s.do(method, path, `7`, withBearer(key.key), fromElsewhere)
				if (r.code() == "forbidden") != refused || r.status == http.StatusUnauthorized || refused != (r.status == http.StatusForbidden) {
					t.Errorf("%s: %s: %d %s, want it refused: %t", key.name, route, r.status, r.body, refused)
				}
				if refused && !strings.Contains(string(r.body), "is needed") {
					t.Errorf("%s: %s: it is not said what is needed: %s", key.name, route, r.body)
				}
				if method == "DELETE" && !refused && strings.Count(path, "/") == 4 {
					must(s.store.PutConnector(t.Context(), store.Connector{ID: connectorID, Organization: org, Secret: secret}))
				}
			}
		}
	}
}

// Nobody gets in where no key is configured, whatever is shown.
func TestNoKeyByDefault(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.AdminKeys, c.Limits.WrongKeysPerAddress = nil, 0 }})
	const hashOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, route := range operatorsRoutes(s) {
		method, path := asked(route, ship)
		for _, shown := range []string{
			"X-Nothing: there", "Authorization: ", "Authorization: Bearer", "Authorization: Bearer ", "Authorization: Basic OjE=",
			withBearer(hashOfNothing), withBearer("sha256:" + hashOfNothing), withBearer("admin"), withBearer("null"), withBearer(secret),
			"Cookie: hullbeam_session=", "Cookie: hullbeam_session=e30",
		} {
			r := s.do(method, path, `{}`, shown, sameSite, fromElsewhere)
			if r.code() != "unauthorized" || r.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s with %q: %d %s", route, shown, r.status, r.body)
			}
		}
	}
	for _, body := range []string{`{"key":" "}`, `{"key":"` + hashOfNothing + `"}`, `{"key":"sha256:` + hashOfNothing + `"}`} {
		if r := s.do("POST", "/api/v1/session", body, asJSON); r.code() != "unauthorized" {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

// The configuration's hash is no key: who reads it gets in nowhere.
func TestHashIsNoKey(t *testing.T) {
	s := start(t, options{config: withKeys})
	for _, shown := range []string{api.KeyHash(hashedKey), strings.TrimPrefix(api.KeyHash(hashedKey), "sha256:"), must(api.OperatorKey(api.ScopeWrite, "*", writeAll))} {
		if r := s.do("GET", "/api/v1/connectors", "", withBearer(shown)); r.code() != "unauthorized" {
			t.Errorf("%s: %d %s", shown, r.status, r.body)
		}
	}
}

// Lists have what the key may see.
func TestKeysSeeTheirConnectors(t *testing.T) {
	s := start(t, options{config: withKeys})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Organization: org, Secret: secret}))
	s.do("POST", "/api/v1/connectors/other/users", `[]`, withBearer(writeAll))
	for key, want := range map[string]int{readOne: 1, writeOne: 1, readAll: 2, writeAll: 2, hashedKey: 2} {
		if got := listedConnectors(t, s.do("GET", "/api/v1/connectors", "", withBearer(key))); len(got) != want {
			t.Errorf("%s: the list has %+v", key, got)
		}
	}
	if r := s.do("GET", "/api/v1/connectors/"+ship+"/audit", "", withBearer(readOne)); r.status != http.StatusOK || strings.Contains(string(r.body), "users.put") {
		t.Errorf("the log of a connector: %d %s", r.status, r.body)
	}
}

// A session is for what its key is for, and says so; it ends with its key.
func TestSessionHasTheScopeOfItsKey(t *testing.T) {
	directory := t.TempDir()
	s := start(t, options{directory: directory, config: withKeys})
	cookies := map[string]string{}
	for key, want := range map[string]string{
		readOne: `"connectors":["` + ship + `"],`, writeOne: `"connectors":["` + ship + `"],`, readAll: `"connectors":null,`, hashedKey: `"connectors":null,`,
	} {
		cookie := s.signIn(`{"key":"` + key + `"}`)
		scope := "write"
		if key == readOne || key == readAll {
			scope = "read"
		}
		said := string(s.do("GET", "/api/v1/session", "", cookie).body)
		if !strings.Contains(said, want) || !strings.HasSuffix(said, `"scope":"`+scope+`"}`) {
			t.Errorf("%s: the session is %s", key, said)
		}
		r := s.do("POST", "/api/v1/connectors/"+ship+"/users", `[]`, cookie, sameSite)
		if (r.status == http.StatusAccepted) != (scope == "write") || scope == "read" && r.code() != "forbidden" {
			t.Errorf("%s: a change: %d %s", key, r.status, r.body)
		}
		cookies[key] = cookie
	}
	s.stop()
	s.store.Close()
	without := start(t, options{directory: directory, unknown: true, config: func(c *api.Config) {
		c.OperatorKeys = []string{must(api.OperatorKey(api.ScopeRead, ship, writeOne))}
	}})
	if without.lets(cookies[readOne]) || without.lets(cookies[hashedKey]) {
		t.Error("a session goes on without its key")
	}
	if r := without.do("POST", "/api/v1/connectors/"+ship+"/users", `[]`, cookies[writeOne], sameSite); r.code() != "forbidden" {
		t.Errorf("a session changes with a key that only reads now: %d %s", r.status, r.body)
	}
}

// Who reads may watch, and signing out needs no right to change.
func TestReadKeyWatches(t *testing.T) {
	s := start(t, options{config: withKeys})
	req := must(http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/connectors/"+ship+"/live", nil))
	req.Header.Set("Authorization", "Bearer "+readOne)
	watched := must(http.DefaultTransport.RoundTrip(req))
	watched.Body.Close()
	if watched.StatusCode != http.StatusOK {
		t.Errorf("watching: %d", watched.StatusCode)
	}
	cookie := s.signIn(`{"key":"` + readOne + `"}`)
	if r := s.do("DELETE", "/api/v1/session", "", cookie, sameSite); r.status != http.StatusNoContent || s.lets(cookie) {
		t.Errorf("signing out: %d %s", r.status, r.body)
	}
}

// Who may not do something is noted with their label, but does not fill the log of those
// whom they would do it to.
func TestForbiddenChangesAreNoted(t *testing.T) {
	s := start(t, options{config: withKeys})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Organization: org, Secret: secret}))
	for range 70 {
		if r := s.do("DELETE", "/api/v1/connectors/other", "", withBearer(writeOne)); r.code() != "forbidden" {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	got, _ := s.audit("/api/v1/connectors/other/audit?limit=500")
	if len(got) < 60 || len(got) >= 70 || got[0].Result != "forbidden" || !strings.HasPrefix(got[0].Operator, "key:") {
		t.Errorf("%d entries, the first %+v", len(got), got[0])
	}
}

// Configured keys that are wrong stop the start, and are not printed.
func TestWrongKeysOfTheConfiguration(t *testing.T) {
	const hash = "sha256:71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73"
	for _, good := range []string{"read:demo:" + hash, "write:*:" + hash, "read:a-b_C:sha256:" + strings.ToUpper(hash[7:])} {
		if err := api.ValidateKeys(nil, []string{good}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", ":", "::", "read:demo", "read:demo:" + hash[7:], "read:demo:" + hash + "00", "read:demo:" + hash[:70], "read::" + hash, "read: :" + hash,
		"Read:demo:" + hash, "read:demo:" + hash + " ", "read:demo:sha1:" + hash[7:], "read:**:" + hash, "write:demo:extra:" + hash,
		"read:" + strings.Repeat("a", 65) + ":" + hash, "read:demo:sha256:" + strings.Repeat("g", 64),
	} {
		if err := api.ValidateKeys(nil, []string{bad}); err == nil || len(bad) > 5 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "short", hash[:70], "sha256:", hash + "0"} {
		if err := api.ValidateKeys([]string{"a key of twenty chars.", bad}, nil); err == nil || !strings.Contains(err.Error(), "entry 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
