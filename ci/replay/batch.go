package main

import (
	"encoding/json"
	"net/http"
	"strings"

	"hullbeam/stream/streamtest"
)

// batch replays the announcements of extracts. The pretend Hull has the file, and what
// is at an address of Amazon's is not asked for.
func (r *replay) batch() error {
	users, err := r.read("batch/users.ndjson")
	if err != nil {
		return err
	}
	segments, err := r.read("rest/get-users-segments.json")
	if err != nil {
		return err
	}
	s, err := start(options{
		private: json.RawMessage(`{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"],"public_segments":["7c0ffee0a1b2c3d4e5f60718"]}`),
		hull:    map[string][]byte{"/extracts/users.ndjson": users, "/api/v1/users_segments": segments},
	})
	if err != nil {
		return err
	}
	defer s.stop()
	header := http.Header{"Content-Type": {"application/json"}}
	send := func(fixture string, change map[string]any) (string, error) {
		var body map[string]any
		if err := r.decode(fixture, &body); err != nil {
			return "", err
		}
		for name, value := range change {
			if body[name] = value; value == nil {
				delete(body, name)
			}
		}
		text, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		answered, err := s.post("/batch?"+query(), text, header)
		return answered.said(), err
	}
	here := s.hullURL + "/extracts/users.ndjson"
	for _, c := range []struct {
		fixture, sent, want string
		change              map[string]any
		email               string // of whose page is told
	}{
		{"batch/users-request.json", "its file at the pretend Hull", "200 ok, in the stream", map[string]any{"url": here}, "tiago.reis@caravela.example"},
		{"batch/users-request.json", "its file at another host", "400 UNTRUSTED_EXTRACT_URL", map[string]any{"url": "https://evil.example/report.json"}, ""},
		{"batch/accounts-request.json", "as it is", "200 ok", nil, ""},
		{"rest/get-users-segments.json", "asked for by an extract that has none", "200 ok, in the stream",
			map[string]any{"url": here, "segments": nil, "notification_id": nil}, "tiago.reis@caravela.example"},
	} {
		fixture := c.fixture
		if !strings.HasPrefix(fixture, "batch/") {
			fixture = "batch/users-request.json"
		}
		got, err := s.whileOpen(c.email, func() (string, error) { return send(fixture, c.change) }, func(e streamtest.Event) bool {
			return e.Type == "user.update" && strings.Contains(e.Data, `"plan":"brigantine"`) && strings.Contains(e.Data, `"Active Users"`)
		})
		if err != nil {
			return err
		}
		r.add(c.fixture, c.sent, c.want, got)
	}
	return nil
}

// whileOpen does something while the page of a visitor with this email is open, and
// adds to what came of it whether the page was told what is wanted. "": there is none.
func (s *server) whileOpen(email string, do func() (string, error), wanted func(streamtest.Event) bool) (got string, err error) {
	if email == "" {
		return do()
	}
	told, err := s.open("email", email)
	if err != nil {
		return "", err
	}
	defer told.close()
	if !told.until(isType("room.joined")) {
		return "", errNotGreeted
	}
	if got, err = do(); err == nil && told.until(wanted) {
		got += ", in the stream"
	}
	return got, err
}
