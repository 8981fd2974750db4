package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store/storetest"
)

// userMessage is a message about a user with these members and the segment vip,
// unless told otherwise.
func userMessage(id string, members ...string) string {
	return `{"user":{"id":"` + id + `",` + strings.Join(members, ",") + `},"segments":[{"id":"vip","name":"VIP"}],"events":[{"event":"Signed Up"},{"event":"Secret"}]}`
}

func anonymousIDs(ids ...string) string {
	return `"anonymous_ids":` + string(must(json.Marshal(ids)))
}

func TestStreamAnswers(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	grant := must(s.tokens.OpenGrant(token))
	expired, foreign, outside := grant, grant, grant
	expired.Expires = time.Now().Add(-time.Second)
	foreign.Connector = "another"
	outside.Origin = "https://removed.example"
	for _, c := range []struct {
		name, token string
		headers     []string
		status      int
		code        string
	}{
		{"no token", "", nil, 401, "token_invalid"},
		{"rubbish", "AAAA", nil, 401, "token_invalid"},
		{"a token cut short", token[:len(token)-4], nil, 401, "token_invalid"},
		{"a long one", strings.Repeat("A", 9000), nil, 401, "token_invalid"},
		{"an expired one", must(s.tokens.SealGrant(expired)), nil, 401, "token_expired"},
		{"of a connector that is gone", must(s.tokens.SealGrant(foreign)), nil, 401, "token_invalid"},
		{"of an origin that was removed", must(s.tokens.SealGrant(outside)), nil, 403, "origin_not_allowed"},
		{"from another origin", token, []string{"Origin: https://evil.example"}, 403, "origin_not_allowed"},
		{"from two origins, the first of them its own", token, []string{"Origin: " + page, "Origin: https://evil.example"}, 403, "origin_not_allowed"},
		{"from a sandboxed page", token, []string{"Origin: null"}, 403, "origin_not_allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.do("GET", "/api/v1/stream?token="+c.token, "", c.headers...)
			if r.status != c.status || r.code() != c.code {
				t.Errorf("got %d %s, want %d %s", r.status, r.body, c.status, c.code)
			}
		})
	}
	if strings.Contains(s.log.String(), token[:20]) {
		t.Error("the log holds a token")
	}
	for name, headers := range map[string][]string{"without an origin": nil, "from its page": {"Origin: " + page}} {
		t.Run("a good token "+name, func(t *testing.T) { s.listen(token, headers...) })
	}
	t.Run("as a bearer", func(t *testing.T) {
		s.listen("", "Authorization: Bearer "+token)
	})
}

