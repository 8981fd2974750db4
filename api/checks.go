package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hullbeam/hull"
)

// check is something that can be wrong with a connector.
type check struct {
	name     string // stable; on the install page it is in data-check
	severity hull.Severity
	// message says what is wrong in the words of those who make the settings, and what
	// to do; "": nothing is. Hull's dashboard shows it.
	message func(*facts) string
}

// Times within which what happened says how things are.
const (
	recently = 24 * time.Hour
	silence  = 7 * 24 * time.Hour // of Hull; on most sites somebody changes each day
)

// checks are all there are, in the order in which they are told.
var checks = []check{
	{"store", hull.SeverityError, func(f *facts) string {
		return when(f.unreadable, "What happened lately cannot be read right now, so this is only a part of the checks. Ask again in a minute.")
	}},
	{"settings_unseen", hull.SeveritySetup, func(f *facts) string {
		return when(!f.review.Given && f.never(markSettings), "The connector's settings have not been seen yet. Save them once in Hull.")
	}},
	{"no_domain", hull.SeveritySetup, func(f *facts) string {
		return when(!f.anyDomain(), "No domain is allowed, so no page can use the connector. Add your site to Allowed domains, for example www.example.com.")
	}},
	{"domain_useless", hull.SeverityWarning, func(f *facts) string {
		return when(len(f.useless()) > 0, "These rows of Allowed domains match no page: %s.", strings.Join(f.useless(), "; "))
	}},
	{"wrong_type", hull.SeverityWarning, func(f *facts) string {
		return when(len(f.review.Wrong) > 0, "The value of these settings has the wrong type; they show as little as can be until it is right: %s.", strings.Join(f.review.Wrong, ", "))
	}},
	{"nothing_public", hull.SeverityWarning, func(f *facts) string {
		return when(!f.review.Public, "No attribute, segment or event is public, so pages learn nothing but the user's id. Choose some under What pages may see.")
	}},
	{"no_identity_secret", hull.SeverityError, func(f *facts) string {
		return when(f.verification == hull.VerifySigned && len(f.settings.IdentitySecrets()) == 0,
			"Only signed identities count, but there is no Identity secret to check them with, so nobody is recognised.")
	}},
	{"identity_secret_short", hull.SeverityWarning, func(f *facts) string {
		return when(f.review.Guessable,
			"The Identity secret is shorter than %d characters. Who has a token that it signed can try secrets until one fits, and then be anybody: make a long random one.", hull.IdentitySecretLength)
	}},
	{"identity_off", hull.SeverityWarning, func(f *facts) string {
		return when(f.verification == hull.VerifyOff,
			"Identities are not verified: anyone can read the public attributes of anyone whose email they know. Set Identity verification.")
	}},
	{"undivided", hull.SeverityWarning, func(f *facts) string {
		return when(f.verification != hull.VerifySigned && len(f.review.Undivided) > 0,
			"Visitors who are not signed in see as much as those who are. Say what strangers may see under Who is who (%s).", strings.Join(f.review.Undivided, ", "))
	}},
	{"signatures_fail", hull.SeverityError, func(f *facts) string {
		return when(f.within(markSignature, recently) && !f.after(markTaken, markSignature),
			"Notifications are refused because their signature is not Hull's; the last one %s, %d in all. None was taken since.", f.ago(markSignature), f.happened[markSignature].count)
	}},
	{"signature_failed", hull.SeverityWarning, func(f *facts) string {
		return when(f.within(markSignature, recently) && f.after(markTaken, markSignature),
			"A notification was refused %s because its signature is not Hull's, %d in all. Others were taken since.", f.ago(markSignature), f.happened[markSignature].count)
	}},
	{"notifications_fail", hull.SeverityError, func(f *facts) string {
		return when(f.within(markFailed, recently) && !f.after(markTaken, markFailed),
			"Notifications could not be kept; the last one %s, %d in all. None was taken since. Hull sends them again.", f.ago(markFailed), f.happened[markFailed].count)
	}},
	{"notification_failed", hull.SeverityWarning, func(f *facts) string {
		return when(f.within(markFailed, recently) && f.after(markTaken, markFailed),
			"A notification could not be kept %s, %d in all. Others were taken since. Hull sends again what was not.", f.ago(markFailed), f.happened[markFailed].count)
	}},
	{"never_notified", hull.SeverityWarning, func(f *facts) string {
		return when(f.ofHull && f.never(markTaken), "No notification of Hull's has been taken yet.")
	}},
	{"silent", hull.SeverityWarning, func(f *facts) string {
		return when(f.ofHull && f.ever(markTaken) && !f.within(markTaken, silence), "Hull has sent no notification for long; the last one came %s.", f.ago(markTaken))
	}},
	{"hull_fails", hull.SeverityWarning, func(f *facts) string {
		return when(f.within(markUnanswered, recently) && !f.after(markAnswered, markUnanswered),
			"Hull did not answer when a visitor was looked up %s, and none was looked up since. Visitors who are not known yet are recognised once Hull notifies of them.", f.ago(markUnanswered))
	}},
	{"page_views_fail", hull.SeverityWarning, func(f *facts) string {
		return when(f.settings.TracksPageViews() && f.within(markViewsDropped, recently) && !f.after(markViewsTaken, markViewsDropped),
			"Page views are not taken by Hull; the last that were dropped were %s.", f.ago(markViewsDropped))
	}},
	{"pages_refused", hull.SeverityWarning, func(f *facts) string {
		return when(f.within(markRefused, recently) && !f.within(markLetIn, recently),
			"A page was refused %s because its domain is not allowed, and none was let in for a day. Is your site among Allowed domains?", f.ago(markRefused))
	}},
	{"nobody_stored", hull.SeverityWarning, func(f *facts) string {
		return when(f.empty, "No user is known yet. They come with Hull's notifications; a replay in Hull sends them all.")
	}},
}

