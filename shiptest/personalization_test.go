package shiptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// manual has the samples of docs/personalization.md, by the headings that they stand
// under, with the address of a server that runs.
type manual struct {
	t       *testing.T
	samples map[string][]string
	taken   []string
}

func readManual(t *testing.T, b *beam) *manual {
	t.Helper()
	text, err := os.ReadFile("../docs/personalization.md")
	if err != nil {
		t.Fatal(err)
	}
	m := &manual{t: t, samples: map[string][]string{}}
	heading := ""
	for _, found := range regexp.MustCompile("(?ms)^## ([^\n]+)$|^```[a-z]*\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if found[1] != "" {
			heading = found[1]
			continue
		}
		m.samples[heading] = append(m.samples[heading], strings.ReplaceAll(found[2], "https://beam.example.com", b.URL))
	}
	return m
}

// take is what stands under a heading, and is tested thereby.
func (m *manual) take(heading string, n int) string {
	m.t.Helper()
	if n >= len(m.samples[heading]) {
		m.t.Fatalf("docs/personalization.md has %d samples under %q", len(m.samples[heading]), heading)
	}
	m.taken = append(m.taken, m.samples[heading][n])
	return m.samples[heading][n]
}

func inline(code string) string { return "<script>" + code + "</script>" }

// ada says that the visitor is Ada.
const ada = `hullBrowser.identify({anonymous_id: "demo-visitor-0001"})`

