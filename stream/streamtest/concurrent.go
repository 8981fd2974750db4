package streamtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"hullbeam/stream"
)

// testConcurrent is a small site with all of its parts: users whose states are
// stored and published out of order, and pages that come, read and leave.
func testConcurrent(t *testing.T, start start) {
	n := start(nil)
	const users, pages, states = 5, 40, 300
	site := &site{latest: make([]uint64, users)}
	user := func(i int) (name, topics string) {
		return fmt.Sprintf("u%d", i), fmt.Sprintf("id:%d anonymous_id:%d", i, i)
	}
	open := func(i int) *page {
		name, topics := user(i)
		return n.open(t, topics, func(s *stream.Subscriber) {
			s.Greet(greeting(name))
			if version := site.get(i); version > 0 {
				s.Follow(shown(name, version, topics), rand.IntN(2))
			}
		})
	}
	// Each reads on until its user's last version, whenever it came.
	read := func(p *page, i int, leave bool) {
		defer p.leave()
		name, _ := user(i)
		if e, err, ok := p.read(); !ok || e != greeted(name) {
			t.Errorf("greeted with %+v, error %v", e, err)
			return
		}
		for last, version := uint64(0), uint64(0); version < states; last = version {
			e, err, ok := p.read()
			if !ok || !wantUpdate(e, name, &version) || version <= last {
				t.Errorf("%s: after version %d: %+v, error %v", name, last, e, err)
				return
			}
			if leave && version > states/2 {
				return
			}
		}
	}
	var all []*page
	var readers, writers sync.WaitGroup
	for j := range pages {
		p := open(j % users)
		all = append(all, p)
		readers.Go(func() { read(p, j%users, j%3 == 0) })
	}
	for i := range users {
		name, topics := user(i)
		for range 2 {
			writers.Go(func() {
				for {
					version := site.put(i, states)
					if version == 0 {
						return
					}
					n.Publish(connector, shown(name, version, topics))
				}
			})
		}
	}
	for j := range pages {
		p := open(j % users)
		all = append(all, p)
		readers.Go(func() { read(p, j%users, j%3 == 0) })
	}
	writers.Wait()
	readers.Wait()
	for _, p := range all {
		p.wantReason(stream.ReasonGone)
	}
	if got := n.Streams(); got != 0 {
		t.Errorf("%d streams", got)
	}
	if got := len(n.Subscribers(connector)); got != 0 {
		t.Errorf("%d subscribers", got)
	}
	for i := range users {
		if _, topics := user(i); n.Reaches(connector, strings.Fields(topics)) {
			t.Errorf("%s still lead to a stream", topics)
		}
	}
	for _, p := range all {
		if len(p.ended) > 0 {
			t.Errorf("done was called again, with %s", <-p.ended)
		}
	}
}

// site is a store: it gives versions, and remembers the last.
type site struct {
	mu     sync.Mutex
	latest []uint64
}

func (s *site) get(user int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest[user]
}

// put is the next version; 0 above the last.
func (s *site) put(user int, last uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest[user] == last {
		return 0
	}
	s.latest[user]++
	return s.latest[user]
}
