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

	"hullbeam/docs"
)

// pages are all pages, by their names.
func pages(t *testing.T) map[string]string {
	t.Helper()
	openapi, err := os.ReadFile("../static/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	site, all := docs.NewSite(openapi), map[string]string{}
	for _, name := range docs.Names() {
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
	names := docs.Names()
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
			case to == "", to == "/docs":
				target = name
			case strings.Contains(to, "://"), slices.Contains([]string{docs.StylePath, docs.OpenAPIPath}, to):
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
	openapi, err := os.ReadFile("../static/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^      operationId: (\w+)$`).FindAllStringSubmatch(string(openapi), -1) {
		if !strings.Contains(page, `<h3 id="`+m[1]+`">`) {
			t.Errorf("the operation %s is missing", m[1])
		}
	}
}
