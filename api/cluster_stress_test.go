package api_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
)

var stressTime = flag.Duration("stress", 3*time.Second, "how long nodes are stressed")

const stressTopics = 12

func stressTopic(i int) string { return fmt.Sprintf("anon-stress-%08d", i) }

// Users with topics in common are put at random nodes, and pages of several topics
// come and go, and buses are cut. When all is quiet each page shows whom the store
// says that its topics lead to, in the version that the store has.
func TestClusterStress(t *testing.T) {
	for name, bytes := range map[string]int64{"Roomy": 256 << 20, "Tight": 2000} {
		t.Run(name, func(t *testing.T) { stress(t, bytes) })
	}
}

func stress(t *testing.T, cacheBytes int64) {
	c := startNodes(t, 3, options{noHull: true, life: 300 * time.Millisecond,
		config: func(cfg *api.Config) { cfg.Cluster.CacheBytes = cacheBytes }})
	const pages = 24
	var putting, listening sync.WaitGroup
	var stop atomic.Bool
	for w := range 3 {
		putting.Go(func() {
			for seq := 0; !stop.Load(); seq++ {
				c.all[rand.IntN(3)].update(stressUser(w, seq), stressUser(w, seq+1_000_000))
			}
		})
	}
	open := make([]*stressPage, pages)
	for i := range open {
		listening.Go(func() {
			for !stop.Load() {
				p := newStressPage(c.all[rand.IntN(3)])
				open[i] = p
				p.until(func() bool { return stop.Load() || rand.IntN(40) == 0 })
				if !stop.Load() {
					p.cancel()
				}
			}
		})
	}
	for began := time.Now(); time.Since(began) < *stressTime; {
		c.redis.Do("CLIENT", "KILL", "USER", busUser(rand.IntN(3)))
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond) // so that it breaks now amid a hand-over, now after it
	}
	stop.Store(true)
	putting.Wait()
	listening.Wait()
	c.settle()
	for _, p := range open {
		p.check()
	}
}

// stressUser is one of a few users, with some of the topics.
func stressUser(writer, seq int) string {
	var ids []string
	for range 1 + rand.IntN(3) {
		ids = append(ids, stressTopic(rand.IntN(stressTopics)))
	}
	return userMessage(fmt.Sprintf("u%d", rand.IntN(8)), plan(fmt.Sprintf("%d-%d", writer, seq)), anonymousIDs(ids...))
}

// stressPage is a page that opens its stream again when it is told to.
type stressPage struct {
	*listener
	node    *server
	topics  []string
	token   string
	user    string // whom it shows; empty: nobody
	version uint64
	last    string
	log     []string
}

func newStressPage(s *server) *stressPage {
	p := &stressPage{node: s}
	var ids []string
	for _, i := range rand.Perm(stressTopics)[:1+rand.IntN(4)] {
		ids = append(ids, stressTopic(i))
		p.topics = append(p.topics, "anonymous_id:"+stressTopic(i))
	}
	claims := string(must(json.Marshal(map[string]any{"claims": map[string]any{"anonymous_id": ids}})))
	p.token = s.token(claims)
	p.listener = s.listen(p.token)
	return p
}

// until reads until done says so, which is asked after each event, and each time
// none came for a while.
func (p *stressPage) until(done func() bool) {
	for {
		select {
		case e := <-p.events:
			p.take(string(e.Event), string(e.ID), e.Data)
			if string(e.Event) == "close" {
				<-p.ended
				p.listener = p.node.listen(p.token, "Last-Event-ID: "+p.last)
				p.log = append(p.log, "opened again with "+p.last)
			}
		case <-time.After(20 * time.Millisecond):
		}
		if done() {
			return
		}
	}
}

func (p *stressPage) take(kind, id string, data []byte) {
	p.log = append(p.log, kind+" "+id+" "+string(data))
	if id != "" {
		p.last = id
	}
	var said struct {
		User struct{ ID string }
	}
	json.Unmarshal(data, &said)
	switch kind {
	case "user.update":
		version := parseVersion(id)
		if p.user == said.User.ID && version <= p.version {
			p.t.Errorf("the version of %s goes from %d to %d", p.user, p.version, version)
		}
		p.user, p.version = said.User.ID, version
	case "user.private":
		if p.user != said.User.ID {
			p.t.Errorf("the page is to forget %s, and shows %s", said.User.ID, p.user)
		}
		p.user = ""
	}
}

func parseVersion(id string) (version uint64) {
	fmt.Sscanf(id, "%d-", &version)
	return version
}

// check waits until the page shows what the store says.
func (p *stressPage) check() {
	p.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		p.until(func() bool { return len(p.events) == 0 })
		snap, _, err := p.node.store.Find(p.t.Context(), ship, p.topics)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			p.t.Fatal(err)
		}
		if p.user == snap.UserID && (p.user == "" || p.version == snap.Version) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Errorf("a page of %v shows %q in version %d, the store has %q in %d; it was told:\n%s",
				p.topics, p.user, p.version, snap.UserID, snap.Version, strings.Join(p.log[max(0, len(p.log)-12):], "\n"))
			return
		}
	}
}
