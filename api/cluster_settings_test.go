package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"hullbeam/store/storetest"
)

// settingsOf is a connector of a notification: what is public, for whom, and where.
func settingsOf(traits, segments, domain string) string {
	return `{"id":"` + ship + `","settings":{},"private_settings":{"whitelisted_domains":["` + domain + `"],"public_traits":[` + traits +
		`],"synchronized_segments":[` + segments + `],"public_events":["Signed Up"]}}`
}

// A change of settings that one node is told of holds for the streams of all, also
// of one that has not heard of it.
func TestClusterSettings(t *testing.T) {
	for _, cut := range []bool{false, true} {
		name := "Told"
		if cut {
			name = "Missed"
		}
		t.Run(name, func(t *testing.T) { changeSettings(t, cut) })
	}
}

func changeSettings(t *testing.T, cut bool) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	other := `{"user":{"id":"u2","plan":"free","email":"bob@harbor.example",` + anonymousIDs(second) + `},"segments":[{"id":"other","name":"O"}]}`
	a.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)), other)
	one, two := b.listen(b.token(claim("anonymous_id", anonymous))), b.listen(b.token(claim("anonymous_id", second)))
	before := one.expectPlan("pro")
	two.expectPlan("free")
	c.settle()
	change := func(connector string, messages ...string) {
		if cut {
			c.cutBus(1)
		}
		a.notification("user:update", connector, messages...)
		if cut {
			c.healBus(1)
		}
	}
	change(settingsOf(`"email"`, `"vip"`, "www.harbor.example"))
	e := one.expect("user.update")
	if strings.Contains(string(e.Data), "plan") || !strings.Contains(string(e.Data), "ada@") || !strings.Contains(string(e.Data), `"events":[]`) {
		t.Errorf("under the new settings: got %s", e.Data)
	}
	if version(t, e) != version(t, before) || string(e.ID) == string(before.ID) {
		t.Errorf("id: got %s after %s, want another tag and the same version", e.ID, before.ID)
	}
	two.expect("user.private")
	a.update(userMessage("u1", plan("max"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	if e := one.expect("user.update"); strings.Contains(string(e.Data), "plan") {
		t.Errorf("under the old settings: %s", e.Data)
	}
	c.settle()
	a.nothing(one, two)
	change(settingsOf(`"email"`, `"vip"`, "other.example"))
	for _, l := range []*listener{one, two} {
		if e := l.expect("close"); !strings.Contains(string(e.Data), "origin_not_allowed") {
			t.Errorf("got %s", e.Data)
		}
	}
	if r := b.do("POST", "/api/v1/connectors/"+ship+"/token", claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json"); r.status != 403 {
		t.Errorf("a token for an origin that was removed: got %d", r.status)
	}
}

// A node that cannot read users at the moment when settings change shows them under
// the new ones all the same: the page has what it must not have any more.
func TestClusterSettingsWithoutReads(t *testing.T) {
	redis := storetest.Redis(t)
	redis.Do("ACL", "SETUSER", "reader", "on", ">reader", "~*", "&*", "+@all")
	s := start(t, options{noHull: true, redis: "redis://reader:reader@" + redis.Addr})
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expectPlan("pro")
	redis.Do("ACL", "SETUSER", "reader", "-pttl") // which goes with each read of a user
	s.notification("ship:update", settingsOf(`"email"`, `"other"`, "www.harbor.example"))
	storetest.Eventually(t, "the settings have changed", func() bool { return strings.Contains(s.log.String(), "the connector has changed") })
	redis.Do("ACL", "SETUSER", "reader", "+pttl")
	l.expect("user.private")
}

// What two nodes are told at once of one connector holds, all of it: settings that hide,
// and new names of segments.
func TestClusterSettingsAtOnce(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	connector := func(traits string) string { // no time: by order of arrival
		return `{"id":"` + ship + `","settings":{},"private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":[` + traits + `],"public_segments":["vip"]}}`
	}
	a.notification("ship:update", connector(`"email","plan"`))
	a.update(userMessage("u1", plan("pro"), `"email":"ada@harbor.example"`, anonymousIDs(anonymous)))
	c.settle()
	for round := range 8 {
		traits, name := `"plan"`, fmt.Sprint("Name ", round)
		if round%2 == 1 {
			traits = `"email","plan"`
		}
		var told sync.WaitGroup
		told.Go(func() { a.notification("ship:update", connector(traits)) })
		told.Go(func() { b.notification("segment:update", "", `{"id":"vip","name":"`+name+`"}`) })
		told.Wait()
		c.settle()
		for i, s := range c.all {
			e := s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan("pro")
			if !strings.Contains(string(e.Data), `"`+name+`"`) || strings.Contains(string(e.Data), "ada@") != (round%2 == 1) {
				t.Errorf("round %d, node %d: got %s", round, i, e.Data)
			}
		}
	}
}

// The ids of notifications are Hull's: none is in the way of what nodes do one after the
// other.
func TestClusterNotificationsNamedAsWhatIsDone(t *testing.T) {
	c := startNodes(t, 1, options{noHull: true})
	s := c.all[0]
	for i, id := range []string{"settings", "extract:", "sns:"} {
		body := fmt.Sprintf(`{"notification_id":%q,"configuration":{"id":%q,"organization":%q,"secret":%q},"connector":%s,"channel":"ship:update","messages":[]}`,
			id, ship, org, secret, settingsOf(fmt.Sprintf(`"plan","t%d"`, i), "", "www.harbor.example"))
		wants(t, s.notify([]byte(body)), 200, "")
	}
	s.notification("ship:update", settingsOf(`"email"`, "", "www.harbor.example"))
}