// Every sample of docs/personalization.md does what the text around it says.
func TestManual(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	m := readManual(t, b)
	snippet := m.take("The snippet", 0)
	// visit opens a page with the snippet and more as Ada, about whom Hull knows nothing but what development mode says.
	visit := func(t *testing.T, html string, headers ...[2]string) *tab {
		t.Helper()
		b.hull("/users/demo-user", `{"user":{"plan":"free"},"leave":["vip"]}`)
		page := newProfile(t).tab(hear)
		page.open(s.page("/", html+snippet, headers...))
		page.until(`window.hullBrowser?.state`)
		page.eval(ada)
		page.until(heard("user.update", `e.user.name == "Ada" && e.user.plan == "free" && !e.segments.length`))
		return page
	}

	t.Run("marked elements", func(t *testing.T) {
		page := visit(t, m.take("The snippet", 1))
		page.until(`document.body.innerText.trim() == "Welcome back, Ada"`)
		b.hull("/users/demo-user", `{"enter":["vip"]}`)
		page.until(`document.body.innerText.includes("The greenhouse is yours.")`)
	})
	t.Run("marked elements without the script", func(t *testing.T) {
		page := newProfile(t).tab()
		page.open(s.page("/", m.take("The snippet", 1)))
		page.same(`document.body.innerText.trim()`, `"Welcome"`)
	})
	t.Run("a tag manager's address, and consent", func(t *testing.T) {
		page := newProfile(t).tab(hear)
		page.open(s.page("/", m.take("Without attributes", 0)))
		page.until(`window.hullBrowser?.state`)
		page.eval(ada)
		page.same(`[performance.getEntriesByType("resource").filter((e) => e.name.includes("/api/")).length, localStorage.length]`, `[0,0]`)
		page.eval("(() => {" + m.take("Consent", 0) + "})()")
		page.until(heard("user.update", `e.user.name == "Ada"`))
	})
	t.Run("a connector that is added by a call", func(t *testing.T) {
		page := newProfile(t).tab(hear, visitor)
		page.open(s.page("/", strings.Replace(snippet, `data-hull-id="demo"`, "", 1)))
		page.until(`window.hullBrowser?.connect`)
		page.eval("(() => {" + m.take("Without attributes", 1) + "})()")
		page.until(heard("user.update", `e.user.name == "Ada"`))
		if got := page.complaints(); len(got) != 1 || !strings.Contains(got[0], "data-hull-id") {
			t.Errorf("the console says %q", got)
		}
	})
	t.Run("calls before it has loaded", func(t *testing.T) {
		page := newProfile(t).tab(hear)
		page.open(s.page("/", m.take("Calls before it has loaded", 0)+inline(m.take("Who the visitor is", 0))+snippet))
		page.until(heard("user.error", `e.message == "not_found"`))
	})
	t.Run("sign-out", func(t *testing.T) {
		page := visit(t, "")
		page.eval("(() => {" + m.take("Who the visitor is", 1) + "})()")
		page.until(`hullBrowser.state() === undefined`)
	})
	t.Run("events", func(t *testing.T) {
		page := visit(t, m.take("Calls before it has loaded", 0)+inline(m.take("Events", 0))+inline(m.take("Events", 1)))
		b.hull("/users/demo-user", `{"enter":["vip"]}`)
		page.until(`document.body.dataset.latest == "vip"`)
		if !slices.ContainsFunc(page.log(), func(line string) bool { return strings.HasPrefix(line, "Ada ") }) {
			t.Errorf("the listener was not called: %q", page.log())
		}
	})
	t.Run("changes", func(t *testing.T) {
		page := visit(t, m.take("Calls before it has loaded", 0)+inline(m.take("Changes", 0)))
		b.hull("/users/demo-user", `{"user":{"plan":"team"},"enter":["vip"]}`)
		page.until(`document.body.dataset.plan == "free → team" && document.body.dataset.entered == "vip"`)
	})
	t.Run("a plain example", func(t *testing.T) {
		page := visit(t, m.take("A plain example", 0))
		page.until(`document.getElementById("greeting").textContent == "Hello Ada"`)
	})
	t.Run("React", func(t *testing.T) {
		page := visit(t, `<div id="root"></div>`+inline(bundleReact(t, m.take("React", 0)+`
			import { createRoot } from "react-dom/client";
			createRoot(document.getElementById("root")).render(<Greeting />);`)))
		page.until(`document.getElementById("greeting").textContent == "Hello Ada"`)
		b.hull("/users/demo-user", `{"user":{"name":"Augusta"}}`)
		page.until(`document.getElementById("greeting").textContent == "Hello Augusta"`)
		page.eval(`hullBrowser.reset()`)
		page.until(`document.getElementById("greeting").textContent == "Welcome"`)
		b.hull("/users/demo-user", `{"user":{"name":"Ada"}}`)
	})
	t.Run("the first state from the server", func(t *testing.T) {
		page := newProfile(t).tab(hear)
		page.open(s.page("/", m.take("The first state from your server", 0)+snippet))
		page.until(heard("user.update", `e.user.name == "Ada" && e.changes === undefined`))
	})
	t.Run("a Content-Security-Policy", func(t *testing.T) {
		policy := "default-src 'none'; " + strings.TrimSpace(m.take("Content-Security-Policy", 0))
		page := visit(t, `<h1 data-hull-text="user.name">Welcome</h1>`, [2]string{"Content-Security-Policy", policy})
		page.until(`document.body.innerText.trim() == "Ada"`)
	})
	t.Run("types", func(t *testing.T) {
		dir := b.dir
		if err := os.Mkdir(filepath.Join(dir, "src"), 0o700); err != nil {
			t.Fatal(err)
		}
		made := exec.Command("sh", "-ec", m.take("Types", 0))
		made.Dir, made.Env = dir, append(os.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"))
		if said, err := made.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		if err := os.WriteFile(filepath.Join(dir, "src", "page.ts"), []byte(m.take("Types", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		said, _ := npmTool("tsc", "--noEmit", "--strict", "--lib", "es2021,dom", filepath.Join(dir, "src/ship.d.ts"), filepath.Join(dir, "src/hull.d.ts"), filepath.Join(dir, "src/page.ts")).CombinedOutput()
		if got := string(said); strings.Count(got, "error") != 1 || !strings.Contains(got, "'plna' does not exist") {
			t.Errorf("tsc says %s", got)
		}
	})
	for heading, samples := range m.samples {
		for _, sample := range samples {
			if !slices.Contains(m.taken, sample) {
				t.Errorf("docs/personalization.md: nothing tests, of %q:\n%s", heading, sample)
			}
		}
	}
}

const browserModules = "../testdata/browser/node_modules"

func npmTool(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(browserModules, ".bin", name), args...)
}

// bundleReact is what esbuild makes of a module that imports React.
func bundleReact(t *testing.T, code string) string {
	t.Helper()
	modules, err := filepath.Abs(browserModules)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "tool", "-modfile=../ci/tools.mod", "esbuild", "--bundle", "--loader=jsx", "--jsx=automatic", "--minify", `--define:process.env.NODE_ENV="production"`)
	cmd.Stdin, cmd.Stderr = strings.NewReader(code), os.Stderr
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	made, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (ci/install.sh installs React)", err)
	}
	return strings.ReplaceAll(string(made), "</script", `<\/script`)
}
