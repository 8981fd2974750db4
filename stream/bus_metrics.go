package stream

import "github.com/prometheus/client_golang/prometheus"

type busMetrics struct {
	followed      prometheus.GaugeFunc
	messagesVec   *prometheus.CounterVec
	messages      map[string]prometheus.Counter
	bytes         prometheus.Counter
	interruptions prometheus.Counter
	canary        prometheus.Histogram
}

func newBusMetrics(b *RedisBus) *busMetrics {
	m := &busMetrics{
		followed: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hullbeam_bus_channels",
			Help: "Channels that this node listens to.",
		}, func() float64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			return float64(len(b.followed))
		}),
		messagesVec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_bus_messages_total",
			Help: "Messages that came over the bus, by what they are, counted when they are given on.",
		}, []string{"message"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hullbeam_bus_bytes_total",
			Help: "Bytes of the messages that came over the bus.",
		}),
		interruptions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hullbeam_bus_interruptions_total",
			Help: "Connections of the bus that failed, or were replaced because they were deaf.",
		}),
		canary: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hullbeam_bus_canary_seconds",
			Help:    "Time that a canary took to all masters and back, counted when it came back.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1}, NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
		}),
		messages: map[string]prometheus.Counter{},
	}
	for _, kind := range []string{"update", "lost", "led", "told", "unreadable"} {
		m.messages[kind] = m.messagesVec.WithLabelValues(kind)
	}
	return m
}

func (m *busMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.followed, m.messagesVec, m.bytes, m.interruptions, m.canary}
}
