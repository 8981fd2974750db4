package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"hullbeam/api"
)

// send sends a request with headers as they are, several of a name too.
func (s *server) send(request string) reply {
	s.t.Helper()
	conn := must(net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")))
	defer conn.Close()
	must(conn.Write([]byte(request)))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	return reply{status: res.StatusCode, header: res.Header}
}

// Who is counted is the last of X-Forwarded-For whom no trusted proxy vouches for, and
// nothing else that a request says.
func TestAddresses(t *testing.T) {
	const (
		none  = "" // no proxy is trusted
		one   = "127.0.0.1"
		chain = "127.0.0.1,10.0.0.0/8,2001:db8:1::/48"
	)
	for _, row := range []struct {
		name    string
		trusted string
		a, b    string // headers of two requests
		same    bool   // they are counted as one
	}{
		{"nobody is trusted: a header says nothing", none, "X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2", true},
		{"another peer is trusted: a header says nothing", "127.0.0.9", "X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2", true},
		{"two clients", one, "X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2", false},
		{"one client twice", one, "X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.1", true},
		{"what stands before the last is made up", one, "X-Forwarded-For: 198.51.100.1, 203.0.113.1", "X-Forwarded-For: 198.51.100.2, 203.0.113.1", true},
		{"a line before the proxy's is made up", one, "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 198.51.100.2\r\nX-Forwarded-For: 203.0.113.1", true},
		{"several proxies: the client before them", chain, "X-Forwarded-For: 203.0.113.1, 10.1.2.3, 10.9.9.9", "X-Forwarded-For: 203.0.113.2, 10.1.2.3, 10.9.9.9", false},
		{"several proxies, and what the client made up", chain, "X-Forwarded-For: 10.7.7.7, 203.0.113.1, 10.1.2.3", "X-Forwarded-For: 8.8.8.8, 203.0.113.1, 10.9.9.9", true},
		{"proxies of IPv6 too", chain, "X-Forwarded-For: 203.0.113.1, 2001:db8:1::7", "X-Forwarded-For: 203.0.113.2, [2001:db8:1::7]:443", false},
		{"with ports", one, "X-Forwarded-For: 203.0.113.1:4711", "X-Forwarded-For: 203.0.113.1:815", true},
		{"two with ports", one, "X-Forwarded-For: 203.0.113.1:80", "X-Forwarded-For: 203.0.113.2:80", false},
		{"IPv4 written as IPv6", one, "X-Forwarded-For: ::ffff:203.0.113.1", "X-Forwarded-For: 203.0.113.1", true},
		{"two of IPv4 written as IPv6", one, "X-Forwarded-For: ::ffff:203.0.113.1", "X-Forwarded-For: ::ffff:203.0.113.2", false},
		{"one network of IPv6", one, "X-Forwarded-For: 2001:db8:2:3::1", "X-Forwarded-For: 2001:db8:2:3:ffff::2", true},
		{"two networks of IPv6", one, "X-Forwarded-For: 2001:db8:2:3::1", "X-Forwarded-For: 2001:db8:2:4::1", false},
		{"IPv6 in brackets, with a zone and a port", one, "X-Forwarded-For: [fe80::1%eth0]:443", "X-Forwarded-For: fe80::2%lo", true},
		{"garbage is the proxy's own", one, "X-Forwarded-For: unknown", "X-Forwarded-For: 203.0.113.300", true},
		{"garbage ends the reading", chain, "X-Forwarded-For: 203.0.113.1, <script>, 10.0.0.1", "X-Forwarded-For: 203.0.113.2, _hidden, 10.0.0.1", true},
		{"nothing in it", one, "X-Forwarded-For: ", "X-Forwarded-For: ,", true},
		{"garbage does not make another header count", one, "X-Forwarded-For: x\r\nX-Real-IP: 203.0.113.1", "X-Forwarded-For: x\r\nX-Real-IP: 203.0.113.2", true},
		{"X-Real-IP", one, "X-Real-IP: 203.0.113.1", "X-Real-IP: 203.0.113.2", true},
		{"Forwarded", one, "Forwarded: for=203.0.113.1", "Forwarded: for=203.0.113.2", true},
		{"what content networks add", one, "CF-Connecting-IP: 203.0.113.1\r\nTrue-Client-IP: 203.0.113.1", "CF-Connecting-IP: 203.0.113.2\r\nTrue-Client-IP: 203.0.113.2", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := start(t, options{config: func(c *api.Config) {
				c.Limits.TokensPerAddress = 1
				if row.trusted != none {
					c.TrustedProxies = strings.Split(row.trusted, ",")
				}
			}})
			ask := func(headers string) int {
				body := claim("anonymous_id", anonymous)
				return s.send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: beam.example\r\nOrigin: %s\r\nContent-Type: application/json\r\n%s\r\nContent-Length: %d\r\n\r\n%s",
					tokenPath, page, headers, len(body), body)).status
			}
			if got := ask(row.a); got != http.StatusCreated {
				t.Fatalf("the first: got %d", got)
			}
			want := http.StatusCreated
			if row.same {
				want = http.StatusTooManyRequests
			}
			if got := ask(row.b); got != want {
				t.Errorf("the second: got %d, want %d", got, want)
			}
		})
	}
}

// What a request says of its scheme counts from trusted proxies alone, as soon as there
// are any, and what it says of our name never.
func TestForwardedScheme(t *testing.T) {
	for name, row := range map[string]struct {
		trusted []string
		header  string
		want    string
	}{
		"nobody says anything":             {nil, "X-Other: 1", "http://beam.test"},
		"it is not known who the proxy is": {nil, "X-Forwarded-Proto: https", "https://beam.test"},
		"a trusted proxy":                  {[]string{"127.0.0.1"}, "X-Forwarded-Proto: https", "https://beam.test"},
		"another than the trusted proxy":   {[]string{"127.0.0.9"}, "X-Forwarded-Proto: https", "http://beam.test"},
		"a trusted proxy that had http":    {[]string{"127.0.0.1"}, "X-Forwarded-Proto: http", "http://beam.test"},
		"another name":                     {[]string{"127.0.0.1"}, "X-Forwarded-Host: evil.example", "http://beam.test"},
		"rubbish":                          {nil, "X-Forwarded-Proto: https://evil.example/?", "http://beam.test"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{config: func(c *api.Config) { c.PublicURL, c.TrustedProxies = "", row.trusted }})
			if got := s.manifest("Host: beam.test", row.header).Index; got != row.want+"/ship.js" {
				t.Errorf("got %s, want %s", got, row.want)
			}
			r := s.do("POST", "/api/v1/session", `{"key":"an admin key for tests"}`, "Content-Type: application/json", "Host: beam.test", row.header)
			secure := strings.HasPrefix(row.want, "https")
			if let := r.status == http.StatusCreated; let != secure {
				t.Errorf("signing in: got %d %s", r.status, r.body)
			}
			if cookie := r.header.Get("Set-Cookie"); strings.Contains(cookie, "Secure") != secure {
				t.Errorf("cookie: %s", cookie)
			}
		})
	}
}
