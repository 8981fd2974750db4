package api_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

func TestC15NotificationHeaders(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.NotificationBody = 70000 }})
	good := []string{"X-Hull-Smart-Notifier: true", "X-Hull-Smart-Notifier-Signature-Version: v1", "X-Hull-Smart-Notifier-Signature: a.b.c",
		"X-Hull-Smart-Notifier-Signature-Public-Key-Url: https://" + org + "/key"}
	body := string(readFile(t, fixtures+"user-update-modern.json"))
	for _, c := range []struct {
		name    string
		headers []string
		body    string
		status  int
		code    string
		flow    string
	}{
		{"no flag", good[1:], body, 400, "MISSING_FLAG_HEADER", `{"type":"retry","size":10,"in":1000,"in_time":10}`},
		{"another version", []string{good[0], "X-Hull-Smart-Notifier-Signature-Version: v2"}, body, 400, "UNSUPPORTED_SIGNATURE_VERSION", ""},
		{"no signature", []string{good[0], good[1], good[3]}, body, 400, "MISSING_SIGNATURE_HEADERS", ""},
		{"too large", good, strings.Repeat(" ", 70001), 413, "ENTITY_TOO_LARGE", `{"type":"retry","size":1}`},
		{"as large as may be", good, strings.Repeat(" ", 70000), 400, "MISSING_NOTIFICATION", ""},
		{"a signature by nobody", good, body, 400, "INVALID_SIGNATURE", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.do("POST", "/smart-notifier", c.body, c.headers...)
			if r.status != c.status || answerCode(r) != c.code || !strings.Contains(string(r.body), c.flow) {
				t.Errorf("got %d %s, want %d %s %s", r.status, r.body, c.status, c.code, c.flow)
			}
		})
	}
	if _, _, err := s.store.Find(t.Context(), ship, []string{"email:tiago.reis@caravela.example"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a refused notification left something: %v", err)
	}
}

func configuration(id, organization, secret string) string {
	return fmt.Sprintf(`{"notification_id":"n1","configuration":{"id":%q,"organization":%q,"secret":%q},"channel":"user:update","messages":[%s]}`,
		id, organization, secret, userMessage("u1", anonymousIDs(anonymous)))
}

func TestA4NotificationIsBoundToItsConnector(t *testing.T) {
	s := start(t, options{})
	for name, body := range map[string]string{
		"another organization": configuration(ship, "evil.hullapp.io", secret),
		"no ship's id":         configuration("nobody", org, secret),
		"a stranger":           configuration("aaaaaaaaaaaaaaaaaaaaaaaa", "evil.example", secret),
		"a tail of the suffix": configuration("aaaaaaaaaaaaaaaaaaaaaaaa", "evilhullapp.io", secret),
		"an address":           configuration("aaaaaaaaaaaaaaaaaaaaaaaa", "127.0.0.1", secret),
	} {
		if r := s.notifySigned([]byte(body), "n1"); r.status != 400 || answerCode(r) != "INVALID_CONFIGURATION" {
			t.Errorf("%s: got %d %s", name, r.status, r.body)
		}
	}
	if n := len(s.hull.Calls()); n != 0 {
		t.Errorf("Hull was asked %d times about strangers", n)
	}
}