// when is a message, or none.
func when(wrong bool, format string, args ...any) string {
	if !wrong {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// finding is a check that has found something.
type finding struct {
	Name     string
	Severity hull.Severity
	Message  string
}

// findings are what is wrong.
func (f *facts) findings() (all []finding) {
	for _, c := range checks {
		if message := c.message(f); message != "" {
			all = append(all, finding{c.name, c.severity, message})
		}
	}
	return all
}

// statusOf is what Hull is told of findings: the worst severity, and all messages.
func statusOf(all []finding) hull.Status {
	rank := map[hull.Severity]int{hull.SeverityWarning: 1, hull.SeverityError: 2, hull.SeveritySetup: 3}
	status := hull.Status{Status: hull.SeverityOK, Messages: []string{}}
	for _, f := range all {
		status.Messages = append(status.Messages, f.Message)
		if rank[f.Severity] > rank[status.Status] {
			status.Status = f.Severity
		}
	}
	return status
}

// facts are what is known of a connector, for checks.
type facts struct {
	now          time.Time
	settings     *hull.Settings
	review       hull.Review
	verification string
	ofHull       bool // it has an organization, which notifies
	happened     happened
	empty        bool // nobody is stored, for certain
	unreadable   bool // what the store has of it
	streams      int  // open now, on this node
}

// factsOf gathers what is known of c. It reads the store, and waits for it no longer
// than ctx.
func (s *Server) factsOf(ctx context.Context, c *connector) *facts {
	known := c.known()
	record, settings := known.record, known.settings
	f := &facts{
		now: s.now(), settings: settings, review: hull.ReviewSettings(record.Settings, record.PrivateSettings),
		verification: s.policy(c.id, settings).Verification, ofHull: record.Organization != "",
		streams: len(s.broker.Subscribers(c.id)),
	}
	has, err := s.store.HasUsers(ctx, c.id)
	f.empty = err == nil && !has
	var err2 error
	f.happened, err2 = s.happenedTo(ctx, c)
	if err = errors.Join(err, err2); err != nil {
		f.unreadable = true
		s.failed(ctx, err, "connector", c.id)
	}
	return f
}

func (f *facts) anyDomain() bool {
	for _, d := range f.review.Domains {
		if d.Matches {
			return true
		}
	}
	return false
}

// maxRows bounds the rows that a message names, and maxRow what it has of each: Hull
// shows them in a small place.
const (
	maxRows = 10
	maxRow  = 80
)

// useless are the rows of the allowed domains that match nothing, with the reasons.
func (f *facts) useless() (rows []string) {
	for _, d := range f.review.Domains {
		if d.Matches {
			continue
		}
		if len(rows) == maxRows {
			return append(rows, "and others")
		}
		rows = append(rows, fmt.Sprintf("%q (%s)", cut(d.Row, maxRow), d.Hint))
	}
	return rows
}

// cut is the beginning of text, of so many characters at most.
func cut(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "…"
}

// ever tells whether it is known of m that it happened, never that it did not.
func (f *facts) ever(m mark) bool { return !f.happened[m].at.IsZero() }

func (f *facts) never(m mark) bool { return !f.unreadable && !f.ever(m) }

// within tells whether m happened less than d ago.
func (f *facts) within(m mark, d time.Duration) bool {
	return f.ever(m) && f.now.Sub(f.happened[m].at) < d
}

// after tells whether m happened after other.
func (f *facts) after(m, other mark) bool { return f.happened[m].at.After(f.happened[other].at) }

// ago says when m happened.
func (f *facts) ago(m mark) string { return ago(f.now.Sub(f.happened[m].at)) }

// ago says how long ago something was, as one would.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Minute:
		return "a minute ago"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d hours ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/day)
}
