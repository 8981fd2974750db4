package hull

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// originRule is a row of whitelisted_domains: the host of a page, or with
// wildcard anything below it, and perhaps its scheme and port.
type originRule struct {
	scheme   string // "": https, and http for loopback names
	host     string // lower case, punycode, no dot at the end
	wildcard bool
	port     uint16 // 0: any
}

// parseOriginRule reads a row (docs/hull-protocol.md 10.5). What is no host name,
// with a scheme, a port and a path or without, is no rule.
func parseOriginRule(row string) (r originRule, ok bool) {
	row = strings.ToLower(strings.TrimSpace(row))
	for _, scheme := range []string{"https", "http"} {
		if rest, ok := strings.CutPrefix(row, scheme+"://"); ok {
			r.scheme, row = scheme, rest
			break
		}
	}
	if end := strings.IndexAny(row, "/?#"); end >= 0 {
		row = row[:end]
	}
	name, port, ok := cutPort(row)
	if !ok {
		return r, false
	}
	r.port = port
	name, r.wildcard = strings.CutPrefix(name, "*.")
	r.host, ok = canonicalHost(name)
	return r, ok
}

func (r originRule) allows(o origin) bool {
	switch {
	case r.scheme == "" && o.scheme != "https" && !isLoopback(o.host):
		return false
	case r.scheme != "" && r.scheme != o.scheme:
		return false
	case r.port != 0 && r.port != o.port:
		return false
	case r.wildcard:
		return strings.HasSuffix(o.host, "."+r.host) && !isAddress(o.host)
	}
	return r.host == o.host
}

// origin is the origin of a page.
type origin struct {
	scheme string // https or http
	host   string // as in originRule
	port   uint16 // never 0
}

// parseOrigin reads the Origin header of a page on the web. Browsers spell each
// origin in one way (RFC 6454, 6.2; WHATWG URL, 4.7): lower case, punycode, no
// default port, nothing after it. Other spellings are refused.
func parseOrigin(text string) (o origin, ok bool) {
	scheme, rest, _ := strings.Cut(text, "://")
	name, port, ok := cutPort(rest)
	standard := standardPort(scheme)
	if !ok || standard == 0 || port == standard {
		return origin{}, false
	}
	host, ok := canonicalHost(name)
	return origin{scheme, host, cmp.Or(port, standard)}, ok && strings.TrimSuffix(name, ".") == host
}

func standardPort(scheme string) uint16 {
	switch scheme {
	case "https":
		return 443
	case "http":
		return 80
	}
	return 0
}

// cutPort splits host:port. Without a colon the port is 0; with one it must be
// a number from 1 on, as short as can be.
func cutPort(text string) (host string, port uint16, ok bool) {
	bracket := strings.IndexByte(text, ']') + 1 // an IPv6 address has colons of its own
	name, digits, found := strings.Cut(text[bracket:], ":")
	host = text[:bracket] + name
	if !found {
		return host, 0, true
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return host, uint16(n), err == nil && digits[0] != '0'
}

// isHostPort tells whether text is a host in its canonical form, with a port or not.
func isHostPort(text string) bool {
	host, _, ok := cutPort(text)
	if !ok {
		return false
	}
	canonical, ok := canonicalHost(host)
	return ok && canonical == host
}

// hostProfile maps names as browsers do: WHATWG URL, 3.3, domain to ASCII with
// beStrict false.
var hostProfile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
	idna.CheckHyphens(false), idna.CheckJoiners(true), idna.StrictDomainName(false))

// canonicalHost is a host name or IP address as browsers write it in an origin,
// without a dot at the end.
func canonicalHost(text string) (host string, ok bool) {
	if strings.HasPrefix(text, "[") {
		inner, closed := strings.CutSuffix(text[1:], "]")
		addr, err := netip.ParseAddr(inner)
		return "[" + addr.String() + "]", closed && err == nil && addr.Is6() && addr.Zone() == ""
	}
	host, err := hostProfile.ToASCII(text)
	host = strings.TrimSuffix(host, ".")
	return host, err == nil && isHost(host)
}

// isHost is what browsers take for a host, which is more than isHostName: they
// resolve names with underscores and with hyphens anywhere.
func isHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// isAddress tells IP addresses from names. A name that ends in a number is an
// address (WHATWG URL, 3.5).
func isAddress(host string) bool {
	return strings.HasPrefix(host, "[") || isNumber(host[strings.LastIndexByte(host, '.')+1:])
}

// isLoopback tells the hosts that never leave the machine, so that pages on
// them may do without TLS.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}