// A secret that was changed in Hull does not lock the connector out: Hull is asked
// whether the new one is good, at most once a minute. Somebody's guess keeps no other out.
func TestRotatedSecret(t *testing.T) {
	clock := clockAt(time.Now())
	s := start(t, options{now: clock.now, store: func(*store.Config) {}}) // of nodes, others read the clock meanwhile
	send := func(secret string) reply {
		body := strings.Replace(configuration(ship, org, secret), `"n1"`, `"`+rand.Text()+`"`, 1)
		return s.notify([]byte(body))
	}
	want := func(r reply, status int, code string) {
		t.Helper()
		if r.status != status || answerCode(r) != code {
			t.Errorf("got %d %s, want %d %s", r.status, r.body, status, code)
		}
	}
	want(send("guessed"), 400, "INVALID_CONFIGURATION")
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: "rotated"}, nil)
	want(send("guessed"), 503, "UNAVAILABLE") // it comes again
	want(send(secret), 200, "")
	if n := len(s.hull.Calls()); n != 1 {
		t.Errorf("Hull was asked %d times about one secret within a minute", n)
	}
	want(send("rotated"), 200, "")
	want(send("rotated"), 200, "")
	want(send(secret), 400, "INVALID_CONFIGURATION")
	want(send(secret), 503, "UNAVAILABLE")
	clock.pass(time.Minute)
	want(send(secret), 400, "INVALID_CONFIGURATION")
	if n := len(s.hull.Calls()); n != 4 {
		t.Errorf("Hull was asked %d times, want 4", n)
	}
	if c, err := s.store.Connector(t.Context(), ship); err != nil || c.Secret != "rotated" {
		t.Errorf("stored: %v, %v", c.Secret, err)
	}
}

func TestSoManySecretsAMinute(t *testing.T) {
	clock := clockAt(time.Now())
	s := start(t, options{now: clock.now, store: func(*store.Config) {}}) // of nodes, others read the clock meanwhile
	send := func(secret string) int {
		return s.notify([]byte(strings.Replace(configuration(ship, org, secret), `"n1"`, `"`+rand.Text()+`"`, 1))).status
	}
	for i := range 10 {
		if got := send(fmt.Sprint("guess-", i)); got != 400 {
			t.Errorf("guess %d: got %d", i, got)
		}
	}
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: "rotated"}, nil)
	if got := send("rotated"); got != 503 {
		t.Errorf("the eleventh of a minute: got %d", got)
	}
	if n := len(s.hull.Calls()); n != 10 {
		t.Errorf("Hull was asked %d times within a minute", n)
	}
	clock.pass(time.Minute)
	if got := send("rotated"); got != 200 {
		t.Errorf("a minute later: got %d", got)
	}
}

// Settings that are taken while a new secret is being stored do not bring the old one
// back, and the other way round.
func TestSettingsDoNotUndoARotation(t *testing.T) {
	const said = `{"id":"` + ship + `","updated_at":"2026-02-01T00:00:00Z","private_settings":{"public_traits":["said meanwhile"]}}`
	settings := strings.Replace(strings.Replace(configuration(ship, org, secret), `"n1"`, `"settings"`, 1), `{`, `{"connector":`+said+`,`, 1)
	rotation := strings.Replace(configuration(ship, org, "rotated"), `"n1"`, `"rotation"`, 1)
	for _, c := range []struct {
		name, first, second string
		near                func(*server, *firstHeldStore) bool // the second is about to change the connector
	}{
		{"settings come while a secret is stored", rotation, settings,
			func(_ *server, held *firstHeldStore) bool { return held.begun.Load() == 1 }},
		{"a secret comes while settings are stored", settings, rotation,
			func(s *server, _ *firstHeldStore) bool { return len(s.hull.Calls()) == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			held := &firstHeldStore{entered: make(chan struct{}), leave: make(chan struct{})}
			s := start(t, options{store: func(*store.Config) {}, wrap: func(s store.Store) store.Store {
				held.Store = s
				return held
			}})
			held.armed.Store(true)
			s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: "rotated"}, nil)
			var both sync.WaitGroup
			send := func(body string) {
				both.Go(func() {
					if r := s.notify([]byte(body)); r.status != 200 {
						t.Errorf("got %d %s", r.status, r.body)
					}
				})
			}
			send(c.first)
			<-held.entered
			send(c.second)
			storetest.Eventually(t, "the second is about to change the connector", func() bool { return c.near(s, held) })
			close(held.leave)
			both.Wait()
			got := must(s.store.Connector(t.Context(), ship))
			if got.Secret != "rotated" || !strings.Contains(string(got.PrivateSettings), "said meanwhile") {
				t.Errorf("stored secret %q, settings %s", got.Secret, got.PrivateSettings)
			}
		})
	}
}

