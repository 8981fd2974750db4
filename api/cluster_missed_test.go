package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store/storetest"
)

// What a node's bus has not heard its pages see when it is back: the final state,
// once, with whoever has the topic then.
func TestClusterMissedUpdates(t *testing.T) {
	for name, bytes := range map[string]int64{"Roomy": 256 << 20, "Tight": 500} {
		t.Run(name, func(t *testing.T) {
			c := startNodes(t, 2, options{noHull: true, config: func(cfg *api.Config) { cfg.Cluster.CacheBytes = bytes }})
			a, b := c.all[0], c.all[1]
			a.update(
				userMessage("u1", plan("a"), anonymousIDs("anon-missed-00000001")), userMessage("u2", plan("a"), anonymousIDs("anon-missed-00000002")),
				userMessage("u3", plan("a"), anonymousIDs("anon-missed-00000003")), userMessage("u4", plan("a"), anonymousIDs("anon-missed-00000004")))
			page := func(id string) *listener { return b.listen(b.token(claim("anonymous_id", id))) }
			changed, taken, dropped, unknown := page("anon-missed-00000001"), page("anon-missed-00000002"), page("anon-missed-00000003"), page("anon-missed-00000005")
			for _, l := range []*listener{changed, taken, dropped} {
				l.expectPlan("a")
			}
			unknown.expect("cache.miss")
			unknown.expect("user.error")
			c.settle()
			c.cutBus(1)
			a.update(userMessage("u1", plan("b"), anonymousIDs("anon-missed-00000001")))
			a.update(userMessage("u1", plan("c"), anonymousIDs("anon-missed-00000001")),
				userMessage("u4", plan("c"), anonymousIDs("anon-missed-00000004", "anon-missed-00000002")),
				userMessage("u3", plan("c"), anonymousIDs("anon-missed-00000006")),
				userMessage("u5", plan("c"), anonymousIDs("anon-missed-00000005")))
			c.healBus(1)
			changed.expectPlan("c")
			unknown.expectPlan("c")
			b.nothing(changed, unknown)
			for _, l := range []*listener{taken, dropped} {
				l.expect("user.private")
				if e := l.next(); string(e.Event) == "close" {
					if !strings.Contains(string(e.Data), "identity_changed") {
						t.Errorf("close: got %s", e.Data)
					}
				} else if l == dropped || !strings.Contains(string(e.Data), `"u4"`) {
					t.Errorf("a page whose topic has left its user: got %s %s", e.Event, e.Data)
				}
			}
		})
	}
}

// Records of a newer hullbeam, as there are while nodes are updated one after the
// other, keep nobody else's pages from what they have missed.
func TestClusterMissedBesideNewerRecords(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	const third = "anon-missed-00000003"
	a.update(userMessage("u1", plan("a"), anonymousIDs(anonymous)), userMessage("u2", plan("a"), anonymousIDs(second)), userMessage("u3", plan("a"), anonymousIDs(third)))
	newer, older, newerTopic := b.listen(b.token(claim("anonymous_id", anonymous))), b.listen(b.token(claim("anonymous_id", second))), b.listen(b.token(claim("anonymous_id", third)))
	for _, l := range []*listener{newer, older, newerTopic} {
		l.expectPlan("a")
	}
	c.settle()
	c.cutBus(1)
	a.update(userMessage("u2", plan("b"), anonymousIDs(second)))
	c.redis.Do("SETRANGE", "hb:u:{"+ship+":u1}", 0, "\x02")
	c.redis.Do("SETRANGE", "hb:t:{"+ship+":anonymous_id:"+third+"}", 0, "\x02")
	c.allowBus(1)
	older.expectPlan("b")
	c.settle()
	b.nothing(newer, newerTopic)
	if !strings.Contains(b.log.String(), "made by a newer hullbeam") {
		t.Error("the log does not say so")
	}
}

