package api_test

import (
	"strings"
	"testing"
)

// C18: segments that are renamed or removed are so in what pages are shown next, at
// once in open streams, by all names of the channels.
func TestC18SegmentChannels(t *testing.T) {
	s := start(t, options{noHull: true})
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expectPlan("pro")
	shows := func(l *listener, names string) {
		t.Helper()
		if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"segments":[`+names+`]`) || !strings.Contains(string(e.Data), `"events":[]`) {
			t.Errorf("got %s, want %s", e.Data, names)
		}
	}
	segment := func(name, at string) string {
		return `{"id":"vip","name":"` + name + `","type":"users_segment","updated_at":"2026-01-` + at + `T00:00:00Z"}`
	}
	s.notification("segment:update", "", segment("Very Important", "01"))
	shows(l, `"Very Important"`)
	s.notification("users_segment:update", "", segment("Most Important", "03"), `{"id":"private","name":"Not shown"}`)
	shows(l, `"Most Important"`)
	s.notification("users_segment:update", "", segment("Older", "02")) // shows nothing
	s.notification("segment:delete", "", segment("Most Important", "04"))
	shows(l, ``)
	s.notification("segment:update", "", segment("Back", "05"))
	shows(l, `"Back"`)
	shows(s.listen(s.token(claim("anonymous_id", anonymous))), `"Back"`)
	if c := must(s.store.Connector(t.Context(), ship)); strings.Contains(string(c.Segments), "Not shown") {
		t.Errorf("names that nobody is shown are kept: %s", c.Segments)
	}
}

// The lists that every notification brings say the same, and what it says of settings
// and segments at once is seen at once.
func TestSegmentListsOfNotifications(t *testing.T) {
	s := start(t, options{noHull: true})
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expectPlan("pro")
	r := s.notify([]byte(`{"notification_id":"with lists","configuration":{"id":"` + ship + `","organization":"` + org + `","secret":"` + secret + `"},
		"channel":"account:update","messages":[{"account":{"id":"a"}}],"segments":[{"id":"vip","name":"Wrong"}],
		"users_segments":[{"id":"vip","name":"Renamed"}],"accounts_segments":null}`))
	wants(t, r, 200, "")
	if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"segments":["Renamed"]`) {
		t.Errorf("got %s", e.Data)
	}
	s.update(userMessage("u1", plan("max"), anonymousIDs(anonymous))) // whose own message has the old name
	if e := l.expectPlan("max"); !strings.Contains(string(e.Data), `"segments":["Renamed"]`) {
		t.Errorf("got %s", e.Data)
	}
}

// What a notification says of segments counts by the segments' own times, also when its
// settings are older than those known.
func TestSegmentsBesideOlderSettings(t *testing.T) {
	s := start(t, options{noHull: true})
	connector := func(at, traits string) string {
		return `{"id":"` + ship + `","updated_at":"` + at + `","settings":{},"private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":[` + traits + `],"public_segments":["vip"]}}`
	}
	s.notification("ship:update", connector("2026-01-02T00:00:00Z", `"plan"`))
	s.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expectPlan("pro")
	s.notification("segment:update", connector("2026-01-01T00:00:00Z", `"plan","email"`), `{"id":"vip","name":"Renamed","updated_at":"2026-01-03T00:00:00Z"}`)
	if e := l.expectPlan("pro"); !strings.Contains(string(e.Data), `"Renamed"`) || strings.Contains(string(e.Data), "ada@") {
		t.Errorf("got %s", e.Data)
	}
}
