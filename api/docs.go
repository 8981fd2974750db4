package api

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"hullbeam/docs"
	"hullbeam/static"
)

// docsPolicy is what a page of the documents may load: its style sheet and its pictures.
const docsPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsAge is how long a document may be used without asking whether there is a newer one.
const docsAge = "public, max-age=300"

// docsFile is a file below /docs, as it is sent. Plain is made anew for the few who do not
// take gzip.
type docsFile struct {
	kind, etag string
	gzip       []byte
}

// docsFiles are the files below /docs that were asked for. There are as many as there are
// documents, twice: as pages, and as Markdown.
type docsFiles struct {
	site    *docs.Site
	missing func() ([]byte, error) // the page in place of one that there is not
	mu      sync.Mutex
	made    map[string]docsFile
}

func newDocsFiles() *docsFiles {
	openapi, _ := static.FS.ReadFile("openapi.yaml") // it is there: embed
	return &docsFiles{site: docs.NewSite(openapi), missing: sync.OnceValues(docs.Missing), made: map[string]docsFile{}}
}

// get makes a file when it is asked for first. fs.ErrNotExist: there is none of this name.
func (d *docsFiles) get(name string) (docsFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if file, ok := d.made[name]; ok {
		return file, nil
	}
	kind, text, err := d.make(name)
	if err != nil {
		return docsFile{}, err
	}
	sum := sha256.Sum256(text)
	file := docsFile{kind, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, compress(text)}
	d.made[name] = file
	return file, nil
}

// make makes what a name asks for: by its ending a style sheet, a picture or Markdown, else
// a page.
func (d *docsFiles) make(name string) (kind string, text []byte, err error) {
	switch path.Ext(name) {
	case ".css":
		if docs.Root+"/"+name != docs.StylePath {
			return "", nil, fs.ErrNotExist
		}
		return "text/css; charset=utf-8", docs.Style(), nil
	case ".svg":
		text, err = docs.Picture(name)
		return "image/svg+xml", text, err
	case ".md":
		text, err = d.site.Markdown(strings.TrimSuffix(name, ".md"))
		return "text/markdown; charset=utf-8", text, err
	default:
		text, err = d.site.HTML(name)
		return "text/html; charset=utf-8", text, err
	}
}

// getDocs answers a document by its name: /docs/errors/token_expired is what a problem's
// type leads to. Browsers get a page; who does not ask for one, and who asks for a name
// that ends in .md, gets Markdown. Its links are relative: it has one address, for /docs
// and start/ would have them lead elsewhere.
func (s *Server) getDocs(c *gin.Context) {
	name := strings.Trim(c.Param("page"), "/")
	at := docs.Root + "/" + name
	name = cmp.Or(name, "start")
	c.Writer.Header().Set("Vary", "Accept, Accept-Encoding")
	if path.Ext(name) == "" && !takesHTML(c.Request.Header) {
		name += ".md"
	}
	file, err := s.docs.get(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		s.missing(c, newProblem("not_found", "There is no such document."))
	} else if err != nil {
		s.fail(c, err)
	} else if c.Request.URL.Path != at {
		c.Redirect(http.StatusPermanentRedirect, (&url.URL{Path: at}).EscapedPath())
	} else {
		answerDocs(c, file)
	}
}

// missing answers that there is nothing here, where people may have typed the address: a
// browser gets a page that leads to the documents, others the problem.
func (s *Server) missing(c *gin.Context, err error) {
	if !takesHTML(c.Request.Header) {
		s.fail(c, err)
		return
	}
	page, broken := s.docs.missing()
	if broken != nil {
		s.fail(c, broken)
		return
	}
	p := s.refusal(c, err)
	asPage(c, docsPolicy)
	c.Data(p.Status, "text/html; charset=utf-8", page)
	c.Abort()
}

func answerDocs(c *gin.Context, file docsFile) {
	asPage(c, docsPolicy)
	h, gzips := c.Writer.Header(), takesGzip(c.Request.Header)
	tag := file.etag
	if gzips {
		tag = strings.TrimSuffix(tag, `"`) + `-gzip"` // other bytes have another tag
	}
	h.Set("ETag", tag)
	h.Set("Cache-Control", docsAge)
	if hasTag(c.Request.Header, tag) {
		c.Status(http.StatusNotModified)
		return
	}
	if gzips {
		h.Set("Content-Encoding", "gzip")
		c.Data(http.StatusOK, file.kind, file.gzip)
		return
	}
	plain, _ := gzip.NewReader(bytes.NewReader(file.gzip)) // ours
	text, _ := io.ReadAll(plain)
	c.Data(http.StatusOK, file.kind, text)
}

// takesHTML says whether Accept asks for HTML by its name, and not rather for Markdown
// (RFC 9110, 12.5.1). Browsers do; curl and programs, which take anything, do not.
func takesHTML(h http.Header) bool {
	var html, markdown float64
	for entry := range listed(h, "Accept") {
		switch kind, weight := weighed(entry); kind {
		case "text/html", "application/xhtml+xml":
			html = max(html, weight)
		case "text/markdown":
			markdown = max(markdown, weight)
		}
	}
	return html > 0 && html >= markdown
}

// weighed are what an entry of a list names, in lower case, and its weight: 1 without one,
// 0 when that cannot be read (RFC 9110, 12.4.2).
func weighed(entry string) (name string, weight float64) {
	name, parameters, _ := strings.Cut(entry, ";")
	weight = 1
	for parameter := range strings.SplitSeq(parameters, ";") {
		if key, value, _ := strings.Cut(strings.TrimSpace(parameter), "="); strings.EqualFold(key, "q") {
			weight, _ = strconv.ParseFloat(value, 64)
		}
	}
	return strings.ToLower(strings.TrimSpace(name)), weight
}

// getLLMs answers the table of contents for programs that read (llmstxt.org).
func getLLMs(c *gin.Context) {
	c.Header("Cache-Control", docsAge)
	c.Data(http.StatusOK, "text/plain; charset=utf-8", docs.LLMs())
}
