package api

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// proxies are the networks of those who may say for whom they ask.
type proxies []netip.Prefix

// parseProxies reads addresses and networks.
func parseProxies(texts []string) (list proxies, err error) {
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("trusted_proxies: %q is out of range: addresses such as 10.0.0.1 and networks such as 10.0.0.0/8", text)
			}
			network = netip.PrefixFrom(addr.WithZone(""), addr.BitLen())
		}
		if addr := network.Addr(); addr.Is4In6() && network.Bits() >= 96 { // as clients' are compared
			network = netip.PrefixFrom(addr.Unmap(), network.Bits()-96)
		}
		list = append(list, network)
	}
	return list, nil
}

func (p proxies) have(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// forwardedAddress is the address of who asks: the last in X-Forwarded-For that no trusted
// proxy has, if a trusted proxy asks for them, and else that of the connection. What
// stands before it, or before what is no address, anybody may have written. Other headers
// that name a client mean nothing here: proxies that set X-Forwarded-For let them pass as
// they come.
func (s *Server) forwardedAddress(c *gin.Context) netip.Addr {
	client := peer(c)
	hops := strings.Split(strings.Join(c.Request.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !s.proxies.have(client) {
			break
		}
		before, ok := parseHop(hop)
		if !ok {
			break
		}
		client = before
	}
	return client
}

// peer is the address of the connection; the zero one when it has none.
func peer(c *gin.Context) netip.Addr {
	of, _ := netip.ParseAddrPort(c.Request.RemoteAddr)
	return of.Addr().Unmap().WithZone("")
}

// parseHop reads an address as proxies write it, some with a port. An IPv4 address that
// was written as IPv6 is that IPv4 address, and no zone counts, since it is another
// machine's.
func parseHop(text string) (addr netip.Addr, ok bool) {
	text = strings.TrimSpace(text)
	bare := text
	if strings.HasPrefix(text, "[") {
		bare = strings.TrimSuffix(text[1:], "]")
	}
	addr, err := netip.ParseAddr(bare)
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return addr, false
		}
		addr = with.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// clientAddress is what a client is counted by: of IPv6, where anyone has 2^64 addresses,
// the network.
func (s *Server) clientAddress(c *gin.Context) string {
	addr := s.forwardedAddress(c)
	if addr.Is6() {
		network, _ := addr.Prefix(64) // that many an IPv6 address has
		return network.String()
	}
	return textOf(addr)
}

// textOf is "" for no address.
func textOf(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// isSecure tells whether a request came over https, to us or to a proxy in front. Where
// it is known who the proxies are, only they may say so. Where it is not, who asks may:
// it decides what they are told of our address, and how their own cookie is kept, and
// nothing else.
func (s *Server) isSecure(c *gin.Context) bool {
	if c.Request.TLS != nil {
		return true
	}
	return c.GetHeader("X-Forwarded-Proto") == "https" && (len(s.proxies) == 0 || s.proxies.have(peer(c)))
}
