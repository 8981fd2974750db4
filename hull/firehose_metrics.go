package hull

import "github.com/prometheus/client_golang/prometheus"

// What becomes of entries.
const (
	entrySent        = "sent"
	droppedFull      = "dropped_full"
	droppedForgotten = "dropped_forgotten"
	droppedFailed    = "dropped_failed"
	droppedRefused   = "dropped_refused"
	droppedStopped   = "dropped_stopped"
)

type firehoseMetrics struct {
	entries  *prometheus.CounterVec
	requests *prometheus.CounterVec
	queue    prometheus.GaugeFunc
}

func newFirehoseMetrics(f *Firehose) firehoseMetrics {
	m := firehoseMetrics{
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_firehose_entries_total",
			Help: "Page views and stated emails for Hull's firehose, counted when it is known what became of them: sent, dropped_full (hull.firehose_queue), dropped_failed (not taken within hull.firehose_max_age), dropped_refused (by Hull, or there is nowhere to send them), dropped_forgotten (their user was erased, or the connector does not track page views any more), dropped_stopped (with the node).",
		}, []string{"result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_firehose_requests_total",
			Help: "Requests to Hull's firehose, by result: taken, refused, failed (and tried again while there is time).",
		}, []string{"result"}),
		queue: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hullbeam_firehose_queue",
			Help: "Entries that wait for Hull's firehose or are on their way to it.",
		}, func() float64 { return float64(f.queued()) }),
	}
	for _, result := range []string{entrySent, droppedFull, droppedFailed, droppedRefused, droppedForgotten, droppedStopped} {
		m.entries.WithLabelValues(result)
	}
	for _, err := range []error{nil, ErrRefused, ErrUnavailable} {
		m.requests.WithLabelValues(requestResult(err))
	}
	return m
}

func (f *Firehose) count(result string, entries int) {
	f.metrics.entries.WithLabelValues(result).Add(float64(entries))
}

// Metrics are the firehose's collectors.
func (f *Firehose) Metrics() []prometheus.Collector {
	return []prometheus.Collector{f.metrics.entries, f.metrics.requests, f.metrics.queue}
}
