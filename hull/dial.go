package hull

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// errNotPublic is why an address is not dialled.
var errNotPublic = errors.New("not a public address")

// notPublic are the blocks of IANA's special-purpose address registries (RFC 6890)
// that lead, or may lead, to a place that only we can reach. Of IPv6 only 2000::/3
// is global unicast, so unique local, link-local, multicast and NAT64 (64:ff9b::/96)
// addresses need no line of their own: see isPublic.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), // link-local, and the clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // relays to 6to4
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/4"),   // multicast
	netip.MustParsePrefix("240.0.0.0/4"),   // reserved, and broadcast
	netip.MustParsePrefix("2001::/23"),     // Teredo and others
	netip.MustParsePrefix("2001:db8::/32"), // documentation
	netip.MustParsePrefix("2002::/16"),     // 6to4: an IPv4 address inside
	netip.MustParsePrefix("3fff::/20"),     // documentation
}

var globalUnicast = netip.MustParsePrefix("2000::/3")

func isPublic(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, block := range notPublic {
		if block.Contains(addr) {
			return false
		}
	}
	return addr.IsValid()
}

// refusePrivate is a net.Dialer's Control. It sees the address that is about to
// be connected to, after the name was resolved, so a name that resolves to
// something else the second time (DNS rebinding) gains nothing.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(addr.Addr()) {
		return fmt.Errorf("%s: %w", address, errNotPublic)
	}
	return nil
}

// newTransport returns a transport that takes no proxy from the environment: a
// proxy would resolve names for us. With public it connects to public addresses
// only, as every URL needs that does not come from the operator.
func newTransport(public bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if public {
		dialer.Control = refusePrivate
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    5 * time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// newHTTPClient returns a client that does not follow redirects: it gives the 3xx
// to the caller, who accepts 200 only.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// withoutURL returns what went wrong in a request without its URL, which is for
// nobody's log: identifiers and secrets have been seen in queries.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
