package stream_test

import (
	"iter"
	"strings"
	"testing"

	"hullbeam/stream"
	"hullbeam/stream/streamtest"
)

// A publication of somebody else than who has signed a topic of the stream's does not reach
// it by a topic that is not signed, whenever it comes.
func TestForeign(t *testing.T) {
	topics := []stream.Topic{{Name: "mine", Signed: true}, {Name: "shared"}}
	foreign := func(p *stream.Publication) *stream.Publication {
		p.Foreign = func(of iter.Seq2[string, bool]) bool {
			for name, signed := range of {
				if signed && name == "mine" {
					return true
				}
			}
			return false
		}
		return p
	}
	for _, test := range []struct {
		name   string
		topics []stream.Topic
		do     func(b *stream.Broker, s *stream.Subscriber)
		told   string
		whom   string
	}{
		{"it was published", topics, func(b *stream.Broker, _ *stream.Subscriber) {
			b.Publish("c", foreign(shows(t, "u", 1, "shared")))
		}, "", ""},
		{"it was found", topics, func(_ *stream.Broker, s *stream.Subscriber) {
			s.Follow(foreign(shows(t, "u", 1, "shared")), 1)
		}, "", ""},
		{"it is not foreign", topics, func(b *stream.Broker, _ *stream.Subscriber) {
			b.Publish("c", shows(t, "u", 1, "shared"))
		}, "u@1", "u"},
		{"it came by a signed topic", topics, func(b *stream.Broker, _ *stream.Subscriber) {
			b.Publish("c", foreign(shows(t, "u", 1, "mine", "shared")))
		}, "u@1", "u"},
		{"nothing is signed", []stream.Topic{{Name: "mine"}, {Name: "shared"}}, func(b *stream.Broker, _ *stream.Subscriber) {
			b.Publish("c", foreign(shows(t, "u", 1, "shared")))
		}, "u@1", "u"},
		{"another one is followed", topics, func(b *stream.Broker, _ *stream.Subscriber) {
			b.Publish("c", shows(t, "me", 1, "mine"))
			b.Publish("c", foreign(shows(t, "u", 2, "shared")))
		}, "me@1", "me"},
		{"late news of who is followed", topics, func(b *stream.Broker, _ *stream.Subscriber) {
			b.Publish("c", shows(t, "u", 2, "shared"))
			b.Publish("c", foreign(shows(t, "u", 1, "shared")))
		}, "u@2", "u"},
		{"who is followed turns out to be foreign, before it was shown", topics, func(b *stream.Broker, _ *stream.Subscriber) {
			b.Publish("c", shows(t, "u", 1, "shared"))
			b.Publish("c", foreign(shows(t, "u", 2, "shared")))
		}, `{"message":"identity_changed"`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
			s, err := b.Subscribe(stream.Grant{Connector: "c", Topics: test.topics}, nil)
			if err != nil {
				t.Fatal(err)
			}
			test.do(b, s)
			got, _, _ := strings.Cut(told(t, s), `,"reconnect_in_ms"`)
			if got != test.told || s.Following() != test.whom {
				t.Errorf("told %q, follows %q, want %q, %q", got, s.Following(), test.told, test.whom)
			}
		})
	}
}
