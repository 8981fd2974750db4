package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/hull/hulltest"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

// snsServer is a server that Amazon SNS notifies.
type snsServer struct {
	*server
	sns *hulltest.SNS
}

func startSNS(t *testing.T, o options) snsServer {
	t.Helper()
	now := o.now
	if now == nil {
		now = time.Now
	}
	sns := hulltest.NewSNS(hulltest.ProcessKey(), ship, now())
	verify := o.verify
	o.verify = func(v *hull.VerifyConfig) {
		v.Transport = sns
		apply(verify, v)
	}
	return snsServer{start(t, o), sns}
}

// query is how Hull tells whom a message is for.
func query(id, organization, secret string) string {
	return "?" + url.Values{"ship": {id}, "organization": {organization}, "secret": {secret}}.Encode()
}

func (s snsServer) post(query string, body []byte, headers ...string) reply {
	s.t.Helper()
	headers = append(headers, "Content-Type: text/plain; charset=UTF-8", "X-Amz-Sns-Message-Type: Notification")
	return s.do("POST", "/smart-notifier"+query, string(body), headers...)
}

// say posts a notification, signed, and wants it taken.
func (s snsServer) say(subject, message string) {
	s.t.Helper()
	r := s.post(query(ship, org, secret), s.sns.Sign(s.sns.Notification(subject, message, s.now())))
	wantText(s.t, r, "ok")
}

func wantText(t testing.TB, r reply, want string) {
	t.Helper()
	if r.status != 200 || string(r.body) != want || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %s %s, want %s", r.status, r.header.Get("Content-Type"), r.body, want)
	}
}

func wantRefused(t *testing.T, r reply, status int, code string) {
	t.Helper()
	if r.status != status || answerCode(r) != code || strings.Contains(string(r.body), secret) {
		t.Errorf("got %d %s, want %d %s", r.status, r.body, status, code)
	}
}

// wantNothingDone wants the server to be as it was started, and to have asked nobody.
func (s snsServer) wantNothingDone() {
	s.t.Helper()
	if asked := s.sns.Requests(); len(asked) > 0 {
		s.t.Errorf("fetched %v", asked)
	}
	if calls := s.hull.Calls(); len(calls) > 0 {
		s.t.Errorf("Hull was asked %v", calls)
	}
	s.wantNothingChanged()
}

func (s snsServer) wantNothingChanged() {
	s.t.Helper()
	known := must(s.store.Connectors(s.t.Context()))
	if len(known) != 1 || known[0].Secret != secret || !strings.Contains(string(known[0].PrivateSettings), "www.harbor.example") {
		s.t.Errorf("connectors: %v", known)
	}
	if _, _, err := s.store.Find(s.t.Context(), ship, []string{"anonymous_id:" + anonymous}); !errors.Is(err, store.ErrNotFound) {
		s.t.Errorf("a user was stored: %v", err)
	}
}

func TestSNSUserReachesItsPage(t *testing.T) {
	s := startSNS(t, options{})
	s.say("user_report:update", userMessage("u1", anonymousIDs(anonymous), `"plan":"pro"`))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("user.update")
	first := s.sns.Notification("user_report:update", userMessage("u1", anonymousIDs(anonymous), `"plan":"gold"`), s.now())
	first["SignatureVersion"] = "1"
	wantText(t, s.post(query(ship, org, secret), s.sns.Sign(first)), "ok")
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"plan":"gold"`) || !strings.Contains(string(e.Data), `"segments":["VIP"]`) {
		t.Errorf("got %s", e.Data)
	}
	// The same again is not taken twice, and not with another content.
	wantText(t, s.post(query(ship, org, secret), s.sns.Sign(first)), "ok")
	first["Message"] = userMessage("u1", anonymousIDs(anonymous), `"plan":"other"`)
	wantRefused(t, s.post(query(ship, org, secret), s.sns.Sign(first)), 400, "REPLAYED_NOTIFICATION")
	s.say("user_report:update", userMessage("u1", anonymousIDs(anonymous), `"plan":"last"`))
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"plan":"last"`) {
		t.Errorf("got %s", e.Data)
	}
	s.say("user_report:update", `{"user":{}}`)
	s.say("account_report:update", `{"account":{"id":"a"}}`)
	s.say("nobody knows it", "no JSON")
	for result, want := range map[string]float64{"ok": 4, "repeated": 1, "REPLAYED_NOTIFICATION": 1} {
		if got := s.metric("hullbeam_notifications_total", "channel", "user", "result", result); got != want {
			t.Errorf("%s: got %v, want %v", result, got, want)
		}
	}
	if got := s.metric("hullbeam_notifications_total", "channel", "unsupported", "result", "ok"); got != 2 {
		t.Errorf("unsupported: got %v", got)
	}
	if asked := s.sns.Requests(); len(asked) != 1 {
		t.Errorf("fetched %v", asked)
	}
	if strings.Contains(s.log.String(), secret) {
		t.Error("the log holds the secret")
	}
}

