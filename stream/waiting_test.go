package stream_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hullbeam/stream"
)

// A stream whose user is being looked for follows nobody; then it is told what it
// would have been told, and nothing that its page has seen.
func TestAwait(t *testing.T) {
	type step = func(*stream.Broker, *stream.Subscriber)
	publish := func(p *stream.Publication, gone ...string) step {
		p.Gone = gone
		return func(b *stream.Broker, _ *stream.Subscriber) { b.Publish("c", p) }
	}
	follow := func(p *stream.Publication, rank int) step {
		return func(_ *stream.Broker, s *stream.Subscriber) { s.Follow(p, rank) }
	}
	resolved := func(_ *stream.Broker, s *stream.Subscriber) { s.Resolved() }
	show := func(user string, version uint64, topics ...string) *stream.Publication {
		return shows(t, user, version, topics...)
	}
	offer := func(b *stream.Broker, _ *stream.Subscriber) {
		b.Send(b.SubscribersOf("c", "a"), event(t, stream.Fields{Data: []byte("offer")}))
	}
	for _, test := range []struct {
		name  string
		seen  uint64 // of u
		steps []step
		want  string // what each step leads to, with bars between
	}{
		{"nothing before it is followed", 0, []step{publish(show("u", 1, "a")), follow(show("u", 1), 0)}, "|u@1"},
		{"what came meanwhile, if it is newer", 0, []step{publish(show("u", 2, "a")), follow(show("u", 1), 0)}, "|u@2"},
		{"and not if it is older", 0, []step{publish(show("u", 1, "a")), follow(show("u", 2), 0)}, "|u@2"},
		{"the latest of what came", 0, []step{publish(show("u", 2, "a")), publish(show("u", 1, "a")), resolved}, "||u@2"},
		{"somebody whom a worse topic leads to", 0, []step{publish(show("v", 9, "b")), follow(show("u", 1), 0)}, "|u@1"},
		{"both came, the worse first", 0, []step{publish(show("v", 9, "b")), publish(show("u", 1, "a")), resolved}, "||u@1"},
		{"nobody was found", 0, []step{publish(show("v", 9, "b")), resolved}, "|v@9"},
		{"a topic that was lost meanwhile", 0, []step{publish(show("u", 1, "a")), publish(show("u", 2, "x"), "a"), resolved}, "||"},
		{"afterwards as ever", 0, []step{resolved, publish(show("u", 1, "a")), publish(show("u", 2, "a"))}, "|u@1|u@2"},
		{"an offer does not wait", 0, []step{publish(show("u", 1, "a")), offer, resolved}, "|offer|u@1"},
		{"hidden", 0, []step{publish(hides("u", 2, "a")), follow(hides("u", 2), 0)}, "|-u@2"},

		{"seen", 2, []step{publish(show("u", 2, "a")), follow(show("u", 2), 0)}, "|"},
		{"seen, and nobody was found", 2, []step{publish(show("u", 2, "a")), resolved}, "|"},
		{"seen, of what came later", 2, []step{resolved, publish(show("u", 2, "a")), publish(show("u", 3, "a"))}, "||u@3"},
		// The stale state used to be sent after the page had seen a newer one.
		{"an older one came", 2, []step{publish(show("u", 1, "a")), follow(show("u", 2), 0)}, "|"},
		{"a newer one came", 1, []step{publish(show("u", 2, "a")), follow(show("u", 1), 0)}, "|u@2"},
		{"an older one is remembered", 5, []step{follow(show("u", 3), 0), publish(show("u", 4, "a")), publish(show("u", 5, "a")), publish(show("u", 6, "a"))}, "|||u@6"},
		{"somebody else was seen", 5, []step{follow(show("v", 3), 0), publish(show("v", 4, "a"))}, "v@3|v@4"},
		{"a worse one came before who was seen", 5, []step{publish(show("v", 9, "b")), publish(show("u", 5, "a")), resolved}, "||"},
		// These went on showing a user who had been hidden or erased.
		{"seen, then hidden", 1, []step{follow(show("u", 1), 0), publish(hides("u", 2, "a"))}, "|-u@2"},
		{"hidden, then opened with what was seen", 1, []step{publish(hides("u", 2, "a")), follow(show("u", 1), 0)}, "|-u@2"},
		{"seen, and a better topic", 9, []step{follow(show("u", 9), 1), publish(show("v", 1, "a"))}, "|byeu v@1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stream.New(stream.DefaultConfig(), func(user string) *stream.Event {
				return event(t, stream.Fields{Data: []byte("bye" + user), Effect: stream.Hides})
			})
			seen := stream.ID{}
			if test.seen > 0 {
				seen = stream.ID{Version: test.seen, Tag: "u"}
			}
			s, err := b.Await(grant("a", "b"), nil, seen)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, do := range test.steps {
				do(b, s)
				got = append(got, told(t, s))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "|")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
