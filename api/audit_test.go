package api_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"hullbeam/api"
)

// auditEntry is an entry of the log, in the order of its fields.
type auditEntry struct {
	At        string
	Operator  string
	Address   string
	RequestID string `json:"request_id"`
	Action    string
	Target    string
	Result    string
}

// audit is a part of the log at path, the latest first.
func (s *server) audit(path string) (entries []auditEntry, next string) {
	s.t.Helper()
	r := s.do("GET", path, "", adminKey)
	var list struct {
		Items      []auditEntry
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal(r.body, &list); err != nil || r.status != http.StatusOK {
		s.t.Fatalf("the log: %d %s", r.status, r.body)
	}
	return list.Items, list.NextCursor
}

func TestAudit(t *testing.T) {
	s := start(t, options{private: wellSet})
	of := "/api/v1/connectors/" + ship
	const id = "X-Request-Id: of-this-test"
	cookie := s.signIn(withHull, id)
	s.do("POST", of+"/users", `[`+userMessage("u1", anonymousIDs(anonymous))+`]`, adminKey, id)
	s.do("POST", of+"/offers", `{"to":{"topic":"email:Ada@harbor.example"},"data":{"text":"of the offer"},"id":"spring"}`, adminKey, id)
	s.do("POST", of+"/offers", `{"to":{"visitor":"v_1"},"data":null}`, adminKey, id)
	s.do("PUT", of, `{"organization":"x/y","secret":"of the connector"}`, adminKey, id)
	s.do("PUT", of, `{"organization":"`+org+`","private_settings":{"identity_secret":"of the site"}}`, cookie, sameSite, id)
	s.do("DELETE", of+"/users/email:ada@harbor.example", "", adminKey, id)
	s.do("DELETE", of+"/visitors/ada@harbor.example", "", adminKey, id)
	s.do("GET", of, "", adminKey, id)
	s.do("DELETE", "/api/v1/session", "", cookie, sameSite, id)
	s.installCode()

	key := regexp.MustCompile(`^key:[0-9a-f]{8}$`)
	want := []string{
		"hull session.code  ok",
		"hull session.end  ok",
		"key visitor.erase  not_found",
		"key user.erase email:… ok",
		"hull connector.put  ok",
		"key connector.put  invalid_request",
		"key offer.send  invalid_request",
		"key offer.send spring to email:… ok",
		"key users.put 1 ok",
		"hull session.begin hull ok",
	}
	got, _ := s.audit(of + "/audit")
	for i, e := range got {
		who := "hull"
		if key.MatchString(e.Operator) {
			who = "key"
		} else if e.Operator != "hull:"+ship {
			t.Errorf("the operator is %s", e.Operator)
		}
		target := regexp.MustCompile(`…[0-9a-f]{8}`).ReplaceAllString(e.Target, "…")
		if line := who + " " + e.Action + " " + target + " " + e.Result; i >= len(want) || line != want[i] {
			t.Errorf("entry %d is %s", i, line)
		}
		if e.Address != "127.0.0.1" || e.Action != "session.code" && e.RequestID != "of-this-test" || !strings.HasSuffix(e.At, "Z") {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	text := string(s.do("GET", of+"/audit?limit=500", "", adminKey).body)
	for _, hidden := range []string{"ada", "Ada", "of the", anonymous, secret, "an admin key"} {
		if strings.Contains(strings.ReplaceAll(text, "of-this-test", ""), hidden) {
			t.Errorf("the log has %s: %s", hidden, text)
		}
	}
}

// What concerns no connector has a log of its own; who was not let in is in it.
func TestAuditOfNoConnector(t *testing.T) {
	s := start(t, options{})
	s.do("POST", "/api/v1/session", `{"key":"wrong"}`, asJSON)
	s.do("POST", "/api/v1/session", `{"ship":"`+ship+`","organization":"`+org+`","secret":"x"}`, asJSON)
	s.signIn(withKey)
	s.do("POST", "/api/v1/connectors/"+ship+"/users", `[]`, "Authorization: Bearer wrong")
	got, _ := s.audit("/api/v1/audit")
	var lines []string
	for _, e := range got {
		lines = append(lines, strings.Join([]string{e.Operator[:min(4, len(e.Operator))], e.Action, e.Target, e.Result}, " "))
	}
	want := "key: session.begin key ok,  session.begin hull unauthorized,  session.begin key unauthorized"
	if got := strings.Join(lines, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if entries, _ := s.audit("/api/v1/connectors/" + ship + "/audit"); len(entries) != 0 {
		t.Errorf("the connector's has %+v", entries)
	}
}

// Who is not let in does not fill the log.
func TestAuditIsNotFilledByStrangers(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.WrongKeysPerAddress = 0 }})
	answered := make(chan reply)
	const tries = 80
	for range tries {
		go func() { answered <- s.do("POST", "/api/v1/session", `{"key":"wrong"}`, asJSON) }()
	}
	for range tries {
		if r := <-answered; r.code() != "unauthorized" {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if got, _ := s.audit("/api/v1/audit?limit=500"); len(got) < 60 || len(got) >= tries {
		t.Errorf("%d of %d are in the log, want 60 and what a second more allows", len(got), tries)
	}
}

func TestAuditIsReadInParts(t *testing.T) {
	s := start(t, options{})
	for range 3 {
		s.do("POST", "/api/v1/connectors/"+ship+"/users", `[]`, adminKey)
	}
	path := "/api/v1/connectors/" + ship + "/audit"
	first, cursor := s.audit(path + "?limit=2")
	if len(first) != 2 || cursor == "" {
		t.Errorf("two: %+v, %q", first, cursor)
	}
	for query, code := range map[string]string{"?limit=0": "invalid_request", "?cursor=%00rubbish": "invalid_request"} {
		if r := s.do("GET", path+query, "", adminKey); r.code() != code {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	if r := s.do("GET", "/api/v1/connectors/a%20b/audit", "", adminKey); r.code() != "connector_unknown" {
		t.Errorf("no id: %d %s", r.status, r.body)
	}
}
