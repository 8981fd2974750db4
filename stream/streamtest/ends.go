package streamtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"hullbeam/stream"
)

func testSlow(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout = patience })
	slow, quick := n.open(t, "a"), n.open(t, "a")
	const states = 500 // 30 MB, above what any socket buffer takes
	for version := range uint64(states) {
		n.publish(t, big("u", version+1, "a"), 2)
	}
	for _, p := range []*page{quick, slow} {
		read := 0
		for last, version := uint64(0), uint64(0); version < states; last = version {
			if e := p.next(); !wantUpdate(e, "u", &version) || version <= last {
				t.Fatalf("after version %d: version %d, %.80v", last, version, e)
			}
			read++
		}
		if read > states/2 {
			t.Errorf("%d of %d states were queued for a reader", read, states)
		}
	}
}

func testDead(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout = time.Second })
	dead, quick := n.open(t, "a"), n.open(t, "a")
	var version uint64
	for began := time.Now(); len(dead.ended) == 0; {
		if time.Since(began) > patience {
			t.Fatal("a stream that nobody reads is still open")
		}
		version++
		n.Publish(connector, big("u", version, "a"))
		for got := uint64(0); got < version; { // which paces this loop
			if e := quick.next(); !wantUpdate(e, "u", &got) {
				t.Fatalf("got %.80v", e)
			}
		}
	}
	dead.wantReason(stream.ReasonSlow)
	n.publish(t, shown("u", version+1, "a"), 1)
	quick.want(wantShown("u", version+1))
}

func testLeaves(t *testing.T, start start) {
	n := start(nil)
	p, stays := n.open(t, "a b"), n.open(t, "b")
	n.publish(t, shown("u", 1, "b"), 2)
	p.leave()
	p.wantReason(stream.ReasonGone)
	n.publish(t, shown("u", 2, "a b"), 1)
	if n.Reaches(connector, []string{"a"}) || !n.Reaches(connector, []string{"b"}) {
		t.Error("the index does not know who left")
	}
	if got := n.Subscribers(connector); len(got) != 1 || got[0] != stays.sub {
		t.Errorf("%d subscribers", len(got))
	}

	// One that leaves while it is written to has left, too.
	p = n.open(t, "d")
	p.leave()
	for version := uint64(1); len(p.ended) == 0; version++ {
		n.Publish(connector, shown("u", version, "d"))
	}
	p.wantReason(stream.ReasonGone)
}

func testEnd(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	n.publish(t, shown("u", 1, "a"), 1)
	p.sub.End(stream.ReasonOrigin, 1500*time.Millisecond)
	p.sub.End(stream.ReasonRevoked, 0) // too late
	n.publish(t, shown("u", 2, "a"), 0)
	p.want(wantShown("u", 1))
	if ms := p.wantClose(stream.ReasonOrigin); ms != 1500 {
		t.Errorf("asked to come back in %d ms, want 1500", ms)
	}
	if got := n.Streams(); got != 0 {
		t.Errorf("%d streams", got)
	}

	// A stream may end before it is served, and still says why.
	p = n.open(t, "a", func(s *stream.Subscriber) {
		s.Greet(greeting("hello"))
		s.End(stream.ReasonRevoked, 0)
	})
	p.want(greeted("hello"))
	p.wantClose(stream.ReasonRevoked)
}

// testEndWithout: the last that a page is told of a user who is taken from it is that they are,
// whatever is published meanwhile.
func testEndWithout(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	n.publish(t, shown("u", 1, "a"), 1)
	p.want(wantShown("u", 1))
	p.sub.EndWithout("another", stream.ReasonRevoked, 0)
	p.wantClose(stream.ReasonRevoked)

	version := uint64(1)
	for range 50 {
		p := n.open(t, "a")
		var publishing sync.WaitGroup
		taken := make(chan struct{})
		publishing.Go(func() {
			for first := true; ; first = false {
				version++
				if count, _ := n.Publish(connector, shown("u", version, "a")); count == 0 {
					return // the stream has ended
				}
				if first {
					close(taken)
				}
			}
		})
		<-taken
		p.next() // so it was shown
		p.sub.EndWithout("u", stream.ReasonRevoked, 0)
		publishing.Wait()
		e := p.next()
		for e.Type == "user.update" {
			e = p.next()
		}
		if e.Type != "user.private" || e.Data != "u" {
			t.Fatalf("got %+v, want user.private of u", e)
		}
		p.wantClose(stream.ReasonRevoked)
	}
}

func testMaxAge(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.MaxAge = 50 * time.Millisecond })
	n.open(t, "a").wantClose(stream.ReasonMaxAge)
}

func testHeartbeat(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.Heartbeat = 20 * time.Millisecond })
	p := n.open(t, "a", func(s *stream.Subscriber) { s.Greet(greeting("hello")) })
	p.want(greeted("hello"))
	for range 3 {
		p.want(Event{"heartbeat", "{}", "", -1})
	}
}

// Over HTTP/2 a write deadline is a timer that ends the stream when it passes,
// whether anything is being written or not: with the defaults, each stream that
// was silent for 10 s died before its first heartbeat at 15 s.
func testSilence(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout, c.Heartbeat = time.Second, 1200*time.Millisecond })
	p := n.open(t, "a", func(s *stream.Subscriber) { s.Greet(greeting("hello")) })
	p.want(greeted("hello"), Event{"heartbeat", "{}", "", -1}, Event{"heartbeat", "{}", "", -1})
	n.publish(t, shown("u", 1, "a"), 1)
	p.want(wantShown("u", 1))
}

func testDrain(t *testing.T, start start) {
	n := start(nil)
	pages := []*page{n.open(t, "a"), n.open(t, "b"), n.open(t, "c")}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- n.Drain(ctx) }()
	for _, p := range pages {
		p.wantClose(stream.ReasonDrain)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if p := n.open(t, "a"); p.err != stream.ErrDraining {
		t.Errorf("a stream opened at a stopping node: error %v", p.err)
	}
	if got := n.Streams(); got != 0 {
		t.Errorf("%d streams", got)
	}
}
