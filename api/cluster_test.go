package api_test

import (
	"cmp"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/r3labs/sse/v2"

	"hullbeam/api"
	"hullbeam/store"
	"hullbeam/store/storetest"
	"hullbeam/stream"
)

// openRedis opens the store that nodes share, as the command does.
func openRedis(t testing.TB, o options, sealer store.Sealer, s *server) (*store.Redis, func(stream.Listener) stream.Bus) {
	cfg := store.DefaultRedisConfig()
	cfg.URL, cfg.Publish, cfg.Sealer, cfg.Timeout = o.redis, true, sealer, cmp.Or(o.timeout, 5*time.Second)
	shared := must(store.OpenRedis(cfg))
	cfg.URL, cfg.Timeout = cmp.Or(o.bus, o.redis), min(cfg.Timeout, time.Second)
	client := must(store.RedisClient(cfg))
	return shared, func(l stream.Listener) stream.Bus {
		s.bus = stream.NewRedisBus(stream.BusConfig{
			Client: client, Listener: l, Canary: cmp.Or(o.canary, 500*time.Millisecond), Linger: 200 * time.Millisecond,
			Names: cfg,
		})
		return s.bus
	}
}

// nodes are servers that share one Redis. The bus of each has a user of its own
// there, so that it can be cut off alone.
type nodes struct {
	t     *testing.T
	redis *storetest.RedisServer
	all   []*server
}

func startNodes(t *testing.T, n int, o options) *nodes {
	t.Helper()
	c := &nodes{t: t, redis: storetest.Redis(t)}
	o.redis = c.redis.URL()
	for i := range n {
		c.allowBus(i)
		o.bus = "redis://" + busUser(i) + ":bus@" + c.redis.Addr
		c.all = append(c.all, start(t, o))
	}
	return c
}

func busUser(i int) string { return fmt.Sprintf("bus%d", i) }

// allowBus lets node i's bus connect.
func (c *nodes) allowBus(i int) {
	c.redis.Do("ACL", "SETUSER", busUser(i), "on", ">bus", "~*", "&*", "+@all")
}

// cutBus cuts node i's bus, which cannot connect until allowBus.
func (c *nodes) cutBus(i int) {
	c.t.Helper()
	c.redis.Do("ACL", "SETUSER", busUser(i), "off")
	c.redis.Do("CLIENT", "KILL", "USER", busUser(i))
	storetest.Eventually(c.t, "the bus has noticed", func() bool { return c.all[i].status("/readyz") == 503 })
}

// healBus lets it connect again, and waits until what it has missed has been read.
func (c *nodes) healBus(i int) {
	c.t.Helper()
	c.allowBus(i)
	c.settle()
}

// settle waits until all nodes are ready and have nothing left to do.
func (c *nodes) settle() {
	c.t.Helper()
	for i, s := range c.all {
		storetest.Eventually(c.t, fmt.Sprintf("node %d is ready, and has read all", i), func() bool {
			return s.status("/readyz") == 200 && s.api.Backlog() == 0
		})
	}
	for _, s := range c.all {
		s.quiet()
	}
}

func (s *server) status(path string) int { return s.do("GET", path, "").status }

// nothing checks that nothing was sent to all open streams behind what was read. Two
// offers tell: the second comes after any state that was there before the first.
func (s *server) nothing(all ...*listener) {
	s.t.Helper()
	sent := map[string]bool{}
	for _, l := range all {
		if !sent[l.visitor] {
			s.postOffer(`{"to":{"visitor":"` + l.visitor + `"},"data":1,"expires_in":"1ms"}`) // for who is there now
			s.postOffer(`{"to":{"visitor":"` + l.visitor + `"},"data":2,"expires_in":"1ms"}`)
		}
		sent[l.visitor] = true
	}
	for _, l := range all {
		l.expect("offer")
		l.expect("offer")
	}
}

// postOffer sends an offer, and returns to how many persons.
func (s *server) postOffer(body string) (live int) {
	s.t.Helper()
	r := s.do("POST", "/api/v1/connectors/"+ship+"/offers", body, "Authorization: Bearer an admin key for tests", "Content-Type: application/json")
	if r.status != 202 {
		s.t.Fatalf("offer: %d %s", r.status, r.body)
	}
	fmt.Sscanf(string(r.body[strings.Index(string(r.body), `"live":`):]), `"live":%d`, &live)
	return live
}

// version is that of an event's id.
func version(t *testing.T, e sse.Event) uint64 {
	t.Helper()
	id, ok := stream.ParseID(string(e.ID))
	if !ok {
		t.Fatalf("%s has the id %q", e.Event, e.ID)
	}
	return id.Version
}

// expectPlan is expect of an update that has this plan.
func (l *listener) expectPlan(plan string) sse.Event {
	l.t.Helper()
	e := l.expect("user.update")
	if !strings.Contains(string(e.Data), `"plan":"`+plan+`"`) {
		l.t.Fatalf("user.update: got %s, want the plan %s", e.Data, plan)
	}
	return e
}

func plan(name string) string { return `"plan":"` + name + `"` }

// leaveAtOnce asks for a stream and goes before it is answered.
func (s *server) leaveAtOnce(token string) {
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Error(err)
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s?token=%s HTTP/1.1\r\nHost: beam.example\r\n\r\n", api.StreamPath, token)
}
