package api

import (
	"context"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// nodeState is what a node is like at the moment when its metrics are asked for.
type nodeState struct{ s *Server }

var (
	buildDesc    = prometheus.NewDesc("hullbeam_build_info", "1, with the version of this node, the Go that it was built with, and the store that it has: embedded or redis.", []string{"version", "go", "store"}, nil)
	readyDesc    = prometheus.NewDesc("hullbeam_ready", "Whether this node should get requests, as /readyz says: 1 or 0.", nil, nil)
	drainingDesc = prometheus.NewDesc("hullbeam_draining", "Whether this node is stopping and ends its streams: 1 or 0.", nil, nil)
	busUpDesc    = prometheus.NewDesc("hullbeam_bus_up", "Whether what other nodes write comes to this one, and in time: 1 or 0.", nil, nil)
	streamsDesc  = prometheus.NewDesc("hullbeam_streams", "Event streams open now, by connector.", []string{"connector"}, nil)
	limitDesc    = prometheus.NewDesc("hullbeam_streams_limit", "How many streams this node takes: stream.max_streams, or what its file descriptors allow. 0: there is no bound.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (n *nodeState) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{buildDesc, readyDesc, drainingDesc, busUpDesc, streamsDesc, limitDesc} {
		to <- desc
	}
}

// Collect implements [prometheus.Collector].
func (n *nodeState) Collect(to chan<- prometheus.Metric) {
	s := n.s
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	kind := "embedded"
	if s.cluster != nil {
		kind = "redis"
		gauge(busUpDesc, oneIf(s.cluster.hears()))
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyPatience)
	defer cancel()
	gauge(readyDesc, oneIf(s.ready(ctx) == nil))
	gauge(buildDesc, 1, s.cfg.Version, runtime.Version(), kind)
	gauge(drainingDesc, oneIf(s.broker.Draining()))
	gauge(limitDesc, float64(s.cfg.Stream.MaxStreams))
	for label, open := range s.streamsByLabel() {
		gauge(streamsDesc, float64(open), label)
	}
}

// streamsByLabel is how many streams are open; a connector that had some stays with 0.
func (s *Server) streamsByLabel() map[string]int {
	open := map[string]int{}
	for _, label := range s.connectors.labels.all() {
		open[label] = 0
	}
	for id, n := range s.broker.StreamsOf() {
		open[s.connectors.labels.of(id)] += n
	}
	return open
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
