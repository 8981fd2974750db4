package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"hullbeam/api"
)

// An operator of all connectors is told how the request has arrived, as the limits count it.
func TestDiagnosis(t *testing.T) {
	for _, row := range []struct {
		name, trusted    string
		headers          []string
		client           string
		believed, secure bool
	}{
		{"nothing in front", "", nil, "127.0.0.1", false, false},
		{"a proxy that is not known", "", []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"}, "127.0.0.1", false, true},
		{"another is known", "10.0.0.1", []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"}, "127.0.0.1", false, false},
		{"it is known", "127.0.0.1", []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"}, "203.0.113.7", true, true},
		{"it says less", "127.0.0.1", []string{"X-Forwarded-For: 203.0.113.7"}, "203.0.113.7", true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := start(t, options{config: func(c *api.Config) {
				withKeys(c)
				if row.trusted != "" {
					c.TrustedProxies = []string{row.trusted}
				}
			}})
			got := s.do("GET", "/api/v1/diagnosis", "", append(row.headers, withBearer(readAll))...)
			var d struct {
				Time    string
				Request struct {
					Peer, Client, Host string
					PeerTrusted        bool `json:"peer_trusted"`
					Secure             bool
				}
				Store struct{ Kind string }
			}
			if err := json.Unmarshal(got.body, &d); err != nil || got.status != 200 {
				t.Fatalf("%v: %d %s", err, got.status, got.body)
			}
			r := d.Request
			if r.Client != row.client || r.PeerTrusted != row.believed || r.Secure != row.secure || !strings.HasPrefix(r.Peer, "127.0.0.1:") || "http://"+r.Host != s.URL || d.Store.Kind == "" || d.Time == "" {
				t.Errorf("got %s", got.body)
			}
		})
	}
}
