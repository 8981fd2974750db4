package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"hullbeam/hull/hulltest"
	"hullbeam/stream/streamtest"
)

var errNotGreeted = errors.New("a stream is not greeted")

// rest has the pretend Hull answer what the fixtures have of Hull's REST API.
func (r *replay) rest() error {
	report, err := r.read("rest/get-me-user-report.json")
	if err != nil {
		return err
	}
	s, err := start(options{private: json.RawMessage(`{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan","outreach/id"]}`)})
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.hull.PutReport(ship, report); err != nil {
		return err
	}
	for _, c := range []struct{ fixture, sent, email, event, text string }{
		{"rest/get-me-user-report.json", "asked for by a stream", "tiago.reis@caravela.example", "user.update", `"outreach":{"id":16}`},
		{"rest/error-404.json", "asked for by a stream", "nobody@caravela.example", "user.error", ""},
	} {
		o, err := s.open("email", c.email)
		if err != nil {
			return err
		}
		got := "nothing"
		if o.until(func(e streamtest.Event) bool { return e.Type == c.event && strings.Contains(e.Data, c.text) }) {
			got = c.event
		}
		o.close()
		r.add(c.fixture, c.sent, c.event, got)
	}
	if err := r.status(s); err != nil {
		return err
	}
	return r.configurationToken()
}

// status has Hull ask for the connector's status, which Hullbeam reports to it as well.
// What it says is Hullbeam's own; it must have the members of the fixture.
func (r *replay) status(s *server) error {
	const name = "rest/put-status-request.json"
	var members map[string]any
	if err := r.decode(name, &members); err != nil {
		return err
	}
	answered, err := s.post("/status?"+query(), nil, nil)
	if err != nil {
		return err
	}
	reported := slices.ContainsFunc(s.hull.Calls(), func(c hulltest.Call) bool {
		return c.Reported != nil && c.Status == http.StatusOK && c.Reported.Status != "" && len(c.Reported.Messages) > 0
	})
	r.add(name, "caused by POST /status", fmt.Sprint("200, reported ", true, " ", slices.Sorted(maps.Keys(members))),
		fmt.Sprint(answered.status, ", reported ", reported, " ", slices.Sorted(maps.Keys(decode(string(answered.body))))))
	return nil
}

// configurationToken has the token that stands for a connector's credentials.
func (r *replay) configurationToken() error {
	const name = "vectors/hull-access-token.json"
	var vectors struct {
		Token struct {
			HostSecret string `json:"host_secret"`
			Token      string
		} `json:"configuration_token"`
	}
	if err := r.decode(name, &vectors); err != nil {
		return err
	}
	body, err := r.read("batch/accounts-request.json")
	if err != nil {
		return err
	}
	for hostSecret, want := range map[string]string{vectors.Token.HostSecret: "200 ok", "": "403 INVALID_CREDENTIALS"} {
		sent := "its configuration token, to the host whose secret it has"
		if hostSecret == "" {
			sent = "its configuration token, to another host"
		}
		err := with(options{secret: hostSecret}, func(s *server) error {
			answered, err := s.post("/batch?token="+vectors.Token.Token, body, http.Header{"Content-Type": {"application/json"}})
			r.add(name, sent, want, answered.said())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
