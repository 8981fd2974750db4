//go:build unix

package clustertest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

// raceDetector tells that these tests run under it. It knows 8,128 goroutines at
// most, and a page is one.
var raceDetector bool

// A node with 10,000 streams, which it has 10 s to end, is told to stop (3,000 and
// 6 s under the race detector, which is so in make test; 10,000 in make soak). Its
// pages come back to another one, in no second more than twice the mean of the
// drain window, whether they heed reconnect_in_ms or are bare EventSources; an
// update meanwhile reaches each of them, and the process ends with 0.
func TestDrainSpread(t *testing.T) {
	pages, drainWindow := 10_000, 10*time.Second
	if raceDetector {
		pages, drainWindow = 3000, 6*time.Second
	}
	server := storetest.Redis(t)
	in := install(t, 2, fmt.Sprintf("\nstream: {drain: %s}\n", drainWindow), "REDIS_URL="+server.URL())
	var to atomic.Pointer[node]
	to.Store(in.nodes[0])
	c := newCrowd(func() string { return to.Load().addr }, 45*time.Second, &in.complain)
	users := c.populate(pages/5, pages)
	f := newFeed(in.nodes[1].url, adminKey, users, &in.complain)
	f.putAll(t.Context())
	in.background(c.run)
	if !proctest.Within(40*time.Second, func() bool { return len(c.behind()) == 0 }) {
		t.Fatalf("at the start: %s; last refusal: %s", describe(c.behind()), c.refusal())
	}
	in.complain.report(t, "at the start")

	c.timeline.Store(&timeline{})
	to.Store(in.nodes[1])
	start := time.Now()
	in.nodes[0].terminate()
	ended := make(chan error, 1)
	go func() { ended <- in.nodes[0].ended(drainWindow + 15*time.Second) }()
	if !proctest.Within(drainWindow, func() bool { return c.closed.Load() > int64(pages)/2 }) {
		t.Fatalf("%d of %d streams were told to close", c.closed.Load(), pages)
	}
	f.putAll(t.Context()) // half of the pages are away or elsewhere
	if err := <-ended; err != nil {
		t.Errorf("the process: %v", err)
	}
	t.Logf("%d streams; the process has ended after %.1f s", pages, time.Since(start).Seconds())
	if !c.catchUp(time.Until(start.Add(2*drainWindow + bound))) {
		t.Errorf("in the end: %s; last refusal: %s", describe(c.behind()), c.refusal())
	}
	t.Logf("all are back, and current, after %.1f s", time.Since(start).Seconds())
	in.complain.report(t, "drain")
	if told := c.closed.Load(); told != int64(pages) || c.lost.Load() > 0 || c.refused.Load() > 0 {
		t.Errorf("%d of %d streams were told to close, %d were not, %d attempts were refused: %s", told, pages, c.lost.Load(), c.refused.Load(), c.refusal())
	}
	times := c.timeline.Load()
	t.Log(times.histogram(start))
	most := 2 * pages / int(drainWindow/time.Second)
	for what, when := range map[string][]time.Time{"of the snippet's": times.snippet, "of bare EventSources'": times.bare, "of the streams'": times.open} {
		if got := slices.Max(perSecond(when, start)); got > most {
			t.Errorf("%s reconnections %d fell into one second, more than %d", what, got, most)
		}
	}
}

// putAll puts the next update of every user.
func (f *feed) putAll(ctx context.Context) {
	for batch := range slices.Chunk(f.users, 100) {
		f.put(ctx, batch)
	}
}
