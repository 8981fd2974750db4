package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hullbeam/stream"
	"hullbeam/stream/streamtest"
)

func grant(topics ...string) stream.Grant {
	g := stream.Grant{Connector: "c"}
	for _, name := range topics {
		g.Topics = append(g.Topics, stream.Topic{Name: name})
	}
	return g
}

func event(t testing.TB, f stream.Fields) *stream.Event {
	t.Helper()
	e, err := stream.NewEvent(f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// shows is a state whose event reads as user@version.
func shows(t testing.TB, user string, version uint64, topics ...string) *stream.Publication {
	e := event(t, stream.Fields{Data: fmt.Appendf(nil, "%s@%d", user, version), Effect: stream.Shows, ID: stream.ID{Version: version, Tag: user}})
	return &stream.Publication{User: user, Version: version, Topics: topics, Unsigned: e, Signed: e}
}

// hides is a state whose event reads as -user@version.
func hides(user string, version uint64, topics ...string) *stream.Publication {
	e, _ := stream.NewEvent(stream.Fields{Data: fmt.Appendf(nil, "-%s@%d", user, version), Effect: stream.Hides, ID: stream.ID{Version: version, Tag: user}})
	return &stream.Publication{User: user, Version: version, Topics: topics, Unsigned: e, Signed: e}
}

// told is the data of all events that a stream is due, in order.
func told(t testing.TB, s *stream.Subscriber) string {
	t.Helper()
	frames, _ := s.Take()
	var all []string
	for e, err := range streamtest.Read(bytes.NewReader(bytes.Join(frames, nil))) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Data)
	}
	return strings.Join(all, " ")
}

func pull(seq iter.Seq2[streamtest.Event, error]) (func() (streamtest.Event, error, bool), func()) {
	return iter.Pull2(seq)
}