func TestA16SNSSignatureIsEnforced(t *testing.T) {
	s := startSNS(t, options{})
	stranger := hulltest.NewSNS(must(hulltest.NewKey()), ship, s.now())
	message := func(change func(map[string]string)) map[string]string {
		m := s.sns.Notification("user_report:update", userMessage("u1", anonymousIDs(anonymous)), s.now())
		change(m)
		return m
	}
	with := func(name, value string) func(map[string]string) { return func(m map[string]string) { m[name] = value } }
	plain := func(m map[string]string) []byte { return must(json.Marshal(m)) }
	good := message(func(map[string]string) {})
	tampered := map[string]string{}
	if err := json.Unmarshal(s.sns.Sign(good), &tampered); err != nil {
		t.Fatal(err)
	}
	tampered["Message"] = userMessage("u2", anonymousIDs(anonymous))
	for _, c := range []struct {
		name    string
		body    []byte
		code    string
		fetches bool
	}{
		{"unsigned", plain(good), "INVALID_SIGNATURE", false},
		{"as minihull sends it", []byte(minihullBody), "INVALID_NOTIFICATION", false},
		{"with a certificate of evil.example", s.sns.Sign(message(with("SigningCertURL", "https://sns.us-east-1.amazonaws.com.evil.example/x.pem"))), "UNTRUSTED_KEY_URL", false},
		{"of another connector's topic", s.sns.Sign(message(with("TopicArn", "arn:aws:sns:us-east-1:123456789012:hull-ship-5c0fa1fbe6e53d5e4b1a2c3d"))), "INVALID_SIGNATURE", false},
		{"of last year", s.sns.Sign(message(with("Timestamp", s.now().AddDate(-1, 0, 0).Format(time.RFC3339)))), "INVALID_SIGNATURE", false},
		{"no JSON", []byte("Type=Notification"), "INVALID_JSON", false},
		{"by somebody else", stranger.Sign(good), "INVALID_SIGNATURE", true},
		{"changed on the way", plain(tampered), "INVALID_SIGNATURE", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(s.sns.Requests())
			wantRefused(t, s.post(query(ship, org, secret), c.body), 400, c.code)
			if asked := s.sns.Requests(); len(asked) > before && !c.fetches {
				t.Errorf("fetched %v", asked)
			}
			s.wantNothingChanged()
		})
	}
}

func TestA16SNSConfirmation(t *testing.T) {
	s := startSNS(t, options{})
	confirmation := s.sns.Confirmation(s.now())
	evil := maps.Clone(confirmation)
	evil["SubscribeURL"] = "https://169.254.169.254/?" + strings.SplitN(evil["SubscribeURL"], "?", 2)[1]
	wantRefused(t, s.post(query(ship, org, secret), must(json.Marshal(confirmation))), 400, "INVALID_SIGNATURE")
	wantRefused(t, s.post(query(ship, org, "guessed"), must(json.Marshal(confirmation))), 403, "INVALID_CREDENTIALS")
	s.wantNothingDone()
	wantRefused(t, s.post(query(ship, org, secret), s.sns.Sign(evil)), 400, "INVALID_NOTIFICATION")
	for range 2 { // once it is confirmed, that is not done again
		wantText(t, s.post(query(ship, org, secret), s.sns.Sign(confirmation)), "subscribed")
	}
	unsubscribing := s.sns.Confirmation(s.now())
	unsubscribing["Type"] = "UnsubscribeConfirmation"
	wantText(t, s.post(query(ship, org, secret), s.sns.Sign(unsubscribing)), "ok")
	want := []string{"GET " + s.sns.CertificateURL, "GET " + confirmation["SubscribeURL"]}
	if asked := s.sns.Requests(); strings.Join(asked, " ") != strings.Join(want, " ") {
		t.Errorf("asked\n%v, want\n%v", asked, want)
	}
	if !strings.Contains(s.log.String(), "does not send the connector's notifications here any more") {
		t.Error("the log does not tell of the end")
	}
	s.wantNothingChanged()
}

