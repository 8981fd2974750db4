package streamtest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"hullbeam/stream"
)

// Server is one node with the transport under test.
type Server struct {
	// Broker was made with the configuration given and with Farewell.
	Broker *stream.Broker
	// Serve hands an open stream to the transport, from within a handler.
	Serve func(w http.ResponseWriter, r *http.Request, s *stream.Subscriber)
	// Listen serves h on a socket until the test ends. A client that does not
	// read the bodies it opens must hold back nobody else.
	Listen func(t *testing.T, h http.Handler) (url string, client *http.Client)
}

// Farewell is what the suite's pages are told when they follow user no more.
func Farewell(user string) *stream.Event { return hidden(user, 0) }

const (
	connector = "c1"
	patience  = 30 * time.Second // for what should be there at once
)

// Run is the suite that every transport passes. serve makes a node; the suite's
// configurations are shorter than Config.Validate lets pass.
func Run(t *testing.T, serve func(t *testing.T, cfg stream.Config) Server) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, start)
	}{
		{"head", testHead},
		{"greeting", testGreeting},
		{"who gets an update", testReceivers},
		{"two topics, two users", testTwoUsers},
		{"topics that are gone", testGone},
		{"versions", testVersions},
		{"unchanged", testUnchanged},
		{"follow", testFollow},
		{"signed", testSigned},
		{"hiding", testHiding},
		{"conflation", testConflation},
		{"offers", testOffers},
		{"offers of a slow reader", testBehind},
		{"slow reader", testSlow},
		{"dead reader", testDead},
		{"client leaves", testLeaves},
		{"end", testEnd},
		{"end without the user", testEndWithout},
		{"maximal age", testMaxAge},
		{"heartbeat", testHeartbeat},
		{"silence above the write timeout", testSilence},
		{"drain", testDrain},
		{"maximal streams", testMaxStreams},
		{"metrics", testMetrics},
		{"everything at once", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, func(change func(*stream.Config)) *node {
				cfg := stream.DefaultConfig()
				if change != nil {
					change(&cfg)
				}
				return newNode(t, serve(t, cfg))
			})
		})
	}
}

func testHead(t *testing.T, start start) {
	// The head must not wait for a first event: a page, and many a proxy, would
	// give up.
	p := start(nil).open(t, "a")
	if p.head.StatusCode != http.StatusOK {
		t.Errorf("status %d", p.head.StatusCode)
	}
	for name, want := range map[string]string{
		"Content-Type":      "text/event-stream",
		"Cache-Control":     "no-cache, no-store, no-transform",
		"X-Accel-Buffering": "no",
		"Content-Length":    "",
		"Content-Encoding":  "",
	} {
		if got := p.head.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func testGreeting(t *testing.T, start start) {
	n := start(nil)
	// Whatever is published while a stream opens, its greeting comes first, and
	// the newest state follows it.
	p := n.open(t, "a", func(s *stream.Subscriber) {
		n.publish(t, shown("u", 2, "a", "published"), 1)
		s.Greet(greeting("first"), greeting("second"))
		s.Follow(shown("u", 1, "a"), 0)
	})
	p.want(greeted("first"), greeted("second"), wantShown("u", 2, "published"))
	n.publish(t, shown("u", 3, "a"), 1)
	p.want(wantShown("u", 3))

	// An event may be told later, too, and may hold line ends of all kinds.
	p.sub.Greet(newEvent(stream.Fields{Data: []byte("a\rb\nc\r\nd\n")}))
	p.want(Event{"message", "a\nb\nc\nd\n", "3-u", -1})
}

func testMaxStreams(t *testing.T, start start) {
	n := start(func(c *stream.Config) { c.MaxStreams = 2 })
	p := n.open(t, "a")
	n.open(t, "b")
	for range 2 { // a refused stream takes no place
		if p := n.open(t, "c"); p.err != stream.ErrFull {
			t.Errorf("a third stream of two: error %v", p.err)
		}
	}
	p.leave()
	p.wantReason(stream.ReasonGone)
	if p := n.open(t, "c"); p.err != nil {
		t.Error(p.err)
	}
}

func testMetrics(t *testing.T, start start) {
	n := start(nil)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(n.Metrics()...)
	p, q := n.open(t, "a"), n.open(t, "b")
	state := newEvent(stream.Fields{Data: []byte("state"), Accepted: time.Now(), Path: stream.PathBus, Exemplar: prometheus.Labels{"request_id": "r1"}})
	n.publish(t, &stream.Publication{User: "u", Version: 1, Topics: []string{"a", "b"}, Unsigned: state}, 2)
	p.want(Event{"message", "state", "", -1})
	q.want(Event{"message", "state", "", -1})
	p.sub.End(stream.ReasonRevoked, 0)
	p.wantClose(stream.ReasonRevoked)
	var want strings.Builder
	want.WriteString(`
# HELP hullbeam_stream_closes_total Event streams ended, by reason, counted when the stream is out of the index; also one that failed while it was opened, which is not among those opened.
# TYPE hullbeam_stream_closes_total counter
`)
	for _, reason := range stream.Reasons {
		count := 0
		if reason == stream.ReasonRevoked {
			count = 1
		}
		fmt.Fprintf(&want, "hullbeam_stream_closes_total{reason=%q} %d\n", reason, count)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want.String()), "hullbeam_stream_closes_total"); err != nil {
		t.Error(err)
	}
	// Each stream's delivery and writes are counted, behind its write: the page may be faster.
	until := func(what string, path string, want uint64) {
		t.Helper()
		for began := time.Now(); observations(t, registry, what, path) != want; {
			if time.Since(began) > patience {
				t.Fatalf("%d of %s counted by path %q, want %d", observations(t, registry, what, path), what, path, want)
			}
		}
	}
	until("hullbeam_delivery_seconds", "bus", 2)
	until("hullbeam_delivery_seconds", "local", 0)
	if got := observations(t, registry, "hullbeam_write_seconds", ""); got < 2 {
		t.Errorf("%d writes counted to two streams", got)
	}
	if diff := cmp.Diff([]string{"request_id=r1"}, exemplars(t, registry)); diff != "" {
		t.Errorf("exemplars of deliveries: -want +got:\n%s", diff)
	}
}

// observations is how many a histogram has.
func observations(t *testing.T, registry *prometheus.Registry, name, path string) (count uint64) {
	for _, m := range gathered(t, registry, name) {
		if len(m.Label) == 0 || m.Label[0].GetValue() == path {
			count += m.Histogram.GetSampleCount()
		}
	}
	return count
}

// exemplars are those of the delivery latencies' buckets.
func exemplars(t *testing.T, registry *prometheus.Registry) (list []string) {
	for _, m := range gathered(t, registry, "hullbeam_delivery_seconds") {
		for _, bucket := range m.Histogram.Bucket {
			for _, label := range bucket.GetExemplar().GetLabel() {
				list = append(list, label.GetName()+"="+label.GetValue())
			}
		}
	}
	return list
}

func gathered(t *testing.T, registry *prometheus.Registry, name string) []*dto.Metric {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.Metric
		}
	}
	return nil
}
