package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hullbeam/stream"
)

// Config is what the routes need to know. Of the groups, the keys in messages
// are those of config.yaml.
type Config struct {
	// PublicURL is the address that browsers use, without a path. "": each page
	// is told the address that it asked.
	PublicURL string
	// Version is what the manifest says of us. "dev" when empty.
	Version string
	// Secrets are the node's own: with them the tokens are signed that Hull may be
	// given in place of a connector's credentials.
	Secrets []string
	// AdminKeys let operators in.
	AdminKeys []string
	// AdminApart keeps operators' routes off Handler: they are on AdminHandler.
	AdminApart bool
	// TrustedProxies are the addresses and networks whose X-Forwarded-For counts.
	TrustedProxies []string
	// Demo serves the demonstration page, in development mode.
	Demo bool

	Identity Identity
	Limits   Limits
	Hull     Hull
	Cluster  Cluster
	Stream   stream.Config
}

// Identity says which claims count (docs/protocol.md, proof of identity).
type Identity struct {
	// Verification holds for connectors that do not say themselves:
	// "possession": anonymous ids count as such, other claims when signed;
	// "signed": only signed claims; "off": every claim counts, and anyone may
	// read anyone's public traits. Default possession.
	Verification string `mapstructure:"verification"`
	// PossessionServices are the services whose anonymous ids, written
	// service:id, count by possession; others can be counted through. Default
	// [intercom].
	PossessionServices []string `mapstructure:"possession_services"`
}

// DefaultIdentity is what holds when nothing is configured.
func DefaultIdentity() Identity {
	return Identity{Verification: "possession", PossessionServices: []string{"intercom"}}
}

// Validate names the first key whose value is out of its range.
func (i Identity) Validate() error {
	if !slices.Contains([]string{"possession", "signed", "off"}, i.Verification) {
		return fmt.Errorf("identity.verification: %q is out of range: possession, signed or off", i.Verification)
	}
	for _, service := range i.PossessionServices {
		if service == "" || strings.ContainsAny(service, ": ") {
			return fmt.Errorf("identity.possession_services: %q is out of range: names without a colon", service)
		}
	}
	return nil
}

// Hull says from which organizations connectors are accepted.
type Hull struct {
	// Organizations are the suffixes of organizations from which a connector
	// that is not known yet is accepted. One with a port stands for itself alone,
	// and is refused when signatures are verified. Default [hullapp.io].
	Organizations []string `mapstructure:"organizations"`
	// MaxConnectors is how many connectors there may be for another one to be
	// learnt that way. 0 to 1000000; default 1000.
	MaxConnectors int `mapstructure:"max_connectors"`
	// Extracts is how many extracts are read at a time on this node, of each
	// connector one. 1 to 100; default 2.
	Extracts int `mapstructure:"extracts"`
	// ExtractTimeout bounds an extract, from its download to the last of its users.
	// 1s to 24h; default 15m.
	ExtractTimeout time.Duration `mapstructure:"extract_timeout"`
	// ExtractLineBytes bounds a line of an extract; a longer one is skipped. 4096 to
	// 67108864; default 1048576.
	ExtractLineBytes int `mapstructure:"extract_line_bytes"`
}

// DefaultHull is what holds when nothing is configured.
func DefaultHull() Hull {
	return Hull{
		Organizations: []string{"hullapp.io"}, MaxConnectors: 1000,
		Extracts: 2, ExtractTimeout: 15 * time.Minute, ExtractLineBytes: 1 << 20,
	}
}

// Validate names the first key whose value is out of its range.
func (h Hull) Validate() error {
	for _, n := range []struct {
		key              string
		value, low, high int
	}{
		{"hull.max_connectors", h.MaxConnectors, 0, 1_000_000},
		{"hull.extracts", h.Extracts, 1, 100},
		{"hull.extract_line_bytes", h.ExtractLineBytes, 4 << 10, 64 << 20},
	} {
		if n.value < n.low || n.value > n.high {
			return fmt.Errorf("%s: %d is out of range: %d to %d", n.key, n.value, n.low, n.high)
		}
	}
	if h.ExtractTimeout < time.Second || h.ExtractTimeout > 24*time.Hour {
		return fmt.Errorf("hull.extract_timeout: %v is out of range: 1s to 24h", h.ExtractTimeout)
	}
	for _, suffix := range h.Organizations {
		if suffix == "" || strings.ContainsAny(suffix, "/@ ") || strings.HasPrefix(suffix, ".") {
			return fmt.Errorf("hull.organizations: %q is out of range: host names such as hullapp.io", suffix)
		}
	}
	return nil
}