// A page that comes when the bus is back, before what was missed has been read,
// reads it for itself: the others must be shown it all the same.
func TestClusterPageAheadOfCatchingUp(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("a"), anonymousIDs(anonymous)))
	token := b.token(claim("anonymous_id", anonymous))
	l := b.listen(token)
	l.expectPlan("a")
	for _, p := range []string{"b", "c", "d", "e"} {
		c.cutBus(1)
		a.update(userMessage("u1", plan(p), anonymousIDs(anonymous)))
		c.allowBus(1)
		storetest.Eventually(t, "a new page shows it", func() bool {
			early := b.listen(token)
			defer early.cancel()
			return strings.Contains(string(early.expect("user.update").Data), plan(p))
		})
		l.expectPlan(p)
	}
}

// When a user loses the topic that led to it, and another of a page's still does, a
// topic between the two counts that led to somebody else all along.
func TestClusterTopicBetween(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	const first, middle, last = "anon-first-0123456789", "anon-middle-0123456789", "anon-last-0123456789"
	a.update(userMessage("u1", plan("one"), anonymousIDs(first, last)), userMessage("u2", plan("two"), anonymousIDs(middle)))
	l := b.listen(b.token(`{"claims":{"anonymous_id":["` + first + `","` + middle + `","` + last + `"]}}`))
	l.expectPlan("one")
	a.update(userMessage("u1", plan("uno"), anonymousIDs(last)))
	for {
		e := l.next()
		if string(e.Event) == "user.update" && strings.Contains(string(e.Data), plan("two")) {
			break
		}
		if string(e.Event) == "close" {
			t.Fatalf("got %s", e.Data)
		}
	}
	c.settle()
	a.nothing(l)
}

// A page is answered in time by a node whose Redis has only just stopped to answer,
// whatever time round trips may take; also when the user is to be read.
func TestClusterSlowRedis(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 2 * time.Second, 2 * timely} {
		t.Run(timeout.String(), func(t *testing.T) {
			c := startNodes(t, 1, options{noHull: true, timeout: timeout, config: func(cfg *api.Config) { cfg.Cluster.CacheBytes = 1 }})
			s := c.all[0]
			s.update(userMessage("u1", plan("one"), anonymousIDs(anonymous)))
			known, unknown, asked := s.token(claim("anonymous_id", anonymous)), s.token(claim("anonymous_id", second)), s.token(claim("anonymous_id", better))
			s.listen(known).expectPlan("one")
			s.listen(asked).expect("cache.miss") // so that only this is left to ask: whether Redis has lost anything
			c.settle()
			storetest.Eventually(t, "nothing is in memory", func() bool { return s.api.Remembered() == 0 })
			c.redis.Freeze()
			t.Cleanup(c.redis.Thaw)
			var one, nobody, again *listener
			within(t, "room.joined", func() { again = s.listen(asked) }) // before the node has noticed
			within(t, "room.joined", func() { one = s.listen(known) })
			within(t, "room.joined", func() { nobody = s.listen(unknown) })
			c.redis.Thaw()
			one.expectPlan("one")
			for _, l := range []*listener{nobody, again} {
				l.expect("cache.miss")
				l.expect("user.error")
			}
		})
	}
}

// A record that Redis has evicted comes again with other topics: nobody is told which
// it had, but the node knows by which its pages follow.
func TestClusterEvictedWithTopics(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("a"), anonymousIDs(anonymous)))
	l := b.listen(b.token(claim("anonymous_id", anonymous)))
	l.expectPlan("a")
	c.settle()
	c.redis.Do("DEL", "hb:u:{"+ship+":u1}")
	a.update(userMessage("u1", plan("b"), anonymousIDs("anon-other-0123456789")))
	l.expect("user.private")
	l.expect("close")
}

