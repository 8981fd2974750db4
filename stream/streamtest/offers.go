package streamtest

import (
	"strings"
	"testing"
	"time"

	"hullbeam/stream"
)

// testOffers: each comes, in order, to those of its topic or to all, also what
// came before the stream was served.
func testOffers(t *testing.T, start start) {
	n := start(nil)
	send := func(topic string, i, want int) {
		t.Helper()
		if got := n.Send(n.SubscribersOf(connector, topic), offer(i, 10)); got != want {
			t.Fatalf("offer %d to %s: taken by %d, want %d", i, topic, got, want)
		}
	}
	send("a", 0, 0)
	a := n.open(t, "a b", func(s *stream.Subscriber) {
		s.Greet(greeting("a"))
		send("a", 1, 1)
		send("b", 2, 1)
		n.publish(t, shown("u", 1, "a"), 1)
	})
	b := n.open(t, "b")
	send("b", 3, 2)
	if got := n.Send(n.Subscribers(connector), offer(4, 10)); got != 2 {
		t.Fatalf("taken by %d", got)
	}
	if got := n.Send(n.Subscribers("another"), offer(5, 10)); got != 0 {
		t.Fatalf("of another connector taken by %d", got)
	}
	a.want(greeted("a"), wantOffer(1, 10), wantOffer(2, 10), wantShown("u", 1), wantOffer(3, 10), wantOffer(4, 10))
	b.want(wantOffer(3, 10), wantOffer(4, 10))
	for i := range 500 { // more than may wait, to readers who keep up
		send("b", i, 2)
		a.want(wantOffer(i, 10))
		b.want(wantOffer(i, 10))
	}
	a.sub.End(stream.ReasonRevoked, 0)
	send("b", 6, 1)
	a.wantClose(stream.ReasonRevoked)
	b.want(wantOffer(6, 10))
}

// testBehind: offers wait for a reader who does not read, up to the bound; then
// the stream ends, and what it had taken comes first, whole and in order.
func testBehind(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.WriteTimeout, c.Backlog = patience, 8 })
	slow, quick := n.open(t, "a"), n.open(t, "a")
	sent := 0
	for began := time.Now(); ; sent++ {
		if time.Since(began) > patience {
			t.Fatalf("%d offers of 60 KB wait", sent)
		}
		if n.Send(n.SubscribersOf(connector, "a"), offer(sent, len(pad))) == 1 {
			quick.want(wantOffer(sent, len(pad)))
			break
		}
		quick.want(wantOffer(sent, len(pad))) // which paces this loop
	}
	if got := n.Send(n.SubscribersOf(connector, "a"), offer(sent+1, len(pad))); got != 1 {
		t.Fatalf("taken by %d, of which one has ended", got)
	}
	for i := range sent + 1 {
		e := slow.next()
		if e == wantOffer(i, len(pad)) {
			continue
		}
		if e.Type != "close" || !strings.HasPrefix(e.Data, `{"message":"behind"`) || sent-i > 8 {
			t.Fatalf("instead of offer %d of %d: %.80v", i, sent, e)
		}
		break
	}
	slow.wantEnd(stream.ReasonBehind)
}
