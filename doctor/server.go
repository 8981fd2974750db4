package doctor

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// checkReady asks the node whether its store can be reached.
func (x *examination) checkReady(ctx context.Context) verdict {
	a := x.ask(ctx, request{url: x.cfg.URL + "/readyz"})
	code, _ := a.problem()
	switch {
	case a.status == http.StatusOK && strings.TrimSpace(string(a.body)) == "ready":
		return ok("the store is reached")
	case a.status != http.StatusServiceUnavailable || code != "unavailable":
		return unchecked("/readyz is answered %v, not by the node", a)
	}
	change := "config.yaml: redis_url (REDIS_URL): a Redis that the node reaches (redis-cli -u … ping); without one data_dir: a disk with room; the log says why"
	if d := x.diagnosis(); d.failed == "" && d.Store.Kind == "embedded" {
		change = "config.yaml: data_dir: a disk with room; the log says why"
	}
	return fail(change, "the node is not ready: %v", a)
}

func (x *examination) isUnready(ctx context.Context) bool { return x.checkReady(ctx).status == Fail }

// protocol is the version that the doctor knows: info.version of /openapi.yaml.
const protocol = "1"

var described = regexp.MustCompile(`(?m)^  (title|version): "?([^"\n]*)"?$`)

func (x *examination) checkProtocol(ctx context.Context) verdict {
	const change = "the version of Hullbeam, or of hullbeam doctor: one that speaks the same protocol"
	if x.cfg.Connector != "" && x.token().given() && x.live().begins() && x.live().heartbeat == 0 {
		return fail(change, "a stream does not begin with room.joined and heartbeat_ms")
	}
	a := x.ask(ctx, request{url: x.cfg.URL + "/openapi.yaml"})
	said := map[string]string{}
	for _, m := range described.FindAllSubmatch(a.body, 10) {
		if _, again := said[string(m[1])]; !again {
			said[string(m[1])] = string(m[2])
		}
	}
	switch {
	case a.status != http.StatusOK || said["title"] != "Hullbeam":
		return unchecked("/openapi.yaml is answered %v", a)
	case said["version"] != protocol:
		return warn(change, "the server speaks protocol %q, this doctor knows %q", quote(said["version"]), protocol)
	}
	return ok("the server speaks protocol %s", protocol)
}

// checkSnippetFile looks at how the snippet comes.
func (x *examination) checkSnippetFile(ctx context.Context) verdict {
	a := x.ask(ctx, request{url: x.cfg.URL + "/ship.js", header: header("Accept-Encoding", "gzip")})
	coding := strings.Join(a.header.Values("Content-Encoding"), ", ")
	policy := strings.Join(a.header.Values("Cross-Origin-Resource-Policy"), ", ")
	switch {
	case a.late():
		return unchecked("/ship.js is answered %v", a)
	case a.status != http.StatusOK:
		return fail("nginx: location = /ship.js { proxy_pass …; }", "/ship.js is answered %v", a)
	case !strings.Contains(a.header.Get("Content-Type"), "javascript"):
		return fail("nginx: nothing that changes Content-Type (default_type, add_header)", "/ship.js comes as %q, which browsers do not run (nosniff)", quote(a.header.Get("Content-Type")))
	case strings.Contains(coding, ",") || packedTwice(a.body):
		return fail("nginx: gzip off; for /ship.js, which Hullbeam compresses itself, and no add_header Content-Encoding", "/ship.js is compressed twice, or says so: Content-Encoding: %s", quote(coding))
	case policy != "" && policy != "cross-origin":
		return fail("nginx: no add_header Cross-Origin-Resource-Policy …", "/ship.js comes with Cross-Origin-Resource-Policy: %s, so that other sites' pages do not run it", quote(policy))
	}
	return ok("/ship.js comes as a script")
}

// packedTwice tells whether a body is gzip within gzip.
func packedTwice(body []byte) bool {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return false
	}
	begin := make([]byte, 2)
	_, err = io.ReadFull(r, begin)
	return err == nil && bytes.Equal(begin, []byte{0x1f, 0x8b})
}

// checkSignatures sends a notification without a signature, and without anything in it: who
// looks for the signature first refuses that, who does not refuses what is in it.
func (x *examination) checkSignatures(ctx context.Context) verdict {
	a := x.ask(ctx, request{method: http.MethodPost, url: x.cfg.URL + "/smart-notifier", body: "-",
		header: header("X-Hull-Smart-Notifier", "true", "Content-Type", "application/json")})
	var refusal struct{ Errors []struct{ Code string } }
	if a.decode(&refusal) != nil || len(refusal.Errors) == 0 {
		return unchecked("/smart-notifier is answered %v", a)
	}
	switch code := refusal.Errors[0].Code; code {
	case "UNSUPPORTED_SIGNATURE_VERSION", "MISSING_SIGNATURE_HEADERS":
		return ok("a notification without a signature is refused")
	case "INVALID_JSON", "MISSING_NOTIFICATION":
		return fail("config.yaml: hull.verify_signatures: true", "notifications are read though nothing has signed them")
	default:
		return unchecked("a notification without a signature is answered %s", quote(code))
	}
}
