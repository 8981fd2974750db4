package hull_test

import (
	"encoding/json"
	"testing"

	"hullbeam/hull"
)

func TestA8AllowsOrigin(t *testing.T) {
	allow := func(row, origin string) { checkOrigin(t, row, origin, true) }
	deny := func(row, origin string) { checkOrigin(t, row, origin, false) }

	// The table of docs/hull-protocol.md 10.5, by our rules.
	allow("hull.io", "https://hull.io")
	deny("hull.io", "http://hull.io")
	allow("hull.io", "https://hull.io:9999")
	deny("hull.io", "https://www.hull.io")
	allow("*.hull.io", "https://www.hull.io")
	allow("Hull.IO", "https://hull.io")
	allow(" hull.io", "https://hull.io")
	allow("hull.io.", "https://hull.io")
	allow("http://hull.io:8080/path", "http://hull.io:8080")
	deny("http://hull.io:8080/path", "https://hull.io")
	allow("café.fr", "https://xn--caf-dma.fr")
	deny("", "null")

	// Wildcards.
	allow("*.hull.io", "https://a.b.hull.io")
	allow(" *.Hull.IO. ", "https://www.hull.io")
	allow("*.café.fr", "https://www.xn--caf-dma.fr")
	allow("https://*.hull.io:8443/x", "https://www.hull.io:8443")
	deny("*.hull.io", "https://hull.io")
	deny("*.hull.io", "https://evilhull.io")
	deny("*.hull.io", "https://.hull.io")
	deny("*.hull.io", "https://www.hull.io.evil.example")
	deny("*.hull.io", "http://www.hull.io")
	for _, row := range []string{"*", "*.", "*.*", "**.io", "w*.hull.io", "www.*.io", ".hull.io", "https://*"} {
		deny(row, "https://www.hull.io")
	}
	deny("*.0.0.1", "https://127.0.0.1")

	// Scheme and port restrict.
	allow("https://hull.io", "https://hull.io")
	allow("HTTPS://Hull.io/", "https://hull.io")
	allow("http://hull.io", "http://hull.io")
	deny("http://hull.io", "https://hull.io")
	deny("https://hull.io", "http://hull.io")
	allow("hull.io:8443", "https://hull.io:8443")
	deny("hull.io:8443", "https://hull.io")
	deny("hull.io:8443", "http://hull.io:8443")
	allow("hull.io:443", "https://hull.io")
	allow("http://hull.io:80", "http://hull.io")
	deny("hull.io:443", "https://hull.io:8443")
	for _, row := range []string{"hull.io:", "hull.io:0", "hull.io:x", "hull.io:65536", "hull.io:443:443", "ftp://hull.io",
		"user@hull.io", "hull..io", "hull.io\\", "hull io", "//hull.io", "?hull.io"} {
		deny(row, "https://hull.io")
	}
	allow("hull.io?a=http://other.example", "https://hull.io")
	deny("hull.io?a=http://other.example", "http://other.example")

	// Loopback names do without TLS, unless told otherwise.
	for _, host := range []string{"localhost", "app.localhost", "127.0.0.1", "127.8.9.10", "[::1]", "my_app.localhost"} {
		allow(host, "http://"+host)
		allow(host, "https://"+host)
		allow(host, "http://"+host+":3000")
		deny("https://"+host, "http://"+host)
	}
	allow("localhost:3000", "http://localhost:3000")
	deny("localhost:3000", "http://localhost:3001")
	allow("*.localhost", "http://a.localhost")
	allow("[0:0::1]:3000", "http://[::1]:3000")
	deny("[::1%lo]", "http://[::1]")
	deny("[::1", "http://[::1]")
	deny("192.168.0.7", "http://192.168.0.7")
	deny("localhost.example", "http://localhost.example")
	deny("notlocalhost", "http://notlocalhost")
	allow("192.168.0.7", "https://192.168.0.7")
	allow("[2001:DB8::1]", "https://[2001:db8::1]")

	// Only what a browser writes is an origin.
	allow("hull.io", "https://hull.io.")
	for _, origin := range []string{"", "null", "hull.io", "//hull.io", "https://", "https:hull.io", "https://hull.io/", "https://hull.io/x",
		"https://hull.io?x", "https://hull.io#x", "https://user@hull.io", "https://hull.io:443", "https://hull.io:0443", "https://hull.io:",
		"https://hull.io:99999", "HTTPS://hull.io", "https://HULL.io", " https://hull.io", "https://hull.io ", "https://hull.io\r\n",
		"https://hull.io, https://hull.io", "https://hull.io..", "ftp://hull.io", "https://https://hull.io", "https://hull。io"} {
		deny("hull.io", origin)
		deny("https://hull.io", origin)
	}
	deny("café.fr", "https://café.fr")
	deny("xn--a", "https://xn--a") // no punycode
	allow("straße.de", "https://xn--strae-oqa.de")
	allow("my_shop.example", "https://my_shop.example")
	allow("r3---sn.example", "https://r3---sn.example")
}

func checkOrigin(t *testing.T, row, origin string, want bool) {
	t.Helper()
	private, err := json.Marshal(map[string]any{"whitelisted_domains": []string{"other.example", row}})
	if err != nil {
		t.Fatal(err)
	}
	if got := hull.ParseSettings("c", nil, private).AllowsOrigin(origin); got != want {
		t.Errorf("row %q, origin %q: got %t", row, origin, got)
	}
}

func FuzzAllowsOrigin(f *testing.F) {
	f.Add("*.hull.io", "https://www.hull.io")
	f.Add("[::1]:3000", "http://[::1]:3000")
	f.Add("café.fr", "null")
	f.Fuzz(func(t *testing.T, row, origin string) {
		private, err := json.Marshal(map[string]any{"whitelisted_domains": []string{row}})
		if err != nil {
			t.Fatal(err)
		}
		if !hull.ParseSettings("c", nil, private).AllowsOrigin(origin) {
			return
		}
		// What is allowed goes into a header of the answer.
		for _, c := range origin {
			if c <= ' ' || c == '*' || c == ',' || c >= 0x7f {
				t.Errorf("row %q allows origin %q", row, origin)
			}
		}
	})
}
