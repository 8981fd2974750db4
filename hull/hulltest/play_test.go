package hulltest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

var credentials = hull.Credentials{ConnectorID: "c", Organization: "acme.hullapp.io", Secret: "the connector's secret"}

// receiver is who is notified. It answers what is in answers, one after the other, then
// next.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers []string // status, space, body
	got     []received
}

type received struct {
	path   string
	header http.Header
	body   map[string]any
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var body map[string]any
	json.NewDecoder(req.Body).Decode(&body)
	r.got = append(r.got, received{req.URL.RequestURI(), req.Header, body})
	answer := `200 {"flow_control":{"type":"next"}}`
	if len(r.answers) > 0 {
		answer, r.answers = r.answers[0], r.answers[1:]
	}
	status, text, _ := strings.Cut(answer, " ")
	code := 0
	fmt.Sscan(status, &code)
	w.WriteHeader(code)
	io.WriteString(w, text)
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *receiver) last() received {
	all := r.all()
	return all[len(all)-1]
}

// connected is a pretend Hull and whom it tells.
func connected(t *testing.T, answers ...string) (*hulltest.Server, *receiver) {
	t.Helper()
	s := hulltest.NewServer(hulltest.ProcessKey())
	s.PutConnector(credentials, json.RawMessage(`{"id":"c","settings":{"script":"x"},"private_settings":{"public_traits":["plan"],"identity_secret":"very secret"}}`))
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	if err := s.Connect("c", r.URL); err != nil {
		t.Fatal(err)
	}
	return s, r
}

// in is the value at a path of names in JSON.
func in(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := value.(map[string]any)
			value = m[step]
		case int:
			l, _ := value.([]any)
			if step >= len(l) {
				t.Fatalf("nothing at %v in %v", path, value)
			}
			value = l[step]
		}
	}
	return value
}

func TestAChangeIsToldSigned(t *testing.T) {
	s, r := connected(t)
	change := hulltest.Change{
		User:  map[string]any{"email": "ada@example.com", "anonymous_ids": []string{"a1"}, "plan": "free"},
		Enter: []string{"vip"}, Events: []hulltest.Event{{Name: "Signed Up"}},
	}
	sent, err := s.ChangeUser(t.Context(), "u", change)
	if err != nil || len(sent) != 1 || !sent[0].Taken() {
		t.Fatalf("got %+v, %v", sent, err)
	}
	got := r.last()
	cfg := hull.DefaultVerifyConfig()
	cfg.PublicKeys = []string{hulltest.ProcessKey().PublicPEM()}
	verifier, err := hull.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(t.Context(), got.header, sent[0].ID); err != nil || got.path != "/smart-notifier" {
		t.Errorf("%s: %v", got.path, err)
	}
	text, _ := json.Marshal(got.body)
	n, err := hull.ParseNotification(text, 0)
	if err != nil || n.Channel != "user:update" || n.Configuration.Secret != credentials.Secret || len(n.Messages) != 1 || n.Connector == nil {
		t.Errorf("got %+v, %v", n, err)
	}
	for _, want := range []struct {
		path  []any
		value any
	}{
		{[]any{"segments", 0, "name"}, "vip"},
		{[]any{"messages", 0, "segments", 0, "id"}, "vip"},
		{[]any{"messages", 0, "events", 0, "event"}, "Signed Up"},
		{[]any{"messages", 0, "changes", "is_new"}, true},
		{[]any{"messages", 0, "changes", "user", "plan", 1}, "free"},
		{[]any{"messages", 0, "changes", "user", "anonymous_ids[0]", 1}, "a1"},
		{[]any{"messages", 0, "changes", "segments", "entered", 0, "id"}, "vip"},
		{[]any{"connector", "private_settings", "public_traits", 0}, "plan"},
	} {
		if got := in(t, got.body, want.path...); got != want.value {
			t.Errorf("%v: got %v, want %v", want.path, got, want.value)
		}
	}

	if _, err := s.ChangeUser(t.Context(), "u", hulltest.Change{User: map[string]any{"plan": nil}, Leave: []string{"vip"}}); err != nil {
		t.Fatal(err)
	}
	changes := in(t, r.last().body, "messages", 0, "changes")
	if in(t, changes, "is_new") != false || in(t, changes, "segments", "left", 0, "id") != "vip" ||
		!cmp.Equal(in(t, changes, "user", "plan"), []any{"free", nil}) {
		t.Errorf("got %v", changes)
	}
}

