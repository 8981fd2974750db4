package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

const (
	credentials = "?ship=" + ship + "&organization=" + org + "&secret=" + secret
	wellSet     = `{"whitelisted_domains":["www.harbor.example"],"public_traits":["email","plan"],"public_traits_unsigned":["plan"]}`
	somebody    = `{"user":{"id":"5c0fa1fbe6e53d5e4b1a2c40","anonymous_ids":["` + anonymous + `"]},"segments":[]}`
)

// health asks how the connector is doing, which takes less than 9 s whatever is wrong.
func (s *server) health(method, query string) (code int, status hull.Status) {
	s.t.Helper()
	began := time.Now()
	r := s.do(method, "/status"+query, "")
	if took := time.Since(began); took > 9*time.Second {
		s.t.Errorf("it took %v", took)
	}
	if err := json.Unmarshal(r.body, &status); err != nil {
		s.t.Fatalf("status: %d %s", r.status, r.body)
	}
	if strings.Contains(string(r.body), secret) {
		s.t.Error("the secret is in the answer")
	}
	return r.status, status
}

// hullTakes has Hull take whatever it is told.
func (s *server) hullTakes() { s.hullSays.Store(&reply{status: http.StatusOK, body: []byte("{}")}) }

// skewed is a clock, and what it is ahead.
func skewed() (now func() time.Time, ahead *atomic.Int64) {
	ahead = new(atomic.Int64)
	return func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }, ahead
}

func has(messages []string, part string) bool {
	return slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(m, part) })
}

// The settings of each row are all that is wrong.
func TestE1StatusSaysWhatIsWrongWithSettings(t *testing.T) {
	for _, test := range []struct {
		name    string
		private string
		status  hull.Severity
		says    string // a part of a message; all is well when empty
	}{
		{"nothing is", wellSet, "ok", ""},
		{"they were never seen", `{}`, "setupRequired", "settings have not been seen"},
		{"no domain is allowed", `{"public_events":["Viewed"]}`, "setupRequired", "No domain is allowed"},
		{"A6 no row can match", `{"whitelisted_domains":["","*"],"public_events":["Viewed"]}`, "setupRequired", "No domain is allowed"},
		{"one row cannot match", `{"whitelisted_domains":["www.harbor.example","www.*.com"],"public_events":["Viewed"]}`, "warning", `"www.*.com"`},
		{"one has the wrong type", `{"whitelisted_domains":["www.harbor.example"],"public_events":["Viewed"],"public_traits":"email"}`, "warning", "public_traits"},
		{"nothing is public", `{"whitelisted_domains":["www.harbor.example"]}`, "warning", "is public"},
		{"signed without a secret", `{"whitelisted_domains":["www.harbor.example"],"public_events":["Viewed"],"identity_verification":"signed"}`, "error", "Identity secret"},
		{"anybody is believed", `{"whitelisted_domains":["www.harbor.example"],"public_events":["Viewed"],"identity_verification":"off"}`, "warning", "not verified"},
		{"strangers see as much", `{"whitelisted_domains":["www.harbor.example"],"public_traits":["email"]}`, "warning", "public_traits_unsigned"},
		{"strangers are nobody when all is signed", `{"whitelisted_domains":["www.harbor.example"],"public_traits":["email"],"identity_verification":"signed","identity_secret":"a long random secret"}`, "ok", ""},
		{"the identity secret is short", strings.TrimSuffix(wellSet, "}") + `,"identity_secret":"fifteen letters"}`, "warning", "Identity secret is shorter"},
		{"one of two is", strings.TrimSuffix(wellSet, "}") + `,"identity_secret":["a long random secret","x"]}`, "warning", "Identity secret is shorter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, options{private: test.private})
			s.hullTakes()
			s.update(somebody)
			for _, method := range []string{"GET", "POST"} {
				code, status := s.health(method, credentials)
				if code != http.StatusOK || status.Status != test.status {
					t.Errorf("%d %+v, want %s", code, status, test.status)
				}
				if test.says == "" && len(status.Messages) > 0 || test.says != "" && !has(status.Messages, test.says) {
					t.Errorf("it says %q", status.Messages)
				}
			}
		})
	}
}

