package stream

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// nativeFactor is how much wider each bucket of a native histogram is than the one
// before, at most; nativeBuckets bounds how many there are.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
)

type metrics struct {
	closes      map[Reason]prometheus.Counter
	closeVec    *prometheus.CounterVec
	delivery    [2]prometheus.Observer // by Path
	deliveryVec *prometheus.HistogramVec
	write       prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
		closeVec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_stream_closes_total",
			Help: "Event streams ended, by reason, counted when the stream is out of the index; also one that failed while it was opened, which is not among those opened.",
		}, []string{"reason"}),
		deliveryVec: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hullbeam_delivery_seconds",
			Help:    "Time from the arrival of a notification or offer to the last byte of its event being handed to the operating system, per stream, by path: local, or bus (also of what this node has published on it).",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}, NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
		}, []string{"path"}),
		write: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hullbeam_write_seconds",
			Help:    "Time that a write of events to a stream took until the operating system had all of it. Heartbeats are not counted, nor writes that failed.",
			Buckets: []float64{.00001, .0001, .001, .01, .1, 1, 5, 10}, NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
		}),
		closes: map[Reason]prometheus.Counter{},
	}
	for _, reason := range Reasons {
		m.closes[reason] = m.closeVec.WithLabelValues(string(reason))
	}
	m.delivery = [...]prometheus.Observer{PathLocal: m.deliveryVec.WithLabelValues("local"), PathBus: m.deliveryVec.WithLabelValues("bus")}
	return m
}

// wrote counts a write of frames that is done.
func (m *metrics) wrote(due []frame, began time.Time) {
	now := time.Now()
	if hasEvents(due) {
		m.write.Observe(now.Sub(began).Seconds())
	}
	m.delivered(due, now)
}

// hasEvents tells whether frames are more than a heartbeat.
func hasEvents(frames []frame) bool {
	return slices.ContainsFunc(frames, func(f frame) bool { return f.event != nil })
}

// delivered counts the delivery latency of what was written by now.
func (m *metrics) delivered(due []frame, now time.Time) {
	for i := range due {
		e := due[i].event
		if e == nil || e.accepted.IsZero() {
			continue
		}
		e.delivery.wrote(now)
		latency := max(0, now.Sub(e.accepted)).Seconds() // another node's clock may be ahead
		if labels := e.exemplar.Load(); labels != nil && e.exemplar.CompareAndSwap(labels, nil) {
			m.delivery[e.path].(prometheus.ExemplarObserver).ObserveWithExemplar(latency, *labels)
			continue
		}
		m.delivery[e.path].Observe(latency)
	}
}

// Metrics are the broker's collectors.
func (b *Broker) Metrics() []prometheus.Collector {
	return []prometheus.Collector{b.metrics.closeVec, b.metrics.deliveryVec, b.metrics.write}
}
