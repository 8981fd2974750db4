package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hullbeam/internal/doctest"
	"hullbeam/internal/proctest"
)

// Every block of every document is checked, by its language and by what the comments before
// it say: docs/contributing.md has the convention.
func TestDocuments(t *testing.T) {
	pages := map[string][]doctest.Block{}
	var all []doctest.Block
	for _, file := range slices.Concat([]string{"README.md", "SECURITY.md"}, glob(t, "docs/*.md"), glob(t, "docs/*/*.md")) {
		blocks, err := doctest.Blocks(file, []byte(proctest.ReadFile(t, file)))
		if err != nil {
			t.Error(err)
		}
		pages[file] = blocks
		all = append(all, blocks...)
	}
	t.Run("by their language", func(t *testing.T) {
		t.Parallel()
		for _, b := range all {
			if err := checkBlock(t, b); err != nil {
				t.Errorf("%s: %v", b.Where(), err)
			}
		}
	})
	t.Run("compiled", func(t *testing.T) {
		t.Parallel()
		compileBlocks(t, slices.DeleteFunc(slices.Clone(all), func(b doctest.Block) bool {
			return !slices.Contains([]string{"js", "jsx", "html"}, b.Language) || b.Has("file") || b.Has("not run,")
		}), "")
	})
	for file, blocks := range pages {
		if slices.ContainsFunc(blocks, func(b doctest.Block) bool { return runs(b) || b.Language == "ts" }) {
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				runPage(t, blocks)
			})
		}
	}
	tellKinds(t, all)
}

// runs tells whether a block is for the page's session.
func runs(b doctest.Block) bool {
	return !b.Has("not run,") && (b.Language == "sh" || b.Has("prints") || b.First != "")
}

// tellKinds prints how many blocks there are of each kind, and which are not run.
func tellKinds(t *testing.T, all []doctest.Block) {
	kinds := map[string]int{}
	for _, b := range all {
		kind := b.Language
		for _, note := range []string{"not run,", "prints", "quotes"} {
			if b.Has(note) {
				kind = strings.TrimSuffix(note, ",") + ": " + b.Language
			}
		}
		kinds[kind]++
		if reason := b.Notes["not run,"]; b.Has("not run,") {
			t.Logf("%s is not run: %s", b.Where(), reason)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%4d %s", kinds[kind], kind)
	}
}

// checkBlock checks what can be seen of a block without running it.
func checkBlock(t *testing.T, b doctest.Block) error {
	if quoted := b.Notes["quotes"]; quoted != "" {
		file, err := os.ReadFile(quoted)
		if err != nil {
			return err
		}
		return doctest.CheckQuote(b.Text, file)
	}
	switch b.Language {
	case "json":
		return doctest.CheckJSON(b.Text)
	case "yaml":
		if b.Has("parsed") || b.Has("file") {
			return doctest.CheckYAML(b.Text)
		}
		return checkConfiguration(t, b.Text)
	case "js":
		if b.Has("file") { // a program's; those of pages are compiled with the snippet's types
			return checkFile(t, b.Notes["file"], b.Text, "node", "--check")
		}
		return nil
	case "python":
		return checkFile(t, "block.py", b.Text, "python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())")
	case "css":
		return checkFile(t, "block.css", b.Text, "go", "tool", "-modfile=ci/tools.mod", "esbuild", "--log-level=warning", "--outfile=/dev/null")
	case "html":
		return checkMarkup(t, b.Text)
	case "promql":
		return checkQueries(t, b.Text)
	case "sse":
		return doctest.CheckEvents(b.Text, func(event string) bool {
			return strings.Contains(proctest.ReadFile(t, "static/openapi.yaml"), code(event))
		})
	case "http":
		return doctest.CheckHTTP(b.Text)
	case "go":
		return doctest.CheckGo(b.Text)
	case "text", "ebnf":
		if b.Has("prints") {
			return nil
		}
		return doctest.CheckText(b.Text)
	case "sh":
		return checkCommands(t, b.Text)
	case "jsx", "ts":
		return nil // compiled
	}
	if b.Has("file") {
		return nil // commands of the page use it
	}
	return fmt.Errorf("nobody checks the language %q: docs/contributing.md has those that are", b.Language)
}

// checkFile has a program read a file of this text. It fails when it says something.
func checkFile(t *testing.T, name, text string, program ...string) error {
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	said, err := exec.CommandContext(t.Context(), program[0], append(program[1:], file)...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: ci/install.sh installs it", err)
	} else if err != nil || len(said) > 0 {
		return fmt.Errorf("%s: %w\n%s", program[0], cmp.Or(err, errors.New("it complains")), said)
	}
	return nil
}

// checkConfiguration reads a piece of config.yaml as serve does.
func checkConfiguration(t *testing.T, text string) error {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	_, warnings, err := LoadConfig(file, []string{"SECRET=" + strings.Repeat("s", 32)}, noFlags())
	if err == nil && len(warnings) > 0 {
		err = fmt.Errorf("%v", warnings)
	}
	return err
}

// checkQueries has promtool read expressions, each on a line.
func checkQueries(t *testing.T, text string) error {
	var rules strings.Builder
	rules.WriteString("groups: [{name: documents, rules: [")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			fmt.Fprintf(&rules, "{record: 'documents:%d', expr: %q},\n", rules.Len(), line)
		}
	}
	rules.WriteString("]}]")
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		return err
	}
	if said, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", file).CombinedOutput(); err != nil {
		return fmt.Errorf("promtool (ci/install.sh installs it): %w\n%s", err, said)
	}
	return nil
}

