package docs

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// heading is a heading of the second level, by which a page's parts are found.
type heading struct{ ID, Text string }

// rendered is Markdown as HTML.
type rendered struct {
	Title    string // the first heading of the first level
	Headings []heading
	HTML     template.HTML
}

// markdown reads CommonMark with tables. HTML in it is left out.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(elements{}, 100))),
)

// linker says where what stands in a document leads. false: nowhere.
type linker struct {
	link func(destination string) (string, bool)
	code func(text string) (string, bool) // a span of code; nil: nowhere
}

// render makes HTML of Markdown.
func render(source []byte, l linker) (rendered, error) {
	root := parse(source)
	var out rendered
	if err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			out.take(n, source)
		case *extast.Table:
			labelCells(n, source)
		}
		return ast.WalkContinue, nil
	}); err != nil {
		return rendered{}, err
	}
	l.relink(root, source)
	var b bytes.Buffer
	err := markdown.Renderer().Render(&b, source, root)
	out.HTML = template.HTML(b.String()) // #nosec G203 -- goldmark escapes, and leaves HTML out
	return out, err
}

func parse(source []byte) ast.Node {
	names := parser.WithContext(parser.NewContext(parser.WithIDs(slugs{})))
	return markdown.Parser().Parse(text.NewReader(source), names)
}

func (r *rendered) take(h *ast.Heading, source []byte) {
	switch id, _ := h.AttributeString("id"); {
	case h.Level == 1 && r.Title == "":
		r.Title = plain(h, source)
	case h.Level == 2:
		r.Headings = append(r.Headings, heading{fmt.Sprintf("%s", id), plain(h, source)})
	}
}

// plain is the text of a node, without markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Value(source))
			if t.SoftLineBreak() || t.HardLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

func isParagraph(n ast.Node) bool { return n.Kind() == ast.KindParagraph }

// slugs names the headings of one document as GitHub does: so links to them hold in both
// places.
type slugs map[string]bool

func (s slugs) Generate(value []byte, _ ast.NodeKind) []byte {
	base := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(string(value)))
	id := base
	for n := 1; s[id]; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	s[id] = true
	return []byte(id)
}

func (s slugs) Put(value []byte) { s[string(value)] = true }

// relink has links, pictures and spans of code lead where they should. A link that leads
// nowhere becomes text, whose title says which file of the source is meant.
func (l linker) relink(root ast.Node, source []byte) {
	instead := map[ast.Node]ast.Node{}
	ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Image:
			if to, ok := l.link(string(n.Destination)); ok {
				n.Destination = []byte(to)
			}
		case *ast.Link:
			if to, ok := l.link(string(n.Destination)); ok {
				n.Destination = []byte(to)
			} else {
				text := ast.NewEmphasis(1)
				text.SetAttributeString("title", []byte("In the source: "+string(n.Destination)))
				instead[n] = text
			}
			return ast.WalkSkipChildren, nil
		case *ast.CodeSpan:
			if l.code == nil {
				break
			}
			if to, ok := l.code(plain(n, source)); ok {
				link := ast.NewLink()
				link.Destination = []byte(to)
				instead[n] = link
			}
		}
		return ast.WalkContinue, nil
	})
	for old, replacement := range instead {
		replace(old, replacement)
	}
}

// replace puts a link around a span of code, or in place of a link what was in it.
func replace(old, replacement ast.Node) {
	old.Parent().ReplaceChild(old.Parent(), old, replacement)
	if old.Kind() == ast.KindCodeSpan {
		replacement.AppendChild(replacement, old)
		return
	}
	for c := old.FirstChild(); c != nil; c = old.FirstChild() {
		replacement.AppendChild(replacement, c)
	}
}

// elements renders what is not as goldmark does: headings that link to themselves, tables
// and blocks of code that scroll by themselves and can be reached by keyboard, names in
// tables that may go on on the next line, and no HTML.
type elements struct{}

func (elements) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, renderHeading)
	r.Register(extast.KindTable, renderTable)
	r.Register(ast.KindCodeSpan, renderSpan)
	r.Register(ast.KindFencedCodeBlock, renderCode)
	r.Register(ast.KindCodeBlock, renderCode)
	r.Register(ast.KindHTMLBlock, leaveOut)
	r.Register(ast.KindRawHTML, leaveOut)
}

func renderHeading(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	level := n.(*ast.Heading).Level
	id, _ := n.AttributeString("id")
	if entering {
		fmt.Fprintf(w, `<h%d id="%s">`, level, id)
		return ast.WalkContinue, nil
	}
	if level > 1 {
		fmt.Fprintf(w, ` <a class="anchor" href="#%s" aria-label="Link to this part">#</a>`, id)
	}
	fmt.Fprintf(w, "</h%d>\n", level)
	return ast.WalkContinue, nil
}

func renderCode(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	w.WriteString(`<pre tabindex="0"><code>`)
	w.Write(util.EscapeHTML(n.Lines().Value(source)))
	w.WriteString("</code></pre>\n")
	return ast.WalkSkipChildren, nil
}

func leaveOut(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) {
	return ast.WalkSkipChildren, nil
}
