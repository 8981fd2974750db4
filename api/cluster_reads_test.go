package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store/storetest"
)

// What Hull was asked about at one node, pages at another are shown.
func TestClusterLookUp(t *testing.T) {
	c := startNodes(t, 2, options{})
	a, b := c.all[0], c.all[1]
	there := b.listen(b.token(claim("anonymous_id", anonymous))) // its Hull knows nobody
	there.expect("cache.miss")
	there.expect("user.error")
	report := `{"id":"u1","anonymous_ids":["` + anonymous + `"],"traits_plan":"pro","segments":[{"id":"vip","name":"VIP"}]}`
	if err := a.hull.PutReport(ship, []byte(report)); err != nil {
		t.Fatal(err)
	}
	here := a.listen(a.token(claim("anonymous_id", anonymous)))
	here.expect("cache.miss")
	e, f := here.expectPlan("pro"), there.expectPlan("pro")
	if string(e.ID) != string(f.ID) {
		t.Errorf("ids: %s and %s", e.ID, f.ID)
	}
	c.settle()
	a.nothing(here, there)
}

// commands counts those that Redis was sent for users, topics and connectors, and
// lists them. GET and SET are those of canaries, too.
func (c *nodes) commands() (n int, list string) {
	c.t.Helper()
	for line := range strings.Lines(c.redis.Do("INFO", "commandstats").(string)) {
		name, stats, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		switch name {
		case "getrange", "evalsha", "eval", "hget", "hgetall", "pttl":
			var calls int
			fmt.Sscanf(stats, "calls=%d", &calls)
			n += calls
			list += fmt.Sprintf("%s %d ", name, calls)
		}
	}
	return n, list
}

// Pages that come back find all in memory, however many they are, and pages of one
// user are one read: neither Redis nor Hull is asked for each.
func TestClusterHotReads(t *testing.T) {
	const pages = 300
	for _, users := range []int{1, pages} {
		t.Run(fmt.Sprint(users), func(t *testing.T) {
			c := startNodes(t, 1, options{
				canary: 5 * time.Second, // one that is late would have all read anew
				config: func(cfg *api.Config) { cfg.Limits.TokensPerAddress, cfg.Limits.StreamsPerVisitor = 0, 0 },
			})
			s := c.all[0]
			tokens := make([]string, users)
			for i := range users {
				id := fmt.Sprintf("anon-hot-read-%06d", i)
				s.update(userMessage(fmt.Sprintf("u%d", i), plan("pro"), anonymousIDs(id)))
				tokens[i] = s.token(claim("anonymous_id", id))
			}
			open := func() (list []*listener) {
				list = make([]*listener, pages)
				var opening sync.WaitGroup
				for i := range list {
					opening.Go(func() {
						list[i] = s.listen(tokens[i%users])
						list[i].expectPlan("pro")
					})
				}
				opening.Wait()
				return list
			}
			before, was := c.commands()
			list := open()
			for i := range users { // who the visitors are is stored behind that
				storetest.Eventually(t, "the visitors are joined", func() bool {
					return len(must(s.store.VisitorsOf(t.Context(), ship, fmt.Sprintf("u%d", i)))) > 0
				})
			}
			if now, is := c.commands(); now-before > 12*users+12 {
				t.Errorf("opening them and joining their visitors took %d commands: %safter %s", now-before, is, was)
			}
			for round := range 2 {
				before, was = c.commands()
				if round == 0 {
					for _, l := range list {
						l.cancel()
					}
				} else {
					for _, sub := range s.broker.Subscribers(ship) {
						sub.End("max_age", 0)
					}
				}
				storetest.Eventually(t, "all have left", func() bool { return s.broker.Streams() == 0 })
				list = open()
				if now, is := c.commands(); now-before > 12 { // what the node does every few seconds
					t.Errorf("opening them again took %d commands: %safter %s", now-before, is, was)
				}
			}
			if calls := s.hull.Calls(); len(calls) > 0 {
				t.Errorf("Hull was asked %d times", len(calls))
			}
		})
	}
}

