package hull_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"hullbeam/hull"
)

func TestPublicAddresses(t *testing.T) {
	for _, address := range []string{
		"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "223.255.255.255",
		"2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8",
	} {
		if !hull.IsPublic(netip.MustParseAddr(address)) {
			t.Errorf("%s is not public", address)
		}
	}
	for _, address := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
		"203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1",
		"fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
		"2001:db8::1", "3fff::1", "100::1",
	} {
		if hull.IsPublic(netip.MustParseAddr(address)) {
			t.Errorf("%s is public", address)
		}
	}
	if hull.IsPublic(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// Nothing of the test stands between the verifier and the network here.
func TestKeysAreNotFetchedFromOurOwnNetwork(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request came through")
	}))
	defer server.Close()
	verifier, err := hull.NewVerifier(hull.DefaultVerifyConfig())
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"} {
		request := httptest.NewRequest(http.MethodPost, "https://"+host+":"+port, nil)
		response, err := verifier.Transport().RoundTrip(request)
		if err == nil {
			response.Body.Close()
			t.Fatalf("%s answered with %s", host, response.Status)
		}
		if !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A name under an allowed domain belongs to whoever writes its zone. It may lead to a
// public address when somebody looks, and to this machine when we connect (DNS
// rebinding): what counts is where the connection would go.
func TestRebindingNamesLeadNowhere(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request came through")
	}))
	defer server.Close()
	verifier, err := hull.NewVerifier(hull.DefaultVerifyConfig())
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	resolveBy(t, dnsServer(t, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:127.0.0.1")))
	if found, err := net.DefaultResolver.LookupHost(t.Context(), "keys.hullapp.io"); err != nil || len(found) == 0 {
		t.Fatalf("the name leads to %v, %v", found, err)
	}
	request := httptest.NewRequest(http.MethodPost, "https://keys.hullapp.io:"+port, nil)
	response, err := verifier.Transport().RoundTrip(request)
	if err == nil {
		response.Body.Close()
		t.Fatalf("answered with %s", response.Status)
	}
	if !strings.Contains(err.Error(), "not a public address") {
		t.Error(err)
	}
}

// resolveBy has this process ask a DNS server, as long as the test runs.
func resolveBy(t *testing.T, address string) {
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", address)
	}}
}

// dnsServer is one that has these addresses for any name.
func dnsServer(t *testing.T, addresses ...netip.Addr) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buffer := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var message dnsmessage.Message
			if message.Unpack(buffer[:n]) != nil || len(message.Questions) != 1 {
				continue
			}
			conn.WriteTo(dnsAnswer(message, addresses), from)
		}
	}()
	return conn.LocalAddr().String()
}

// dnsAnswer answers a question, with a life of 0 s: it is to be asked anew each time.
func dnsAnswer(message dnsmessage.Message, addresses []netip.Addr) []byte {
	asked := message.Questions[0]
	message.Header.Response, message.Header.RCode, message.Additionals = true, dnsmessage.RCodeSuccess, nil
	for _, addr := range addresses {
		var body dnsmessage.ResourceBody = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		if addr.Is4() {
			body = &dnsmessage.AResource{A: addr.As4()}
		}
		if addr.Is4() == (asked.Type == dnsmessage.TypeA) {
			message.Answers = append(message.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: asked.Name, Class: asked.Class}, Body: body,
			})
		}
	}
	text, _ := message.Pack() // what was unpacked packs
	return text
}
