package docs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hullbeam/docs"
)

// allNames are all documents: those of the contents, and those of the directories.
func allNames() []string {
	var names []string
	for _, section := range docs.Contents {
		for _, d := range section.Documents {
			names = append(names, d.Name)
			files, _ := fs.Glob(docs.FS, d.Name+"/*.md") // the pattern is a good one
			for _, file := range files {
				names = append(names, strings.TrimSuffix(file, ".md"))
			}
		}
	}
	return slices.Clip(names)
}

// pages are all pages, by their names.
func pages(t *testing.T) map[string]string {
	t.Helper()
	openapi, err := os.ReadFile("../static/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	site, all := docs.NewSite(openapi), map[string]string{}
	for _, name := range allNames() {
		page, err := site.HTML(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(page)
	}
	return all
}

// Every document is in the table of contents, and everything in that is a document.
func TestContents(t *testing.T) {
	names := allNames()
	for _, pattern := range []string{"*.md", "*/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !slices.Contains(names, filepath.ToSlash(strings.TrimSuffix(file, ".md"))) {
				t.Errorf("docs/%s is not in the contents: give it a row in docs/contents.go", file)
			}
		}
	}
	site := docs.NewSite([]byte("openapi: 3.1.0"))
	for _, name := range names {
		if _, err := site.Markdown(name); err != nil {
			t.Errorf("the contents have %s: %v", name, err)
		}
	}
	if llms := string(docs.LLMs()); !strings.HasPrefix(llms, "# Hullbeam\n\n> ") || strings.Count(llms, "](/docs/") != strings.Count(strings.Join(names, "\n")+"\n", "\n")-inDirectories(names) {
		t.Errorf("llms.txt does not have every document once:\n%s", llms)
	}
}

func inDirectories(names []string) (n int) {
	for _, name := range names {
		if strings.Contains(name, "/") {
			n++
		}
	}
	return n
}

var (
	hrefs = regexp.MustCompile(`(?:href|src)="([^"#]*)(?:#([^"]*))?"`)
	ids   = regexp.MustCompile(` id="([^"]*)"`)
)

// Every link of every page leads to something that is served, and to a part that is there.
func TestPagesLink(t *testing.T) {
	all := pages(t)
	missing, err := docs.Missing()
	if err != nil {
		t.Fatal(err)
	}
	all["one that there is not"] = string(missing)
	anchors := map[string][]string{}
	for name, page := range all {
		for _, m := range ids.FindAllStringSubmatch(page, -1) {
			if slices.Contains(anchors[name], m[1]) {
				t.Errorf("%s: two parts have the id %s", name, m[1])
			}
			anchors[name] = append(anchors[name], m[1])
		}
	}
	for name, page := range all {
		for _, m := range hrefs.FindAllStringSubmatch(page, -1) {
			to := strings.TrimSuffix(m[1], ".md")
			target, document := strings.CutPrefix(to, "/docs/")
			switch {
			case to == "":
				target = name
			case to == "/docs/":
				target = "start"
			case strings.Contains(to, "://"), slices.Contains([]string{docs.StylePath, docs.OpenAPIPath, "/install/files/logo.svg"}, to):
				continue
			case document && strings.HasSuffix(to, ".svg"):
				if _, err := docs.Picture(target); err != nil {
					t.Errorf("%s: %s leads nowhere", name, m[0])
				}
				continue
			case !document || all[target] == "":
				t.Errorf("%s: %s leads nowhere", name, m[0])
				continue
			}
			if m[2] != "" && !slices.Contains(anchors[target], m[2]) {
				t.Errorf("%s: %s has no such part", name, m[0])
			}
		}
	}
}

