package streamtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"hullbeam/stream"
)

func testReceivers(t *testing.T, start start) {
	n := start(nil)
	var pages []*page
	for range 20 {
		pages = append(pages, n.open(t, "email:u anonymous_id:u other:u"))
	}
	other := n.open(t, "email:other")
	n.publish(t, shown("u", 1, "id:u"), 0)
	n.publish(t, shown("u", 2, "other:u"), 20)
	for _, p := range pages {
		p.want(wantShown("u", 2))
	}
	// However many topics match, an update comes once.
	n.publish(t, shown("u", 3, "id:u email:u anonymous_id:u other:u"), 20)
	n.publish(t, shown("other", 4, "email:other"), 1)
	n.publish(t, shown("u", 5, "email:u"), 20)
	if got, _ := n.Publish("c2", shown("u", 6, "email:u")); got != 0 {
		t.Errorf("another connector's publication was taken by %d streams", got)
	}
	for _, p := range pages {
		p.sub.End(stream.ReasonRevoked, 0)
		for version := uint64(2); version < 5; {
			e := p.next()
			if last := version; !wantUpdate(e, "u", &version) || version <= last {
				t.Fatalf("after version %d: %+v", last, e)
			}
		}
		p.wantClose(stream.ReasonRevoked)
	}
	other.want(wantShown("other", 4))
}

// wantUpdate tells whether e is a user.update of user, and its version.
func wantUpdate(e Event, user string, version *uint64) bool {
	var data struct {
		User    string
		Version uint64
	}
	err := json.Unmarshal([]byte(e.Data), &data)
	*version = data.Version
	return err == nil && e.Type == "user.update" && data.User == user && e.ID == fmt.Sprintf("%d-%s", data.Version, user)
}

func testTwoUsers(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "id:1 email:1 anonymous_id:1")
	n.publish(t, shown("visitor", 10, "anonymous_id:1"), 1)
	p.want(wantShown("visitor", 10))
	// A better topic gets a user, whose version says nothing against the other's.
	n.publish(t, shown("lead", 5, "email:1"), 1)
	p.want(wantFarewell("visitor", 10, "visitor"), wantShown("lead", 5))
	n.publish(t, shown("visitor", 11, "anonymous_id:1"), 0)
	n.publish(t, shown("customer", 6, "id:1"), 1)
	p.want(wantFarewell("lead", 5, "lead"), wantShown("customer", 6))
	n.publish(t, shown("lead", 12, "email:1 anonymous_id:1"), 0)
	// The same topic leads to somebody else, and then late news of the former.
	n.publish(t, shown("other", 20, "id:1"), 1)
	n.publish(t, shown("customer", 7, "id:1"), 0)
	p.want(wantFarewell("customer", 6, "customer"), wantShown("other", 20))
	if got := p.sub.Following(); got != "other" {
		t.Errorf("follows %q", got)
	}

	// Nobody is taken leave of who was not shown.
	p = n.open(t, "id:2 email:2", func(*stream.Subscriber) {
		n.publish(t, shown("lead", 1, "email:2"), 1)
		n.publish(t, shown("customer", 2, "id:2"), 1)
	})
	p.want(wantShown("customer", 2))

	// Between two writes, the one who was shown is.
	p = n.openSeen(t, stream.ID{Version: 1, Tag: "visitor"}, "id:3 email:3 anonymous_id:3", func(s *stream.Subscriber) {
		s.Follow(shown("visitor", 1, ""), 2)
		n.publish(t, shown("lead", 1, "email:3"), 1)
		n.publish(t, shown("customer", 2, "id:3"), 1)
	})
	p.want(Event{"user.private", "visitor", "", -1}, wantShown("customer", 2))
}

