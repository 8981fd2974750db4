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
	restored      prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_notifications_total",
			Help: "Notifications answered, by channel (unsupported: also when it could not be read) and by result: ok, or the code of the refusal.",
		}, []string{"channel", "result"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_updates_total",
			Help: "User states that notifications brought, by result: stale (older than what is stored) and invalid (skipped) on the node that took them; counted when published sent (to at least one stream of this node), no_listener, private, too_large. With Redis published stands for what was given to the bus, and the latter four count on each node that serves the user.",
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
			Help: "Streams opened, by what their page was told of the cached user: sent, seen (its Last-Event-ID is current), private, too_large, miss (nothing cached), away (Redis is: it is told later).",
		}, []string{"result"}),
		restored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hullbeam_restored_users_total",
			Help: "Users that Redis had lost and this node has written back.",
		}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.notifications, m.updates, m.rejects, m.lookups, m.snapshots, m.restored}
}