// The order of events of a stream about which nothing is known, in Hull neither.
func TestC10NothingCached(t *testing.T) {
	s := start(t, options{})
	l := s.listen(s.token(`{"claims":{"anonymous_id":["` + anonymous + `","other-0123456789abcdef"],"email":"ada@harbor.example"}}`))
	e := l.expect("cache.miss")
	if want := `{"connector":"` + ship + `","claims":{"anonymous_id":["` + anonymous + `","other-0123456789abcdef"]}}`; string(e.Data) != want {
		t.Errorf("cache.miss: got %s, want %s", e.Data, want)
	}
	if e := l.expect("user.error"); string(e.Data) != `{"message":"not_found","user":{},"account":{},"segments":[]}` {
		t.Errorf("user.error: got %s", e.Data)
	}
	s.update(userMessage("u1", `"plan":"pro"`, anonymousIDs(anonymous)))
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"plan":"pro"`) {
		t.Errorf("user.update: got %s", e.Data)
	}
	if calls := s.hull.Calls(); len(calls) != 1 || calls[0].Claims.Email != "" {
		t.Errorf("Hull was asked %d times, %+v: unproven claims must not be sent", len(calls), calls)
	}
}

func TestC9LookUpInHull(t *testing.T) {
	s := start(t, options{})
	report := `{"id":"u1","email":"ada@harbor.example","anonymous_ids":["` + anonymous + `"],"traits_plan":"pro","segments":[{"id":"vip","name":"VIP"}],"account":{"name":"Harbor","secret":1}}`
	if err := s.hull.PutReport(ship, []byte(report)); err != nil {
		t.Fatal(err)
	}
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	e := l.expect("user.update")
	if want := `{"message":"ok","user":{"email":"ada@harbor.example","id":"u1","plan":"pro"},"segments":["VIP"],"account":{"name":"Harbor"},"account_segments":[],"events":[]}`; !sameJSON(t, e.Data, want) {
		t.Errorf("got %s, want %s", e.Data, want)
	}
	s.quiet() // the topic led nowhere when the node began to follow it
	other := s.listen(s.token(claim("anonymous_id", anonymous)))
	if e2 := other.expect("user.update"); string(e2.ID) != string(e.ID) {
		t.Errorf("the second page: got %s, want the stored %s", e2.ID, e.ID)
	}
	if n := len(s.hull.Calls()); n != 1 {
		t.Errorf("Hull was asked %d times, want once", n)
	}
	s.drain()
	for _, e := range l.rest() {
		if string(e.Event) == "user.update" {
			t.Errorf("the second page's opening reached the first: %s", e.Data)
		}
	}
}

// A report counts only if one of its identities is proven: Hull could answer
// about somebody else.
func TestLookUpOfSomebodyElse(t *testing.T) {
	s := start(t, options{})
	s.hullSays.Store(&reply{status: http.StatusOK, body: []byte(`{"id":"u1","email":"ceo@harbor.example","anonymous_ids":[]}`)})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	l.expect("user.error")
	if got := s.metric("hullbeam_lookups_total", "result", "foreign"); got != 1 {
		t.Errorf("foreign: got %v", got)
	}
}

// A look-up ends with its stream, so that a page that leaves holds nothing.
func TestLookUpEndsWithItsStream(t *testing.T) {
	waits := make(chan struct{})
	s := start(t, options{hullWaits: waits})
	t.Cleanup(func() { close(waits) })
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	answered := func() bool { return strings.Contains(s.log.String(), "route=/api/v1/stream") }
	if answered() {
		t.Error("the request ended before its look-up")
	}
	l.cancel()
	storetest.Eventually(t, "the request ends with its stream", answered)
	if n := s.broker.Streams(); n != 0 {
		t.Errorf("%d streams", n)
	}
}

// saying is a message about a user that brings no names of events.
func saying(plan string) string {
	return `{"user":{"id":"u1","plan":"` + plan + `",` + anonymousIDs(anonymous) + `},"segments":[{"id":"vip","name":"VIP"}],"events":[]}`
}

// Hull says that it knows nobody when it has told of somebody already: a page that was shown
// them is not told to hide them.
func TestLookUpThatIsOvertaken(t *testing.T) {
	waits := make(chan struct{})
	s := start(t, options{hullWaits: waits})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	s.update(saying("pro"))
	l.expect("user.update")
	close(waits)
	storetest.Eventually(t, "Hull has answered", func() bool { return s.metric("hullbeam_lookups_total", "result", "not_found") == 1 })
	s.update(saying("team"))
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), "team") {
		t.Errorf("got %s", e.Data)
	}
}

// A page that was told of an update that is too large is told when it is not any more, also
// of what it was shown before.
func TestTooLargeIsOver(t *testing.T) {
	s := start(t, options{noHull: true})
	s.update(saying("pro"))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("user.update")
	s.update(saying(strings.Repeat("x", 70_000)))
	l.expect("user.error")
	s.update(saying("pro"))
	l.expect("user.update")
}

// A page that comes back while its user is too large shows what it was shown before, and is
// told to hide it.
func TestTooLargeIsHidden(t *testing.T) {
	s := start(t, options{noHull: true, private: `{"whitelisted_domains":["www.harbor.example"],"synchronized_segments":["vip"],"public_traits":["plan"]}`})
	s.update(saying("pro"))
	token := s.token(claim("anonymous_id", anonymous))
	l := s.listen(token)
	seen := l.expect("user.update").ID
	l.cancel()
	s.update(saying(strings.Repeat("x", 70_000)))
	l = s.listen(token, "Last-Event-ID: "+string(seen))
	l.expect("user.error")
	s.update(strings.Replace(saying("pro"), `"segments":[{"id":"vip","name":"VIP"}]`, `"segments":[]`, 1))
	l.expect("user.private")
}

func sameJSON(t *testing.T, got []byte, want string) bool {
	t.Helper()
	return fmt.Sprint(decodeNumbers(t, got)) == fmt.Sprint(decodeNumbers(t, []byte(want)))
}

func TestC4Resume(t *testing.T) {
	s := start(t, options{})
	s.update(userMessage("u1", `"plan":"pro"`, anonymousIDs(anonymous)))
	token := s.token(claim("anonymous_id", anonymous))
	first := s.listen(token)
	e := first.expect("user.update")
	if strings.Contains(string(e.Data), "Signed Up") {
		t.Errorf("a snapshot has the events of an update: %s", e.Data)
	}
	seen := string(e.ID)
	s.listen(token, "Last-Event-ID: rubbish <>").expect("user.update")
	s.listen(token, "Last-Event-ID: "+strings.Replace(seen, "-", "-x", 1)).expect("user.update")
	byHeader, byQuery := s.listen(token, "Last-Event-ID: "+seen), s.listen(token+"&last_event_id="+seen)
	s.update(userMessage("u1", `"plan":"max"`, anonymousIDs(anonymous)))
	for _, l := range []*listener{byHeader, byQuery} {
		if e := l.expect("user.update"); !strings.Contains(string(e.Data), "max") || !strings.Contains(string(e.Data), `"events":["Signed Up"]`) {
			t.Errorf("after a resume: got %s", e.Data)
		}
	}
	if e := s.listen(token, "Last-Event-ID: "+seen).expect("user.update"); !strings.Contains(string(e.Data), "max") {
		t.Errorf("missed meanwhile: got %s", e.Data)
	}
}

// An update reaches a stream once, however many of its topics match, and never
// by an identifier of another kind.
func TestA9OnceAndByKind(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Identity.Verification = "off" }})
	all := s.listen(s.token(`{"claims":{"id":"u1","external_id":"7","email":"ADA@harbor.example","anonymous_id":["` + anonymous + `"]}}`))
	kind := s.listen(s.token(claim("external_id", "ada@harbor.example")))
	s.update(userMessage("u1", `"external_id":"7","email":"ada@harbor.example","contact_email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	s.quiet()
	s.drain()
	for l, want := range map[*listener]int{all: 1, kind: 0} {
		got := 0
		for _, e := range l.rest() {
			if string(e.Event) == "user.update" {
				got++
			}
		}
		if got != want {
			t.Errorf("updates: got %d, want %d", got, want)
		}
	}
}

