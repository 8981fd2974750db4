package attack

import (
	"strings"
)

// hostsOfOurs are hosts that lead, or are hoped to lead, to where only the server can
// get, by what is tried. In them {port} is the bait's.
var hostsOfOurs = []struct{ name, host string }{
	{"this machine", "127.0.0.1:{port}"},
	{"this machine, by its name", "localhost:{port}"},
	{"this machine at the usual port", "127.0.0.1"},
	{"this machine in one number", "2130706433:{port}"},
	{"this machine in octal", "0177.0.0.1:{port}"},
	{"this machine in hexadecimal", "0x7f000001:{port}"},
	{"this machine in short", "127.1:{port}"},
	{"all addresses of this machine", "0.0.0.0:{port}"},
	{"this machine in IPv6", "[::1]:{port}"},
	{"this machine, IPv4 in IPv6", "[::ffff:127.0.0.1]:{port}"},
	{"the same in hexadecimal", "[::ffff:7f00:1]:{port}"},
	{"this machine behind NAT64", "[64:ff9b::7f00:1]:{port}"},
	{"with a zone", "[::1%25lo]:{port}"},
	{"a cloud's metadata", "169.254.169.254"},
	{"a cloud's metadata by name", "metadata.google.internal"},
	{"a private network", "10.0.0.1"},
	{"a name that has {good} before it", "{good}.evil.test"},
	{"a name that ends as {good}", "evil{good}"},
	{"{good} as the user", "{good}@127.0.0.1:{port}"},
	{"{good} as user and password", "{good}:443@127.0.0.1:{port}"},
	{"{good} at another port", "x.{good}:{port}"},
	{"{good} with a dot at the end", "{good}."},
	{"{good} behind a backslash", `127.0.0.1:{port}\.{good}`},
	{"{good} in the fragment", "127.0.0.1:{port}#.{good}"},
	{"{good} in the path", "127.0.0.1:{port}/.{good}"},
	{"{good} with a dot that is no ASCII", "127。0。0。1。{good}"},
	{"{good} in letters that are no ASCII", "ｈullapp.io"},
	{"nothing", ""},
}

// urlsOfOurs are the addresses of those hosts, and some of another scheme.
func urlsOfOurs(good string) (urls []struct{ name, url string }) {
	add := func(name, url string) {
		urls = append(urls, struct{ name, url string }{strings.ReplaceAll(name, "{good}", good), strings.ReplaceAll(url, "{good}", good)})
	}
	for _, h := range hostsOfOurs {
		add(h.name, "https://"+h.host+"/bait")
	}
	for _, scheme := range []string{"http://{good}/", "http://127.0.0.1:{port}/", "ftp://{good}/", "gopher://127.0.0.1:{port}/_GET%20/", "file:///etc/passwd",
		"data:text/plain,x", "//127.0.0.1:{port}/", "https:/{good}", "jar:https://{good}!/", "{good}"} {
		add("the address "+scheme, scheme)
	}
	return urls
}

func (x *try) atBait(url string) string { return strings.ReplaceAll(url, "{port}", x.Bait.port) }

func fetches() []Attack {
	var attacks []Attack
	for _, u := range urlsOfOurs("hullapp.io") {
		attacks = append(attacks, row("for a key: "+u.name, func(x *try) {
			n := x.notified()
			n.key = strangersKey()
			n.header["X-Hull-Smart-Notifier-Signature-Public-Key-Url"] = x.atBait(u.url)
			code := "UNTRUSTED_KEY_URL"
			if !x.FetchesKeys { // nobody looks at the address then
				code = "INVALID_SIGNATURE"
			}
			x.deliver(n).refused(400, code)
		}))
	}
	for _, u := range urlsOfOurs("amazonaws.com") {
		attacks = append(attacks, row("for an extract: "+u.name, func(x *try) { x.extracting(x.atBait(u.url)).refused(400, "UNTRUSTED_EXTRACT_URL", "INVALID_EXTRACT") }))
	}
	for _, at := range []string{
		"https://127.0.0.1:{port}/x.pem", "https://sns.us-east-1.amazonaws.com.evil.test/x.pem", "http://sns.us-east-1.amazonaws.com/x.pem",
		"https://sns.us-east-1.amazonaws.com@127.0.0.1:{port}/x.pem", "https://sns.us-east-1.amazonaws.com:{port}/x.pem",
		"https://sns.s3-us-west-2.amazonaws.com/x.pem", "https://evil.sns.us-east-1.amazonaws.com/x.pem", "https://sns.us-east-1.amazonaws.com/x.pem?next=.pem",
		"https://sns.us-east-1.amazonaws.com/x.pem#.pem", "https://[::1]:{port}/x.pem", "file:///etc/ssl/cert.pem",
	} {
		attacks = append(attacks, row("for a certificate of Amazon's: "+at, func(x *try) {
			x.bySNS(nil, object{"SigningCertURL": x.atBait(at)}).refused(400, "UNTRUSTED_KEY_URL")
		}))
	}
	return group("fetching", "docs/protocol.md#order-of-checks, #extract; hull/dial_test.go", append(attacks,
		row("to confirm a subscription at a stranger's", func(x *try) {
			x.bySNS(nil, object{
				"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": x.Bait.url("https", "127.0.0.1"),
				"SigningCertURL": x.Bait.url("https", "127.0.0.1") + ".pem",
			}).refused(400, "UNTRUSTED_KEY_URL")
		}),
		redirected("for an extract at Hull's that leads elsewhere", func(x *try) {
			x.extracting(x.HullURL+"/redirect").refused(400, "EXTRACT_UNREACHABLE")
		}),
		redirected("for an extract at Hull's host by another spelling", func(x *try) {
			x.extracting(strings.Replace(x.HullURL, "http://127.0.0.1", "http://hull@127.0.0.1", 1)).refused(400, "UNTRUSTED_EXTRACT_URL")
		}),
		row("for an extract with another connector's secret", func(x *try) {
			c := x.victim
			c.secret = x.foe.secret
			x.send(post("/batch?"+c.credentials(), object{"url": x.Bait.url("https", "127.0.0.1")})).refused(403, "INVALID_CREDENTIALS")
		}),
		row("for an extract with the secret given twice", func(x *try) {
			x.send(post("/batch?"+x.victim.credentials()+"&secret=x", object{"url": x.Bait.url("https", "127.0.0.1")})).refused(403, "MISSING_CREDENTIALS")
		}),
		row("an organization of an operator's that is no host", func(x *try) {
			for _, organization := range []string{"127.0.0.1", "127.0.0.1:" + x.Bait.port, "[::1]", "x.hullapp.io@127.0.0.1", "hullapp.io/x", "0x7f000001"} {
				x.send(put("/api/v1/connectors/attack-"+x.table+"-ssrf", object{"organization": organization}).key(x.AdminKey)).refused(400, "invalid_request")
			}
		}),
	)...)
}

func (x *try) extracting(url string) *answer {
	return x.send(post("/batch?"+x.victim.credentials(), object{"url": url, "format": "json"}))
}

// redirected marks attacks for which the server must take the bait's word for Hull's.
func redirected(name string, run func(*try)) Attack {
	a := row(name, run)
	a.needs = func(t *Target) string {
		if t.HullURL == "" {
			return "the server asks another Hull"
		}
		return ""
	}
	return a
}
