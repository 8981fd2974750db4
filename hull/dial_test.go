package hull_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

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