func TestC6MissingSettingsAreSaid(t *testing.T) {
	s := start(t, options{private: `{}`})
	s.hullTakes()
	if r := s.do("POST", "/api/v1/connectors/"+ship+"/token", claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json"); r.code() != "origin_not_allowed" {
		t.Errorf("a page is told %d %s", r.status, r.body)
	}
	if _, status := s.health("GET", credentials); status.Status != "setupRequired" {
		t.Errorf("got %+v", status)
	}
	s.notification("ship:update", `{"id":"`+ship+`","private_settings":{}}`)
	if _, status := s.health("GET", credentials); has(status.Messages, "not been seen") {
		t.Errorf("they have been seen: %q", status.Messages)
	}
}

// A node that was not notified of anything knows what the store has.
func TestC5StatusAfterAColdStart(t *testing.T) {
	dir := t.TempDir()
	t.Run("the node before", func(t *testing.T) {
		start(t, options{directory: dir, private: wellSet}).update(somebody)
	})
	s := start(t, options{directory: dir, unknown: true})
	s.hullTakes()
	if _, status := s.health("GET", credentials); status.Status != hull.SeverityOK {
		t.Errorf("got %+v", status)
	}
	s.token(claim("anonymous_id", anonymous))
}

// What happened is said, and no longer when it is over.
func TestE1StatusSaysWhatHappened(t *testing.T) {
	says := func(t *testing.T, s *server, want hull.Severity, part string) {
		t.Helper()
		_, status := s.health("GET", credentials)
		if status.Status != want || part != "" && !has(status.Messages, part) {
			t.Errorf("got %+v, want %s and %q", status, want, part)
		}
	}
	unsigned := []byte(`{"notification_id":"n","configuration":{"id":"` + ship + `","organization":"` + org + `","secret":"` + secret + `"},"channel":"user:update","messages":[]}`)

	t.Run("nobody is stored and Hull has sent nothing", func(t *testing.T) {
		s := start(t, options{private: wellSet})
		s.hullTakes()
		says(t, s, "warning", "No user is known")
		says(t, s, "warning", "No notification")
		s.update(somebody)
		says(t, s, "ok", "")
		s.notification("user:delete", "", somebody)
		says(t, s, "warning", "No user is known")
	})
	t.Run("one that does not stand on Hull is not waiting for it", func(t *testing.T) {
		s := start(t, options{private: wellSet, noHull: true})
		if _, status := s.health("GET", credentials); has(status.Messages, "No notification") || s.hullTold.Load() != nil {
			t.Errorf("got %+v, Hull was told %v", status, s.hullTold.Load())
		}
	})
	t.Run("signatures fail", func(t *testing.T) {
		now, ahead := skewed()
		s := start(t, options{private: wellSet, now: now})
		s.hullTakes()
		s.update(somebody)
		for range 2 {
			if r := s.notifySigned(unsigned, "another"); r.status != http.StatusBadRequest {
				t.Fatalf("got %d %s", r.status, r.body)
			}
		}
		says(t, s, "error", "2 in all")
		s.update(somebody)
		says(t, s, "warning", "Others were taken since")
		ahead.Add(int64(25 * time.Hour))
		says(t, s, "ok", "")
	})
	t.Run("a stranger cannot raise the alarm", func(t *testing.T) {
		s := start(t, options{private: wellSet})
		s.hullTakes()
		s.update(somebody)
		s.notifySigned([]byte(strings.ReplaceAll(string(unsigned), secret, "guessed")), "another")
		says(t, s, "ok", "")
	})
	t.Run("Hull is silent for long", func(t *testing.T) {
		now, ahead := skewed()
		s := start(t, options{private: wellSet, now: now})
		s.hullTakes()
		s.update(somebody)
		ahead.Add(int64(8 * 24 * time.Hour))
		says(t, s, "warning", "8 days ago")
	})
	t.Run("Hull's API fails", func(t *testing.T) {
		s := start(t, options{private: wellSet})
		s.update(somebody)
		s.hullSays.Store(&reply{status: http.StatusBadGateway})
		s.listen(s.token(claim("anonymous_id", "somebody-who-is-not-known")))
		storetest.Eventually(t, "the look-up has failed", func() bool { return s.metric("hullbeam_lookups_total", "result", "failed") == 1 })
		s.hullTakes()
		says(t, s, "warning", "was looked up just now")
		says(t, s, "warning", "none was looked up since") // though it was told of that
		s.hullSays.Store(&reply{status: http.StatusNotFound})
		s.listen(s.token(claim("anonymous_id", "another-who-is-not-known")))
		storetest.Eventually(t, "the look-up has been answered", func() bool { return s.metric("hullbeam_lookups_total", "result", "not_found") == 1 })
		s.hullTakes()
		says(t, s, "ok", "")
	})
	t.Run("Hull's API has recovered", func(t *testing.T) {
		s := start(t, options{private: wellSet})
		s.update(somebody)
		s.hullSays.Store(&reply{status: http.StatusBadGateway})
		says(t, s, "error", "Error while reporting")
		s.hullTakes()
		says(t, s, "ok", "")
	})
	for _, part := range []string{"Begin", "Put"} {
		t.Run("notifications are not kept because of "+part, func(t *testing.T) {
			broken := &broken{}
			now, ahead := skewed()
			s := start(t, options{private: wellSet, now: now, store: func(*store.Config) {}, wrap: func(inner store.Store) store.Store {
				broken.Store = inner
				return broken
			}})
			s.hullTakes()
			s.update(somebody)
			broken.part.Store(part)
			for range 2 {
				if r := s.notify([]byte(strings.ReplaceAll(string(unsigned), "[]", "["+somebody+"]"))); r.status != http.StatusServiceUnavailable {
					t.Fatalf("got %d %s", r.status, r.body)
				}
			}
			broken.part.Store("")
			says(t, s, "error", "just now, 2 in all. None was taken since")
			s.update(somebody)
			says(t, s, "warning", "just now, 2 in all. Others were taken since")
			ahead.Add(int64(25 * time.Hour))
			says(t, s, "ok", "")
		})
	}
	t.Run("Hull takes no page views", func(t *testing.T) {
		calls := record(t)
		calls.refuses.Store(http.StatusUnauthorized)
		s := start(t, options{private: strings.TrimSuffix(wellSet, "}") + `,"track_page_views":true}`, firehose: calls.URL})
		s.hullTakes()
		s.update(somebody)
		token := s.token(claim("anonymous_id", anonymous))
		entries := func(result string) {
			t.Helper()
			storetest.Eventually(t, "an entry is "+result, func() bool { return s.metric("hullbeam_firehose_entries_total", "result", result) == 1 })
		}
		says(t, s, "ok", "")
		s.viewed(view(token, "refused"))
		entries("dropped_refused")
		says(t, s, "warning", "Page views are not taken")
		calls.refuses.Store(0)
		s.viewed(view(token, "taken"))
		entries("sent")
		says(t, s, "ok", "")
	})
	t.Run("pages are refused", func(t *testing.T) {
		s := start(t, options{private: wellSet})
		s.hullTakes()
		s.update(somebody)
		r := s.do("POST", "/api/v1/connectors/"+ship+"/token", claim("anonymous_id", anonymous), "Origin: https://new.harbor.example", "Content-Type: application/json")
		if r.status != http.StatusForbidden || strings.Contains(string(r.body), "www.harbor.example") {
			t.Errorf("A7: a refused page is told %s", r.body)
		}
		says(t, s, "warning", "A page was refused")
		s.token(claim("anonymous_id", anonymous))
		says(t, s, "ok", "")
	})
}