// firstHeldStore is a store in which the first connector that is written once it is
// armed waits until leave.
type firstHeldStore struct {
	store.Store
	armed          atomic.Bool
	begun          atomic.Int64 // notifications that were taken to be done once
	entered, leave chan struct{}
}

func (s *firstHeldStore) Begin(ctx context.Context, connectorID, id string, digest [sha256.Size]byte, hold time.Duration) (store.Turn, error) {
	defer s.begun.Add(1)
	return s.Store.Begin(ctx, connectorID, id, digest, hold)
}

func (s *firstHeldStore) PutConnector(ctx context.Context, c store.Connector) (bool, error) {
	if s.armed.CompareAndSwap(true, false) {
		close(s.entered)
		<-s.leave
	}
	return s.Store.PutConnector(ctx, c)
}

// A new secret that the store does not take, since another node has stored something
// later, comes again.
func TestRotationThatIsNotStored(t *testing.T) {
	s := start(t, options{store: func(*store.Config) {}})
	body := strings.Replace(configuration(ship, org, secret), `{`, `{"connector":{"id":"`+ship+`","updated_at":"2026-01-01T00:00:00Z","settings":{}},`, 1)
	if r := s.notify([]byte(body)); r.status != 200 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	later := must(s.store.Connector(t.Context(), ship))
	later.UpdatedAt = time.Now()
	must(s.store.PutConnector(t.Context(), later))
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: "rotated"}, nil)
	r := s.notify([]byte(strings.Replace(configuration(ship, org, "rotated"), `"n1"`, `"n2"`, 1)))
	if r.status != 503 || answerCode(r) != "UNAVAILABLE" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	if got := must(s.store.Connector(t.Context(), ship)).Secret; got != secret {
		t.Errorf("stored %q", got)
	}
}

func TestFirstContact(t *testing.T) {
	s := start(t, options{unknown: true, config: func(c *api.Config) { c.Hull.MaxConnectors = 1 }})
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: secret},
		json.RawMessage(`{"id":"`+ship+`","settings":{},"private_settings":{"whitelisted_domains":["www.harbor.example"]},"updated_at":"2026-01-01T00:00:00Z"}`))
	if r := s.do("POST", "/smart-notifier", configuration(ship, org, secret), "X-Hull-Smart-Notifier: true", "X-Hull-Smart-Notifier-Signature-Version: v1",
		"X-Hull-Smart-Notifier-Signature: forged", "X-Hull-Smart-Notifier-Signature-Public-Key-Url: https://"+org+"/key"); answerCode(r) != "INVALID_SIGNATURE" || len(s.hull.Calls()) != 0 {
		t.Errorf("forged: got %d %s, %d calls", r.status, r.body, len(s.hull.Calls()))
	}
	if r := s.notifySigned([]byte(configuration(ship, org, "not the secret")), "n1"); answerCode(r) != "INVALID_CONFIGURATION" {
		t.Errorf("wrong secret: got %d %s", r.status, r.body)
	}
	if r := s.notifySigned([]byte(configuration(ship, org, secret)), "n1"); r.status != http.StatusOK {
		t.Fatalf("first contact: got %d %s", r.status, r.body)
	}
	s.listen(s.token(claim("anonymous_id", anonymous))).expect("user.update")
	other := "bbbbbbbbbbbbbbbbbbbbbbbb"
	s.hull.PutConnector(hull.Credentials{ConnectorID: other, Organization: org, Secret: secret}, nil)
	if r := s.notifySigned([]byte(configuration(other, org, secret)), "n1"); answerCode(r) != "INVALID_CONFIGURATION" {
		t.Errorf("above max_connectors: got %d %s", r.status, r.body)
	}
}