// A stream follows the user that its best topic leads to.
func TestFollowing(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Identity.Verification = "off" }})
	l := s.listen(s.token(`{"claims":{"email":"ada@harbor.example","anonymous_id":"` + anonymous + `"}}`))
	l.expect("cache.miss")
	l.expect("user.error")
	s.update(userMessage("visitor", `"plan":"none"`, anonymousIDs(anonymous)))
	l.expect("user.update")
	s.update(userMessage("ada", `"plan":"pro","email":"ada@harbor.example"`))
	if e := l.expect("user.private"); string(e.Data) != `{"user":{"id":"visitor"}}` {
		t.Errorf("farewell: got %s", e.Data)
	}
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"id":"ada"`) {
		t.Errorf("got %s, want ada", e.Data)
	}
	s.update(userMessage("visitor", `"plan":"other"`, anonymousIDs(anonymous)))
	s.update(userMessage("ada", `"plan":"max","email":"ada@harbor.example"`))
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), "max") {
		t.Errorf("got %s, want ada's, not the visitor's", e.Data)
	}
	s.update(userMessage("ada", `"plan":"max","email":"new@harbor.example"`))
	l.expect("user.private")
	if e := l.expect("close"); !strings.Contains(string(e.Data), "identity_changed") {
		t.Errorf("close: got %s", e.Data)
	}
}

func TestB11Private(t *testing.T) {
	s := start(t, options{noHull: true, private: `{"whitelisted_domains":["www.harbor.example"],"synchronized_segments":["vip"],"public_traits":["plan"]}`})
	in := userMessage("u1", `"plan":"pro"`, anonymousIDs(anonymous))
	out := strings.Replace(in, `{"id":"vip","name":"VIP"}`, "", 1)
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	l.expect("user.error")
	s.update(out) // nobody was shown the user: nothing is said
	s.update(in)
	l.expect("user.update")
	s.update(out)
	if e := l.expect("user.private"); string(e.Data) != `{"user":{"id":"u1"}}` || len(e.ID) == 0 {
		t.Errorf("got %s %s", e.Data, e.ID)
	}
	s.listen(s.token(claim("anonymous_id", anonymous))).expect("user.private")
	s.update(in)
	l.expect("user.update")
}

func TestChangedSettings(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	s.update(userMessage("u1", `"plan":"pro","email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	l := s.listen(token)
	first := l.expect("user.update")
	connector := func(updatedAt, private string) string {
		return `{"id":"` + ship + `","updated_at":"` + updatedAt + `","settings":{"script":"greet(user)"},"private_settings":` + private + `}`
	}
	s.notification("ship:update", connector("2026-01-01T00:00:00Z", `{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"]}`))
	e := l.expect("user.update")
	if strings.Contains(string(e.Data), "ada@") || !strings.Contains(string(e.Data), `"events":[]`) || !strings.Contains(string(e.Data), "script_url") {
		t.Errorf("under the new settings: got %s", e.Data)
	}
	if e := s.listen(token, "Last-Event-ID: "+string(first.ID)).expect("user.update"); strings.Contains(string(e.Data), "ada@") {
		t.Errorf("resumed across the change: got %s", e.Data)
	}
	s.notification("ship:update", connector("2025-01-01T00:00:00Z", `{"whitelisted_domains":["www.harbor.example"],"public_traits":["email"]}`))
	s.update(userMessage("u1", `"plan":"max","email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	if e := l.expect("user.update"); strings.Contains(string(e.Data), "ada@") {
		t.Errorf("older settings came back: got %s", e.Data)
	}
	s.notification("user:update", connector("2026-01-02T00:00:00Z", `{"whitelisted_domains":["www.harbor.example"],"synchronized_segments":["none"]}`))
	l.expect("user.private")
	s.notification("ship:update", connector("2026-01-03T00:00:00Z", `{"whitelisted_domains":["elsewhere.example"]}`))
	if e := l.expect("close"); !strings.Contains(string(e.Data), "origin_not_allowed") {
		t.Errorf("close: got %s", e.Data)
	}
	if r := s.do("GET", "/api/v1/stream?token="+token, ""); r.code() != "origin_not_allowed" {
		t.Errorf("the token afterwards: got %d %s", r.status, r.body)
	}
}

// Streams without a signed claim see the lists for them.
func TestUnsignedLists(t *testing.T) {
	const key = "the site's identity secret"
	s := start(t, options{noHull: true, private: `{"whitelisted_domains":["www.harbor.example"],"identity_secret":"` + key + `",
		"public_traits":["plan","email"],"public_traits_unsigned":["plan"],"public_segments":["vip"],"public_segments_unsigned":[]}`})
	signed := s.listen(s.token(`{"identity_token":"` + identityToken(key, jwt.MapClaims{"email": "ada@harbor.example"}) + `"}`))
	unsigned := s.listen(s.token(claim("anonymous_id", anonymous)))
	s.update(userMessage("u1", `"plan":"pro","email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	for l, want := range map[*listener]bool{signed: true, unsigned: false} {
		l.expect("cache.miss")
		l.expect("user.error")
		e := l.expect("user.update")
		if strings.Contains(string(e.Data), "ada@") != want || strings.Contains(string(e.Data), "VIP") != want || !strings.Contains(string(e.Data), "pro") {
			t.Errorf("signed %v: got %s", want, e.Data)
		}
	}
}

