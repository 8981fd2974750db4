package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/r3labs/sse/v2"

	"hullbeam/api"
	"hullbeam/hull"
)

// expectation is one of the fixtures' expected files (testdata/hull/README.md).
type expectation struct {
	Fixture   string
	Connector struct {
		Settings        json.RawMessage
		PrivateSettings json.RawMessage `json:"private_settings"`
	}
	Deliveries []struct {
		Message    int
		Outcome    string
		Identities []struct{ Kind, Value string }
		Payload    json.RawMessage
	}
	Response struct {
		Status      int
		FlowControl map[string]any `json:"flow_control"`
	}
}

// Every fixture is posted, signed, to a server in which a stream is open for
// each identity that it names. Each stream must end with the last payload for
// its identity; what it was sent before must be earlier ones, in order, none
// twice. Payloads that were conflated may be missing, but not their events.
func TestFixturesReachTheirStreams(t *testing.T) {
	files, _ := filepath.Glob(fixtures + "*.expected.json")
	if len(files) < 15 {
		t.Fatalf("%d expected files", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".expected.json"), func(t *testing.T) {
			var want expectation
			if err := json.Unmarshal(readFile(t, file), &want); err != nil {
				t.Fatal(err)
			}
			s := start(t, options{
				config:   func(c *api.Config) { c.Identity.Verification = "off" },
				settings: string(want.Connector.Settings), private: string(want.Connector.PrivateSettings),
			})
			script := hull.ParseSettings(ship, want.Connector.Settings, want.Connector.PrivateSettings).ScriptURL()
			due := map[string][]map[string]any{} // payloads by identity
			streams := map[string]*listener{}
			for _, d := range want.Deliveries {
				for _, id := range d.Identities {
					key := id.Kind + ":" + id.Value
					if streams[key] == nil {
						streams[key] = s.listen(s.token(claim(id.Kind, id.Value)))
					}
					due[key] = append(due[key], expectedPayload(t, d.Payload, script))
				}
			}
			body := withSettings(t, readFile(t, fixtures+want.Fixture), want.Connector.Settings, want.Connector.PrivateSettings)
			r := s.notify(body)
			var answer struct {
				FlowControl map[string]any `json:"flow_control"`
			}
			json.Unmarshal(r.body, &answer)
			if r.status != want.Response.Status || !cmp.Equal(answer.FlowControl, want.Response.FlowControl) {
				t.Errorf("answer: got %d %s, want %+v", r.status, r.body, want.Response)
			}
			s.quiet()
			s.drain()
			for key, l := range streams {
				compare(t, key, l.rest(), due[key])
			}
		})
	}
}

// withSettings puts settings into a notification's connector.
func withSettings(t *testing.T, body, settings, private []byte) []byte {
	t.Helper()
	envelope, connector := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(envelope["connector"], &connector); err != nil {
		t.Fatal(err)
	}
	connector["settings"], connector["private_settings"] = settings, private
	envelope["connector"] = must(json.Marshal(connector))
	return must(json.Marshal(envelope))
}

func expectedPayload(t *testing.T, raw json.RawMessage, script string) map[string]any {
	t.Helper()
	payload := decodeNumbers(t, raw)
	if _, ok := payload["script"]; ok {
		delete(payload, "script")
		payload["script_url"] = script
	}
	return payload
}

// decodeNumbers keeps numbers as text.
func decodeNumbers(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func compare(t *testing.T, key string, events []sse.Event, want []map[string]any) {
	t.Helper()
	at := 0
	last := ""
	for _, e := range events {
		if string(e.Event) != "user.update" {
			continue
		}
		if id := string(e.ID); id == "" || len(id) == len(last) && id <= last {
			t.Errorf("%s: id %q after %q", key, id, last)
		}
		last = string(e.ID)
		got := decodeNumbers(t, e.Data)
		names := []any{}
		for ; ; at++ {
			if at == len(want) {
				t.Errorf("%s: got what is not expected there: %s", key, e.Data)
				return
			}
			names = append(names, want[at]["events"].([]any)...)
			conflated := map[string]any{}
			maps.Copy(conflated, want[at])
			conflated["events"] = names
			if cmp.Equal(got, conflated) {
				at++
				break
			}
		}
	}
	if at != len(want) {
		t.Errorf("%s: got %d of %d payloads, the last is missing:\n%v", key, at, len(want), want[len(want)-1])
	}
}

// The answers to the fixtures without an expected file (testdata/hull/README.md).
func TestFixturesWithoutMessagesOfUse(t *testing.T) {
	s := start(t, options{})
	for fixture, size := range map[string]int{
		"user-update-no-messages": 100, "ship-update": 50, "segment-update": 50, "users-segment-update": 50,
		"segment-delete": 10, "accounts-segment-delete": 10, "account-update": 10, "user-delete": 10, "unknown-channel": 10,
	} {
		r := s.notify(readFile(t, fixtures+fixture+".json"))
		if want := fmt.Sprintf(`"flow_control":{"type":"next","size":%d,`, size); r.status != http.StatusOK || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: got %d %s, want %s", fixture, r.status, r.body, want)
		}
	}
}

