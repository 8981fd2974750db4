//go:build unix

package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

// What must be so in the end, and how long the test waits to say how late it was.
const (
	bound    = 5 * time.Second
	patience = 12 * time.Second
)

// soakTime is how long the tests go on, by HULLBEAM_SOAK; 0: as in make test.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("HULLBEAM_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("HULLBEAM_SOAK: %v", err)
	}
	return d
}

// Three nodes, 3,000 pages, updates all along; and Redis and nodes fail in each
// way in turn. Whatever fails, 5 s after it is whole again each page shows the
// final state of its user, was told nothing false or twice meanwhile, and
// /readyz has told the truth.
func TestChaos(t *testing.T) {
	server, forget := keepingRedis(t)
	in := install(t, 3, chaosSettings, "REDIS_URL="+server.URL())
	c := newChaos(in, 1800, 2800)
	defer c.logTable()
	redis := redisFaults(server, forget)
	nodes := nodeFaults(in.nodes[0], server)
	for i, f := range []fault{redis[0], nodes[0], redis[1], redis[2], nodes[1], redis[3], redis[4], nodes[2], redis[5]} {
		if i > 0 && c.hopeless() {
			break
		}
		c.run(f)
	}
	for deadline := time.Now().Add(soakTime(t)); time.Now().Before(deadline) && !c.hopeless(); {
		faults := append(redis, nodeFaults(in.nodes[rand.IntN(len(in.nodes))], server)...)
		c.run(faults[rand.IntN(len(faults))])
	}
}

// A Sentinel makes a replica the master when the master dies.
func TestChaosSentinel(t *testing.T) {
	master, replicas, url := storetest.RedisSentinel(t)
	in := install(t, 3, chaosSettings, "REDIS_URL="+url, "HULLBEAM_REDIS_WAIT_REPLICAS=1")
	c := newChaos(in, 300, 500)
	defer c.logTable()
	f, comeBack := failover(t, append(replicas, master))
	c.run(f)
	for deadline := time.Now().Add(soakTime(t) / 4); time.Now().Before(deadline) && !c.hopeless(); {
		comeBack()
		c.run(f)
	}
}

const chaosSettings = `
stream: {heartbeat: 2s, retry: 500ms, drain: 2s}
redis: {timeout: 1s}
`

// chaos is an installation with its load, and the table of what it has gone
// through.
type chaos struct {
	*installation
	crowd *crowd
	feed  *feed
	rows  []row
	fails int // rows that were too late
}

// row is a line of the table: how long things took, and what it cost.
type row struct {
	fault             string
	down, up, current time.Duration // -1: not at all
	opens, kicks      int64
	lost, retries     int64
}

// newChaos puts the load on: nine of ten users have a state, and their pages show
// it. The others' come later, when pages wait for them.
func newChaos(in *installation, users, pages int) *chaos {
	in.t.Helper()
	c := &chaos{installation: in, crowd: newCrowd(func() string { return in.balancer }, 6*time.Second, &in.complain)}
	all := c.crowd.populate(users, pages)
	newcomers := users / 10
	c.crowd.addMovers(all, newcomers)
	c.crowd.addStrangers(pages / 50)
	c.feed = newFeed("http://"+in.balancer, adminKey, all, &in.complain)
	c.feed.newcomers = newcomers
	began := time.Now()
	in.background(c.crowd.run)
	for i := range feedWorkers {
		in.background(func(ctx context.Context) { c.feed.start(ctx, i) })
	}
	if !proctest.Within(30*time.Second, c.feed.started) || !c.feed.pause(bound) || !c.crowd.catchUp(30*time.Second) {
		in.complain.report(in.t, "at the start")
		in.t.Fatalf("at the start: %s; last refusal: %s", describe(c.crowd.behind()), c.crowd.refusal())
	}
	in.t.Logf("%d pages follow %d users at %d nodes after %v", len(c.crowd.pages), users, len(in.nodes), time.Since(began).Round(time.Millisecond))
	in.complain.report(in.t, "at the start")
	in.expect(ready)
	c.feed.resume()
	return c
}

// hopeless tells that going on would only take time.
func (c *chaos) hopeless() bool { return c.fails >= 3 }