func testGone(t *testing.T, start start) {
	n := start(nil)
	gone := func(p *stream.Publication, topics string) *stream.Publication {
		p.Gone = strings.Fields(topics)
		return p
	}
	p := n.open(t, "email:1 anonymous_id:1")
	n.publish(t, shown("u", 1, "email:1 anonymous_id:1"), 1)
	p.want(wantShown("u", 1))
	// Another of its topics still leads there.
	n.publish(t, gone(shown("u", 2, "anonymous_id:1"), "email:1"), 1)
	p.want(wantShown("u", 2))
	// And is the one that counts from now on.
	n.publish(t, shown("lead", 1, "email:1"), 1)
	p.want(wantFarewell("u", 2, "u"), wantShown("lead", 1))
	// What a stream does not follow may go.
	n.publish(t, gone(shown("u", 3, ""), "anonymous_id:1"), 0)
	n.publish(t, gone(shown("lead", 2, "id:lead"), "email:1"), 0)
	p.want(wantFarewell("lead", 1, "lead"))
	if ms := p.wantClose(stream.ReasonIdentity); ms < 1500 || ms >= 4500 {
		t.Errorf("asked to come back in %d ms, want 1500 to 4500", ms)
	}

	// A page that was shown nobody gets no farewell.
	p = n.open(t, "email:2")
	n.publish(t, hides("u", 1, "email:2"), 1)
	n.publish(t, gone(hides("u", 2, ""), "email:2"), 0)
	p.wantClose(stream.ReasonIdentity)
	if got := p.sub.Following(); got != "" {
		t.Errorf("follows %q", got)
	}
}

func testVersions(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	later := func(version uint64, generation uint32, name string) *stream.Publication {
		s := shown("u", version, "a", name)
		s.Generation = generation
		return s
	}
	n.publish(t, later(5, 2, "first"), 1)
	p.want(wantShown("u", 5, "first"))
	n.publish(t, later(4, 2, "older"), 0)
	n.publish(t, later(4, 3, "older under newer settings"), 0)
	n.publish(t, later(5, 2, "the same"), 0)
	n.publish(t, later(5, 1, "the same under older settings"), 0)
	n.publish(t, later(5, 3, "newer settings"), 1)
	p.want(wantShown("u", 5, "newer settings"))
	n.publish(t, later(6, 3, "newer"), 1)
	p.want(wantShown("u", 6, "newer"))
}

func testUnchanged(t *testing.T, start start) {
	n := start(nil)
	state := func(version uint64, plan string, names ...string) *stream.Publication {
		data, start, end := update(plan, 0, false, names...)
		e := newEvent(stream.Fields{
			Type: "user.update", Data: data, ID: stream.ID{Version: version, Tag: "u"}, NamesStart: start, NamesEnd: end, Effect: stream.Shows,
		})
		return &stream.Publication{User: "u", Version: version, Topics: []string{"a"}, Unsigned: e, Signed: e}
	}
	p := n.open(t, "a")
	var version uint64
	publish := func(what string, told int, publication func(version uint64) *stream.Publication) {
		t.Helper()
		version++
		if _, got := n.Publish(connector, publication(version)); got != told {
			t.Errorf("%s: %d streams have something to tell, want %d", what, got, told)
		}
	}
	shows := func(what string, told int, plan string, names ...string) {
		t.Helper()
		publish(what, told, func(version uint64) *stream.Publication { return state(version, plan, names...) })
		if told > 0 {
			data, _, _ := update(plan, 0, false, names...)
			p.want(Event{"user.update", string(data), stream.ID{Version: version, Tag: "u"}.String(), -1})
		}
	}
	shows("the first state", 1, "free")
	shows("what the page shows", 0, "free")
	shows("the same with an event", 1, "free", "Paid")
	shows("the same again", 0, "free")
	shows("another state", 1, "pro")
	shows("the first again", 1, "free")
	publish("the user may not be seen", 1, func(version uint64) *stream.Publication { return hides("u", version, "a") })
	p.want(wantHidden("u", version))
	shows("what the page showed before", 1, "free")
}

func testFollow(t *testing.T, start start) {
	n := start(nil)
	// A state that the page has seen is followed from there.
	p := n.openSeen(t, stream.ID{Version: 5, Tag: "u"}, "a b", func(s *stream.Subscriber) {
		s.Follow(shown("u", 5, ""), 1)
	})
	if got := p.sub.Following(); got != "u" {
		t.Errorf("follows %q", got)
	}
	n.publish(t, shown("u", 4, "b"), 0)
	n.publish(t, shown("u", 5, "b"), 0)
	n.publish(t, shown("u", 6, "b"), 1)
	p.want(wantShown("u", 6))
	// A better topic's user found later replaces the one followed; a worse does not.
	p.sub.Follow(shown("late", 2, ""), 0)
	p.want(wantFarewell("u", 6, "u"), wantShown("late", 2))
	p.sub.Follow(shown("u", 7, ""), 1)
	n.publish(t, shown("late", 3, "a"), 1)
	p.want(wantShown("late", 3))
	// For this stream alone.
	q := n.open(t, "a")
	p.sub.Follow(shown("late", 4, ""), 0)
	n.publish(t, shown("late", 5, "a"), 2)
	q.want(wantShown("late", 5))
}