// What the page is told at once when several things have happened.
func TestConflation(t *testing.T) {
	type step = func(*stream.Broker, *stream.Subscriber)
	publish := func(p *stream.Publication) step {
		return func(b *stream.Broker, _ *stream.Subscriber) { b.Publish("c", p) }
	}
	follow := func(p *stream.Publication, rank int) step {
		return func(_ *stream.Broker, s *stream.Subscriber) { s.Follow(p, rank) }
	}
	write := func(*stream.Broker, *stream.Subscriber) {} // what is due is written
	show := func(user string, version uint64, topics ...string) *stream.Publication {
		return shows(t, user, version, topics...)
	}
	gone := func(p *stream.Publication, topics ...string) *stream.Publication {
		p.Gone = topics
		return p
	}
	farewell := func(user string) *stream.Event {
		return event(t, stream.Fields{Data: []byte("bye" + user), Effect: stream.Hides})
	}
	for _, test := range []struct {
		name  string
		steps []step
		want  string // what is told by each write; the last is not among the steps
	}{
		{"the newest of three", []step{publish(show("u", 1, "a")), publish(show("u", 2, "b")), publish(show("u", 3, "a"))}, "u@3"},
		{"hidden and shown again between two writes", []step{publish(show("u", 1, "a")), write, publish(hides("u", 2, "a")), publish(show("u", 3, "a"))}, "u@1|u@3"},
		{"shown and hidden again between two writes", []step{publish(show("u", 1, "a")), publish(hides("u", 2, "a"))}, ""},
		{"hidden twice between two writes", []step{publish(show("u", 1, "a")), write, publish(hides("u", 2, "a")), publish(hides("u", 3, "a"))}, "u@1|-u@3"},
		{"the user leaves and comes back", []step{
			publish(show("u", 1, "b")), write, publish(show("v", 2, "a")), publish(gone(show("v", 3, "x"), "a"))}, "u@1|byeu {\"message\":\"identity_changed\",\"reconnect_in_ms\":"},

		{"opened with an older state than was published", []step{publish(show("u", 2, "a")), follow(show("u", 1), 0)}, "u@2"},
		{"opened with a newer state than was published", []step{publish(show("u", 1, "a")), follow(show("u", 2), 0)}, "u@2"},
		{"opened with what was published", []step{publish(show("u", 2, "a")), follow(show("u", 2), 0)}, "u@2"},

		// A page that is opened has to be told about its user. These were told
		// nothing when a notification came while the stream was opening.
		{"opened hidden, then hidden again", []step{follow(hides("u", 1), 0), publish(hides("u", 2, "a"))}, "-u@2"},
		{"opened shown, then hidden", []step{follow(show("u", 1), 0), publish(hides("u", 2, "a"))}, "-u@2"},
		{"opened hidden, shown, hidden", []step{follow(hides("u", 1), 0), publish(show("u", 2, "a")), publish(hides("u", 3, "a"))}, "-u@3"},
		{"hidden, then opened with that", []step{publish(hides("u", 1, "a")), follow(hides("u", 1), 0)}, "-u@1"},
		{"hidden, written, then opened with that", []step{publish(hides("u", 1, "a")), write, follow(hides("u", 1), 0)}, "|-u@1"},
		{"hidden, then opened with what was before", []step{publish(hides("u", 2, "a")), follow(show("u", 1), 0)}, "-u@2"},

		{"told once that the user is hidden", []step{follow(hides("u", 1), 0), write, publish(hides("u", 2, "a"))}, "-u@1|"},
		{"published hidden: not told", []step{publish(hides("u", 1, "a")), write, publish(hides("u", 2, "a"))}, "|"},
		{"opened with somebody a better topic does not lead to", []step{publish(show("v", 1, "a")), follow(hides("u", 9), 1)}, "v@1"},

		// News that is late, of topics that led there before, must not count as
		// what leads there now: the stream would not be ended when its last topic
		// goes, and show for good a user whom nothing leads to.
		{"late news of a topic that is gone", []step{
			publish(show("u", 1, "a", "b")), publish(gone(show("u", 3, "b"), "a")), write,
			publish(show("u", 2, "a", "b")), publish(gone(show("u", 4), "b"))}, "u@3|byeu {\"message\":\"identity_changed\",\"reconnect_in_ms\":"},
		{"late news that a topic is gone", []step{
			publish(show("u", 1, "a", "b")), publish(show("u", 3, "b")), write,
			publish(gone(show("u", 2, "b"), "a")), publish(show("u", 4, "b"))}, "u@3|u@4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := stream.New(stream.DefaultConfig(), farewell)
			s, err := b.Subscribe(grant("a", "b"), nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, do := range test.steps {
				if do(b, s); fmt.Sprintf("%p", do) == fmt.Sprintf("%p", write) {
					got = append(got, told(t, s))
				}
			}
			got = append(got, told(t, s))
			if diff := cmp.Diff(test.want, cut(strings.Join(got, "|"))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// cut drops the time in a close event.
func cut(text string) string {
	if i := strings.Index(text, "reconnect_in_ms\":"); i >= 0 {
		return text[:i+len("reconnect_in_ms\":")]
	}
	return text
}

// However publications of several users come, all out of order and from several
// goroutines, a page shows whom its best topic leads to in the end.
func TestSettlesOnBest(t *testing.T) {
	for range 100 {
		b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
		s, err := b.Subscribe(grant("a", "b", "c"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var publishers sync.WaitGroup
		for i, topics := range [][]string{{"a"}, {"b", "c"}, {"c"}} {
			for _, version := range rand.Perm(20) {
				publishers.Go(func() {
					b.Publish("c", shows(t, fmt.Sprint("u", i), uint64(version+1), topics...))
				})
			}
		}
		publishers.Wait()
		if got := s.Following(); got != "u0" {
			t.Fatalf("follows %s", got)
		}
		if got := told(t, s); !strings.HasSuffix(got, "u0@20") {
			t.Fatalf("told %s", got)
		}
		b.Unsubscribe(s, stream.ReasonGone)
	}
}

// However streams come and go, each topic leads to those who are there, once.
func TestIndex(t *testing.T) {
	b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
	topics := []string{"a", "b", "c", "d"}
	open := map[*stream.Subscriber][]string{}
	for round := range 5000 {
		if rand.IntN(20) < 11 {
			g := grant()
			for _, i := range rand.Perm(len(topics))[:1+rand.IntN(len(topics))] {
				g.Topics = append(g.Topics, stream.Topic{Name: strings.Clone(topics[i])})
			}
			s, err := b.Subscribe(g, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, topic := range g.Topics {
				open[s] = append(open[s], topic.Name)
			}
		} else {
			for s := range open { // any
				b.Unsubscribe(s, stream.ReasonGone)
				delete(open, s)
				break
			}
		}
		topic := topics[round%len(topics)]
		want := 0
		for _, of := range open {
			if slices.Contains(of, topic) {
				want++
			}
		}
		if got := b.Send(b.SubscribersOf("c", topic), event(t, stream.Fields{Data: []byte(topic)})); got != want {
			t.Fatalf("round %d: %s leads to %d, want %d", round, topic, got, want)
		}
		for s, of := range open {
			wanted := ""
			if slices.Contains(of, topic) {
				wanted = topic
			}
			if got := told(t, s); got != wanted {
				t.Fatalf("round %d: told %q, want %q", round, got, wanted)
			}
		}
		if b.Reaches("c", []string{topic}) != (want > 0) {
			t.Fatalf("round %d: whether %s reaches anybody", round, topic)
		}
	}
	for s := range open {
		b.Unsubscribe(s, stream.ReasonGone)
	}
	if b.Streams() != 0 || b.Reaches("c", topics) || len(b.Subscribers("c")) != 0 {
		t.Error("something is left")
	}
}

// The names that conflated events carry on, against encoding/json.
func FuzzNames(f *testing.F) {
	f.Add("a\nb\n\nc\"\\\n\x00,")
	f.Add(strings.Repeat("x\n", 100) + "\n\n]\n[\n\",\"")
	f.Add(strings.Repeat("\\\"", 10_000) + "\n" + strings.Repeat("y", 30_000) + "\n\n" + strings.Repeat("z", 20_000))
	f.Fuzz(func(t *testing.T, text string) {
		b := stream.New(stream.DefaultConfig(), streamtest.Farewell)
		s, err := b.Subscribe(grant("a"), nil)
		if err != nil {
			t.Fatal(err)
		}
		// Each paragraph is an update and each of its lines a name.
		var all []string
		own := 0
		for i, part := range strings.Split(text, "\n\n") {
			names := strings.Split(part, "\n")
			if part == "" {
				names = []string{}
			}
			list, _ := json.Marshal(names)
			data := fmt.Appendf(nil, `{"events":%s}`, list)
			e, err := stream.NewEvent(stream.Fields{Data: data, NamesStart: len(`{"events":[`), NamesEnd: len(data) - len("]}"), Effect: stream.Shows})
			if err != nil {
				return // too large
			}
			b.Publish("c", &stream.Publication{User: "u", Version: uint64(i + 1), Topics: []string{"a"}, Unsigned: e})
			json.Unmarshal(list, &names) // as JSON has them: valid UTF-8
			all, own = append(all, names...), len(names)
		}
		frames, _ := s.Take()
		if len(frames) != 1 || len(frames[0]) > stream.MaxEvent {
			t.Fatalf("%d frames, the first of %d bytes", len(frames), len(frames[0]))
		}
		var got struct{ Events []string }
		for e, err := range streamtest.Read(bytes.NewReader(frames[0])) {
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(e.Data), &got); err != nil {
				t.Fatalf("%v: %s", err, e.Data)
			}
		}
		// The newest, as many as fit: at least its own, unless those are too many.
		if n := len(got.Events); n > len(all) || cmp.Diff(all[len(all)-n:], got.Events) != "" && n > 0 {
			t.Errorf("got %q of %q", got.Events, all)
		}
		switch n := len(got.Events); {
		case n == len(all), n >= own && len(frames[0]) > stream.MaxEvent/3, n == 64:
		default:
			t.Errorf("%d names of %d, its own %d, in %d bytes", n, len(all), own, len(frames[0]))
		}
	})
}