// run lets one thing fail, and measures how all recovers.
func (c *chaos) run(f fault) {
	t := c.t
	t.Helper()
	r := row{fault: f.name, down: -1, up: -1, current: -1}
	before := c.counts()
	c.feed.acceptMore(100, bound) // nothing has failed yet
	if f.loses {
		if !c.feed.pause(bound) || !c.crowd.catchUp(patience) {
			t.Fatalf("before %s: %s", f.name, describe(c.crowd.behind()))
		}
	}
	if f.node == nil || f.away {
		c.expect(anything)
	}
	hit := time.Now()
	f.hit()
	c.feed.resume()
	if f.away {
		if !f.byItself {
			c.deaf(f, hit)
		}
		if f.node == nil {
			c.serveWithoutRedis(f)
		}
		time.Sleep(time.Until(hit.Add(f.lasts))) // what it does to time-outs is what is tested
		c.expect(anything)
	}
	if f.heal != nil {
		f.heal()
	}
	healed := time.Now()
	if f.heal == nil && f.node == nil {
		healed = hit
	}
	c.feed.acceptMore(200, bound) // some of it while nodes may still be deaf
	if !c.feed.pause(time.Until(healed.Add(patience))) {
		t.Errorf("%s: updates are not accepted %v after it", f.name, patience)
	}
	if c.crowd.catchUp(time.Until(healed.Add(patience))) {
		r.current = time.Since(healed)
	}
	if r.current < 0 || r.current > bound {
		t.Errorf("%s: pages are not current in %v: after %v %s; last refusal: %s", f.name, bound, r.current, describe(c.crowd.behind()), c.crowd.refusal())
	}
	if f.restart != nil {
		f.restart()
		healed = time.Now()
	}
	r.up = c.up(f, hit, healed)
	if f.node == nil || f.away {
		r.down = c.down(hit)
	}
	c.expect(ready)
	now := c.counts()
	r.opens, r.kicks, r.lost, r.retries = now.opens-before.opens, now.kicks-before.kicks, now.lost-before.lost, now.retries-before.retries
	if f.node == nil && r.lost > 0 {
		t.Errorf("%s: %d streams ended, though no node did", f.name, r.lost)
	}
	if r.current < 0 || r.current > bound || r.up < 0 || r.up > bound {
		c.fails++
	}
	c.rows = append(c.rows, r)
	c.complain.report(t, f.name)
	c.feed.resume()
	if f.node != nil {
		c.crowd.kick(len(c.crowd.pages) / 3) // so that the node gets its share again
		if !proctest.Within(bound, func() bool { return c.crowd.closedStreams() == 0 }) {
			t.Errorf("after %s: %d streams are not open again", f.name, c.crowd.closedStreams())
		}
	}
}

// deaf waits until every node says that it is not ready, and expects them to go
// on to say so.
func (c *chaos) deaf(f fault, hit time.Time) {
	said := proctest.Within(time.Until(hit.Add(bound)), func() bool {
		return !slices.ContainsFunc(c.nodes, func(n *node) bool { return n.isReady() })
	})
	if !said {
		c.t.Errorf("%s: not every node says so at /readyz within %v", f.name, bound)
		return
	}
	c.expect(notReady)
}

// down is how long the last node took after hit to say that it is not ready; -1:
// none did.
func (c *chaos) down(hit time.Time) time.Duration {
	longest := time.Duration(-1)
	for _, n := range c.nodes {
		if first, _, ok := n.changed(hit, false); ok {
			longest = max(longest, first.Sub(hit))
		}
	}
	return longest
}

// serveWithoutRedis has pages come back, and new ones come, while Redis is away:
// nodes serve what they know.
func (c *chaos) serveWithoutRedis(f fault) {
	refused := c.crowd.refused.Load()
	kicked := c.crowd.kick(100)
	closed := func(p *page) bool { return !p.open.Load() }
	if !proctest.Within(bound, func() bool { return !slices.ContainsFunc(kicked, closed) }) || len(kicked) == 0 {
		c.t.Errorf("%s: pages that come meanwhile get no stream in %v", f.name, bound)
	}
	if refused = c.crowd.refused.Load() - refused; refused > 0 {
		c.t.Errorf("%s: pages that come meanwhile are refused, %d times, as in %s", f.name, refused, c.crowd.refusal())
	}
}

// up waits until all nodes are ready, and returns how long the last one took; 0:
// none was not.
func (c *chaos) up(f fault, hit, healed time.Time) time.Duration {
	if !proctest.Within(time.Until(healed.Add(patience)), c.ready) {
		c.t.Errorf("%s: not every node is ready %v after it", f.name, patience)
		return -1
	}
	var longest time.Duration
	for _, n := range c.nodes {
		if _, last, ok := n.changed(hit, true); ok {
			longest = max(longest, last.Sub(healed)) // a negative one: it is ready again already
		}
	}
	if longest > bound {
		c.t.Errorf("%s: /readyz is 200 only %v after it", f.name, longest)
	}
	return longest
}

// counts are what the load has gone through so far.
func (c *chaos) counts() row {
	return row{opens: c.crowd.opens.Load(), kicks: c.crowd.kicks.Load(), lost: c.crowd.lost.Load(), retries: c.feed.retries.Load()}
}

func (c *chaos) logTable() {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nfault\treadyz down after\treadyz up after\tall streams current after\tstreams reconnected\tof them cut by the test\tupdates sent again")
	for _, r := range c.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", r.fault, seconds(r.down), seconds(r.up), seconds(r.current), r.opens, r.kicks, r.retries)
	}
	w.Flush()
	c.t.Log(text.String())
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