// A request to the notification route that brings a batch, credentials of its own, or
// the marks of both kinds of notification, goes by no check.
func TestA3A4NothingStepsAroundTheSignature(t *testing.T) {
	s := startSNS(t, options{verify: func(v *hull.VerifyConfig) { v.PublicKeys = nil }})
	batch := `{"url":"https://evil.example/users.json","format":"json"}`
	unsigned := string(must(json.Marshal(s.sns.Notification("ship:update", `{"private_settings":{}}`, s.now()))))
	notification := configuration(ship, org, secret)
	const sns, flag = "X-Amz-Sns-Message-Type: Notification", "X-Hull-Smart-Notifier: true"
	good, evil := query(ship, org, secret), query(ship, "evil.example", "x")
	for _, c := range []struct {
		name, query, body string
		headers           []string
		status            int
		code              string
	}{
		{"A3 a batch for another's organization", "?x=/batch&" + evil[1:], batch, nil, 400, "MISSING_FLAG_HEADER"},
		{"A3 a batch with good credentials", "?x=/batch&" + good[1:], batch, nil, 400, "MISSING_FLAG_HEADER"},
		{"A3 a batch that says to be SNS", "?x=/batch&" + evil[1:], batch, []string{sns}, 403, "INVALID_CREDENTIALS"},
		{"A3 the same with good credentials", "?x=/batch&" + good[1:], batch, []string{sns}, 400, "INVALID_NOTIFICATION"},
		{"A3 a batch that says to be a notification", "?x=/batch&" + evil[1:], batch, []string{flag}, 400, "UNSUPPORTED_SIGNATURE_VERSION"},
		{"A4 another's organization", evil, unsigned, []string{sns}, 403, "INVALID_CREDENTIALS"},
		{"A4 an organization that is a path", query(ship, "evil.example/x?", secret), unsigned, []string{sns}, 403, "INVALID_CREDENTIALS"},
		{"A4 an organization with a port", query(ship, "localhost:3001", secret), unsigned, []string{sns}, 403, "INVALID_CREDENTIALS"},
		{"A4 a connector nobody knows, elsewhere", query("5c0fa1fbe6e53d5e4b1a2c3d", "evil.example", "x"), unsigned, []string{sns}, 403, "INVALID_CREDENTIALS"},
		{"no credentials", "", unsigned, []string{sns}, 403, "MISSING_CREDENTIALS"},
		{"SNS without signature", good, unsigned, []string{sns}, 400, "INVALID_SIGNATURE"},
		{"an empty mark", good, unsigned, []string{"X-Amz-Sns-Message-Type: "}, 400, "INVALID_SIGNATURE"},
		{"both marks, a message of SNS", good, unsigned, []string{sns, flag}, 400, "UNSUPPORTED_SIGNATURE_VERSION"},
		{"both marks, a notification", good, notification, []string{sns, flag}, 400, "UNSUPPORTED_SIGNATURE_VERSION"},
		{"a notification that says to be SNS", good, notification, []string{sns}, 400, "INVALID_NOTIFICATION"},
		{"an SNS body without the mark", good, unsigned, nil, 400, "MISSING_FLAG_HEADER"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefused(t, s.do("POST", "/smart-notifier"+c.query, c.body, c.headers...), c.status, c.code)
			s.wantNothingDone()
		})
	}
}

