package api_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"hullbeam/static"
)

// snippetParts are the parts of the built snippet, as pages ask for them, by their names without the hash.
func snippetParts(t *testing.T) map[string]string {
	t.Helper()
	parts := map[string]string{}
	for _, file := range must(fs.Glob(static.FS, "dist/ship/*.js")) {
		path := strings.TrimPrefix(file, "dist")
		parts[regexp.MustCompile(`^/ship/([a-z]+)-`).FindStringSubmatch(path)[1]] = path
	}
	return parts
}

func TestSnippetFiles(t *testing.T) {
	s := start(t, options{})
	more := snippetParts(t)["more"]
	const ours, forever = "public, max-age=3600, stale-while-revalidate=86400", "public, max-age=31536000, immutable"
	const script, text = "text/javascript; charset=utf-8", "text/plain; charset=utf-8"
	for _, row := range []struct{ name, path, file, age, kind string }{
		{"the snippet is asked for again within hours", "/ship.js", "dist/ship.js", ours, script},
		{"so are its types", "/ship.d.ts", "dist/ship.d.ts", ours, text},
		{"a part never changes", more, "dist" + more, forever, script},
		{"a part of another version is this one's, for now", "/ship/more-YESTERDA.js", "dist" + more, "no-cache", script},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := s.do("GET", row.path, "", "Origin: https://www.harbor.example", "Accept-Encoding: identity")
			if want := must(static.FS.ReadFile(row.file)); r.status != http.StatusOK || !bytes.Equal(r.body, want) {
				t.Errorf("got %d and %d bytes, want those of %s", r.status, len(r.body), row.file)
			}
			expectHeaders(t, r, map[string]string{
				"Cache-Control": row.age, "Content-Type": row.kind, "Content-Encoding": "", "Vary": "Accept-Encoding",
				"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff",
			})
			packed := s.do("GET", row.path, "", "Accept-Encoding: br, gzip")
			expectHeaders(t, packed, map[string]string{"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "ETag": r.header.Get("ETag")})
			if got := must(io.ReadAll(must(gzip.NewReader(bytes.NewReader(packed.body))))); !bytes.Equal(got, r.body) {
				t.Errorf("packed it is something else: %d bytes", len(got))
			}
			head := s.do("HEAD", row.path, "", "Accept-Encoding: identity")
			if head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("ETag") != r.header.Get("ETag") || head.header.Get("Cache-Control") != row.age {
				t.Errorf("HEAD: got %d, %d bytes, %v", head.status, len(head.body), head.header)
			}
		})
	}
}

func expectHeaders(t *testing.T, r reply, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := r.header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

// A browser that has a file is not sent it again, also when a proxy has packed it (RFC 9110, 8.8.1: W/).
func TestSnippetIsAsItWas(t *testing.T) {
	s := start(t, options{})
	for _, path := range []string{"/ship.js", snippetParts(t)["more"], "/ship/more-YESTERDA.js"} {
		first := s.do("GET", path, "")
		tag := first.header.Get("ETag")
		for etag, want := range map[string]int{tag: http.StatusNotModified, "W/" + tag: http.StatusNotModified, `"another"`: http.StatusOK} {
			r := s.do("GET", path, "", "If-None-Match: "+etag)
			if r.status != want || (r.status == http.StatusNotModified) != (len(r.body) == 0) {
				t.Errorf("%s, If-None-Match: %s: got %d and %d bytes, want %d", path, etag, r.status, len(r.body), want)
			}
			expectHeaders(t, r, map[string]string{"ETag": tag, "Cache-Control": first.header.Get("Cache-Control"), "Access-Control-Allow-Origin": "*"})
		}
	}
}

func TestSnippetPartsThatThereAreNot(t *testing.T) {
	s := start(t, options{})
	for _, path := range []string{
		"/ship/nothing-YESTERDA.js", "/ship/mor-YESTERDA.js", "/ship/more-yesterda.js", "/ship/more-YESTER.js", "/ship/more-YESTERDA.ts",
		"/ship/more.js", "/ship/ship.js", "/ship/-YESTERDA.js", "/ship/..%2Fmore-YESTERDA.js", "/ship/%2e%2e%2fship.js",
	} {
		if r := s.do("GET", path, ""); r.status != http.StatusNotFound || r.code() != "not_found" {
			t.Errorf("%s: got %d %s", path, r.status, r.code())
		}
	}
}

// Who has the snippet is not sent it again, however the tag is said (RFC 9110, 13.1.2).
func TestSnippetIsSentOnce(t *testing.T) {
	s := start(t, options{})
	first := s.do("GET", "/ship.js", "")
	tag := first.header.Get("ETag")
	if first.status != http.StatusOK || !strings.HasPrefix(tag, `"`) {
		t.Fatalf("%d %s", first.status, first.header)
	}
	for _, test := range []struct {
		headers []string
		want    int
	}{
		{[]string{tag}, http.StatusNotModified},
		{[]string{"W/" + tag}, http.StatusNotModified},
		{[]string{`"older", W/` + tag + `, "oldest"`}, http.StatusNotModified},
		{[]string{`"older"`, tag}, http.StatusNotModified},
		{[]string{"*"}, http.StatusNotModified},
		{[]string{`"older"`}, http.StatusOK},
		{[]string{strings.Trim(tag, `"`)}, http.StatusOK},
		{[]string{""}, http.StatusOK},
	} {
		var headers []string
		for _, value := range test.headers {
			headers = append(headers, "If-None-Match: "+value)
		}
		got := s.do("GET", "/ship.js", "", headers...)
		if got.status != test.want || (len(got.body) == 0) != (test.want == http.StatusNotModified) {
			t.Errorf("If-None-Match: %q: %d, %d bytes; want %d", test.headers, got.status, len(got.body), test.want)
		}
		for _, name := range []string{"ETag", "Cache-Control", "Access-Control-Allow-Origin", "Vary"} {
			if got.header.Get(name) != first.header.Get(name) || got.header.Get(name) == "" {
				t.Errorf("If-None-Match: %q: %s is %q", test.headers, name, got.header.Get(name))
			}
		}
	}
}

// It is compressed for those alone who take that (RFC 9110, 12.5.3).
func TestSnippetIsCompressed(t *testing.T) {
	s := start(t, options{})
	for accepted, want := range map[string]string{
		"gzip":                     "gzip",
		"gzip, deflate, br, zstd":  "gzip",
		"br;q=1.0, GZIP ; q = 0.5": "gzip",
		"gzip;q=0":                 "",
		"br, gzip; q=0.000":        "",
		"gzip;q=much":              "",
		"x-gzipped":                "",
		"identity":                 "",
		"":                         "",
	} {
		got := s.do("GET", "/ship.js", "", "Accept-Encoding: "+accepted)
		if encoding := got.header.Get("Content-Encoding"); encoding != want {
			t.Errorf("Accept-Encoding: %s: %q, want %q", accepted, encoding, want)
		}
	}
}
