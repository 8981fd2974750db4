package hull_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

// What Hull's REST API answers, and what is stored of it.
func FuzzParseReport(f *testing.F) {
	f.Add([]byte(`{"id":"u","email":"A@x.io","traits_plan":1.50,"anonymous_ids":["a",1],"account":{"name":"N"},"segments":[{"id":"s","name":"S"}],"segment_ids":["s"],"events":[{}]}`))
	f.Add([]byte("\xef\xbb\xbf{\"id\":\"\\ud800\",\"id\":\"v\",\"account\":[],\"changes\":1}"))
	f.Fuzz(func(t *testing.T, report []byte) {
		m, err := hull.ParseReport(report)
		if err != nil {
			return
		}
		if m.UserID == "" || m.Events != nil {
			t.Errorf("a user %q with events %s", m.UserID, m.Events)
		}
		again, err := hull.ParseState(m.State())
		if err != nil || again.UserID != m.UserID || !again.IndexedAt.Equal(m.IndexedAt) {
			t.Fatalf("state %s: %v", m.State(), err)
		}
		if diff := cmp.Diff(m.Topics(nil), again.Topics(nil), cmp.AllowUnexported(hull.Topic{})); diff != "" {
			t.Errorf("topics (-want +got):\n%s", diff)
		}
	})
}

// What is read from the store is what was written there, or no state.
func FuzzParseUpdate(f *testing.F) {
	f.Add([]byte(`{"user":{"id":"u"},"segments":[]}`), []byte(`[{"event":"e"}]`))
	f.Add([]byte(`{"user":{"id":"u"},"erased_at":"2026-01-01T00:00:00Z"}`), []byte(`[{"event":1},{"event":"\u0000"}]`))
	f.Fuzz(func(t *testing.T, state, events []byte) {
		m, err := hull.ParseUpdate(state, events)
		if err != nil {
			return
		}
		again, err := hull.ParseUpdate(m.State(), m.EventNames())
		if err != nil || !bytes.Equal(again.State(), m.State()) || !bytes.Equal(again.EventNames(), m.EventNames()) || !again.ErasedAt.Equal(m.ErasedAt) {
			t.Errorf("%s %s became %s %s, %v", m.State(), m.EventNames(), again.State(), again.EventNames(), err)
		}
	})
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(`{"script":"x()"}`), []byte(`{"identity_verification":"signed","identity_secret":["a","b"],"whitelisted_domains":["*.example.com",""],"public_traits":["a/b"]}`))
	f.Add([]byte(`{"script":1}`), []byte(`{"identity_verification":{},"identity_secret":["a","b","c"],"script_enabled":"false","whitelisted_domains":"*"}`))
	f.Fuzz(func(t *testing.T, settings, private []byte) {
		s, same := hull.ParseSettings("c1", settings, private), hull.ParseSettings("c1", bytes.Clone(settings), bytes.Clone(private))
		if s.Tag(true, "u") != same.Tag(true, "u") || s.Tag(false, "u") != same.Tag(false, "u") {
			t.Error("the same settings have other tags")
		}
		if !slices.Contains([]string{"", "possession", "signed", "off"}, s.Verification()) {
			t.Errorf("verification %q", s.Verification())
		}
		if secrets := s.IdentitySecrets(); len(secrets) > 2 || slices.Contains(secrets, "") {
			t.Errorf("%d secrets", len(secrets))
		}
		if s.AllowsOrigin("null") || s.AllowsOrigin("") || s.AllowsOrigin("https://") {
			t.Error("an origin that is none is allowed")
		}
		if script, hash := s.Script(); (script == "") != (hash == "") || (script == "") != (s.ScriptURL() == "") || (script == "") != (s.ScriptFile() == nil) {
			t.Errorf("script %q, hash %q, URL %q", script, hash, s.ScriptURL())
		}
	})
}

