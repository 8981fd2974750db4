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
	// AdminKeys let operators see and change everything: keys, or KeyHash of them.
	AdminKeys []string
	// OperatorKeys let operators see a connector or all, or change it too: each an
	// OperatorKey.
	OperatorKeys []string
	// AdminApart keeps operators' routes off Handler: they are on AdminHandler.
	AdminApart bool
	// TrustedProxies are the addresses and networks whose X-Forwarded-For counts.
	TrustedProxies []string
	// Demo serves the demonstration page, in development mode.
	Demo bool
	// ContinueTraces has the requests of Hull and operators go on with the traceparent that
	// they bring.
	ContinueTraces bool

	Admin    Admin
	Identity Identity
	Limits   Limits
	Hull     Hull
	Cluster  Cluster
	History  History
	Visitors Visitors
	Offers   Offers
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

// History says what is remembered of page views.
type History struct {
	// QueryParameters (history.query_parameters) are the parameters of a page's address
	// that are kept, such as utm_source. All others are dropped, for they may say more of a
	// visitor than where they are. Default none.
	QueryParameters []string `mapstructure:"query_parameters"`
	// IgnoreBots (history.ignore_bots) leaves out clients that say of themselves that they
	// are programs. Default true.
	IgnoreBots bool `mapstructure:"ignore_bots"`
	// Queue (history.queue) is how many page views and emails may wait for the store at a
	// time; those above it are refused, and come again. 1 to 1000000; default 10000.
	Queue int `mapstructure:"queue"`
}

// DefaultHistory is what holds when nothing is configured.
func DefaultHistory() History { return History{IgnoreBots: true, Queue: 10_000} }

// Validate names the first key whose value is out of its range.
func (h History) Validate() error {
	if h.Queue < 1 || h.Queue > 1_000_000 {
		return fmt.Errorf("history.queue: %d is out of range: 1 to 1000000", h.Queue)
	}
	for _, name := range h.QueryParameters {
		if name == "" || strings.ContainsAny(name, "&=# ") {
			return fmt.Errorf("history.query_parameters: %q is out of range: names of parameters, such as utm_source", name)
		}
	}
	return nil
}

// Visitors says how operators see who is there.
type Visitors struct {
	// Grace (visitors.grace) is how long a visitor is there after the last page was left:
	// the time between two pages. 1s to 10m; default 10s.
	Grace time.Duration `mapstructure:"grace"`
	// LiveRate (visitors.live_rate) is how many changes an operator is told of in a second
	// at most; the others wait, and of a visitor's the last counts. 4 to 100000; default
	// 2000.
	LiveRate int `mapstructure:"live_rate"`
	// LiveStreams (visitors.live_streams) is how many operators may look at live views of
	// this node. 0: as many as want; at most 10000; default 100.
	LiveStreams int `mapstructure:"live_streams"`
}

// DefaultVisitors is what holds when nothing is configured.
func DefaultVisitors() Visitors {
	return Visitors{Grace: 10 * time.Second, LiveRate: 2000, LiveStreams: 100}
}

// Validate names the first key whose value is out of its range.
func (v Visitors) Validate() error {
	switch {
	case v.Grace < time.Second || v.Grace > 10*time.Minute:
		return fmt.Errorf("visitors.grace: %v is out of range: 1s to 10m", v.Grace)
	case v.LiveRate < 4 || v.LiveRate > 100_000:
		return fmt.Errorf("visitors.live_rate: %d is out of range: 4 to 100000", v.LiveRate)
	case v.LiveStreams < 0 || v.LiveStreams > 10_000:
		return fmt.Errorf("visitors.live_streams: %d is out of range: 0 to 10000", v.LiveStreams)
	}
	return nil
}

// Offers says how many offers a person is sent.
type Offers struct {
	// Cap (offers.cap) is how many offers to a segment, a page or all one person is sent
	// within CapWindow. Those to a visitor or a topic neither count nor are kept back. 0:
	// as many as there are; at most 1000; default 5.
	Cap int `mapstructure:"cap"`
	// CapWindow (offers.cap_window) is 1m to 720h; default 24h.
	CapWindow time.Duration `mapstructure:"cap_window"`
}

// DefaultOffers is what holds when nothing is configured.
func DefaultOffers() Offers { return Offers{Cap: 5, CapWindow: 24 * time.Hour} }

// Validate names the first key whose value is out of its range.
func (o Offers) Validate() error {
	switch {
	case o.Cap < 0 || o.Cap > 1000:
		return fmt.Errorf("offers.cap: %d is out of range: 0 to 1000", o.Cap)
	case o.CapWindow < time.Minute || o.CapWindow > 720*time.Hour:
		return fmt.Errorf("offers.cap_window: %v is out of range: 1m to 720h", o.CapWindow)
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