func TestTooLarge(t *testing.T) {
	s := start(t, options{noHull: true})
	s.update(userMessage("u1", `"plan":"`+strings.Repeat("x", 66000)+`"`, anonymousIDs(anonymous)))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	if e := l.expect("user.error"); !strings.Contains(string(e.Data), "too_large") {
		t.Errorf("got %s", e.Data)
	}
	s.update(userMessage("u1", `"plan":"pro"`, anonymousIDs(anonymous)))
	l.expect("user.update")
}

func TestC20StreamLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limit  func(*api.Config)
		status int
		code   string
	}{
		"of an address":  {func(c *api.Config) { c.Limits.StreamsPerAddress = 2 }, 503, "unavailable"},
		"of a connector": {func(c *api.Config) { c.Limits.StreamsPerConnector = 2 }, 503, "unavailable"},
		"of the node":    {func(c *api.Config) { c.Stream.MaxStreams = 2 }, 503, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{noHull: true, config: c.limit})
			token := s.token(claim("anonymous_id", anonymous))
			first, _ := s.listen(token), s.listen(token)
			r := s.do("GET", "/api/v1/stream?token="+token, "")
			if r.status != c.status || r.code() != c.code || r.header.Get("Retry-After") == "" {
				t.Errorf("the third: got %d %s %v", r.status, r.body, r.header)
			}
			first.cancel()
			<-first.ended
			storetest.Eventually(t, "a place is free", func() bool { return s.broker.Streams() < 2 })
			s.listen(token)
		})
	}
}