// Who is called cannot be more than a host, and no refusal repeats what was said.
func FuzzParseCaller(f *testing.F) {
	secrets := []string{"one of Hullbeam's secrets", "another"}
	f.Add("organization=Acme.hullapp.io&ship=c1&secret=s")
	f.Add("organization=acme.hullapp.io&id=c1&secret=a&secret=b")
	token, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"organization": "acme.hullapp.io", "ship": "c1", "secret": "s"}).SignedString([]byte(secrets[1]))
	f.Add("token=" + token)
	f.Add("state=e30.e30.&ship=~private~&organization=x@y/..&secret=%00")
	f.Fuzz(func(t *testing.T, text string) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		c, err := hull.ParseCaller(query, secrets)
		if err != nil {
			if !errors.Is(err, hull.ErrMissingCredentials) && !errors.Is(err, hull.ErrInvalidCredentials) {
				t.Errorf("error %v", err)
			}
			wantNothingOf(t, err, text)
			return
		}
		if c.Secret == "" || c.Organization != strings.ToLower(c.Organization) || strings.ContainsAny(c.Organization+c.ID, "/@?# \r\n") {
			t.Errorf("called by %+v", c)
		}
	})
}

func FuzzParseExtractRequest(f *testing.F) {
	f.Add([]byte(`{"url":"https://files.hullapp.io/x","format":"csv","object_type":"user_report","notification_id":"n","users_segments":[{"id":"s","name":"S"},{}]}`))
	f.Add([]byte(`{"url":"","format":1,"object_type":"account_report","segments":null,"account_segments":[[]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := hull.ParseExtractRequest(body, 50)
		if err != nil {
			if !errors.Is(err, hull.ErrInvalidJSON) && !errors.Is(err, hull.ErrInvalidExtract) {
				t.Errorf("error %v", err)
			}
			wantNothingOf(t, err, string(body))
		} else if r.URL == "" || r.Format != hull.FormatJSON && r.Format != hull.FormatCSV {
			t.Errorf("read %+v", r)
		}
	})
}

// What Hull says of a connector and of its segments.
func FuzzParseAnswers(f *testing.F) {
	f.Add([]byte(`{"id":"c1","settings":{"script":"x()"},"private_settings":{"a":1},"updated_at":"2018-10-08 16:33:15 UTC"}`))
	f.Add([]byte(`[{"id":"s","name":"S","updated_at":"2026-01-01T00:00:00Z","query":{}},{"id":""},1]`))
	f.Add([]byte(`{"s":{"name":"S","updated_at":"2026-01-01T00:00:00Z"},"t":{"deleted":true}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if c, err := hull.ParseConnector(answer); err != nil {
			wantNothingOf(t, err, string(answer))
		} else if c.Settings != nil && !json.Valid(c.Settings) || c.PrivateSettings != nil && !json.Valid(c.PrivateSettings) {
			t.Errorf("settings %s %s", c.Settings, c.PrivateSettings)
		}
		if _, err := hull.ParseSegmentList(answer); err != nil {
			wantNothingOf(t, err, string(answer))
		}
		known := hull.ParseSegments(answer)
		text, err := json.Marshal(known)
		if diff := cmp.Diff(known, hull.ParseSegments(text)); err != nil || len(known) > 0 && diff != "" {
			t.Errorf("segments %v (-want +got):\n%s", err, diff)
		}
	})
}

// Keys and certificates come from addresses that strangers may name.
func FuzzParsePEM(f *testing.F) {
	f.Add(hulltest.ProcessKey().PublicPEM())
	f.Add(hulltest.ProcessKey().PublicPEM() + "\n" + hulltest.ProcessKey().PublicPEM())
	f.Add(hulltest.ProcessKey().PrivatePEM())
	f.Add(strings.ReplaceAll(hulltest.ProcessKey().PublicPEM(), "PUBLIC KEY", "CERTIFICATE"))
	f.Add("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n~private~")
	f.Fuzz(func(t *testing.T, text string) {
		c := hull.DefaultVerifyConfig()
		c.PublicKeys = []string{text}
		if err := c.Validate(); err != nil {
			wantNothingOf(t, err, text)
		} else if _, err := hull.NewVerifier(c); err != nil {
			t.Errorf("what is valid is refused: %v", err)
		}
		if err := new(hull.SNSMessage).SignedBy(text); err == nil {
			t.Error("nothing is signed")
		} else {
			wantNothingOf(t, err, text)
		}
	})
}

// wantNothingOf wants an error that does not repeat what it is of: no line of it, and
// nothing that is marked as private.
func wantNothingOf(t *testing.T, err error, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); len(line) > 24 && strings.Contains(err.Error(), line) {
			t.Errorf("%q repeats %q", err, line)
		}
	}
	if strings.Contains(text, "~private~") && strings.Contains(err.Error(), "~private~") {
		t.Errorf("%q repeats what is private", err)
	}
}