// What could not be kept is not acknowledged: Hull sends it again.
func TestC11NotificationThatCannotBeKept(t *testing.T) {
	s := start(t, options{store: func(c *store.Config) { c.MaxBytes = 1 << 20 }})
	big := userMessage("u1", `"blob":"`+strings.Repeat("x", 2<<20)+`"`, anonymousIDs(anonymous))
	body := `{"notification_id":"n1","configuration":{"id":"` + ship + `","organization":"` + org + `","secret":"` + secret + `"},"channel":"user:update","messages":[` + big + `]}`
	r := s.notifySigned([]byte(body), "n1")
	if r.status != http.StatusServiceUnavailable || !strings.Contains(string(r.body), `"type":"retry"`) || answerCode(r) != "UNAVAILABLE" {
		t.Errorf("full: got %d %.300s", r.status, r.body)
	}
	if strings.Contains(string(r.body), "disk") || !strings.Contains(s.log.String(), "full") {
		t.Errorf("the cause belongs into the log alone: %.300s\n%s", r.body, s.log)
	}
	s.update(userMessage("u2", anonymousIDs(anonymous)))
	s.listen(s.token(claim("anonymous_id", anonymous))).expect("user.update")
	s.store.Close()
	if r := s.notifySigned([]byte(configuration(ship, org, secret)), "n1"); r.status != http.StatusServiceUnavailable || !strings.Contains(string(r.body), `"type":"retry"`) {
		t.Errorf("closed: got %d %s", r.status, r.body)
	}
}

