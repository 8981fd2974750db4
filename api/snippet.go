package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"iter"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"hullbeam/static"
)

// snippetFile is a built file of the page snippet, as it is sent.
type snippetFile struct {
	plain, gzip []byte
	etag        string
}

// snippetFiles are the files of static/dist by their paths: /ship.js, /ship.d.ts and,
// below /ship/, the parts that pages fetch when they need them.
var snippetFiles = sync.OnceValue(func() map[string]snippetFile {
	files := map[string]snippetFile{}
	dist, _ := fs.Sub(static.FS, "dist") // it is there: embed
	fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dist, name)
		sum := sha256.Sum256(text)
		files["/"+name] = snippetFile{text, compress(text), `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		return err
	})
	return files
})

func compress(text []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a level that is there
	w.Write(text)
	w.Close()
	return b.Bytes()
}

// snippetAge is how long a page may use ship.js without asking whether there is a newer one: an
// hour, and a day longer while it asks.
const snippetAge = "public, max-age=3600, stale-while-revalidate=86400"

var partName = regexp.MustCompile(`^(/ship/[a-z]+-)[A-Z0-9]{8}\.js$`)

// ofThisVersion is the name that a part of another version has in this one: pages have
// the core of yesterday's version for a day, and nodes of two versions are asked while one
// is deployed. So what the core and its parts know of each other is only added to
// (static/ship/parts.ts). "" for what is no part.
func ofThisVersion(name string) string {
	m := partName.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	for ours := range snippetFiles() {
		if strings.HasPrefix(ours, m[1]) {
			return ours
		}
	}
	return ""
}

// getSnippet answers the page snippet and its parts. Any page may load them: they hold
// nothing of anybody. The name of a part has its hash, so that it never changes.
func (s *Server) getSnippet(c *gin.Context) {
	forAnyPage(c)
	name := c.Request.URL.Path
	file, ok := snippetFiles()[name]
	age := snippetAge
	switch {
	case !ok:
		if file, ok = snippetFiles()[ofThisVersion(name)]; !ok {
			s.fail(c, newProblem("not_found", "There is no such part of the snippet."))
			return
		}
		age = "no-cache"
	case strings.HasPrefix(name, "/ship/"):
		age = "public, max-age=31536000, immutable"
	}
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", file.etag)
	h.Set("Cache-Control", age)
	if hasTag(c.Request.Header, file.etag) {
		c.Status(http.StatusNotModified)
		return
	}
	kind := "text/javascript; charset=utf-8"
	if path.Ext(name) == ".ts" {
		kind = "text/plain; charset=utf-8"
	}
	if takesGzip(c.Request.Header) {
		h.Set("Content-Encoding", "gzip")
		c.Data(http.StatusOK, kind, file.gzip)
		return
	}
	c.Data(http.StatusOK, kind, file.plain)
}

// hasTag says whether who asks has what the tag is of: If-None-Match is `*`, or a list of
// tags, whose weakness does not matter (RFC 9110, 13.1.2).
func hasTag(h http.Header, etag string) bool {
	for tag := range listed(h, "If-None-Match") {
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// takesGzip says whether Accept-Encoding names gzip, with a weight above 0 (RFC 9110, 12.5.3).
func takesGzip(h http.Header) bool {
	for entry := range listed(h, "Accept-Encoding") {
		if coding, weight := weighed(entry); coding == "gzip" {
			return weight > 0
		}
	}
	return false
}

// listed are the entries of a header that is a list, on however many lines.
func listed(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for entry := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
			if !yield(strings.TrimSpace(entry)) {
				return
			}
		}
	}
}
