package stream

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	opens    prometheus.Counter
	closes   map[Reason]prometheus.Counter
	closeVec *prometheus.CounterVec
	delivery prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
		opens: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hullbeam_stream_opens_total",
			Help: "Event streams opened, counted when the stream is subscribed to its topics.",
		}),
		closeVec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_stream_closes_total",
			Help: "Event streams ended, by reason, counted when the stream is out of the index.",
		}, []string{"reason"}),
		delivery: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hullbeam_delivery_seconds",
			Help:    "Time from the arrival of a notification or offer to the last byte of its event being handed to the operating system, per stream.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		closes: map[Reason]prometheus.Counter{},
	}
	for _, reason := range Reasons {
		m.closes[reason] = m.closeVec.WithLabelValues(string(reason))
	}
	return m
}

// Metrics are the broker's collectors.
func (b *Broker) Metrics() []prometheus.Collector {
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hullbeam_streams",
		Help: "Event streams open now.",
	}, func() float64 { return float64(b.Streams()) })
	return []prometheus.Collector{streams, b.metrics.opens, b.metrics.closeVec, b.metrics.delivery}
}
