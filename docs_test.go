package main

import (
	"bufio"
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"hullbeam/internal/proctest"
	"hullbeam/stream"
)

// The documents say what the code does. These tests keep it so: each compares a
// document with what it describes.

func TestConfigurationDocument(t *testing.T) {
	rows := tableRows(t, "docs/configuration.md", "Key")
	documented := func(f configField, value reflect.Value, variable, flag string) {
		want := []string{code(f.key), code(defaultText(value)), code(variable), code(flag)}
		row := rows[code(f.key)]
		if len(row) != 6 {
			t.Errorf("docs/configuration.md: %s has no row of six cells", f.key)
			return
		}
		if got := []string{row[0], row[1], row[3], row[4]}; !slices.Equal(got, want) {
			t.Errorf("docs/configuration.md: key, default, variable and flag are %q, want %q", got, want)
		}
		if row[2] == "" || row[5] == "" {
			t.Errorf("docs/configuration.md: %s has no range or no meaning", f.key)
		}
		delete(rows, code(f.key))
	}
	defaults := reflect.ValueOf(DefaultConfig())
	for _, f := range configFields(defaults.Type(), "") {
		if f.key == "connectors" {
			documented(f, defaults.FieldByIndex(f.index), "", "")
		} else {
			documented(f, defaults.FieldByIndex(f.index), envName(f.key), "--"+flagName(f.key))
		}
	}
	connector := reflect.ValueOf(Connector{})
	for _, f := range configFields(connector.Type(), "connectors[].") {
		documented(f, connector.FieldByIndex(f.index), "", "")
	}
	for key := range rows {
		t.Errorf("docs/configuration.md: there is no setting %s", key)
	}
}

// defaultText is a default as YAML has it.
func defaultText(value reflect.Value) string {
	if value.Kind() == reflect.Map {
		return "{}"
	}
	return cmp.Or(strings.Trim(show(value), `"`), `""`)
}

func TestConfigFileHasDefaults(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	addConfigFlags(flags)
	got, warnings, err := LoadConfig("config.yaml", nil, flags)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	clocks := gocmp.Comparer(func(a, b func() time.Time) bool { return (a == nil) == (b == nil) })
	if diff := gocmp.Diff(DefaultConfig(), got, clocks, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("config.yaml is not at its defaults (-default +file):\n%s", diff)
	}
}

func TestPersonalizationDocument(t *testing.T) {
	const file = "docs/personalization.md"
	var options []string
	for _, attribute := range snippetOptions(t) {
		options = append(options, code(attribute))
	}
	rows := tableRows(t, file, "Attribute")
	same(t, file+" and static/ship/options.ts", slices.Collect(maps.Keys(rows)), options)

	_, events, _ := strings.Cut(proctest.ReadFile(t, "static/ship/types.ts"), "export interface Events {")
	events, _, _ = strings.Cut(events, "\n}")
	var documented []string
	for cell := range tableRows(t, file, "Event") {
		documented = append(documented, submatches(cell, "`([^`]+)`")...)
	}
	same(t, file+" and the events of static/ship/types.ts", documented, submatches(events, `(?m)^  "?([a-z.]+)"?:`))
}

// snippetOptions are the attributes of the snippet's script tag.
func snippetOptions(t *testing.T) []string {
	t.Helper()
	_, identity, _ := strings.Cut(proctest.ReadFile(t, "static/ship/types.ts"), "export interface Identity {")
	identity, _, _ = strings.Cut(identity, "\n}")
	var names []string
	for _, option := range submatches(proctest.ReadFile(t, "static/ship/options.ts")+identity, `(?m)^  (\w+)\??:`) {
		names = append(names, "data-"+regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(option, func(letter string) string { return "-" + strings.ToLower(letter) }))
	}
	return names
}

func TestProblemPages(t *testing.T) {
	var pages []string
	for _, file := range glob(t, "docs/errors/*.md") {
		page := strings.TrimSuffix(filepath.Base(file), ".md")
		if !strings.HasPrefix(proctest.ReadFile(t, file), "# "+page+"\n") {
			t.Errorf("%s does not begin with its code", file)
		}
		pages = append(pages, page)
	}
	same(t, "docs/errors and api/problem.go", pages, submatches(proctest.ReadFile(t, "api/problem.go"), `\{"([a-z_]+)", http\.Status`))
}

