package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store/storetest"
	"hullbeam/stream"
)

// outage is how Redis goes, and how it comes back.
var outages = []struct {
	name        string
	away, again func(*storetest.RedisServer)
}{
	{"Killed", (*storetest.RedisServer).Kill, (*storetest.RedisServer).Start},
	{"Frozen", (*storetest.RedisServer).Freeze, (*storetest.RedisServer).Thaw},
}

// timely is how long an answer may take while Redis is away: two seconds of waiting
// for it, and what a busy machine adds.
const timely = 5 * time.Second

func within(t *testing.T, what string, do func()) {
	t.Helper()
	began := time.Now()
	do()
	if took := time.Since(began); took > timely {
		t.Errorf("%s took %v", what, took)
	}
}

// While Redis is away pages get what the node knows, and nothing that nobody knows;
// Hull is told to come again. When it is back, pages get the rest.
func TestClusterWithoutRedis(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			c := startNodes(t, 2, options{timeout: time.Second, config: func(cfg *api.Config) { cfg.Stream.Heartbeat = 500 * time.Millisecond }})
			t.Cleanup(c.redis.Thaw)
			a, b := c.all[0], c.all[1]
			a.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)), userMessage("u2", plan("two"), anonymousIDs(second)))
			known, hidden, strange := a.token(claim("anonymous_id", anonymous)), a.token(claim("anonymous_id", second)), a.token(claim("anonymous_id", better))
			open := a.listen(known)
			first := open.expectPlan("pro")
			b.listen(known).expectPlan("pro")
			c.settle()

			o.away(c.redis)
			asked := len(a.hull.Calls()) + len(b.hull.Calls())
			serveWithout := func() (late, nobody *listener) {
				within(t, "a token", func() { a.token(claim("anonymous_id", anonymous)) })
				within(t, "a stream of a user in memory", func() {
					l := a.listen(known)
					if e := l.expectPlan("pro"); string(e.ID) != string(first.ID) {
						t.Errorf("the snapshot: got %s, want %s", e.ID, first.ID)
					}
				})
				within(t, "a stream of a user that is in Redis", func() { late = a.listen(hidden) })
				within(t, "a stream of nobody", func() { nobody = a.listen(strange) })
				within(t, "a notification", func() {
					body := `{"notification_id":"n1","configuration":{"id":"` + ship + `","organization":"` + org + `","secret":"` + secret +
						`"},"channel":"user:update","messages":[` + userMessage("u1", plan("lost"), anonymousIDs(anonymous)) + `]}`
					r := a.notify([]byte(body))
					if r.status != 503 || !strings.Contains(string(r.body), `"type":"retry"`) {
						t.Errorf("a notification: got %d %s", r.status, r.body)
					}
				})
				within(t, "/healthz", func() {
					if got := a.status("/healthz"); got != 200 {
						t.Errorf("/healthz: got %d", got)
					}
				})
				return late, nobody
			}
			late, nobody := serveWithout() // before the node has noticed
			storetest.Eventually(t, "the node is not ready", func() bool {
				within(t, "/readyz", func() { a.status("/readyz") })
				return a.status("/readyz") == 503
			})
			late2, nobody2 := serveWithout()
			beats(t, open, late)
			if n := len(a.hull.Calls()) + len(b.hull.Calls()) - asked; n > 0 {
				t.Errorf("Hull was asked %d times", n)
			}

			o.again(c.redis)
			if o.name == "Killed" { // it has lost all
				c.allowBus(0)
				c.allowBus(1)
				b.update(userMessage("u2", plan("two"), anonymousIDs(second)))
			}
			for _, l := range []*listener{late, late2} {
				l.expectPlan("two")
			}
			for _, l := range []*listener{nobody, nobody2} {
				l.expect("cache.miss")
				l.expect("user.error")
			}
			c.settle()
			a.nothing(late, late2, nobody, nobody2)
		})
	}
}

// Pages that came while Redis was away are told soon after it is back, however many
// they are, and those that have left meanwhile are forgotten.
func TestClusterManyLatePages(t *testing.T) {
	const pages = 1000
	c := startNodes(t, 1, options{noHull: true})
	s := c.all[0]
	token := s.token(claim("anonymous_id", anonymous))
	grant := must(s.tokens.OpenGrant(token))
	c.settle()
	c.redis.Freeze()
	t.Cleanup(c.redis.Thaw)
	storetest.Eventually(t, "the node is not ready", func() bool { return s.status("/readyz") == 503 })
	gone := s.listen(token)
	if s.api.Backlog() == 0 {
		t.Error("the page is not to be told anything later")
	}
	gone.cancel()
	storetest.Eventually(t, "a page that has left is forgotten", func() bool { return s.api.Backlog() == 0 })
	list := make([]*listener, pages)
	var opening sync.WaitGroup
	for i := range list {
		g := grant
		g.Visitor = fmt.Sprintf("v_late%06d", i)
		g.Topics = []stream.Topic{{Name: fmt.Sprintf("anonymous_id:anon-late-page-%06d", i)}}
		token := must(s.tokens.SealGrant(g))
		opening.Go(func() { list[i] = s.listen(token) })
	}
	opening.Wait()
	c.redis.Thaw()
	began := time.Now()
	for _, l := range list {
		l.expect("cache.miss")
	}
	if took := time.Since(began); took > 15*time.Second { // 4 minutes, if a tick told one
		t.Errorf("the last one was told after %v", took)
	}
}