// What nobody needs any more a node forgets: after streams that ended, that changed
// their user, that left while they opened, and that were refused.
func TestClusterForgets(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true, life: 400 * time.Millisecond})
	a, b := c.all[0], c.all[1]
	const channels = 2 // its canary's and the connector's
	bare := func() bool {
		return b.metric("hullbeam_bus_channels") <= channels && b.api.Residents() <= 1 && b.api.Idle() == 0 && b.api.Remembered() == 0
	}
	a.update(userMessage("u2", plan("two"), anonymousIDs(second)))
	var list []*listener
	for range 3 {
		l := b.listen(b.token(bothIDs))
		l.expectPlan("two")
		list = append(list, l)
	}
	unknown := b.listen(b.token(claim("anonymous_id", anonymous)))
	unknown.expect("cache.miss")
	a.update(userMessage("u1", plan("one"), anonymousIDs(better)))
	for _, l := range list {
		l.expect("user.private")
		l.expectPlan("one")
	}
	token := b.token(bothIDs)
	for range 50 { // they leave while they open
		var opening sync.WaitGroup
		for range 4 {
			opening.Go(func() { b.leaveAtOnce(token) })
		}
		opening.Wait()
	}
	b.do("GET", "/api/v1/stream?token="+token, "", "Origin: https://evil.example")
	if b.metric("hullbeam_bus_channels") <= channels {
		t.Error("no channels are followed while pages are there")
	}
	list = append(list, unknown)
	list[0].cancel()
	a.update(userMessage("u1", plan("none"))) // ends the streams that follow it by better alone
	for _, l := range list[1:3] {
		l.expect("user.private")
		l.expect("close")
	}
	unknown.cancel()
	storetest.Eventually(t, "nothing is left", bare)
	s := b.listen(token)
	s.expectPlan("two")
	if b.metric("hullbeam_bus_channels") <= channels {
		t.Error("no channels are followed when pages come back")
	}
	s.cancel()
	storetest.Eventually(t, "nothing is left again", bare)
}

// Who is followed is served from memory, and does not run out in Redis for that.
func TestClusterFollowedUsersLive(t *testing.T) {
	c := startNodes(t, 1, options{noHull: true, life: 100 * time.Millisecond})
	s := c.all[0]
	s.update(userMessage("u1", plan("a"), anonymousIDs(anonymous)), userMessage("u2", plan("a"), anonymousIDs(second)))
	s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan("a")
	c.settle()
	life := func(key string) int64 { return c.redis.Do("PTTL", "hb:"+key+"}").(int64) }
	const minute = 60_000
	keys := []string{"u:{" + ship + ":u1", "t:{" + ship + ":anonymous_id:" + anonymous, "u:{" + ship + ":u2"}
	for _, key := range keys {
		c.redis.Do("PEXPIRE", "hb:"+key+"}", minute)
	}
	storetest.Eventually(t, "the followed user and its topic live on", func() bool { return life(keys[0]) > minute && life(keys[1]) > minute })
	if life(keys[2]) > minute {
		t.Error("and so does one whom nobody follows")
	}
}

// scripts is how many Redis has run.
func (c *nodes) scripts() (n int) {
	for line := range strings.Lines(c.redis.Do("INFO", "commandstats").(string)) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:calls="); ok {
			fmt.Sscanf(rest, "%d", &n)
		}
	}
	return n
}

// A notification that has a user many times costs what it costs once: the user's
// latest state is written, with the events of all.
func TestClusterOneUserManyTimes(t *testing.T) {
	c := startNodes(t, 1, options{noHull: true})
	s := c.all[0]
	s.update(userMessage("u1", plan("first"), anonymousIDs(anonymous)))
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expectPlan("first")
	c.settle()
	at := func(second int) string { return fmt.Sprintf(`"indexed_at":"2026-01-02T03:04:%02dZ"`, second) }
	var messages []string
	for i := range 50 {
		messages = append(messages, userMessage("u1", plan(fmt.Sprint("p", i)), anonymousIDs(anonymous), at(i)), userMessage(fmt.Sprint("other", i), plan("x")))
	}
	messages = append(messages,
		`{"user":{"id":"u1","anonymous_ids":["`+anonymous+`"],"plan":"last"},"segments":[{"id":"vip","name":"VIP"}],"events":[{"event":"Viewed"}]}`, // its time is not known
		userMessage("u1", plan("late"), anonymousIDs(anonymous), at(3)))
	before := c.scripts()
	s.update(messages...)
	// Of 101 events the newest 64 are carried on, every other of which is public.
	if e := l.expectPlan("last"); strings.Count(string(e.Data), `"Signed Up"`) != 31 || !strings.Contains(string(e.Data), `"Signed Up","Viewed"]`) {
		t.Errorf("the events of all: got %s", e.Data)
	}
	if n := c.scripts() - before; n > 1+50*3+2+12 { // to write, to claim the topic, and to note that it is done; to note the notification, twice; what the node does every few seconds
		t.Errorf("%d scripts were run for 51 users, of whom 50 were not known", n)
	}
	if got := s.metric("hullbeam_updates_total", "result", "stale"); got != 1 {
		t.Errorf("%v are stale", got)
	}
	s.update(userMessage("u1", plan("older"), at(48)), userMessage("u1", plan("newer"), anonymousIDs(anonymous), at(50)))
	l.expectPlan("newer")
	s.nothing(l)
}