func TestOpenAPI(t *testing.T) {
	text := proctest.ReadFile(t, "static/openapi.yaml")
	var spec struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range spec.Paths {
		for method := range item {
			if method = strings.ToUpper(method); slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"}, method) {
				described = append(described, method+" "+path)
			}
		}
	}
	var served []string
	for _, route := range documentedNode(t).api.Routes() {
		served = append(served, regexp.MustCompile(`[:*](\w+)`).ReplaceAllString(route, "{$1}"))
	}
	same(t, "static/openapi.yaml and the routes", described, served)

	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	for _, ref := range submatches(text, `\$ref: "#/([^"]+)"`) {
		var at any = tree
		for name := range strings.SplitSeq(ref, "/") {
			m, _ := at.(map[string]any)
			at = m[name]
		}
		if at == nil {
			t.Errorf("static/openapi.yaml: nothing is at #/%s", ref)
		}
	}
}

func TestDependenciesDocument(t *testing.T) {
	modules := submatches(proctest.ReadFile(t, "go.mod"), `(?m)^(?:require)?\s+(\S+\.\S+) v`)
	direct := func(paths []string) []string {
		found := map[string]bool{}
		for _, p := range paths {
			for _, m := range modules {
				if isUnder(p, m) && !slices.ContainsFunc(modules, func(longer string) bool { return len(longer) > len(m) && isUnder(p, longer) }) {
					found[code(m)] = true
				}
			}
		}
		return slices.Collect(maps.Keys(found))
	}
	var ofCode, ofTests []string
	for dir, p := range importsOf(t) {
		if strings.HasSuffix(dir, "test") { // a suite, or the pretend Hull
			ofTests = append(ofTests, p.code...)
		} else {
			ofCode = append(ofCode, p.code...)
		}
		ofTests = append(ofTests, p.tests...)
	}
	text, tests, _ := strings.Cut(proctest.ReadFile(t, "docs/dependencies.md"), "Of tests alone:")
	needed := direct(ofCode)
	alone := slices.DeleteFunc(direct(ofTests), func(m string) bool { return slices.Contains(needed, m) })
	same(t, "docs/dependencies.md and the imports", firstCells(text), needed)
	same(t, "docs/dependencies.md, of tests alone, and the tests' imports", firstCells(tests), alone)
}

func TestMetricsDocument(t *testing.T) {
	n := documentedNode(t)
	described := make(chan *prometheus.Desc, 100)
	bus := stream.NewRedisBus(stream.BusConfig{}).Metrics() // which a node in development mode does not have
	tls := (&certificate{}).Metrics()                       // neither
	for _, c := range slices.Concat(n.api.Metrics(), n.broker.Metrics(), n.hull.Metrics(), n.firehose.Metrics(), n.tracing.metrics(), bus, tls) {
		c.Describe(described)
	}
	close(described)
	var names []string
	for d := range described {
		names = append(names, submatches(d.String(), `fqName: "(\w+)"`)...)
	}
	req := httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil)
	req.RemoteAddr = "127.0.0.1:1"
	answer := httptest.NewRecorder()
	n.api.AdminHandler().ServeHTTP(answer, req)
	exposed := answer.Body.String() + exposition(t, bus)
	names = append(names, submatches(exposed, `(?m)^# TYPE (hullbeam_\w+)`)...)

	var documented []string
	for name := range tableRows(t, "docs/metrics.md", "Metric") {
		documented = append(documented, strings.Trim(name, "`"))
	}
	same(t, "docs/metrics.md and /metrics", documented, names)

	text := proctest.ReadFile(t, "docs/metrics.md")
	for _, value := range submatches(exposed, `(?m)^hullbeam_\w+\{(?:event|reason|result|code|channel|message|path|call|store)="([^"]*)"`) {
		if !strings.Contains(text, code(value)) {
			t.Errorf("docs/metrics.md does not explain the label value %s", value)
		}
	}
}

// exposition is what collectors say, in Prometheus' format.
func exposition(t *testing.T, collectors []prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors...)
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	return answer.Body.String()
}

