package stream_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"hullbeam/stream"
	"hullbeam/stream/streamtest"
)

// subscribe opens n streams, each of its own topics, with identifiers as long as
// real ones.
func subscribe(b testing.TB, broker *stream.Broker, n int, topics func(i int) []stream.Topic) []*stream.Subscriber {
	subs := make([]*stream.Subscriber, 0, n)
	for i := range n {
		s, err := broker.Subscribe(stream.Grant{Connector: "5f4dcc3b5aa765d61d8327de", Topics: topics(i)}, nil)
		if err != nil {
			b.Fatal(err)
		}
		subs = append(subs, s)
	}
	return subs
}

func topic(i int) string { return fmt.Sprintf("anonymous_id:0b3ad5f3-5d2c-4c8e-9d9c-%012d", i) }

// publication is a state of 1 KB, which renew makes the next one.
func publication(topic string) *stream.Publication {
	return &stream.Publication{User: "u", Topics: []string{topic}, Unsigned: states[0], Signed: states[0]}
}

// states are two: what a page shows already is not sent again.
var states = [2]*stream.Event{someState('a'), someState('b')}

func someState(of byte) *stream.Event {
	e, err := stream.NewEvent(stream.Fields{Type: "user.update", Data: bytes.Repeat([]byte{of}, 1000), Effect: stream.Shows})
	if err != nil {
		panic(err)
	}
	return e
}

func renew(p *stream.Publication) {
	p.Version++
	p.Unsigned = states[p.Version%2]
	p.Signed = p.Unsigned
}

// BenchmarkPublish is what a publication costs its publisher, who wakes the
// streams but does not wait; with take, also what the streams do to get hold of
// what they are to write.
func BenchmarkPublish(b *testing.B) {
	for _, test := range []struct{ subscribers, topics int }{{1, 1}, {100, 1}, {10_000, 1}, {100_000, 100_000}} {
		for _, take := range []bool{false, true} {
			b.Run(fmt.Sprintf("subscribers=%d/topics=%d/take=%t", test.subscribers, test.topics, take), func(b *testing.B) {
				broker := stream.New(stream.DefaultConfig(), streamtest.Farewell)
				subs := subscribe(b, broker, test.subscribers, func(i int) []stream.Topic {
					return []stream.Topic{{Name: topic(i % test.topics)}}
				})
				// The topic of a publication was just read, and its text is warm.
				text := []byte(topic(0))
				p := publication(unsafe.String(&text[0], len(text)))
				var due []stream.Frame
				deliveries, i := 0, 0
				b.ReportAllocs()
				for b.Loop() {
					i = (i + 7919) % test.topics // in no order of the index
					renew(p)
					for rest, at := i, len(text)-1; at >= len(text)-6; rest, at = rest/10, at-1 {
						text[at] = '0' + byte(rest%10)
					}
					n, _ := broker.Publish("5f4dcc3b5aa765d61d8327de", p)
					deliveries += n
					if n != test.subscribers/test.topics {
						b.Fatalf("taken by %d", n)
					}
					if !take {
						continue
					}
					if test.topics > 1 {
						due = subs[i].TakeInto(due)
						continue
					}
					for _, s := range subs {
						due = s.TakeInto(due)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(deliveries), "ns/delivery")
			})
		}
	}
}

func BenchmarkNewEvent(b *testing.B) {
	data := make([]byte, 1000)
	for i := range data {
		data[i] = 'd'
	}
	f := stream.Fields{Type: "user.update", Data: data, ID: stream.ID{Version: 1700000000000000, Tag: "AbCd0123"}, NamesStart: 900, NamesEnd: 950, Accepted: time.Now()}
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := stream.NewEvent(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenGrant(b *testing.B) {
	for _, secrets := range [][]string{{"first"}, {"second", "first"}} {
		b.Run(fmt.Sprintf("secrets=%d", len(secrets)), func(b *testing.B) {
			token, err := sealer(b, "token", "first").SealGrant(someGrant)
			if err != nil {
				b.Fatal(err)
			}
			s := sealer(b, "token", secrets...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.OpenGrant(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSealGrant(b *testing.B) {
	s := sealer(b, "token", "secret")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.SealGrant(someGrant); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleStream is what the broker holds for a stream, the texts of its
// grant included, and what its coming and going costs.
func BenchmarkIdleStream(b *testing.B) {
	for _, topics := range []int{1, 3} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			s := sealer(b, "token", "secret")
			const streams = 20_000
			tokens := make([]string, streams)
			for i := range tokens {
				g := someGrant
				g.Topics = []stream.Topic{{Name: topic(i)}, {Name: "email:" + topic(i), Signed: true}, {Name: "external_id:" + topic(i), Signed: true}}[:topics]
				var err error
				if tokens[i], err = s.SealGrant(g); err != nil {
					b.Fatal(err)
				}
			}
			var held float64
			b.ReportAllocs()
			for b.Loop() {
				broker := stream.New(stream.DefaultConfig(), streamtest.Farewell)
				before := heap()
				subs := make([]*stream.Subscriber, streams)
				for i, token := range tokens {
					g, err := s.OpenGrant(token)
					if err != nil {
						b.Fatal(err)
					}
					if subs[i], err = broker.Subscribe(g, nil); err != nil {
						b.Fatal(err)
					}
				}
				held = float64(heap()-before)/streams - 8 // the pointers in subs
				for _, s := range subs {
					broker.Unsubscribe(s, stream.ReasonGone)
				}
			}
			b.ReportMetric(held, "B/stream")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/streams, "ns/stream")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
