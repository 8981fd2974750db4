package hull

import "slices"

// Settings are a connector's settings, compiled. They are immutable, and safe
// for use by many goroutines.
type Settings struct {
	connectorID     string
	origins         []originRule
	verification    string
	tracksPages     bool
	identitySecrets []string
	script          string
	scriptHash      string
	scriptURL       string

	synchronized    filter
	signed          *audience
	unsigned        *audience
	accountSegments segmentSet
	events          set
}

// ParseSettings compiles a connector's settings. It never fails: what is
// unreadable counts as absent, and a setting of the wrong type as the value
// that shows least, which is an empty list for all but synchronized_segments,
// where it is a list that nobody is on (docs/hull-protocol.md 10.4, rules 1 and 7).
// It keeps neither slice.
func ParseSettings(connectorID string, settings, privateSettings []byte) *Settings {
	public, private := readSettings(settings, false), readSettings(privateSettings, true)
	s := &Settings{
		connectorID:     connectorID,
		verification:    parseVerification(private["identity_verification"]),
		tracksPages:     string(private["track_page_views"]) == "true",
		identitySecrets: parseSecrets(private[identitySecret]),
		synchronized:    parseFilter(private["synchronized_segments"]),
		accountSegments: newSegmentSet(private["public_account_segments"]),
		events:          newSet(private["public_events"]),
	}
	for _, row := range listOrNone(private["whitelisted_domains"]) {
		if rule, ok := parseOriginRule(row); ok {
			s.origins = append(s.origins, rule)
		}
	}
	if string(private["script_enabled"]) != "false" {
		s.setScript(textOrNone(public["script"]))
	}
	traits, segments := private["public_traits"], private["public_segments"]
	s.signed = s.newAudience(traits, segments)
	if own, ok := private["public_traits_unsigned"]; ok {
		traits = own
	}
	if own, ok := private["public_segments_unsigned"]; ok {
		segments = own
	}
	s.unsigned = s.newAudience(traits, segments)
	return s
}

// readObject returns the raw members of an object, none if it is unreadable.
func readObject(data []byte) map[string][]byte {
	object, err := readJSON(data, DefaultDepth)
	if err != nil {
		return nil
	}
	values := make(map[string][]byte)
	for name, value := range members(object) {
		values[string(name)] = value
	}
	return values
}

func listOrNone(value []byte) []string {
	list, _ := texts(value)
	return list
}

func parseVerification(value []byte) string {
	switch policy := textOrNone(value); {
	case value == nil:
		return ""
	case policy == "possession" || policy == "off":
		return policy
	}
	return "signed"
}

func parseSecrets(value []byte) []string {
	if secret := textOrNone(value); secret != "" {
		return []string{secret}
	}
	list, ok := texts(value)
	if !ok || len(list) > 2 || slices.Contains(list, "") {
		return nil
	}
	return list
}

// AllowsOrigin tells whether pages of an origin, as in the header of that name,
// may use the connector (docs/hull-protocol.md 10.5). The origin "null" never may.
func (s *Settings) AllowsOrigin(text string) bool {
	o, ok := parseOrigin(text)
	return ok && slices.ContainsFunc(s.origins, func(r originRule) bool { return r.allows(o) })
}

// Verification is how identities must be proven: "possession", "signed", "off",
// or "" when the connector does not say. A value that is none of these counts
// as "signed".
func (s *Settings) Verification() string { return s.verification }

// IdentitySecrets are the keys of identity tokens and user hashes: none, one,
// or two during a rotation. They belong to s.
func (s *Settings) IdentitySecrets() []string { return s.identitySecrets }

// TracksPageViews tells whether Hull is to be told of page views. It is off unless
// track_page_views is true.
func (s *Settings) TracksPageViews() bool { return s.tracksPages }
