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
	pageViews     *prometheus.CounterVec
	statedEmails  prometheus.Counter
	receipts      *prometheus.CounterVec
	extracts      *prometheus.CounterVec
	extractLines  *prometheus.CounterVec
	reports       *prometheus.CounterVec
	signIns       *prometheus.CounterVec
	wrongKeys     *prometheus.CounterVec

	historySeconds prometheus.Histogram
	forgotten      prometheus.Counter
	offers         *prometheus.CounterVec
	erasures       *prometheus.CounterVec
	revocations    *prometheus.CounterVec
	confusions     *prometheus.CounterVec
	limits         *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_notifications_total",
			Help: "Notifications answered, by channel (unsupported: also when it could not be read) and by result: ok, repeated (answered with success before), or the code of the refusal.",
		}, []string{"channel", "result"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_updates_total",
			Help: "User states that notifications brought, by result: stale (older than what is stored), erased (older than an erasure) and invalid (skipped) on the node that took them; counted when published sent (to at least one stream of this node), no_listener, private, too_large. With Redis published stands for what was given to the bus, and the latter four count on each node that serves the user.",
		}, []string{"result"}),
		rejects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_rejects_total",
			Help: "Requests of pages refused, for tokens and streams and with page views, emails and receipts, by the code of the problem.",
		}, []string{"code"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_lookups_total",
			Help: "Users looked up in Hull for a stream about which nothing was cached, by result: found, not_found, foreign (no identity of the report is proven), erased (lately, so that they are not brought back), failed.",
		}, []string{"result"}),
		snapshots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_snapshots_total",
			Help: "Streams opened, by what their page was told of the cached user: sent, seen (its Last-Event-ID is current), private, too_large, miss (nothing cached), away (Redis is: it is told later).",
		}, []string{"result"}),
		restored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hullbeam_restored_users_total",
			Help: "Users that Redis had lost and this node has written back.",
		}),
		pageViews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_page_views_total",
			Help: "Page views that pages told of, with their token request or on their own, by result: counted, repeated (counted before), ended (a tab was left), ignored (nobody looks at it: a program, or fetched in advance), limited (limits.pages_per_visitor), unavailable (the store, or history.queue is full), invalid.",
		}, []string{"result"}),
		statedEmails: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hullbeam_stated_emails_total",
			Help: "Emails that visitors said are theirs.",
		}),
		receipts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_offer_receipts_total",
			Help: "What pages said became of an offer, by event: seen, clicked, dismissed.",
		}, []string{"event"}),
		extracts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_extracts_total",
			Help: "Extracts that Hull has announced, by result: ok (read to the end), partial (broken off), refused, repeated (the same was read before, or is being read), accounts (of which nothing is taken).",
		}, []string{"result"}),
		extractLines: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_extract_lines_total",
			Help: "Lines of extracts, by result: taken (the user is stored) and skipped (it is of no use).",
		}, []string{"result"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_status_reports_total",
			Help: "Times that the status of a connector was asked for, by what became of its report to Hull's API: reported, failed, none (the connector has no organization).",
		}, []string{"result"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_operator_sessions_total",
			Help: "Sessions of operators, by result: begun, refused (what was shown does not let anybody in), limited (limits.wrong_keys_per_address), ended (signed out).",
		}, []string{"result"}),
		wrongKeys: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_wrong_keys_total",
			Help: "What was shown to be let in and was wrong, by of: key (of operators), secret (a connector's credentials), code (of Hull's page, once), token (of Hull's page); and by result: refused, limited (limits.wrong_keys_per_address).",
		}, []string{"of", "result"}),
		historySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hullbeam_history_write_seconds", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
			Help: "How long page views and stated emails waited until they were durable, those that were written.",
		}),
		forgotten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hullbeam_history_forgotten_total",
			Help: "Page views, visitors, offers and audit entries deleted because they were older than history.retention or history.audit_retention. Redis lets most go by itself, uncounted.",
		}),
		offers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_offers_total",
			Help: "Offers to persons, by what became of them on this node: sent (to at least one stream), kept_back (offers.cap, or another browser of the person has it), delivered (written to a stream; per stream).",
		}, []string{"result"}),
		erasures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_erasures_total",
			Help: "Erasures that operators asked for, by of: user, topic (one that led to nobody), visitor (of whom no user is known).",
		}, []string{"of"}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_revocations_total",
			Help: "Times that operators have ended streams and revoked their tokens, by of: user, topic (one that leads to nobody), connector (all of it).",
		}, []string{"of"}),
		confusions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hullbeam_identity_confusions_total",
			Help: "Unsigned anonymous ids that were no proof, by kind: shaped (like an identifier of another kind), shared (claimed beside the signed claims of two people), contradicted (it leads to somebody else than who has signed the other claims).",
		}, []string{"kind"}),
		limits: newLimitCounter(),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.notifications, m.updates, m.rejects, m.lookups, m.snapshots, m.restored,
		m.pageViews, m.statedEmails, m.receipts, m.extracts, m.extractLines, m.reports, m.signIns, m.wrongKeys,
		m.historySeconds, m.forgotten, m.offers,
		m.erasures, m.revocations, m.confusions, m.limits,
	}
}