func TestSNSShipUpdateAsksHull(t *testing.T) {
	s := startSNS(t, options{})
	s.say("user_report:update", userMessage("u1", anonymousIDs(anonymous), `"plan":"pro","email":"a@x.io"`))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("user.update")
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: secret},
		json.RawMessage(`{"id":"`+ship+`","private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"]}}`))
	s.say("ship:update", `{"private_settings":{"public_traits":["nobody reads this"]}}`)
	if e := l.expect("user.update"); strings.Contains(string(e.Data), "a@x.io") || !strings.Contains(string(e.Data), `"plan":"pro"`) {
		t.Errorf("got %s", e.Data)
	}
	s.hullSays.Store(&reply{status: http.StatusInternalServerError})
	m := s.sns.Sign(s.sns.Notification("ship:update", "{}", s.now()))
	wantRefused(t, s.post(query(ship, org, secret), m), 503, "UNAVAILABLE")
	s.hullSays.Store(nil)
	wantText(t, s.post(query(ship, org, secret), m), "ok") // Amazon sends it again
}

// begunStore counts what it was asked to do once.
type begunStore struct {
	store.Store
	begun *atomic.Int64
}

func (s begunStore) Begin(ctx context.Context, connectorID, id string, digest [sha256.Size]byte, hold time.Duration) (store.Turn, error) {
	defer s.begun.Add(1)
	return s.Store.Begin(ctx, connectorID, id, digest, hold)
}

// However many tell that settings have changed, one question to Hull is on its way, and
// the next is for all who came meanwhile.
func TestSNSShipUpdatesShareTheirQuestions(t *testing.T) {
	const many = 40
	var begun atomic.Int64
	waits := make(chan struct{})
	s := startSNS(t, options{hullWaits: waits, store: func(*store.Config) {}, wrap: func(s store.Store) store.Store { return begunStore{s, &begun} }})
	var all sync.WaitGroup
	for range many {
		all.Go(func() { s.say("ship:update", "{}") })
	}
	storetest.Eventually(t, "all have begun", func() bool { return begun.Load() == many })
	close(waits)
	all.Wait()
	// Two, but for those that had not come to the question yet when the first was answered.
	if n := len(s.hull.Calls()); n < 2 || n > many/2 {
		t.Errorf("Hull was asked %d times", n)
	}
}

func TestSNSSegment(t *testing.T) {
	s := startSNS(t, options{})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	l.expect("user.error")
	s.say("user_report:update", userMessage("u1", anonymousIDs(anonymous)))
	l.expect("user.update")
	s.say("users_segment:update", `{"id":"vip","name":"Very important"}`)
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"segments":["Very important"]`) {
		t.Errorf("got %s", e.Data)
	}
	s.say("users_segment:delete", `{"id":"vip","name":"Very important"}`)
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"segments":[]`) {
		t.Errorf("got %s", e.Data)
	}
}

// Anyone with an account at Amazon has a good signature over a topic of any name. As long
// as no account is known to be Hull's, only the secret that is known says who it is.
func TestSNSOfAnyAccountTeachesNothing(t *testing.T) {
	for _, c := range []struct {
		name         string
		o            options
		organization string
		secret       string
	}{
		{"a connector that is not known", options{unknown: true}, org, secret},
		{"one of another organization under hull.organizations", options{unknown: true}, "org1.hullapp.io", "guess"},
		{"a secret that is not known", options{}, org, "rotated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startSNS(t, c.o)
			s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: c.secret}, nil)
			m := s.sns.Sign(s.sns.Notification("user_report:update", userMessage("u1", anonymousIDs(anonymous)), s.now()))
			wantRefused(t, s.post(query(ship, c.organization, c.secret), m), 403, "INVALID_CREDENTIALS")
			if asked, calls := s.sns.Requests(), s.hull.Calls(); len(asked)+len(calls) > 0 {
				t.Errorf("fetched %v, asked Hull %v", asked, calls)
			}
			if !c.o.unknown {
				s.wantNothingChanged()
			} else if known := must(s.store.Connectors(t.Context())); len(known) > 0 {
				t.Errorf("learnt %v", known)
			}
		})
	}
}

// ofHull is that the messages of the pretend Amazon are of Hull's account.
func ofHull(v *hull.VerifyConfig) { v.SNSAccounts = []string{hulltest.SNSAccount} }

