package docs

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed site
var site embed.FS

// Style is the style sheet of all pages, which they have at StylePath.
func Style() []byte {
	text, _ := site.ReadFile("site/site.css") // it is there: embed
	return text
}

// Root is where the documents are served. Pages link to each other from it.
const Root = "/docs"

// StylePath is where pages have their style sheet.
const StylePath = Root + "/site.css"

// OpenAPIPath is where the description of the API is served.
const OpenAPIPath = "/openapi.yaml"

// pageTemplate is parsed when the first page is asked for: most processes are asked for none.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html").Funcs(template.FuncMap{"href": href}).ParseFS(site, "site/page.html"))
})

// href is where the page of a document is.
func href(name string) string { return Root + "/" + name }

// Site makes pages of the documents. It keeps nothing of what it has made.
type Site struct{ openapi []byte }

// NewSite is given the description of the API, which has a page of its own.
func NewSite(openapi []byte) *Site { return &Site{openapi} }

// Markdown is a document by its name, without .md. The API's is made, and so is the list
// of a directory's documents that nobody has written. fs.ErrNotExist: there is none.
func (s *Site) Markdown(name string) ([]byte, error) {
	if name == apiName {
		return s.apiList()
	}
	if !fs.ValidPath(name) {
		return nil, fs.ErrNotExist
	}
	text, err := fs.ReadFile(FS, name+".md")
	if errors.Is(err, fs.ErrNotExist) && (name == errorsName || name == decisionsName) {
		return directory(name)
	}
	return text, err
}

// Picture is a picture of the documents, an SVG, by its file's name. fs.ErrNotExist: there
// is none.
func Picture(name string) ([]byte, error) {
	if path.Ext(name) != ".svg" || !fs.ValidPath(name) {
		return nil, fs.ErrNotExist
	}
	return fs.ReadFile(FS, name)
}

// page is what the template of a page is given.
type page struct {
	Name, Title, Says       string
	Contents                []Section
	Previous, Current, Next *Document
	Headings                []heading
	Body                    template.HTML
}

// Is tells the navigation which document is shown.
func (p page) Is(d Document) bool { return p.Current != nil && p.Current.Name == d.Name }

// HTML is the page of a document. fs.ErrNotExist: there is none.
func (s *Site) HTML(name string) ([]byte, error) {
	source, err := s.Markdown(name)
	if err != nil {
		return nil, err
	}
	var body rendered
	if name == apiName {
		body, err = s.apiPage()
	} else {
		body, err = render(source, linker{link: func(to string) (string, bool) { return linked(name, to) }})
	}
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	p := page{Name: name, Title: body.Title, Contents: Contents, Headings: body.Headings, Body: body.HTML}
	p.Previous, p.Current, p.Next = around(name)
	if p.Current != nil {
		p.Says = p.Current.Says
	} else { // one in a directory
		p.Says = firstSentence(source)
		_, p.Current, _ = around(path.Dir(name))
	}
	return p.execute()
}

// Missing is the page in place of one that there is not: it leads to all of them.
func Missing() ([]byte, error) {
	const title = "There is nothing here"
	const body = `<h1>` + title + `</h1>
<p>No page has this address. <a href="` + Root + `/">Start here</a>, or choose one of <a href="#contents">all documents</a>.</p>`
	return page{Title: title, Says: "No page has this address.", Contents: Contents, Body: body}.execute()
}

func (p page) execute() ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, p); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", p.Title, err)
	}
	return b.Bytes(), nil
}

// linked is where a link of a document leads on its page: to another page, or to another
// file that is served. false: to what is in the source alone.
func linked(name, to string) (string, bool) {
	if to == "" || strings.HasPrefix(to, "#") || strings.Contains(to, ":") {
		return to, true
	}
	to, fragment, found := strings.Cut(to, "#")
	if found {
		fragment = "#" + fragment
	}
	file := to // one that begins with / is a path of this server
	if !path.IsAbs(to) {
		file = path.Join("/docs", path.Dir(name), to) // as the files lie in the source
	}
	switch inside, served := strings.CutPrefix(file, "/docs/"); {
	case file == "/static/openapi.yaml":
		return OpenAPIPath, true
	case path.IsAbs(to):
		return to + fragment, true
	case !served:
		return "", false
	default:
		_, err := fs.Stat(FS, inside)
		return href(strings.TrimSuffix(inside, ".md")) + fragment, err == nil
	}
}

// directory lists the documents of a directory, each with its first sentence.
func directory(name string) ([]byte, error) {
	_, about, _ := around(name)
	files, err := fs.Glob(FS, name+"/*.md")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", about.Title, about.Says)
	for _, file := range files {
		text, err := fs.ReadFile(FS, file)
		if err != nil {
			return nil, err
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		fmt.Fprintf(&b, "- [%s](%s): %s\n", title, file, firstSentence(text))
	}
	return b.Bytes(), nil
}

// firstSentence is that of the first paragraph, without markup, and without the status in
// front of it that the pages of problems have.
func firstSentence(source []byte) string {
	for n := parse(source).FirstChild(); n != nil; n = n.NextSibling() {
		if !isParagraph(n) {
			continue
		}
		for sentence := range strings.SplitSeq(plain(n, source), ". ") {
			if !strings.HasPrefix(sentence, "Status ") {
				return strings.TrimSuffix(sentence, ".") + "."
			}
		}
	}
	return ""
}