// beats waits for heartbeats, and for nothing else.
func beats(t *testing.T, list ...*listener) {
	t.Helper()
	for _, l := range list {
		for range 3 {
			select {
			case e := <-l.events:
				if string(e.Event) != "heartbeat" {
					t.Fatalf("while Redis is away: got %s %s", e.Event, e.Data)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("no heartbeat in 20 s")
			}
		}
	}
}

// A page that has seen a version is not sent it again by another node, nor an older
// one that this node remembers; what is newer it gets when Redis is back.
func TestClusterLastEventID(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("a"), anonymousIDs(anonymous)))
	token := a.token(claim("anonymous_id", anonymous))
	here := a.listen(token)
	seenA := here.expectPlan("a")
	there := b.listen(token, "Last-Event-ID: "+string(seenA.ID))
	c.settle()
	a.nothing(there)
	here.expect("offer")
	here.expect("offer")
	c.cutBus(1)
	a.update(userMessage("u1", plan("b"), anonymousIDs(anonymous)))
	seenB := here.expectPlan("b")
	c.redis.Freeze()
	t.Cleanup(c.redis.Thaw)
	moved := b.listen(token, "Last-Event-ID: "+string(seenB.ID)) // b knows a alone
	b.listen(token).expectPlan("a")
	c.redis.Thaw()
	c.healBus(1)
	there.expectPlan("b")
	a.nothing(there, moved)
	a.update(userMessage("u1", plan("c"), anonymousIDs(anonymous)))
	there.expectPlan("c")
	moved.expectPlan("c")
}

// What Redis loses the nodes write back: nobody is told anything, and new pages find
// their users.
func TestClusterFlush(t *testing.T) {
	c := startNodes(t, 2, options{})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("one"), anonymousIDs(anonymous)), userMessage("u2", plan("two"), anonymousIDs(second)))
	one, two := a.token(claim("anonymous_id", anonymous)), a.token(claim("anonymous_id", second))
	here, there := a.listen(one), b.listen(two)
	first, other := here.expectPlan("one"), there.expectPlan("two")
	c.settle()
	c.redis.Do("FLUSHALL")
	early := []*listener{b.listen(one), a.listen(two)} // each user is in the other node's memory alone
	for i, want := range []string{string(first.ID), string(other.ID)} {
		if e := early[i].expect("user.update"); string(e.ID) != want {
			t.Errorf("a page that comes right after: got %s, want %s", e.ID, want)
		}
	}
	c.settle()
	a.nothing(here, there, early[0], early[1])
	for i, token := range []string{one, two} {
		snap, _, err := a.store.Find(t.Context(), ship, []string{"anonymous_id:" + []string{anonymous, second}[i]})
		want := []uint64{version(t, first), version(t, other)}[i]
		if err != nil || snap.Version != want {
			t.Errorf("in Redis: got version %d %v, want %d", snap.Version, err, want)
		}
		for _, s := range c.all {
			if e := s.listen(token).expect("user.update"); version(t, e) != want {
				t.Errorf("a later page: got %s", e.ID)
			}
		}
	}
	if conn, err := a.store.Connector(t.Context(), ship); err != nil || conn.Secret != secret {
		t.Errorf("the connector: got %+v %v", conn, err)
	}
	if n := len(a.hull.Calls()) + len(b.hull.Calls()); n > 0 {
		t.Errorf("Hull was asked %d times", n)
	}
	a.update(userMessage("u1", plan("next"), anonymousIDs(anonymous)))
	if e := here.expectPlan("next"); version(t, e) <= version(t, first) {
		t.Errorf("version %d after %d", version(t, e), version(t, first))
	}
	early[0].expectPlan("next")
}

// What Redis loses of merges the nodes write back, too.
func TestClusterFlushAfterAMerge(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true, private: everyClaim})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("old", plan("old")), merged("new", "old", "old@harbor.example", plan("new")))
	l := b.listen(b.token(claim("email", "old@harbor.example")))
	l.expectPlan("new")
	c.settle()
	c.redis.Do("FLUSHALL")
	storetest.Eventually(t, "the user is back", func() bool { return c.redis.Do("EXISTS", "hb:m:{"+ship+":new}") == int64(1) })
	c.settle()
	a.update(userMessage("new", plan("later")))
	l.expectPlan("later")
}