// broken is a store of which a part is away.
type broken struct {
	store.Store
	part atomic.Value // its name
}

func (b *broken) Begin(ctx context.Context, connectorID, id string, body [sha256.Size]byte, hold time.Duration) (store.Turn, error) {
	if b.part.Load() == "Begin" {
		return store.Turn{}, store.ErrUnavailable
	}
	return b.Store.Begin(ctx, connectorID, id, body, hold)
}

func (b *broken) Put(ctx context.Context, connectorID string, users []store.User) ([]store.Written, error) {
	if b.part.Load() == "Put" {
		return nil, store.ErrUnavailable
	}
	return b.Store.Put(ctx, connectorID, users)
}

// What one node has seen another says, when it was written.
func TestMarksOutliveTheNode(t *testing.T) {
	dir := t.TempDir()
	t.Run("the node before", func(t *testing.T) {
		s := start(t, options{directory: dir, private: wellSet})
		s.token(claim("anonymous_id", anonymous))
		s.update(somebody)
	})
	s := start(t, options{directory: dir, unknown: true})
	marks := must(s.store.Marks(t.Context(), ship))
	for _, name := range []string{"taken", "let_in"} {
		if m := marks[name]; m.Count != 1 || time.Since(m.At) > time.Minute {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// What cannot be written is written the next time, once.
func TestMarksAreWrittenAgain(t *testing.T) {
	refusing := &refusing{}
	refusing.fails.Store(true)
	s := start(t, options{store: func(*store.Config) {}, wrap: func(inner store.Store) store.Store {
		refusing.Store = inner
		return refusing
	}})
	for range 2 {
		s.token(claim("anonymous_id", anonymous))
		s.api.WriteMarks(t.Context())
	}
	refusing.fails.Store(false)
	for range 2 {
		s.api.WriteMarks(t.Context())
	}
	if m := must(s.store.Marks(t.Context(), ship))["let_in"]; m.Count != 2 {
		t.Errorf("got %+v", m)
	}
}

// refusing is a store that takes no marks for now.
type refusing struct {
	store.Store
	fails atomic.Bool
}

func (r *refusing) Mark(ctx context.Context, marks []store.Mark) error {
	if r.fails.Load() {
		return store.ErrUnavailable
	}
	return r.Store.Mark(ctx, marks)
}

func TestStatusIsReportedToHull(t *testing.T) {
	s := start(t, options{private: `{"public_events":["Viewed"],"whitelisted_domains":["www.harbor.example"]}`})
	s.hullTakes()
	s.update(somebody)
	_, status := s.health("GET", credentials)
	told := s.hullTold.Load()
	if told == nil || told.path != "/api/v1/"+ship+"/status" || told.token != secret {
		t.Fatalf("Hull was told %+v", told)
	}
	if told.body != string(must(json.Marshal(status))) {
		t.Errorf("Hull was told %s, the answer is %+v", told.body, status)
	}
	if s.metric("hullbeam_status_reports_total", "result", "reported") != 1 {
		t.Error("it is not counted")
	}
	for _, code := range []int{500, 401, 404} {
		s.hullSays.Store(&reply{status: code})
		code, status := s.health("GET", credentials)
		if code != http.StatusInternalServerError || status.Status != "error" || status.Messages[0] != "Error while reporting Status to Hull Platform" {
			t.Errorf("got %d %+v", code, status)
		}
	}
	if n := s.metric("hullbeam_status_reports_total", "result", "failed"); n != 3 {
		t.Errorf("%v are counted", n)
	}
}

// A report that fails hides nothing.
func TestStatusThatIsNotReportedIsWhole(t *testing.T) {
	s := start(t, options{private: `{}`})
	s.hullSays.Store(&reply{status: 500})
	if _, status := s.health("GET", credentials); !has(status.Messages, "No domain is allowed") || len(status.Messages) < 3 {
		t.Errorf("got %+v", status)
	}
}

func TestE2StatusAnswersWhateverHangs(t *testing.T) {
	t.Run("E2 no credentials", func(t *testing.T) {
		s := start(t, options{})
		if code, status := s.health("POST", ""); code != http.StatusForbidden || status.Status != "error" || !has(status.Messages, "Missing credentials") {
			t.Errorf("got %d %+v", code, status)
		}
	})
	t.Run("E2 Hull does not answer", func(t *testing.T) {
		t.Parallel()
		hold := make(chan struct{})
		s := start(t, options{hullWaits: hold})
		t.Cleanup(func() { close(hold) })
		if code, status := s.health("GET", credentials); code != http.StatusInternalServerError || !has(status.Messages, "Error while reporting") {
			t.Errorf("got %d %+v", code, status)
		}
	})
	t.Run("E2 the store does not answer", func(t *testing.T) {
		t.Parallel()
		s := start(t, options{private: wellSet, store: func(*store.Config) {}, wrap: func(inner store.Store) store.Store { return unmarked{inner} }})
		s.hullTakes()
		code, status := s.health("GET", credentials)
		if code != http.StatusOK || status.Status != "error" || !has(status.Messages, "cannot be read right now") || has(status.Messages, "No notification") {
			t.Errorf("got %d %+v", code, status)
		}
	})
}

// unmarked is a store that does not say in time what happened.
type unmarked struct{ store.Store }

func (unmarked) Marks(ctx context.Context, _ string) (map[string]store.Mark, error) {
	<-ctx.Done()
	return nil, errors.Join(store.ErrUnavailable, ctx.Err())
}

func TestA4A5A14StatusIsForTheConnectorAlone(t *testing.T) {
	const ours = "a secret of the node's own, which signs tokens"
	s := start(t, options{private: wellSet, config: func(c *api.Config) { c.Secrets = []string{ours} }})
	s.hullTakes()
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Organization: org, Secret: "the other's"}))
	query := func(organization, id, secret string) string {
		return "?" + url.Values{"organization": {organization}, "ship": {id}, "secret": {secret}}.Encode()
	}
	token := func(key string) string {
		claims := jwt.MapClaims{"organization": org, "ship": ship, "secret": secret}
		return "?token=" + must(jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key)))
	}
	for _, test := range []struct {
		name, query string
		want        int
	}{
		{"the credentials", credentials, 200},
		{"a token", token(ours), 200},
		{"A14 a token under the predecessor's default secret", token("1234"), 403},
		{"A4 an organization of somebody else's", query("evil.example", ship, secret), 403},
		{"A4 an organization that is a URL", query(org+"/x?", ship, secret), 403},
		{"A4 an organization on this machine", query("127.0.0.1:80", ship, secret), 403},
		{"a wrong secret", query(org, ship, "x"), 403},
		{"A5 another connector's secret", query(org, ship, "the other's"), 403},
		{"a connector that nobody knows", query(org, "5c0fa1fbe6e53d5e4b1a2c99", secret), 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.hullTold.Store(nil)
			for _, path := range []string{"/admin.html", "/status"} {
				r := s.do("GET", path+test.query, "")
				if r.status != test.want {
					t.Errorf("%s: %d %s, want %d", path, r.status, r.body, test.want)
				}
				if test.want == 403 && (strings.Contains(string(r.body), ship) || strings.Contains(string(r.body), "harbor")) {
					t.Errorf("%s tells of the connector: %s", path, r.body)
				}
			}
			if told := s.hullTold.Load() != nil; told != (test.want == 200) {
				t.Errorf("Hull was told: %v", told)
			}
			if calls := s.hull.Calls(); len(calls) > 0 {
				t.Errorf("Hull was asked %+v", calls)
			}
		})
	}
}
