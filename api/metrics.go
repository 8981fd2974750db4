package api

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	notifications *prometheus.CounterVec
	updates       *prometheus.CounterVec
	rejects       *prometheus.CounterVec
	lookups       *prometheus.CounterVec
	snapshots     *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_notifications_total",
			Help: "Notifications answered, by channel (unsupported: also when it could not be read) and by result: ok, or the code of the refusal.",
		}, []string{"channel", "result"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_updates_total",
			Help: "User states that notifications brought, by result, counted when published: sent (to at least one stream), no_listener, private, stale (older than what is stored), too_large, invalid (skipped).",
		}, []string{"result"}),
		rejects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_rejects_total",
			Help: "Token and stream requests refused, by the code of the problem.",
		}, []string{"code"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_lookups_total",
			Help: "Users looked up in Hull for a stream about which nothing was cached, by result: found, not_found, foreign (no identity of the report is proven), failed.",
		}, []string{"result"}),
		snapshots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_snapshots_total",
			Help: "Streams opened, by what their page was told of the cached user: sent, seen (its Last-Event-ID is current), private, too_large, miss (nothing cached).",
		}, []string{"result"}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.notifications, m.updates, m.rejects, m.lookups, m.snapshots}
}
