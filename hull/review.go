package hull

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// IdentitySecretLength is how many characters an identity secret should have at least: a
// token that it has signed stands in a page, and whoever has one can try shorter secrets.
const IdentitySecretLength = 16

// Review is what can be said of a connector's settings to those who make them.
type Review struct {
	Given     bool     // there is any setting at all
	Domains   []Domain // the rows of whitelisted_domains
	Wrong     []string // settings whose value has the wrong type
	Public    bool     // something of a user may be shown besides the id
	Undivided []string // lists for unsigned streams that are absent, where the ones for all have something
	Guessable bool     // an identity secret is shorter than IdentitySecretLength
}

// Domain is a row of whitelisted_domains.
type Domain struct {
	Row     string
	Matches bool   // a page can have such an origin
	Hint    string // why not, or what may not be what was meant; often empty
}

// ReviewSettings reviews a connector's settings.
func ReviewSettings(settings, privateSettings []byte) Review {
	public, private := readSettings(settings, false), readSettings(privateSettings, true)
	r := Review{Given: len(public)+len(private) > 0}
	for _, row := range listOrNone(private["whitelisted_domains"]) {
		r.Domains = append(r.Domains, reviewDomain(row))
	}
	for _, s := range SettingList {
		values := public
		if s.Private {
			values = private
		}
		if value, ok := values[s.Name]; ok && !s.fits(value) {
			r.Wrong = append(r.Wrong, s.Name)
		}
	}
	for _, name := range []string{"public_traits", "public_segments", "public_account_segments", "public_events"} {
		r.Public = r.Public || len(listOrNone(private[name])) > 0
	}
	for _, name := range []string{"public_traits", "public_segments"} {
		if _, own := private[name+"_unsigned"]; !own && len(listOrNone(private[name])) > 0 {
			r.Undivided = append(r.Undivided, name+"_unsigned")
		}
	}
	r.Guessable = slices.ContainsFunc(parseSecrets(private[identitySecret]), func(secret string) bool {
		return utf8.RuneCountInString(secret) < IdentitySecretLength
	})
	return r
}

// reviewDomain says of a row what parseOriginRule and originRule.allows make of it.
func reviewDomain(row string) Domain {
	d := Domain{Row: row}
	name := strings.TrimSpace(row)
	rule, ok := parseOriginRule(row)
	switch {
	case name == "":
		d.Hint = "an empty row matches nothing"
	case name == "*":
		d.Hint = "a star alone matches nothing: name the domains"
	case !ok:
		d.Hint = "this is no domain name, and matches nothing"
	case rule.wildcard && isAddress(rule.host):
		d.Hint = "an address has nothing below it: this matches nothing"
	default:
		d.Matches, d.Hint = true, rule.hint()
	}
	return d
}

// hint says what a rule does that one may not expect.
func (r originRule) hint() string {
	switch {
	case r.scheme == "http" && !isLoopback(r.host):
		return "pages over http alone; those over https are not let in"
	case r.wildcard:
		return "everything below " + r.host + ", but not " + r.host + " itself"
	}
	return ""
}