func testSigned(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "id:1! anonymous_id:1")
	q := n.open(t, "anonymous_id:1")
	want := func(version uint64, signed bool) Event {
		data, _, _ := update("u", version, signed)
		return Event{"user.update", string(data), stream.ID{Version: version, Tag: "u"}.String(), -1}
	}
	n.publish(t, shown("u", 1, "anonymous_id:1"), 2)
	p.want(want(1, false)) // its signed topic does not lead here
	q.want(want(1, false))
	n.publish(t, shown("u", 2, "id:1 anonymous_id:1"), 2)
	p.want(want(2, true))
	q.want(want(2, false))
}

func testHiding(t *testing.T, start start) {
	n := start(nil)
	p := n.open(t, "a")
	n.publish(t, hides("u", 1, "a"), 1) // the page does not know the user
	n.publish(t, shown("u", 2, "a"), 1)
	p.want(wantShown("u", 2))
	n.publish(t, hides("u", 3, "a"), 1)
	p.want(wantHidden("u", 3))
	n.publish(t, hides("u", 4, "a"), 1) // once
	n.publish(t, shown("u", 5, "a"), 1)
	p.want(wantShown("u", 5))

	// On open it is told instead of the snapshot, whatever was shown,
	p = n.open(t, "b", func(s *stream.Subscriber) { s.Follow(hides("v", 1, ""), 0) })
	p.want(wantHidden("v", 1))
	// but not again to a page that has seen it.
	p = n.openSeen(t, stream.ID{Version: 1, Tag: "v"}, "b", func(s *stream.Subscriber) {
		s.Follow(hides("v", 1, ""), 0)
	})
	n.publish(t, hides("v", 2, "b"), 2)
	n.publish(t, shown("v", 3, "b"), 2)
	p.want(wantShown("v", 3))

	// Who was shown in an earlier stream of the page is hidden in this one.
	p = n.openSeen(t, stream.ID{Version: 1, Tag: "w"}, "d", func(s *stream.Subscriber) {
		s.Follow(shown("w", 1, ""), 0)
	})
	n.publish(t, hides("w", 2, "d"), 1)
	p.want(wantHidden("w", 2))
}

func testConflation(t *testing.T, start start) {
	n := start(nil)
	names := func(from, to int) (names []string) {
		for i := from; i <= to; i++ {
			names = append(names, fmt.Sprintf(`"%d"\\`, i)) // needs escapes
		}
		return names
	}
	published := func(states ...*stream.Publication) func(*stream.Subscriber) {
		return func(*stream.Subscriber) {
			for _, p := range states {
				n.publish(t, p, 1)
			}
		}
	}
	p := n.open(t, "a", published(
		shown("u", 1, "a", "one"), shown("u", 2, "a"), shown("u", 3, "a", "two", "three"), shown("u", 4, "a", "four")))
	p.want(wantShown("u", 4, "one", "two", "three", "four"))
	n.publish(t, shown("u", 5, "a", "five"), 1)
	p.want(wantShown("u", 5, "five"))

	p = n.open(t, "b", published(shown("u", 1, "b", names(1, 40)...), shown("u", 2, "b", names(41, 70)...), shown("u", 3, "b")))
	p.want(wantShown("u", 3, names(7, 70)...))

	// A user's names go with the user, and with what hid them.
	p = n.open(t, "d e", published(shown("v", 1, "e", "v's"), shown("u", 2, "d", "u's")))
	p.want(wantShown("u", 2, "u's"))
	p = n.open(t, "f", published(shown("u", 1, "f", "before"), hides("u", 2, "f"), shown("u", 3, "f", "after")))
	p.want(wantShown("u", 3, "after"))

	// Names that do not fit beside the state are dropped, the oldest first.
	long := strings.Repeat("n", 30_000)
	p = n.open(t, "g", published(shown("u", 1, "g", "1"+long), shown("u", 2, "g", "2"+long), shown("u", 3, "g", "3"+long)))
	p.want(wantShown("u", 3, "2"+long, "3"+long))
}
