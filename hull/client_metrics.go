package hull

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// call is one of the calls of Hull's REST API; a metric's label.
type call string

const (
	callUser      call = "user" // a look-up
	callConnector call = "connector"
	callSegments  call = "segments"
	callStatus    call = "status"
)

// clientMetrics count requests to Hull's REST API. The firehose has its own.
type clientMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newClientMetrics() clientMetrics {
	m := clientMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_hull_requests_total",
			Help: "Requests to Hull's REST API, each attempt by itself, by call (user, connector, segments, status) and by result: ok, not_found, refused (the credentials or the answer are of no use), busy (429), timeout, failed (no answer, or 5xx), open (not sent, since the host has failed too often lately).",
		}, []string{"call", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hullbeam_hull_request_seconds",
			Help:    "Time from sending a request to Hull's REST API until its answer was read or given up, by call.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, []string{"call"}),
	}
	for _, c := range []call{callUser, callConnector, callSegments, callStatus} {
		m.seconds.WithLabelValues(string(c))
		m.requests.WithLabelValues(string(c), callResult(nil))
	}
	return m
}

// count counts a request that has come to err.
func (m clientMetrics) count(c call, began time.Time, err error) {
	m.requests.WithLabelValues(string(c), callResult(err)).Inc()
	if !errors.Is(err, errResting) {
		m.seconds.WithLabelValues(string(c)).Observe(time.Since(began).Seconds())
	}
}

func callResult(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errResting):
		return "open"
	case errors.Is(err, ErrTimeout):
		return "timeout"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrRefused):
		return "refused"
	}
	return "failed"
}

// Metrics are the client's collectors.
func (c *Client) Metrics() []prometheus.Collector {
	return []prometheus.Collector{c.metrics.requests, c.metrics.seconds}
}