// A stream outlives the time that a request's body has to arrive, and a body that
// does not arrive holds its connection no longer.
func TestReadTimeout(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Limits.ReadTimeout = time.Second }})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	for name, head := range map[string]string{
		"that is read":    "POST /smart-notifier HTTP/1.1\r\nHost: beam\r\nX-Hull-Smart-Notifier: true\r\nX-Hull-Smart-Notifier-Signature: a.b.c\r\nX-Hull-Smart-Notifier-Signature-Version: v1\r\nX-Hull-Smart-Notifier-Signature-Public-Key-Url: https://" + org + "/key\r\nContent-Length: 1000\r\n\r\n{",
		"that is refused": "POST /smart-notifier HTTP/1.1\r\nHost: beam\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run("a body "+name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, head)
			if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
				t.Errorf("got %v, %.60s, want 400 and the connection closed", err, answer)
			}
		})
	}
	l.expect("cache.miss")
	l.expect("user.error")
	s.update(userMessage("u1", anonymousIDs(anonymous)))
	l.expect("user.update")
}

func TestC5RestartServesWhatWasKnown(t *testing.T) {
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) {
		s := start(t, options{directory: dir})
		s.update(userMessage("u1", `"plan":"pro"`, anonymousIDs(anonymous)))
	})
	t.Run("after", func(t *testing.T) {
		s := start(t, options{directory: dir, unknown: true})
		s.listen(s.token(claim("anonymous_id", anonymous))).expect("user.update")
		if n := len(s.hull.Calls()); n != 0 {
			t.Errorf("Hull was asked %d times", n)
		}
	})
}

