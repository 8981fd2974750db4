package docs

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

var apiTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("api.html").Funcs(template.FuncMap{
		"markdown": apiMarkdown,
		"example":  exampleText,
		"name":     referred,
		"must":     func(s schema, name string) bool { return slices.Contains(s.Required, name) },
		"status":   statusClass,
	}).ParseFS(site, "site/api.html", "site/schema.html"))
})

// apiGroup are the operations of a tag.
type apiGroup struct {
	Name, Description string
	Operations        []operation
}

// apiPage is the page of the API.
func (s *Site) apiPage() (rendered, error) {
	d, operations, err := readOpenAPI(s.openapi)
	if err != nil {
		return rendered{}, err
	}
	out := rendered{Title: "API"}
	groups := make([]apiGroup, len(d.Tags))
	for i, tag := range d.Tags {
		groups[i] = apiGroup{tag.Name, tag.Description, ofTag(operations, tag.Name)}
		out.Headings = append(out.Headings, heading{tag.Name, tag.Name})
	}
	out.Headings = append(out.Headings, heading{"authorization", "Authorization"}, heading{"schemas", "Schemas"})
	var b bytes.Buffer
	err = apiTemplate().Execute(&b, map[string]any{"Description": d, "Groups": groups, "OpenAPI": OpenAPIPath})
	out.HTML = template.HTML(b.String()) // #nosec G203 -- a template's
	return out, err
}

func ofTag(operations []operation, tag string) []operation {
	return slices.DeleteFunc(slices.Clone(operations), func(o operation) bool { return !slices.Contains(o.Tags, tag) })
}

// apiList is the API in Markdown: what there is, and where more is said of it.
func (s *Site) apiList() ([]byte, error) {
	d, operations, err := readOpenAPI(s.openapi)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# API\n\n%s\n[OpenAPI](%s) has parameters, bodies, answers and examples.\n", d.Info.Description, OpenAPIPath)
	for _, tag := range d.Tags {
		fmt.Fprintf(&b, "\n## %s\n\n", tag.Name)
		for _, o := range ofTag(operations, tag.Name) {
			fmt.Fprintf(&b, "- `%s %s`: %s\n", o.Method, o.Path, o.Summary)
		}
	}
	return b.Bytes(), nil
}

// apiMarkdown renders a text of the description. A problem's code in it leads to its page,
// and so does the path of a document.
func apiMarkdown(text string) (template.HTML, error) {
	out, err := render([]byte(text), linker{
		link: func(to string) (string, bool) { return linked(apiName, to) },
		code: func(code string) (string, bool) {
			if strings.HasPrefix(code, Root+"/") {
				return code, true
			}
			_, err := fs.Stat(FS, errorsName+"/"+code+".md")
			return href(errorsName + "/" + code), err == nil && fs.ValidPath(code)
		},
	})
	return out.HTML, err
}

// statusClass tells what answers to show as refusals.
func statusClass(status string) string {
	if strings.HasPrefix(status, "4") || strings.HasPrefix(status, "5") {
		return "refused"
	}
	return "done"
}

// Kind is what a value of the schema is, in words.
func (s schema) Kind() string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if len(s.Type) > 0 {
		add("%s", strings.Join(s.Type, " or "))
	}
	if s.Format != "" {
		add("%s", s.Format)
	}
	if s.Const != nil {
		add("always %v", s.Const)
	}
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			values[i] = fmt.Sprint(value)
		}
		add("one of %s", strings.Join(values, ", "))
	}
	for _, bound := range []struct {
		value  *int
		format string
	}{
		{s.Minimum, "at least %d"}, {s.Maximum, "at most %d"}, {s.MinLength, "at least %d characters"},
		{s.MaxLength, "at most %d characters"}, {s.MaxItems, "at most %d items"},
	} {
		if bound.value != nil {
			add(bound.format, *bound.value)
		}
	}
	if s.Default != nil {
		add("default %v", s.Default)
	}
	return strings.Join(words, ", ")
}
