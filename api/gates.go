package api

import (
	"fmt"
	"slices"
	"strings"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// verdict is what a gate makes of a visitor.
type verdict struct {
	Gate   string `json:"gate"`
	Pass   bool   `json:"pass"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do; none when it passes
}

func passes(format string, args ...any) verdict {
	return verdict{Pass: true, Detail: fmt.Sprintf(format, args...)}
}

func fails(hint, format string, args ...any) verdict {
	return verdict{Detail: fmt.Sprintf(format, args...), Hint: hint}
}

// gates are all that a page passes on its way to a user, in that order.
var gates = []struct {
	name   string
	ofUser bool // there is nothing to judge without one
	judge  func(*visited) verdict
}{
	{"origin", false, (*visited).origin},
	{"identity", false, (*visited).identity},
	{"erased", false, (*visited).erasure},
	{"cached", false, (*visited).cached},
	{"segment", true, (*visited).segment},
	{"whitelist", true, (*visited).whitelist},
	{"size", true, (*visited).size},
	{"stream", false, (*visited).stream},
}

// origin: some page may use the connector, and none was turned away lately while none
// was let in.
func (v *visited) origin() verdict {
	var rows []string
	for _, d := range v.facts.review.Domains {
		if d.Matches {
			rows = append(rows, d.Row)
		}
	}
	if len(rows) == 0 {
		return fails("Add the site to Allowed domains (whitelisted_domains), for example www.example.com.", "No domain is allowed, so no page can use the connector.")
	}
	detail := "Pages of these domains may use the connector: " + some(rows) + "."
	if !v.facts.within(markRefused, recently) {
		return passes("%s None was refused in the last day.", detail)
	}
	detail += fmt.Sprintf(" A page of another one was refused %s, %d in all.", v.facts.ago(markRefused), v.facts.happened[markRefused].count)
	if v.facts.within(markLetIn, recently) {
		return passes("%s Others were let in.", detail)
	}
	return fails("Is the visitor's page on one of these domains, with https? Add its domain to whitelisted_domains.", "%s None was let in for a day.", detail)
}

// identity: the topic counts as it is, or somebody has it signed.
func (v *visited) identity() verdict {
	doubt := v.policy.Doubt(v.topic)
	switch {
	case doubt != "":
	case v.confused:
		return fails("Have the page's library forget the anonymous id when somebody signs out: with analytics.js that is analytics.reset().",
			"This anonymous id came with the signed claims of two people, of whom it proves neither. It counts again %d days after the last such claim.", int(store.ClaimantLife.Hours()/24))
	default:
		return passes("The verification is %s: this identifier counts as the page claims it.", v.policy.Verification)
	}
	if slices.ContainsFunc(v.streams, func(s explainedStream) bool { return s.Topic == v.topic.String() && s.Signed }) {
		return passes("The verification is %s: this identifier counts when it is signed, as on a stream that is open.", v.policy.Verification)
	}
	why := map[hull.Doubt]string{
		hull.DoubtUnsigned: "no identifier counts unless it is signed",
		hull.DoubtKind:     "of unsigned identifiers only anonymous ids count",
		hull.DoubtShort:    fmt.Sprintf("an unsigned anonymous id counts if it has %d characters, for shorter ones can be guessed", hull.PossessionLength),
		hull.DoubtShaped:   "an unsigned anonymous id that is shaped like an email, or has the name of another kind in front, is known to others than the browser",
		hull.DoubtService:  "the ids of this service can be counted through, and do not count unsigned",
	}[doubt]
	hint := fmt.Sprintf("Have the page send an identity_token that has %s, signed with the connector's identity secret", v.topic.Kind())
	switch {
	case doubt == hull.DoubtService:
		hint += "; or list the service in identity.possession_services if its ids cannot be guessed"
	case v.topic.Kind() == hull.KindExternalID, v.topic.Kind() == hull.KindEmail:
		hint += ", or a user_hash"
	}
	if len(v.policy.Secrets) == 0 {
		hint += ". The connector has no identity_secret yet: set one"
	}
	return fails(hint+".", "The verification is %s: %s.", v.policy.Verification, why)
}

// erasure: nobody keeps the user out.
func (v *visited) erasure() verdict {
	if v.erased.IsZero() {
		return passes("Nobody whom this identifier leads to was erased in the last 30 days.")
	}
	return fails("Wait, or have Hull send the user anew: a notification that is newer lifts it.",
		"Whom this identifier led to was erased on %s. Until %s neither older states nor look-ups in Hull bring the user back.",
		v.erased.UTC().Format(timeFormat), v.erased.Add(store.ErasureLife).UTC().Format(timeFormat))
}

// cached: a user is stored.
func (v *visited) cached() verdict {
	const nobody = "Nobody is stored whom this identifier leads to."
	switch {
	case v.user != nil:
		return passes("A user is stored, %s.", identifiers(len(v.snap.Topics)))
	case !v.erased.IsZero():
		return fails("See erased.", "%s", nobody)
	case !v.facts.ofHull:
		return fails("Post the user to …/users, or give the connector its organization and secret.", "%s The connector has no organization, so Hull is not asked.", nobody)
	case v.facts.within(markUnanswered, recently) && !v.facts.after(markAnswered, markUnanswered):
		return fails("Check the connector's credentials, and that Hull can be reached.", "%s Hull is asked when a page proves it, but did not answer %s.", nobody, v.facts.ago(markUnanswered))
	}
	return fails("Open a page as this visitor: if it gets not_found, Hull does not know the user either. Else replay the user in Hull.", "%s Hull is asked when a page proves it.", nobody)
}

// identifiers says how many there are.
func identifiers(n int) string {
	if n == 1 {
		return "whom one identifier leads to"
	}
	return fmt.Sprintf("whom %d identifiers lead to", n)
}

// segment: the user is in a synchronized segment.
func (v *visited) segment() verdict {
	ok, segments := v.facts.settings.Synchronizes(v.user)
	switch {
	case ok && segments == nil:
		return passes("Users are shown whatever segments they are in.")
	case ok:
		return passes("The user is in one of the synchronized segments.")
	}
	return fails("Add one of the user's segments to synchronized_segments, or the user to one of those.",
		"The user is in none of the synchronized segments: %s. They are in: %s.", some(segments), some(v.user.InSegments()))
}

// whitelist: the lists show something of the user.
func (v *visited) whitelist() verdict {
	signed, unsigned := v.facts.settings.Listing(v.user, true), v.facts.settings.Listing(v.user, false)
	detail := describe(signed)
	shows := showsAny(signed)
	if !v.facts.settings.SameForUnsigned() {
		detail = "Signed streams: " + detail + " Unsigned streams: " + describe(unsigned)
		shows = shows && showsAny(unsigned)
	}
	if shows {
		return passes("%s", detail)
	}
	return fails("Add what pages may see to public_traits and public_segments, and for visitors who are not signed in to public_traits_unsigned and public_segments_unsigned.", "%s", detail)
}

func showsAny(l hull.Listing) bool {
	return len(l.Lacking) < len(l.Traits) || len(l.Outside) < len(l.Segments)
}

// describe says what lists show of a user.
func describe(l hull.Listing) string {
	text := fmt.Sprintf("Public attributes: %d, of which the user has %d. Public segments: %d, of which the user is in %d.",
		len(l.Traits), len(l.Traits)-len(l.Lacking), len(l.Segments), len(l.Segments)-len(l.Outside))
	if len(l.Lacking) > 0 {
		text += " The user lacks: " + some(l.Lacking) + "."
	}
	return text
}

// size: the event is not too large.
func (v *visited) size() verdict {
	switch {
	case v.results[0] == "private":
		return passes("Pages are told user.private, which is short.")
	case slices.Contains(v.results[:], "too_large"):
		return fails("Make fewer or shorter attributes public: pages get user.error too_large.", "The payload has %d bytes; an event may have %d.", max(v.sizes[0], v.sizes[1]), stream.MaxEvent)
	}
	return passes("The payload has %d bytes; an event may have %d.", max(v.sizes[0], v.sizes[1]), stream.MaxEvent)
}

// stream: a page listens, and follows this user.
func (v *visited) stream() verdict {
	where := ""
	if v.clustered {
		where = " On other nodes there may be others, of which this one does not know."
	}
	follow := 0
	for _, s := range v.streams {
		if v.user == nil || s.follows == v.snap.UserID {
			follow++
		}
	}
	switch n := len(v.streams); {
	case n == 0:
		return fails("Open the page as this visitor, and see in its console whether the snippet finds this identifier.",
			"No stream is open that has this identifier, or follows its user.%s", where)
	case follow == 0:
		return fails("A stream follows whom its best identifier leads to: id, external_id, email, then anonymous_id.",
			"Streams that have this identifier: %d, but they follow somebody else, or nobody yet.%s", n, where)
	default:
		return passes("Streams that have this identifier, or follow its user: %d.%s", n, where)
	}
}

// some are the first of a list.
func some(list []string) string {
	const most = 10
	switch {
	case len(list) == 0:
		return "none"
	case len(list) > most:
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}