// Answers are obeyed: the same again with the same id, smaller when it was too large,
// and in the sizes that are asked for.
func TestAnswersAreObeyed(t *testing.T) {
	s, r := connected(t,
		`503 {"flow_control":{"type":"retry","size":10,"in":1},"error":{"code":"UNAVAILABLE"}}`,
		`413 {"flow_control":{"type":"retry","size":1}}`,
		`200 {"flow_control":{"type":"next","size":2,"in":1}}`,
	)
	for _, id := range []string{"u1", "u2", "u3", "u4"} {
		if err := s.PutUser(id, hulltest.Change{}); err != nil {
			t.Fatal(err)
		}
	}
	sent, err := s.Replay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type notification struct{ tries, messages int }
	var got []notification
	for _, d := range sent {
		got = append(got, notification{d.Tries, d.Messages})
	}
	want := []notification{{3, 1}, {1, 2}, {1, 1}}
	if !cmp.Equal(got, want, cmp.AllowUnexported(notification{})) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	all := r.all()
	if len(all) != 5 || all[0].body["notification_id"] != all[2].body["notification_id"] || all[2].body["notification_id"] == all[3].body["notification_id"] {
		t.Errorf("%d requests, or other ids", len(all))
	}
	if all[0].body["is_export"] != true {
		t.Error("a replay does not say that it is one")
	}
}

func TestWhoIsNeverTakenIsGivenUp(t *testing.T) {
	refusal := `400 {"flow_control":{"type":"retry","in":1},"error":{"code":"INVALID_SIGNATURE"}}`
	s, r := connected(t, slices.Repeat([]string{refusal}, 9)...)
	sent, err := s.ChangeUser(t.Context(), "u", hulltest.Change{})
	if err != nil || len(sent) != 1 || sent[0].Taken() || sent[0].Code != "INVALID_SIGNATURE" || len(r.all()) != sent[0].Tries {
		t.Errorf("got %+v, %v", sent, err)
	}
	r.Close()
	if _, err := s.ChangeUser(t.Context(), "u", hulltest.Change{}); err == nil {
		t.Error("nobody is there, and no error")
	}
}

