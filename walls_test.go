package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "hullbeam"

// arrows are the walls: which of our packages each of them may import. Tests may
// import more.
var arrows = map[string][]string{
	".":                    {"api", "bench", "doctor", "hull", "hull/hulltest", "store", "stream"},
	"attack":               {},
	"bench":                {},
	"bench/floor":          {},
	"api":                  {"docs", "hull", "static", "store", "stream"},
	"ci/attack":            {"attack"},
	"ci/replay":            {"api", "hull", "hull/hulltest", "store", "stream", "stream/streamtest"},
	"ci/sbom":              {},
	"clustertest":          {},
	"clustertest/balancer": {},
	"deploy/compose":       {},
	"deploy/prometheus":    {},
	"deploy/heroku":        {},
	"deploy/image":         {},
	"deploy/proxies":       {},
	"shiptest":             {},
	"docs":                 {},
	"doctor":               {},
	"hull":                 {},
	"hull/hulltest":        {"hull"},
	"internal/doctest":     {},
	"internal/fronttest":   {"internal/proctest", "stream/streamtest"},
	"internal/proctest":    {},
	"static":               {},
	"store":                {},
	"store/storetest":      {"store"},
	"stream":               {},
	"stream/streamtest":    {"stream"},
}

// fenced are the modules that only some of our packages may import.
var fenced = map[string][]string{
	"github.com/gin-gonic/gin":           {".", "api"},
	"github.com/yuin/goldmark":           {"docs", "internal/doctest"},
	"github.com/r3labs/sse":              {"."},                                       // tail: a reader that we did not write; it serves nothing
	"github.com/redis":                   {".", "store", "store/storetest", "stream"}, // storetest steers the servers of tests
	"github.com/spf13/viper":             {"."},                                       // config.go: packages read no environment
	"github.com/wcharczuk/go-chart":      {"bench"},                                   // plots are of no use to a server
	"go.opentelemetry.io/otel":           {".", "api", "hull"},                        // what is traced
	"go.opentelemetry.io/otel/exporters": {"."},                                       // tracing.go: who is told
	"go.opentelemetry.io/otel/sdk":       {"."},
}

const wallsText = `
The walls (docs/architecture.md): hull, stream and store import neither each other nor api nor the
command; static and docs import nothing of ours; api joins them, and the command builds them. gin stays
at the edge, in api; viper in the command's config.go; r3labs/sse in tail and in tests. What one package
needs of another comes in as a small interface or a func. If a new arrow is meant, put it into arrows or
fenced, and into the document.`

func TestWalls(t *testing.T) {
	for dir, imported := range importsOf(t) {
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("package %s has no line in arrows.%s", dir, wallsText)
			continue
		}
		for _, p := range imported.code {
			if p == module {
				t.Errorf("%s imports the command.%s", dir, wallsText)
			} else if ours, ok := strings.CutPrefix(p, module+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s.%s", dir, ours, wallsText)
			}
			for fence, inside := range fenced {
				if isUnder(p, fence) && !slices.Contains(inside, dir) {
					t.Errorf("%s imports %s.%s", dir, p, wallsText)
				}
			}
		}
	}
}

// TestFencedToOneFile holds the finer wall inside the command.
func TestFencedToOneFile(t *testing.T) {
	for file, fence := range map[string]string{"config.go": "github.com/spf13/viper", "tail.go": "github.com/r3labs/sse"} {
		for _, other := range goFiles(t, ".") {
			if slices.ContainsFunc(importsOfFile(t, other), func(p string) bool { return isUnder(p, fence) }) &&
				other != file && !strings.HasSuffix(other, "_test.go") {
				t.Errorf("%s imports %s, which is %s's.%s", other, fence, file, wallsText)
			}
		}
	}
}

// imported are the paths that a package imports.
type imported struct{ code, tests []string }

// importsOf reads the imports of every package of the module, by its directory.
// It reads the files itself: so it sees those of other systems too, and go test
// knows that it has to run again when one changes.
func importsOf(t *testing.T) map[string]imported {
	t.Helper()
	packages := map[string]imported{}
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); dir != "." && (strings.HasPrefix(name, ".") || name == "testdata") {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); dir != "." && err == nil {
			return fs.SkipDir // a module of its own
		}
		p := imported{}
		for _, file := range goFiles(t, dir) {
			if strings.HasSuffix(file, "_test.go") {
				p.tests = append(p.tests, importsOfFile(t, file)...)
			} else {
				p.code = append(p.code, importsOfFile(t, file)...)
			}
		}
		if p.code != nil || p.tests != nil {
			packages[filepath.ToSlash(dir)] = p
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func importsOfFile(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range parsed.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// isUnder tells whether an import path is of a module, or of a host's owner.
func isUnder(importPath, prefix string) bool {
	return importPath == prefix || strings.HasPrefix(importPath, prefix+"/")
}