// Hull may say the new settings in the messages alone.
func TestShipUpdateInItsMessages(t *testing.T) {
	s := start(t, options{noHull: true})
	s.update(userMessage("u1", `"plan":"pro","email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("user.update")
	s.notification("ship:update", "", `7`, `{"id":"another","private_settings":{}}`,
		`{"id":"`+ship+`","updated_at":"2026-01-01T00:00:00Z","private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"]}}`)
	if e := l.expect("user.update"); strings.Contains(string(e.Data), "ada@") {
		t.Errorf("got %s", e.Data)
	}
}

func TestC13OlderStatesDoNotComeBack(t *testing.T) {
	s := start(t, options{noHull: true})
	at := func(when, plan string) string {
		return userMessage("u1", `"indexed_at":"`+when+`","plan":"`+plan+`"`, anonymousIDs(anonymous))
	}
	s.update(at("2026-01-02T00:00:00Z", "new"))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("user.update")
	old, newest := at("2026-01-01T00:00:00Z", "old"), at("2026-01-03T00:00:00Z", "newest")
	if s.clustered { // where the messages of one user become one
		s.update(old)
		s.update(newest)
	} else {
		s.update(old, newest)
	}
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), "newest") {
		t.Errorf("got %s", e.Data)
	}
	if got := s.metric("hullbeam_updates_total", "result", "stale"); got != 1 {
		t.Errorf("stale: got %v", got)
	}
}

func TestMetricsNeedAKeyUnlessDirect(t *testing.T) {
	s := start(t, options{})
	if r := s.do("GET", "/metrics", ""); r.status != http.StatusOK || !strings.Contains(string(r.body), `hullbeam_streams{connector="other"} 0`) {
		t.Errorf("direct: got %d", r.status)
	}
	for _, header := range []string{"X-Forwarded-Proto: https", "Forwarded: for=203.0.113.9", "Host: beam.example"} {
		if r := s.do("GET", "/metrics", "", header); r.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d", header, r.status)
		}
	}
	if r := s.do("GET", "/metrics", "", "X-Forwarded-For: 203.0.113.9"); r.status != http.StatusUnauthorized || r.code() != "unauthorized" {
		t.Errorf("forwarded: got %d", r.status)
	}
	if r := s.do("GET", "/metrics", "", "X-Forwarded-For: 203.0.113.9", "Authorization: bearer an admin key for tests"); r.status != http.StatusOK {
		t.Errorf("with a key: got %d", r.status)
	}
}

// Every event of the predecessors' README is counted (docs/hull-protocol.md 10.6).
func TestE4TrackedEvents(t *testing.T) {
	s := start(t, options{})
	s.api.Started()
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	l.expect("user.error")
	s.update(userMessage("u1", anonymousIDs(anonymous)), userMessage("nobody", `"plan":1`), "7")
	l.expect("user.update")
	s.hullSays.Store(&reply{status: http.StatusInternalServerError})
	s.listen(s.token(claim("anonymous_id", "another-0123456789abcdef"))).expect("cache.miss")
	storetest.Eventually(t, "the look-up fails", func() bool { return s.metric("hullbeam_lookups_total", "result", "failed") == 1 })
	s.hullSays.Store(nil)
	s.do("GET", "/api/v1/stream?token=x", "")
	s.quiet()
	for _, name := range []string{
		"incoming.connection.start", "incoming.connection.error", "incoming.connection.check", "incoming.connection.success",
		"incoming.user.join-channel", "incoming.user.joinRoom", "incoming.user.fetch.start", "incoming.user.fetch.error",
		"incoming.user.start", "incoming.user.error", "outgoing.user.fetch.error", "outgoing.user.start", "outgoing.user.send",
		"outgoing.user.success", "outgoing.user.error", "hull-browser.boot", "hull-browser.started", "connector.server.listen",
		"connector.smartNotifierHandler", "connector.smartNotifierHandler.process", "connector.smartNotifierHandler.response", "client.fail",
	} {
		if s.metric("hullbeam_tracked_events_total", "event", name) == 0 {
			t.Errorf("%s: not counted", name)
		}
	}
}

// heldStore is a store in which writing the settings "held" takes until leave.
type heldStore struct {
	store.Store
	entered, leave chan struct{}
}

func (s heldStore) PutConnector(ctx context.Context, c store.Connector) (bool, error) {
	if strings.Contains(string(c.PrivateSettings), "held") {
		close(s.entered)
		<-s.leave
	}
	return s.Store.PutConnector(ctx, c)
}

// wait waits until the store is asked for the sake of an answer.
func (s heldStore) wait(t *testing.T, answer <-chan reply) {
	t.Helper()
	select {
	case <-s.entered:
	case r := <-answer:
		t.Fatalf("the store was not asked: %d %s", r.status, r.body)
	}
}

// Every notification brings its connector's settings: while the store hangs over
// those of one connector, those of others are taken.
func TestSettingsWaitForNoOtherConnector(t *testing.T) {
	held := heldStore{entered: make(chan struct{}), leave: make(chan struct{})}
	s := start(t, options{store: func(*store.Config) {}, wrap: func(s store.Store) store.Store {
		held.Store = s
		return held
	}})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Organization: org, Secret: secret}))
	notify := func(id, trait string) (answer chan reply) {
		answer = make(chan reply, 1)
		body := fmt.Sprintf(`{"notification_id":"n1","configuration":{"id":%q,"organization":%q,"secret":%q},"connector":{"id":%q,"private_settings":{"public_traits":[%q]}},"channel":"ship:update","messages":[]}`,
			id, org, secret, id, trait)
		go func() { answer <- s.notify([]byte(body)) }()
		return answer
	}
	waits := notify(ship, "held")
	held.wait(t, waits)
	select {
	case r := <-notify("other", "plan"):
		if r.status != 200 {
			t.Errorf("got %d %s", r.status, r.body)
		}
	case <-time.After(20 * time.Second):
		t.Error("the settings of another connector are not taken in 20 s")
	}
	close(held.leave)
	if r := <-waits; r.status != 200 {
		t.Errorf("in the end: got %d %s", r.status, r.body)
	}
}