func TestSNSFirstContact(t *testing.T) {
	s := startSNS(t, options{unknown: true, verify: ofHull})
	send := func(organization, secret string) reply {
		return s.post(query(ship, organization, secret), s.sns.Sign(s.sns.Notification("user_report:update", userMessage("u1", anonymousIDs(anonymous)), s.now())))
	}
	wantRefused(t, send("evil.example", secret), 403, "INVALID_CREDENTIALS")
	if len(s.sns.Requests()) > 0 {
		t.Error("something was fetched")
	}
	wantRefused(t, s.post(query(ship, org, secret), must(json.Marshal(s.sns.Notification("ship:update", "{}", s.now())))), 400, "INVALID_SIGNATURE")
	if len(s.hull.Calls()) > 0 {
		t.Error("Hull was asked for an unsigned message")
	}
	wantRefused(t, send(org, "guessed"), 403, "INVALID_CREDENTIALS")
	wantText(t, send(org, secret), "ok")
	if c, err := s.store.Connector(t.Context(), ship); err != nil || c.Secret != secret || c.Organization != org {
		t.Errorf("stored %v, %v", c, err)
	}
}

func TestSNSRotatedSecret(t *testing.T) {
	clock := clockAt(time.Now())
	s := startSNS(t, options{verify: ofHull, now: clock.now, store: func(*store.Config) {}})
	send := func(secret string) reply {
		return s.post(query(ship, org, secret), s.sns.Sign(s.sns.Notification("ship:update", "{}", s.now())))
	}
	wantRefused(t, send("guessed"), 403, "INVALID_CREDENTIALS")
	s.wantNothingChanged()
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: "rotated"}, nil)
	wantRefused(t, send("guessed"), 503, "UNAVAILABLE") // it was checked less than a minute ago
	wantText(t, send("rotated"), "ok")
	clock.pass(time.Minute)
	wantRefused(t, send("guessed"), 403, "INVALID_CREDENTIALS")
	if c := must(s.store.Connector(t.Context(), ship)); c.Secret != "rotated" {
		t.Errorf("stored %q", c.Secret)
	}
}

func TestSNSCertificateHostFails(t *testing.T) {
	s := startSNS(t, options{})
	s.sns.Answer(http.StatusBadGateway)
	wantRefused(t, s.post(query(ship, org, secret), s.sns.Sign(s.sns.Notification("ship:update", "{}", s.now()))), 503, "INVALID_CERTIFICATE")
	s.wantNothingChanged()
}

func TestSNSBodyTooLarge(t *testing.T) {
	s := startSNS(t, options{config: func(c *api.Config) { c.Limits.NotificationBody = 1000 }})
	wantRefused(t, s.post(query(ship, org, secret), []byte(strings.Repeat(" ", 1001))), 413, "ENTITY_TOO_LARGE")
	wantRefused(t, s.post(query(ship, org, secret), []byte(strings.Repeat(" ", 1000))), 400, "MISSING_NOTIFICATION")
}

// What minihull 2.1.2 sends: notifyConnector, with express' own JSON, and
// smartNotifyConnector.
const (
	mock         = "localhost:3001"
	minihullBody = `{"Type":"Notification","Timestamp":"2026-11-22T14:58:42.520Z","Subject":"user_report:update","Message":"{\"user\":{\"first_name\":\"Naomie\",\"email\":\"Audie.OKeefe15@yahoo.com\",\"updated_at\":\"2026-11-22T04:38:12.093Z\",\"id\":\"9ab5eb8525aa514c9e644fd4\",\"_segment_ids\":[\"vip\"],\"plan\":\"pro\"},\"segments\":[{\"name\":\"Prospects\",\"created_at\":\"2026-11-21T17:48:20.133Z\",\"updated_at\":\"2026-11-22T11:34:26.540Z\",\"id\":\"vip\"}],\"changes\":{\"plan\":[null,\"pro\"]},\"events\":[]}"}`
	minihullShip = `{"Type":"Notification","Timestamp":"2026-11-22T14:58:42.520Z","Subject":"ship:update","Message":"{\"_url\":\"http://127.0.0.1:8082\",\"manifest\":{},\"private_settings\":{},\"id\":\"` + ship + `\"}"}`
	minihullApp  = `{"_url":"http://127.0.0.1:8082","manifest":{},"private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"],"public_segments":["vip"]},"id":"` + ship + `"}`
)