// Of two streams that open at once while the store does not answer, one is asked
// to come back.
func TestOpeningsAreBounded(t *testing.T) {
	redis := storetest.Redis(t)
	// Until a canary is late the first of them waits for the store.
	s := start(t, options{redis: redis.URL(), canary: 10 * time.Second, config: func(c *api.Config) { c.Limits.Openings = 1 }})
	tokens := []string{s.token(claim("anonymous_id", anonymous)), s.token(claim("anonymous_id", anonymous))}
	redis.Freeze()
	defer redis.Thaw()
	statuses := make(chan int)
	for _, token := range tokens {
		go func() {
			res := must(http.Get(s.URL + "/api/v1/stream?token=" + token))
			if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
				t.Error("it does not say when")
			}
			res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	if first, second := <-statuses, <-statuses; first+second != http.StatusOK+http.StatusServiceUnavailable {
		t.Errorf("got %d and %d", first, second)
	}
}

func TestScript(t *testing.T) {
	s := start(t, options{settings: `{"script":"console.log(user) // no line end"}`})
	url := hull.ParseSettings(ship, []byte(`{"script":"console.log(user) // no line end"}`), nil).ScriptURL()
	r := s.do("GET", url, "")
	if r.status != http.StatusOK || !strings.Contains(string(r.body), "console.log(user) // no line end\n") ||
		!strings.HasPrefix(r.header.Get("Content-Type"), "text/javascript") || !strings.Contains(r.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: got %d %s %v", url, r.status, r.body, r.header)
	}
	for _, wrong := range []string{strings.Replace(url, "script.", "script.0", 1), "/api/v1/connectors/" + ship + "/script.js", "/api/v1/connectors/" + ship + "/token"} {
		if r := s.do("GET", wrong, ""); r.status != http.StatusNotFound {
			t.Errorf("%s: got %d", wrong, r.status)
		}
	}
}

func TestE7StreamsEndWithTheServer(t *testing.T) {
	s := start(t, options{noHull: true})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	s.drain()
	rest := l.rest()
	if last := rest[len(rest)-1]; string(last.Event) != "close" || !strings.Contains(string(last.Data), `"message":"shutting_down","reconnect_in_ms":`) {
		t.Errorf("last event: got %s %s", last.Event, last.Data)
	}
	if r := s.do("GET", "/api/v1/stream?token="+s.token(claim("anonymous_id", anonymous)), ""); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("a stream while stopping: got %d %s", r.status, r.body)
	}
	if r := s.do("GET", "/readyz", ""); r.status != http.StatusServiceUnavailable {
		t.Errorf("readyz while stopping: got %d", r.status)
	}
}

// A connector that asks for more proof than it did asks it of open streams, and of tokens
// that it has given.
func TestA1MoreProofIsAskedOfOpenStreams(t *testing.T) {
	const key = "the site's identity secret"
	s := start(t, options{noHull: true, private: `{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"],"identity_verification":"off","identity_secret":"` + key + `"}`})
	s.update(userMessage("ceo", plan("pro"), `"email":"ceo@harbor.example"`, anonymousIDs(anonymous)))
	claimed, signed := s.token(claim("email", "ceo@harbor.example")), s.token(`{"identity_token":"`+identityToken(key, jwt.MapClaims{"email": "ceo@harbor.example"})+`"}`)
	possessed := s.token(claim("anonymous_id", anonymous))
	stranger, known, browser := s.listen(claimed), s.listen(signed), s.listen(possessed)
	for _, l := range []*listener{stranger, known, browser} {
		l.expectPlan("pro")
	}
	ask := func(verification, at string) {
		s.notification("ship:update", `{"id":"`+ship+`","updated_at":"2026-01-0`+at+`T00:00:00Z","private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"],
			"identity_verification":"`+verification+`","identity_secret":"`+key+`"}}`)
	}
	ended := func(l *listener, token string) {
		t.Helper()
		for e := l.next(); string(e.Event) != "close"; e = l.next() {
			if string(e.Event) == "user.update" && strings.Contains(string(e.Data), "secret") {
				t.Errorf("got %s", e.Data)
			}
		}
		if r := s.do("GET", "/api/v1/stream?token="+token, ""); r.status != 401 || r.code() != "token_invalid" {
			t.Errorf("again: got %d %s", r.status, r.body)
		}
	}
	ask("possession", "1")
	s.update(userMessage("ceo", plan("secret"), `"email":"ceo@harbor.example"`, anonymousIDs(anonymous)))
	ended(stranger, claimed)
	for e := browser.next(); !strings.Contains(string(e.Data), "secret"); e = browser.next() {
	}
	ask("signed", "2")
	ended(browser, possessed)
	s.update(userMessage("ceo", plan("last"), `"email":"ceo@harbor.example"`))
	for e := known.next(); !strings.Contains(string(e.Data), "last"); e = known.next() {
	}
	s.listen(signed).expectPlan("last")
}
