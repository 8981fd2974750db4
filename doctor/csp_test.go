package doctor_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"hullbeam/doctor"
)

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// What a policy lets a page at https://www.example.com ask, by the rules of CSP3.
func TestPolicyAllowsConnection(t *testing.T) {
	const beam = "https://beam.example.com/api/v1/stream"
	for _, row := range []struct {
		policy, target string
		want           bool
	}{
		{"", beam, true},
		{"script-src 'none'", beam, true},
		{"default-src 'none'", beam, false},
		{"default-src 'none'; connect-src *", beam, true},
		{"connect-src", beam, false},
		{"connect-src 'none'", beam, false},
		{"connect-src 'self'", beam, false},
		{"connect-src 'self'", "https://www.example.com/x", true},
		{"CONNECT-SRC 'SELF'", "https://www.example.com/x", true},
		{"connect-src 'none'; connect-src *", beam, false},
		{"connect-src https:", beam, true},
		{"connect-src http:", beam, true},
		{"connect-src wss:", beam, true},
		{"connect-src data:", beam, false},
		{"connect-src https:", "http://beam.example.com/", false},
		{"connect-src beam.example.com", beam, true},
		{"connect-src beam.example.com", "http://beam.example.com/", false},
		{"connect-src http://beam.example.com", beam, true},
		{"connect-src https://BEAM.example.com", beam, true},
		{"connect-src *.example.com", beam, true},
		{"connect-src *.example.com", "https://example.com/", false},
		{"connect-src *.beam.example.com", beam, false},
		{"connect-src *.", beam, false},
		{"connect-src beam.example.com:443", beam, true},
		{"connect-src beam.example.com:80", beam, true},
		{"connect-src beam.example.com:*", "https://beam.example.com:8443/", true},
		{"connect-src beam.example.com", "https://beam.example.com:8443/", false},
		{"connect-src beam.example.com:8443", "https://beam.example.com:8443/", true},
		{"connect-src beam.example.com/api/", beam, true},
		{"connect-src beam.example.com/api", beam, false},
		{"connect-src beam.example.com/%61pi/v1/stream", beam, true},
		{"connect-src beam.example.com/%zz", beam, false},
		{"connect-src beam.example.com/", beam, true},
		{"connect-src http://127.0.0.1:8082", "http://127.0.0.1:8082/x", true},
		{"connect-src *.0.0.1:8082", "http://127.0.0.1:8082/x", false},
		{"connect-src http://[::1]:8082", "http://[::1]:8082/x", true},
		{"connect-src\t'self'\f" + "beam.example.com\r\n", beam, true},
	} {
		allowed := true
		for _, p := range doctor.ParsePolicies(row.policy) {
			one, _ := p.AllowsConnection(parse(t, "https://www.example.com/"), parse(t, row.target))
			allowed = allowed && one
		}
		if allowed != row.want {
			t.Errorf("%q, %s: got %v", row.policy, row.target, allowed)
		}
	}
}

// Which scripts a policy lets a page run, and which directive says no.
func TestPolicyAllowsScript(t *testing.T) {
	nonce, hash := doctor.Tag{Nonce: "n0nce"}, doctor.Tag{Integrity: "sha256-abc= sha384-def="}
	for _, row := range []struct {
		policy    string
		tag       doctor.Tag
		want      bool
		directive string
	}{
		{"img-src 'none'", doctor.Tag{}, true, ""},
		{"default-src 'self'", doctor.Tag{}, false, "default-src"},
		{"default-src 'none'; script-src https:", doctor.Tag{}, true, ""},
		{"script-src https:; script-src-elem 'none'", doctor.Tag{}, false, "script-src-elem"},
		{"script-src-attr 'none'", doctor.Tag{}, true, ""},
		{"script-src 'unsafe-inline' 'unsafe-eval'", doctor.Tag{}, false, "script-src"},
		{"script-src 'nonce-n0nce'", nonce, true, ""},
		{"script-src 'nonce-N0NCE'", nonce, false, "script-src"},
		{"script-src 'nonce-n0nce'", doctor.Tag{}, false, "script-src"},
		{"script-src 'nonce-'", doctor.Tag{}, false, "script-src"},
		{"script-src 'strict-dynamic' 'nonce-n0nce'", nonce, true, ""},
		{"script-src 'strict-dynamic' https:", doctor.Tag{}, false, "script-src"},
		{"script-src 'STRICT-dynamic' 'nonce-n0nce' https:", doctor.Tag{}, false, "script-src"},
		{"script-src 'sha256-abc=' 'sha384-def='", hash, true, ""},
		{"script-src 'sha256-abc='", hash, false, "script-src"},
		{"sandbox", doctor.Tag{}, false, "sandbox"},
		{"sandbox allow-forms allow-SCRIPTS", doctor.Tag{}, true, ""},
	} {
		p := doctor.ParsePolicies(row.policy)[0]
		allowed, directive := p.AllowsScript(parse(t, "https://www.example.com/"), parse(t, "https://beam.example.com/ship.js"), row.tag)
		if allowed != row.want || !allowed && directive != row.directive {
			t.Errorf("%q with %+v: got %v by %q", row.policy, row.tag, allowed, directive)
		}
	}
}

func TestParsePolicies(t *testing.T) {
	got := doctor.ParsePolicies("a b;; c, ,d", "e 'x';E y")
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if want := []string{"a b; c", "d", "e 'x'"}; !slices.Equal(texts, want) {
		t.Errorf("got %q, want %q", texts, want)
	}
}

// Whatever a policy says, it is read the same when it is written down; one more policy never
// allows more; and 'none' allows nothing.
func FuzzPolicies(f *testing.F) {
	for _, seed := range []string{
		"script-src 'self' https://a.b:*/c; connect-src *", "default-src 'none',connect-src http://[::1]:80/%2f", "sandbox;script-src 'strict-dynamic' 'nonce-n'",
		"connect-src *.:::*//", "script-src\x00\xff;\u00a0connect-src a", "connect-src https:// :// / *:",
	} {
		f.Add(seed, "https://beam.example.com:8443/a%2Fb")
	}
	f.Fuzz(func(t *testing.T, text, address string) {
		target, err := url.Parse(address)
		if err != nil {
			return
		}
		self := parse(t, "https://www.example.com/")
		judge := func(text string) (script, connection bool) {
			script, connection = true, true
			for _, p := range doctor.ParsePolicies(text) {
				one, _ := p.AllowsScript(self, target, doctor.Tag{Nonce: "n"})
				two, _ := p.AllowsConnection(self, target)
				script, connection = script && one, connection && two
			}
			return script, connection
		}
		script, connection := judge(text)
		var written []string
		for _, p := range doctor.ParsePolicies(text) {
			written = append(written, p.String())
		}
		if s, c := judge(strings.Join(written, ",")); s != script || c != connection {
			t.Errorf("%q is written as %q, and allows something else", text, written)
		}
		if s, c := judge(text + ",script-src 'none'; connect-src 'none'"); s || c {
			t.Errorf("%q and 'none' allow script %v, connection %v", text, s, c)
		}
	})
}