func TestMinihull(t *testing.T) {
	unverified := func(v *hull.VerifyConfig) { v.VerifySignatures = false }
	listed := func(c *api.Config) { c.Hull.Organizations = []string{"hullapp.io", mock} }
	smart := fmt.Sprintf(`{"notification_id":"%s","configuration":{"id":%q,"organization":%q,"secret":"1234"},"connector":%s,"segments":[],"channel":"user:update","messages":[{"user":{"id":"9ab5eb8525aa514c9e644fd4","email":"Audie.OKeefe15@yahoo.com"},"segments":[],"events":[]}]}`,
		"0a1b2c3d4e5f60718293a4b5", ship, mock, minihullApp)
	dummySNS := []string{"Content-Type: application/json", "X-Amz-Sns-Message-Type: dummy"}
	dummySmart := []string{"Content-Type: application/json", "X-Hull-Smart-Notifier: dummy"}
	sns := func(s snsServer, body string) reply {
		return s.do("POST", "/smart-notifier"+query(ship, mock, "1234"), body, dummySNS...)
	}
	begin := func(t *testing.T, o options) snsServer {
		o.unknown = true
		s := startSNS(t, o)
		s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: mock, Secret: "1234"}, json.RawMessage(minihullApp))
		return s
	}
	t.Run("its dummy messages are taken in development", func(t *testing.T) {
		s := begin(t, options{verify: unverified, config: func(c *api.Config) {
			listed(c)
			c.Identity.Verification = "off"
		}})
		wantText(t, sns(s, minihullShip), "ok")
		l := s.listen(s.token(claim("email", "audie.okeefe15@yahoo.com")))
		l.expect("cache.miss")
		l.expect("user.error")
		for range 2 { // they have no id, and each is another
			wantText(t, sns(s, minihullBody), "ok")
		}
		if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"plan":"pro"`) || !strings.Contains(string(e.Data), `"segments":["Prospects"]`) {
			t.Errorf("got %s", e.Data)
		}
		if r := s.do("POST", "/smart-notifier", smart, dummySmart...); r.status != 200 {
			t.Errorf("got %d %s", r.status, r.body)
		}
		l.expect("user.update")
		wantRefused(t, sns(s, string(s.sns.Sign(s.sns.Confirmation(s.now())))), 400, "INVALID_SIGNATURE")
		if asked := s.sns.Requests(); len(asked) > 0 {
			t.Errorf("fetched %v", asked)
		}
	})
	t.Run("a connector is learnt by a dummy notification", func(t *testing.T) {
		s := begin(t, options{verify: unverified, config: listed})
		if r := s.do("POST", "/smart-notifier", smart, dummySmart...); r.status != 200 {
			t.Errorf("got %d %s", r.status, r.body)
		}
	})
	for _, c := range []struct {
		name   string
		o      options
		status [2]int // SNS, smart-notifier
		codes  [2]string
	}{
		{"when signatures are verified", options{config: listed}, [2]int{403, 400}, [2]string{"INVALID_CREDENTIALS", "UNSUPPORTED_SIGNATURE_VERSION"}},
		{"when its organization is not listed", options{verify: unverified}, [2]int{403, 400}, [2]string{"INVALID_CREDENTIALS", "INVALID_CONFIGURATION"}},
		{"when another port is listed", options{verify: unverified, config: func(c *api.Config) { c.Hull.Organizations = []string{"localhost:3002", "localhost"} }},
			[2]int{403, 400}, [2]string{"INVALID_CREDENTIALS", "INVALID_CONFIGURATION"}},
	} {
		t.Run("its dummy messages are refused "+c.name, func(t *testing.T) {
			s := begin(t, c.o)
			wantRefused(t, sns(s, minihullBody), c.status[0], c.codes[0])
			wantRefused(t, s.do("POST", "/smart-notifier", smart, dummySmart...), c.status[1], c.codes[1])
			if known := must(s.store.Connectors(t.Context())); len(known)+len(s.hull.Calls())+len(s.sns.Requests()) > 0 {
				t.Error("something was learnt or asked")
			}
		})
	}
	t.Run("one with a port is not accepted when signatures are verified", func(t *testing.T) {
		s := begin(t, options{config: listed})
		n := s.sns.Sign(s.sns.Notification("ship:update", "{}", s.now()))
		wantRefused(t, s.post(query(ship, mock, "1234"), n), 403, "INVALID_CREDENTIALS")
		wantRefused(t, s.notify([]byte(configuration(ship, mock, "1234"))), 400, "INVALID_CONFIGURATION")
	})
}