func TestMergesDeletionsSegmentsAndSettingsAreTold(t *testing.T) {
	s, r := connected(t)
	put := func(id string, user map[string]any) {
		t.Helper()
		if err := s.PutUser(id, hulltest.Change{User: user, Enter: []string{"vip"}}); err != nil {
			t.Fatal(err)
		}
	}
	put("kept", map[string]any{"anonymous_ids": []string{"a"}, "plan": "pro"})
	put("gone", map[string]any{"anonymous_ids": []string{"b"}, "email": "b@example.com", "plan": "free", "city": "Bern"})
	told := func(_ []hulltest.Delivery, err error) map[string]any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r.last().body
	}

	body := told(s.MergeUsers(t.Context(), "kept", "gone"))
	user := in(t, body, "messages", 0, "user")
	if !cmp.Equal(in(t, user, "anonymous_ids"), []any{"a", "b"}) || in(t, user, "plan") != "pro" || in(t, user, "city") != "Bern" || in(t, user, "email") != nil {
		t.Errorf("the survivor: %v", user)
	}
	event := in(t, body, "messages", 0, "events", 0)
	if in(t, event, "event_type") != "user_merged" || in(t, event, "properties", "merged_id") != "gone" || in(t, event, "properties", "merged_email") != "b@example.com" {
		t.Errorf("the event: %v", event)
	}

	body = told(s.PutSegment(t.Context(), "vip", "Very important", ""))
	if body["channel"] != "users_segment:update" || in(t, body, "messages", 0, "name") != "Very important" || in(t, body, "segments", 0, "name") != "Very important" {
		t.Errorf("renamed: %v", body)
	}
	body = told(s.PutSegment(t.Context(), "big", "Big companies", "accounts_segment"))
	if body["channel"] != "accounts_segment:update" || in(t, body, "accounts_segments", 0, "id") != "big" {
		t.Errorf("made: %v", body)
	}
	body = told(s.DeleteSegment(t.Context(), "vip"))
	if body["channel"] != "users_segment:delete" || in(t, body, "messages", 0, "id") != "vip" || !cmp.Equal(body["segments"], []any{}) {
		t.Errorf("deleted: %v", body)
	}

	before := time.Now()
	body = told(s.ChangeSettings(t.Context(), "c", hulltest.Settings{PrivateSettings: map[string]any{"public_traits": []string{"city"}}}))
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(in(t, body, "connector", "updated_at")))
	if body["channel"] != "ship:update" || in(t, body, "connector", "private_settings", "public_traits", 0) != "city" ||
		in(t, body, "connector", "settings", "script") != "x" || err != nil || at.Before(before.Truncate(time.Second)) {
		t.Errorf("settings: %v, %v", body, err)
	}

	body = told(s.DeleteUser(t.Context(), "kept"))
	if body["channel"] != "user:delete" || in(t, body, "messages", 0, "user", "id") != "kept" {
		t.Errorf("deleted: %v", body)
	}
	for name, err := range map[string]error{
		"a user who is gone":   second(s.DeleteUser(t.Context(), "kept")),
		"a merge with nobody":  second(s.MergeUsers(t.Context(), "kept", "gone")),
		"a segment of nowhere": second(s.DeleteSegment(t.Context(), "vip")),
		"another's settings":   second(s.ChangeSettings(t.Context(), "d", hulltest.Settings{})),
		"another's address":    s.Connect("d", r.URL),
	} {
		if err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestExtractsHaveEverybody(t *testing.T) {
	s, r := connected(t)
	if _, err := s.SendExtract(t.Context(), "json"); err == nil {
		t.Error("an extract at no address")
	}
	at := httptest.NewServer(s)
	defer at.Close()
	s.ServedAt(at.URL)
	change := hulltest.Change{User: map[string]any{"name": "Ada, Countess", "anonymous_ids": []string{"a", "b"}}, Account: map[string]any{"name": "Engines"}, Enter: []string{"vip"}}
	if err := s.PutUser("u", change); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string][]string{
		"json": {`"name":"Ada, Countess"`, `"account":{"name":"Engines"}`, `"segment_ids":["vip"]`},
		"csv":  {"account.name,anonymous_ids,id,indexed_at,name,segment_ids\n", `Engines,"[""a"",""b""]",u,`, `"Ada, Countess","[""vip""]"`},
	} {
		answers, err := s.SendExtract(t.Context(), format)
		if err != nil || len(answers) != 1 || answers[0].Status != 200 {
			t.Fatalf("got %+v, %v", answers, err)
		}
		got := r.last()
		if !strings.Contains(got.path, "/batch?organization=acme.hullapp.io") || got.body["object_type"] != "user_report" {
			t.Errorf("told of it: %v", got)
		}
		response, err := http.Get(fmt.Sprint(got.body["url"]))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		for _, want := range want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %s in\n%s", format, want, text)
			}
		}
	}
	if response, err := http.Get(at.URL + "/extracts/guessed/json"); err != nil || response.StatusCode != 404 {
		t.Errorf("by guessing: %v, %v", response, err)
	} else {
		response.Body.Close()
	}
}

