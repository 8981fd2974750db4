package hull

import (
	"net/netip"
	"strings"
)

// HostUnder reports whether host is one of the domains or below one. It compares
// labels, not the ends of strings, so evilhullapp.io is not under hullapp.io. The
// case of letters does not matter. What is not a plain host name is under
// nothing: an IP address, a port, a dot at the end.
func HostUnder(host string, domains []string) bool {
	if !isHostName(host) {
		return false
	}
	host = strings.ToLower(host)
	for _, domain := range domains {
		domain = strings.ToLower(domain)
		if isHostName(domain) && (host == domain || strings.HasSuffix(host, "."+domain)) {
			return true
		}
	}
	return false
}

// isHostName reports whether host consists of labels of ASCII letters, digits and
// inner hyphens, and is no IP address in any of its spellings. A name in another
// script must come as punycode. Ask before lower-casing, which makes letters
// ASCII that were not (U+212A, the Kelvin sign).
func isHostName(host string) bool {
	if len(host) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return false
		}
		last = label
	}
	// WHATWG URL, 3.5: a name that ends in a number is an IPv4 address, as
	// 127.1 and 0x7f000001 are to many a resolver.
	_, err := netip.ParseAddr(host)
	return err != nil && !isNumber(last)
}

func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}

func isNumber(label string) bool {
	return strings.Trim(label, "0123456789") == "" || strings.HasPrefix(strings.ToLower(label), "0x")
}