// A page has a title, says what it is for, and has neither scripts nor styles in it: the
// policy that it is sent with forbids them.
func TestPages(t *testing.T) {
	for name, page := range pages(t) {
		for _, want := range []string{"<title>", `<h1`, `name="viewport"`, `<nav id="contents"`, `aria-current=`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
		if strings.Contains(page, "<title> ·") || strings.Contains(page, `name="description" content=""`) {
			t.Errorf("%s has no title or says not what it is for", name)
		}
		for _, bad := range []string{"<script", "<style", " style=", "<!-- test", "raw HTML omitted", "ZgotmplZ"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: has %s", name, bad)
			}
		}
	}
}

// The cells of a table say of what column they are, for screens that have no room for columns,
// and long names in them may be broken.
func TestTablesHaveLittleRoom(t *testing.T) {
	page := pages(t)["configuration"]
	for _, want := range []string{
		"<td><code>listen</code></td>\n<td data-column=\"Default\"><code>127.0.0.1:8082</code></td>", `<td data-column="Meaning">`,
		`<code>HULLBEAM_<wbr>PUBLIC_<wbr>URL</code>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
}

// Names come from requests: none leads out of the documents.
func TestNamesOfOthers(t *testing.T) {
	site := docs.NewSite(nil)
	for _, name := range []string{"", ".", "..", "../go", "/start", "start/", "docs.go", "errors/", "errors/../start", "start\x00", "site/page", "a//b", "nothing"} {
		if _, err := site.HTML(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: got %v", name, err)
		}
		if _, err := docs.Picture(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the picture %q: got %v", name, err)
		}
	}
}

// The API's page has every operation and schema, and links codes of problems.
func TestAPIPage(t *testing.T) {
	page := pages(t)["api"]
	for _, want := range []string{
		`<h3 id="token">Get a stream token`, `<span class="method">POST</span> <code class="path">/api/v1/connectors/{connector}/token</code>`,
		`<a href="/docs/errors/claims_unproven"><code>claims_unproven</code></a>`, `<a href="/docs/protocol"><code>/docs/protocol</code></a>`,
		`<h3 id="schema-TokenRequest">`, `<a href="#schema-TokenRequest">TokenRequest</a>`, `<a href="#security-adminKey">adminKey</a>`,
		"&#34;anonymous_id&#34;: &#34;8a1c5f0e-", "<th>event</th>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
}

// The API's page has every operation, with the parameters, bodies, answers and examples that
// it is described with.
func TestAPIPageIsWhole(t *testing.T) {
	page := pages(t)["api"]
	text, err := os.ReadFile("../static/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var description struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(text, &description); err != nil {
		t.Fatal(err)
	}
	for path, item := range description.Paths {
		for method, node := range item {
			if method == "parameters" { // of all methods
				continue
			}
			var o operation
			if err := node.Decode(&o); err != nil {
				t.Fatal(err)
			}
			_, section, _ := strings.Cut(page, `<h3 id="`+o.OperationID+`">`)
			section, _, _ = strings.Cut(section, "</section>")
			for _, part := range append(o.shown(), `<span class="method">`+strings.ToUpper(method)+`</span> <code class="path">`+path+"</code>") {
				if !strings.Contains(section, part) {
					t.Errorf("%s: no %s", o.OperationID, part)
				}
			}
		}
	}
}

// operation is one of the description, as far as it does not refer to what stands elsewhere.
type operation struct {
	OperationID string `yaml:"operationId"`
	Parameters  []struct{ Name string }
	RequestBody struct {
		Content map[string]struct{ Examples map[string]any }
	} `yaml:"requestBody"`
	Responses map[string]any
}

// shown is what its part of the page has to have.
func (o operation) shown() (parts []string) {
	for _, p := range o.Parameters {
		if p.Name != "" {
			parts = append(parts, "<dt><code>"+p.Name+"</code>")
		}
	}
	for kind, content := range o.RequestBody.Content {
		parts = append(parts, "<div><code>"+kind+"</code>")
		for name := range content.Examples {
			parts = append(parts, `<p class="says">`+name+"</p>\n<pre")
		}
	}
	for status := range o.Responses {
		parts = append(parts, `"><code>`+status+"</code></dt>\n<dd>")
	}
	return parts
}