// checkMarkup looks at the attributes that are for the snippet, and at data in scripts.
func checkMarkup(t *testing.T, text string) error {
	m, err := doctest.ReadMarkup(text)
	if err != nil {
		return err
	}
	for _, name := range m.Data {
		if !slices.Contains(markedBy(t), regexp.MustCompile(`^data-hull-attr-.+`).ReplaceAllString(name, "data-hull-attr-")) {
			return fmt.Errorf("the snippet does not know %s", name)
		}
	}
	for _, text := range m.JSON {
		if err := doctest.CheckJSON(text); err != nil {
			return err
		}
	}
	return nil
}

// markedBy are the attributes that the snippet reads: of its own tag, and of elements.
func markedBy(t *testing.T) []string {
	names := snippetOptions(t)
	for _, file := range glob(t, "static/ship/*.ts") {
		for _, group := range submatches(proctest.ReadFile(t, file), `data-hull-(\([a-z|]+|[a-z]+)`) {
			for name := range strings.SplitSeq(strings.Trim(group, "(|"), "|") {
				names = append(names, "data-hull-"+name)
			}
		}
	}
	return append(names, "data-hull-attr-")
}

// checkCommands looks whether there is what a block calls, also one that is not run: targets
// of the Makefile, commands of hullbeam and their flags.
func checkCommands(t *testing.T, text string) error {
	for _, target := range submatches(text, `(?m)^(?:\$ )?make ([a-z]+)`) {
		if !strings.Contains(proctest.ReadFile(t, "Makefile"), "\n"+target+":") {
			return fmt.Errorf("the Makefile has no %s", target)
		}
	}
	for _, call := range submatches(strings.ReplaceAll(text, "\\\n", " "), `(?m)(?:^|[\s(])(?:hullbeam|go run \.) +([a-z]+.*)`) {
		call, _, _ = strings.Cut(call, "#")
		call = regexp.MustCompile(`[|;)&"'].*`).ReplaceAllString(call, "")
		args := append(submatches(call, `^([a-z]+(?: [a-z]+)?)`), "--help")
		help := &strings.Builder{}
		run(t.Context(), append(strings.Fields(args[0]), "--help"), stdio{nil, help, help})
		for _, flag := range submatches(call, `\s(--[a-z][a-z0-9.-]*)`) {
			if !regexp.MustCompile(regexp.QuoteMeta(flag) + `\b`).MatchString(help.String()) {
				return fmt.Errorf("hullbeam %s has no flag %s", args[0], flag)
			}
		}
	}
	return nil
}

// runPage runs the blocks of a page in one session, before a server of its own.
func runPage(t *testing.T, blocks []doctest.Block) {
	dir := filepath.Join(t.TempDir(), "page") // the session's own files lie beside it
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, dir)
	d, err := readDevelopment(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := doctest.NewSession(dir, p.URL, "ADMIN_KEY="+d.AdminKey, "STARTED="+p.out.Name(), "SECRET=", "PORT=")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.End)
	var typed []doctest.Block
	for _, b := range blocks {
		if name := b.Notes["file"]; name != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(b.Text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if b.Language == "ts" {
			typed = append(typed, b)
		}
		if err := runBlock(s, b); err != nil {
			t.Errorf("%s: %v", b.Where(), err)
		}
	}
	if len(typed) > 0 {
		declared, _ := os.ReadFile(filepath.Join(dir, "src", "hull.d.ts"))
		compileBlocks(t, typed, string(declared))
	}
}

func runBlock(s *doctest.Session, b doctest.Block) error {
	switch {
	case b.Has("not run,"):
		return nil
	case b.Has("prints"):
		return s.Prints(b.Text)
	case b.Language == "sh":
		return s.Run(b)
	case b.First != "":
		return s.Run(doctest.Block{First: b.First})
	}
	return nil
}

// compileBlocks has tsc compile what is JavaScript and TypeScript in blocks, with the
// snippet's types and what hullbeam types has declared.
func compileBlocks(t *testing.T, blocks []doctest.Block, declared string) {
	t.Helper()
	files, of := map[string]string{}, map[string]doctest.Block{}
	for i, b := range blocks {
		texts, ending := []string{b.Text}, "ts"
		if b.Language == "jsx" {
			ending = "jsx" // read, without types of React
		} else if b.Language == "html" {
			m, _ := doctest.ReadMarkup(b.Text) // it was read
			texts, ending = m.Scripts, "js"
		}
		for j, text := range texts {
			name := fmt.Sprintf("block%d-%d.%s", i, j, ending)
			files[name] = strings.NewReplacer("{…}", "{}", "{ … }", "{}").Replace(text) + "\nexport {};\n"
			of[name] = b
		}
	}
	said := compileFiles(t, files, declared)
	for name, b := range of {
		complaint := strings.Join(submatches(said, `(?m)^(`+regexp.QuoteMeta(name)+`.*)$`), "\n")
		if want := b.Notes["fails with"]; want == "" && complaint != "" || want != "" && !strings.Contains(complaint, want) {
			t.Errorf("%s: tsc says %q, want %q", b.Where(), complaint, want)
		}
	}
}