// Settings that a promoted replica has not got are written back: nodes do not go
// back to the earlier ones, which may show what must not be seen any more.
func TestClusterSettingsLost(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a := c.all[0]
	settings := func(traits, at string) string {
		return `{"id":"` + ship + `","updated_at":"` + at + `","settings":{},"private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":[` + traits + `]}}`
	}
	a.notification("user:update", settings(`"plan","email"`, "2026-01-01T00:00:00.123456789Z"), userMessage("u1", plan("a"), `"email":"e@x.example"`, anonymousIDs(anonymous)))
	c.settle()
	earlier := c.redis.Do("HGET", "hb:connectors", ship)
	a.notification("user:update", settings(`"plan"`, "2026-01-02T00:00:00.123456789Z"))
	c.settle()
	c.redis.Do("HSET", "hb:connectors", ship, earlier)
	for i := range c.all {
		c.cutBus(i)
		c.healBus(i)
	}
	for i, s := range c.all {
		if e := s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan("a"); strings.Contains(string(e.Data), "e@x") {
			t.Errorf("node %d shows what the earlier settings show: %s", i, e.Data)
		}
	}
	if c.redis.Do("HGET", "hb:connectors", ship) == earlier {
		t.Error("the later settings were not written back")
	}
}

// Pages are shown what new settings show also when their users could not be read just
// when the settings changed.
func TestClusterSettingsWhileUnread(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a := c.all[0]
	a.update(userMessage("u1", plan("a"), `"email":"e@x.example"`, anonymousIDs(anonymous)))
	var pages []*listener
	for _, s := range c.all {
		l := s.listen(s.token(claim("anonymous_id", anonymous)))
		l.expectPlan("a")
		pages = append(pages, l)
	}
	c.settle()
	c.redis.Do("ACL", "SETUSER", "default", "resetkeys", "~hb:connectors", "~hb:o:*") // all but users
	a.notification("user:update", `{"id":"`+ship+`","updated_at":"2026-01-02T00:00:00Z","settings":{},"private_settings":{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"]}}`)
	for i, s := range c.all {
		storetest.Eventually(t, fmt.Sprintf("node %d has tried", i), func() bool { return strings.Contains(s.log.String(), "NOPERM") })
	}
	c.redis.Do("ACL", "SETUSER", "default", "allkeys")
	for _, l := range pages {
		if e := l.expectPlan("a"); strings.Contains(string(e.Data), "e@x") {
			t.Errorf("got %s", e.Data)
		}
	}
}

// Streams that come and go while Redis is away leave nothing behind.
func TestClusterComeAndGo(t *testing.T) {
	c := startNodes(t, 1, options{noHull: true})
	s := c.all[0]
	token := s.token(claim("anonymous_id", anonymous))
	c.cutBus(0)
	for range 20 {
		l := s.listen(token)
		l.cancel()
		<-l.ended
	}
	storetest.Eventually(t, "nothing is left to tell them", func() bool { return s.api.Late() == 0 })
}

// A connector that a newer node has stored keeps nobody's pages from what was missed.
func TestClusterNewerConnector(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("a"), anonymousIDs(anonymous)))
	l := b.listen(b.token(claim("anonymous_id", anonymous)))
	l.expectPlan("a")
	c.settle()
	c.cutBus(1)
	a.update(userMessage("u1", plan("b"), anonymousIDs(anonymous)))
	c.redis.Do("HSET", "hb:connectors", ship, "\x02of a newer node")
	c.healBus(1)
	l.expectPlan("b")
}

// A node that hears, and cannot read what it has missed, is not ready.
func TestClusterNotReadyWhileMissing(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("a"), anonymousIDs(anonymous)))
	b.listen(b.token(claim("anonymous_id", anonymous))).expectPlan("a")
	c.settle()
	c.cutBus(1)
	c.redis.Do("ACL", "SETUSER", "default", "-getrange")
	c.allowBus(1)
	storetest.Eventually(t, "it hears", func() bool { return b.status("/readyz") == 200 })
	storetest.Eventually(t, "it says that it cannot read", func() bool { return b.status("/readyz") == 503 })
	c.redis.Do("ACL", "SETUSER", "default", "+getrange")
	c.settle()
}