// badCases is testdata/hull/bad/cases.json.
type badCases struct {
	Cases []struct {
		File, Why string
		Hullbeam  struct {
			Status    int
			Code      string
			Delivered []int
			Skipped   []int
		}
	}
}

func TestC16BadNotifications(t *testing.T) {
	var bad badCases
	if err := json.Unmarshal(readFile(t, fixtures+"bad/cases.json"), &bad); err != nil {
		t.Fatal(err)
	}
	if len(bad.Cases) < 30 {
		t.Fatalf("%d cases", len(bad.Cases))
	}
	for _, c := range bad.Cases {
		t.Run(c.File, func(t *testing.T) {
			s := start(t, options{
				config:  func(c *api.Config) { c.Identity.Verification = "off" },
				private: `{"whitelisted_domains":["www.harbor.example"],"public_traits":["email"]}`,
			})
			// The one good user of all these files, known before or not.
			l := s.listen(s.token(claim("anonymous_id", "bad-1")))
			r := s.notify(readFile(t, fixtures+"bad/"+c.File))
			if got := answerCode(r); r.status != c.Hullbeam.Status || got != c.Hullbeam.Code {
				t.Errorf("%s: got %d %q, want %d %q", c.Why, r.status, got, c.Hullbeam.Status, c.Hullbeam.Code)
			}
			if strings.Contains(string(r.body), secret) {
				t.Error("the answer holds the secret")
			}
			if want := float64(len(c.Hullbeam.Skipped)); c.Hullbeam.Skipped != nil && s.metric("hullbeam_updates_total", "result", "invalid") != want {
				t.Errorf("skipped: got %v, want %v", s.metric("hullbeam_updates_total", "result", "invalid"), want)
			}
			s.quiet()
			s.drain()
			updates := 0
			for _, e := range l.rest() {
				if string(e.Event) == "user.update" {
					updates++
				}
			}
			if c.Hullbeam.Delivered != nil && updates != len(c.Hullbeam.Delivered) {
				t.Errorf("delivered: got %d, want %v", updates, c.Hullbeam.Delivered)
			}
		})
	}
}

// answerCode is the code in an answer to Hull; both dialects must agree.
func answerCode(r reply) string {
	var a struct {
		Errors []struct{ Code string }
		Error  struct{ Code string }
	}
	if json.Unmarshal(r.body, &a) != nil || len(a.Errors) == 0 || a.Errors[0].Code != a.Error.Code {
		return a.Error.Code
	}
	return a.Error.Code
}

// lacksIAT are the cases whose token has no time claim, or only an exp that
// holds, whatever their text says: "valid", "iat-in-the-future" and
// "old-iat-no-exp" have the very same token, of which the first is to be
// accepted and the others are not. What the file calls policy decides them all:
// refused by default, accepted with require_iat off. hull's own tests sign
// tokens that do have such an iat.
var lacksIAT = map[string]bool{
	"valid": true, "valid-with-exp": true, "iat-in-the-future": true, "old-iat-no-exp": true, "no-iat-no-exp": true,
}

func TestSignatureVectors(t *testing.T) {
	var vectors struct {
		Fixture string `json:"notification_fixture"`
		Headers map[string]string
		Key     string `json:"public_key_pem"`
		Cases   []struct {
			Name, Token, Why string
			Now              int64
		}
	}
	if err := json.Unmarshal(readFile(t, fixtures+"vectors/smart-notifier-signature.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	body := readFile(t, fixtures+vectors.Fixture)
	for _, c := range vectors.Cases {
		for _, requireIAT := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/require_iat=%v", c.Name, requireIAT), func(t *testing.T) {
				s := start(t, options{
					now: func() time.Time { return time.Unix(c.Now, 0) },
					verify: func(v *hull.VerifyConfig) {
						v.PublicKeys, v.RequireIAT = []string{vectors.Key}, requireIAT
					},
				})
				headers := []string{"X-Hull-Smart-Notifier-Signature: " + c.Token}
				for name, value := range vectors.Headers {
					headers = append(headers, name+": "+value)
				}
				r := s.do("POST", "/smart-notifier", string(body), headers...)
				want, code := http.StatusBadRequest, "INVALID_SIGNATURE"
				if lacksIAT[c.Name] && !requireIAT {
					want, code = http.StatusOK, ""
				}
				if c.Token == "" {
					code = "MISSING_SIGNATURE_HEADERS"
				}
				if r.status != want || answerCode(r) != code {
					t.Errorf("%s: got %d %s, want %d %s", c.Why, r.status, r.body, want, code)
				}
			})
		}
	}
}