// call asks the pretend Hull with a connector's own secret.
func call(s http.Handler, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Hull-App-Id", credentials.ConnectorID)
	request.Header.Set("Hull-Organization", credentials.Organization)
	request.Header.Set("Hull-Access-Token", credentials.Secret)
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}

func TestCallsAreAnsweredAndRecorded(t *testing.T) {
	s, _ := connected(t)
	if _, err := s.PutSegment(t.Context(), "vip", "VIP", ""); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := hull.Claims{AnonymousIDs: []string{"a"}}
	good := hull.AccessToken(credentials, claims, hull.TokenOptions{Active: new(true)}, now)
	forged := hull.AccessToken(hull.Credentials{ConnectorID: "c", Secret: "guessed"}, claims, hull.TokenOptions{}, now)
	entries := func(token string) string {
		return fmt.Sprintf(`{"batch":[{"type":"track","body":{"event":"page"},"headers":{"Hull-Access-Token":%q}}]}`, token)
	}
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/v1/app", "", 200, `"public_traits":["plan"]`},
		{"GET", "/api/v1/c", "", 200, `"public_traits":["plan"]`},
		{"GET", "/api/v1/d", "", 404, "App not found"},
		{"GET", "/api/v1/users_segments?shipId=c", "", 200, `"name":"VIP"`},
		{"GET", "/api/v1/accounts_segments?shipId=c", "", 200, `[]`},
		{"PUT", "/api/v1/c/status", `{"status":"ok","messages":["fine"]}`, 200, "fine"},
		{"PUT", "/api/v1/d/status", `{"status":"ok","messages":[]}`, 400, ""},
		{"POST", "/api/v1/firehose", entries(good), 200, ""},
		{"POST", "/api/v1/firehose", entries(forged), 401, ""},
		{"POST", "/api/v1/firehose", "batch", 400, ""},
	} {
		if got := call(s, test.method, test.path, test.body); got.Code != test.status || !strings.Contains(got.Body.String(), test.want) {
			t.Errorf("%s %s: got %d %s", test.method, test.path, got.Code, got.Body)
		}
	}
	calls := s.Calls()
	if got := calls[5].Reported; got == nil || !cmp.Equal(*got, hull.Status{Status: "ok", Messages: []string{"fine"}}) {
		t.Errorf("status: %+v", got)
	}
	want := []hulltest.Entry{{Type: "track", Topics: []string{"anonymous_id:a"}, Create: true, Active: true, Body: json.RawMessage(`{"event":"page"}`)}}
	if !cmp.Equal(calls[7].Entries, want) || calls[8].Entries != nil {
		t.Errorf("entries: %+v", calls[7:9])
	}
	for range 1100 {
		call(s, "GET", "/api/v1/app", "")
	}
	if got := len(s.Calls()); got != 1000 {
		t.Errorf("%d calls are kept", got)
	}
}

// The entries of the fixture are signed with the fixtures' own secret.
func TestTheFirehoseFixtureIsTaken(t *testing.T) {
	s, _ := connected(t)
	fixture := hull.Credentials{ConnectorID: "3de707bcaa7fee93742e2793", Organization: credentials.Organization, Secret: "ce1c5ce021baf6a9214bb428b4ab5056"}
	s.PutConnector(fixture, nil)
	request := httptest.NewRequest("POST", "/api/v1/firehose", strings.NewReader(readFixture(t, "rest/firehose-request.json")))
	request.Header.Set("Hull-App-Id", fixture.ConnectorID)
	request.Header.Set("Hull-Organization", fixture.Organization)
	request.Header.Set("Hull-Access-Token", fixture.Secret)
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	entries := s.Calls()[0].Entries
	if recorder.Code != 200 || len(entries) != 2 || entries[0].Type != "traits" || entries[1].Topics[0] != "anonymous_id:dev-1" {
		t.Errorf("got %d %s, %+v", recorder.Code, recorder.Body, entries)
	}
}
