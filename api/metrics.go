package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"hullbeam/stream"
)

type metrics struct {
	tokens        *prometheus.CounterVec
	opens         *prometheus.CounterVec
	resumes       *prometheus.CounterVec
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
	forgotten     prometheus.Counter
	offers        *prometheus.CounterVec
	erasures      *prometheus.CounterVec
	revocations   *prometheus.CounterVec
	confusions    *prometheus.CounterVec
	limits        *prometheus.CounterVec

	notificationSeconds prometheus.Histogram
	personalizedSeconds prometheus.Histogram
	historySeconds      prometheus.Histogram
}

func newMetrics() *metrics {
	return &metrics{
		tokens: counters("hullbeam_tokens_total",
			"Stream tokens given, by connector.", "connector"),
		opens: counters("hullbeam_stream_opens_total",
			"Event streams opened, by connector, counted when it is known what the page is told first.", "connector"),
		resumes: counters("hullbeam_resumes_total",
			"Event streams opened with a Last-Event-ID, by result: seen (it is current), caught_up (the page is told a newer state), nothing (there is none for it: nothing is cached, or the user may not be seen), later (Redis is away: it is told when that is back), unreadable (no id of ours).",
			"result", "seen", "caught_up", "nothing", "later", "unreadable"),
		notifications: counters2("hullbeam_notifications_total",
			"Notifications answered, by channel (unsupported: also when it could not be read) and by result: ok, repeated (answered with success before), or the code of the refusal.", "channel", "result"),
		updates: counters2("hullbeam_updates_total",
			"User states that notifications brought, by connector and by result: stale (older than what is stored), erased (older than an erasure) and invalid (skipped) on the node that took them; counted when published sent (to at least one stream of this node), unchanged (each stream that follows shows the same already, and there are no events), no_listener, filtered_segment (not in the synchronized segments), too_large. With Redis published stands for what was given to the bus, and the latter five count on each node that serves the user.", "connector", "result"),
		rejects: counters("hullbeam_rejects_total",
			"Requests of pages refused, for tokens and streams and with page views, emails and receipts, by the code of the problem.",
			"code", problemCodes()...),
		lookups: counters("hullbeam_lookups_total",
			"Users looked up in Hull for a stream about which nothing was cached, by result: found, not_found, foreign (no identity of the report is proven), erased (lately, so that they are not brought back), failed.",
			"result", "found", "not_found", "foreign", "erased", "failed"),
		snapshots: counters("hullbeam_snapshots_total",
			"What streams were told of the cached user, counted when they are opened, again when Redis is back (away), and when a look-up has found something newer, by result: sent, seen (its Last-Event-ID is current), private, too_large, miss (nothing cached), away (Redis is: it is told later).",
			"result", "sent", toldSeen, "private", "too_large", toldMiss, toldAway),
		restored: counter("hullbeam_restored_users_total",
			"Users that Redis had lost and this node has written back."),
		pageViews: counters("hullbeam_page_views_total",
			"Page views that pages told of, with their token request or on their own, by result: counted, repeated (counted before), ended (a tab was left), ignored (nobody looks at it: a program, or fetched in advance), limited (limits.pages_per_visitor), unavailable (the store, or history.queue is full), invalid.",
			"result", "counted", "repeated", "ended", "ignored", "limited", "unavailable", "invalid"),
		statedEmails: counter("hullbeam_stated_emails_total",
			"Emails that visitors said are theirs."),
		receipts: counters("hullbeam_offer_receipts_total",
			"What pages said became of an offer, by event: seen, clicked, dismissed.",
			"event", "seen", "clicked", "dismissed"),
		extracts: counters("hullbeam_extracts_total",
			"Extracts that Hull has announced, by result: ok (read to the end), partial (broken off), refused, repeated (the same was read before, or is being read), accounts (of which nothing is taken).",
			"result", "ok", "partial", "refused", "repeated", "accounts"),
		extractLines: counters("hullbeam_extract_lines_total",
			"Lines of extracts, by result: taken (the user is stored) and skipped (it is of no use).",
			"result", "taken", "skipped"),
		reports: counters("hullbeam_status_reports_total",
			"Times that the status of a connector was asked for, by what became of its report to Hull's API: reported, failed, none (the connector has no organization).",
			"result", "reported", "failed", "none"),
		signIns: counters("hullbeam_operator_sessions_total",
			"Sessions of operators, by result: begun, refused (what was shown does not let anybody in), limited (limits.wrong_keys_per_address), ended (signed out).",
			"result", "begun", "refused", "limited", "ended"),
		wrongKeys: counters2("hullbeam_wrong_keys_total",
			"What was shown to be let in and was wrong, by of: key (of operators), secret (a connector's credentials), code (of Hull's page, once), token (of Hull's page); and by result: refused, limited (limits.wrong_keys_per_address).", "of", "result"),
		forgotten: counter("hullbeam_history_forgotten_total",
			"Page views, visitors, offers and audit entries deleted because they were older than history.retention or history.audit_retention. Redis lets most go by itself, uncounted."),
		offers: counters("hullbeam_offers_total",
			"Offers to persons, by what became of them on this node: sent (to at least one stream), kept_back (offers.cap, or another browser of the person has it), delivered (written to a stream; per stream).",
			"result", "sent", "kept_back", "delivered"),
		erasures: counters("hullbeam_erasures_total",
			"Erasures that operators asked for, by of: user, topic (one that led to nobody), visitor (of whom no user is known).",
			"of", "user", "topic", "visitor"),
		revocations: counters("hullbeam_revocations_total",
			"Times that operators have ended streams and revoked their tokens, by of: user, topic (one that leads to nobody), connector (all of it).",
			"of", "user", "topic", "connector"),
		confusions: counters("hullbeam_identity_confusions_total",
			"Unsigned anonymous ids that were no proof, by kind: shaped (like an identifier of another kind), shared (claimed beside the signed claims of two people), contradicted (it leads to somebody else than who has signed the other claims).",
			"kind", "shaped", "shared", "contradicted"),
		limits: newLimitCounter(),
		notificationSeconds: histogram("hullbeam_notification_seconds",
			"Time from the arrival of a notification's headers until it was answered, whatever the answer.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25),
		personalizedSeconds: histogram("hullbeam_page_personalized_seconds",
			"Time from the start of a page's navigation until it had the state of its visitor, by the page's own clock, as one in ten page views reports when it is left.",
			.05, .1, .25, .5, .75, 1, 1.5, 2, 3, 5, 10, 30),
		historySeconds: histogram("hullbeam_history_write_seconds",
			"How long page views and stated emails waited until they were durable, those that were written.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5),
	}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

// counters are by one label, whose values, where they are given, are there from the
// start: the first time shows as a growth.
func counters(name, help, label string, values ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	for _, value := range values {
		vec.WithLabelValues(value)
	}
	return vec
}

func counters2(name, help, label, another string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label, another})
}

// histogram has these buckets, and those of a native histogram for who scrapes them.
func histogram(name, help string, buckets ...float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
	})
}

// updated counts states of a connector's users.
func (m *metrics) updated(conn *connector, result string, states int) {
	m.updates.WithLabelValues(conn.label, result).Add(float64(states))
}

// opened counts a stream whose page had seen last, and was told what tellSnapshot says.
func (m *metrics) opened(conn *connector, last stream.ID, resumes bool, told string) {
	m.opens.WithLabelValues(conn.label).Inc()
	if !resumes {
		return
	}
	result := "nothing"
	switch {
	case last.IsZero():
		result = "unreadable"
	case told == toldSeen:
		result = "seen"
	case told == "sent":
		result = "caught_up"
	case told == toldAway:
		result = "later"
	}
	m.resumes.WithLabelValues(result).Inc()
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.tokens, m.opens, m.resumes, m.notifications, m.updates, m.rejects, m.lookups, m.snapshots, m.restored,
		m.pageViews, m.statedEmails, m.receipts, m.extracts, m.extractLines, m.reports, m.signIns, m.wrongKeys,
		m.forgotten, m.offers, m.erasures, m.revocations, m.confusions, m.limits,
		m.notificationSeconds, m.personalizedSeconds, m.historySeconds,
	}
}