func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]+))?\)`)
	for _, file := range slices.Concat(glob(t, "*.md"), glob(t, "docs/*.md"), glob(t, "docs/*/*.md")) {
		for _, m := range link.FindAllStringSubmatch(proctest.ReadFile(t, file), -1) {
			if strings.Contains(m[1], ":") {
				continue // another place
			}
			target := file
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(file), m[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", file, m[0])
			} else if m[2] != "" && !slices.Contains(anchors(proctest.ReadFile(t, target)), m[2]) {
				t.Errorf("%s: %s has no such heading", file, m[0])
			}
		}
	}
}

// anchors are the names by which headings are linked to.
func anchors(markdown string) []string {
	var names []string
	for _, heading := range submatches(markdown, `(?m)^#+ (.+)$`) {
		kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading), "")
		names = append(names, strings.ReplaceAll(kept, " ", "-"))
	}
	return names
}

// documentedNode is a node in development mode, which has every route. It does
// not serve.
func documentedNode(t *testing.T) *node {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen, cfg.DataDir, cfg.Tracing.Endpoint = "127.0.0.1:0", t.TempDir(), "http://127.0.0.1:1"
	dev, err := prepareDevelopment(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(t.Context(), cfg, dev, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

// tableRows are the rows, by their first cell, of the tables in a document whose
// first column has that name.
func tableRows(t *testing.T, file, column string) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	in := false
	for _, cells := range tableLines(proctest.ReadFile(t, file)) {
		switch {
		case cells == nil:
			in = false
		case cells[0] == column:
			in = true
		case in && !strings.HasPrefix(cells[0], "---"):
			if rows[cells[0]] != nil {
				t.Errorf("%s: %s is there twice", file, cells[0])
			}
			rows[cells[0]] = cells
		}
	}
	return rows
}

func firstCells(markdown string) []string {
	var first []string
	for _, cells := range tableLines(markdown) {
		if cells != nil && strings.HasPrefix(cells[0], "`") {
			first = append(first, cells[0])
		}
	}
	return first
}

// tableLines are the cells of each line, nil for a line outside of tables.
func tableLines(markdown string) [][]string {
	var lines [][]string
	for scanner := bufio.NewScanner(strings.NewReader(markdown)); scanner.Scan(); {
		var cells []string
		if line, ok := strings.CutPrefix(scanner.Text(), "|"); ok {
			for cell := range strings.SplitSeq(strings.TrimSuffix(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
		}
		lines = append(lines, cells)
	}
	return lines
}

// code is text as a document marks it, and nothing when there is none.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// same compares two sets.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Compact(slices.Sorted(slices.Values(got))), slices.Compact(slices.Sorted(slices.Values(want)))
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differ (-code +document):\n%s", what, diff)
	}
}

func submatches(text, pattern string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}

// Every row of the predecessors' defects is in the tables, and the tests that these name
// are in the tree.
func TestDefectsDocument(t *testing.T) {
	const file = "docs/decisions/0023-defects.md"
	rows := map[string]bool{}
	for _, cells := range tableLines(proctest.ReadFile(t, file)) {
		if cells == nil || cells[0] == "Row" || cells[0] == "---" {
			continue
		}
		for _, row := range expandRows(cells[0]) {
			rows[row] = true
		}
		if len(cells) != 2 || len(cells[1]) < len("`TestA1`") {
			t.Errorf("%s: %s says nothing", file, cells[0])
		}
	}
	for group, n := range map[string]int{"A": 18, "B": 11, "C": 20, "D": 12, "E": 7} {
		for i := range n {
			if row := fmt.Sprint(group, i+1); !rows[row] {
				t.Errorf("%s: no row %s", file, row)
			}
		}
	}
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "*/*/*_test.go"} {
		for _, name := range glob(t, pattern) {
			tests.WriteString(proctest.ReadFile(t, name))
		}
	}
	for _, name := range submatches(proctest.ReadFile(t, file), "`(Test[A-Za-z0-9]+)`") {
		if !strings.Contains(tests.String(), "func "+name+"(") {
			t.Errorf("%s names %s, which is nowhere", file, name)
		}
	}
}

// expandRows is "B1–B3, B11" as B1, B2, B3, B11.
func expandRows(cell string) (rows []string) {
	for part := range strings.SplitSeq(cell, ", ") {
		first, last, ok := strings.Cut(part, "–")
		if !ok {
			rows = append(rows, part)
			continue
		}
		from, err := strconv.Atoi(first[1:])
		to, err2 := strconv.Atoi(last[1:])
		if err != nil || err2 != nil {
			return nil
		}
		for i := from; i <= to; i++ {
			rows = append(rows, fmt.Sprint(first[:1], i))
		}
	}
	return rows
}
