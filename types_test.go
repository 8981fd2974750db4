package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hullbeam/internal/proctest"

	gocmp "github.com/google/go-cmp/cmp"
)

// types prints what the connector demo of a server publishes.
func (p *process) types(args ...string) (out, err string, code int) {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"types", "--url", p.URL, "--data-dir", filepath.Join(p.cmd.Dir, "data")}, args...)
	code = run(p.t.Context(), args, stdio{nil, &stdout, &stderr})
	return stdout.String(), stderr.String(), code
}

// Names are grouped as payloads have them (docs/hull-protocol.md 10.4), and quoted where
// TypeScript wants it.
func TestTypes(t *testing.T) {
	p := startProcess(t, t.TempDir())
	for path, body := range map[string]string{
		"/segments/vip":    `{"name":"Very \"important\""}`,
		"/segments/active": `{"name":"Active <30 days>"}`,
	} {
		if status, answer := p.hull("POST", path, body); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	settings := `{"private_settings":{
		"public_traits":["traits_plan","clearbit/name","clearbit/size","x","x/y","first-name","id","segments","a/__proto__","account.name","account.traits_clearbit/industry"],
		"public_traits_unsigned":["plan","city"],
		"public_segments":["vip","active"],"public_account_segments":["nobody-knows"],
		"public_events":["Viewed Pricing","Signed Up","Signed Up"]}}`
	if status, answer := p.hull("POST", "/settings/demo", settings); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	got, stderr, code := p.types()
	if code != 0 {
		t.Fatalf("%d: %s", code, stderr)
	}
	const want = "// What is published by demo, as `hullbeam types` prints it. It goes beside ship.d.ts." + `
export {};

declare module "./ship" {
  interface Published {
    user: {
      city?: Trait;
      clearbit?: {
        name?: Trait;
        size?: Trait;
      };
      "first-name"?: Trait;
      plan?: Trait;
      x?: Trait;
    };
    account: {
      "clearbit/industry"?: Trait;
      name?: Trait;
    };
    segment: "Active <30 days>" | "Very \"important\"";
    account_segment: string;
    event: "Signed Up" | "Viewed Pricing";
  }
}
`
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A site has one declaration, of all its connectors.
func TestTypesOfSeveralConnectors(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.Header.Get("Authorization"))
		fmt.Fprint(w, map[string]string{
			"/api/v1/connectors/shop": `{"private_settings":{"public_traits":["plan","clearbit/name"],"public_segments":["s1"]},"segments":[{"id":"s1","name":"VIP"}]}`,
			"/api/v1/connectors/blog": `{"private_settings":{"public_traits":["plan","clearbit/size"],"public_segments":["s2"],"public_events":["Read"]},"segments":[{"id":"s2","name":"Readers"}]}`,
		}[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"types", "--url", server.URL, "--admin-key", "hb_key", "--connector", "shop", "--connector", "blog"}, stdio{nil, &stdout, &stderr})
	if code != 0 {
		t.Fatalf("%d: %s", code, &stderr)
	}
	if want := []string{"/api/v1/connectors/shop Bearer hb_key", "/api/v1/connectors/blog Bearer hb_key"}; !slices.Equal(asked, want) {
		t.Errorf("the server was asked %q, want %q", asked, want)
	}
	for _, want := range []string{
		"published by shop, blog,",
		"      clearbit?: {\n        name?: Trait;\n        size?: Trait;\n      };\n      plan?: Trait;\n",
		`segment: "Readers" | "VIP";`, `event: "Read";`,
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, &stdout)
		}
	}
}

// What is wrong is said in one sentence, which has no key in it. The exit code is 2 where
// the flags are wrong.
func TestTypesFails(t *testing.T) {
	p := startProcess(t, t.TempDir())
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<!doctype html>") }))
	t.Cleanup(page.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"ok":true}`) }))
	t.Cleanup(other.Close)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--admin-key", "hb_wrong"}, 1, "the server does not take this operator's key"},
		{[]string{"--connector", "nobody"}, 1, `the server has no connector "nobody"`},
		{[]string{"--connector", "demo", "--connector", "nobody"}, 1, `the server has no connector "nobody"`},
		{[]string{"--url", page.URL}, 1, page.URL + " does not answer as Hullbeam does (200 OK): is it the server's address?"},
		{[]string{"--url", other.URL}, 1, other.URL + " does not answer as Hullbeam does (200 OK): is it the server's address?"},
		{[]string{"--url", p.URL + "/docs"}, 1, p.URL + "/docs does not serve operators; where admin_listen is set give that address as --url"},
		{[]string{"--url", "beam.example.com"}, 2, `--url: "beam.example.com" is not an address such as https://beam.example.com`},
		{[]string{"--url", "localhost:8082"}, 2, `--url: "localhost:8082" is not an address such as https://beam.example.com`},
		{[]string{"--url", "127.0.0.1:8082"}, 2, `--url: "127.0.0.1:8082" is not an address such as https://beam.example.com`},
	} {
		out, stderr, code := p.types(test.args...)
		said, more, _ := strings.Cut(stderr, "\n")
		if code != test.code || out != "" || said != "hullbeam: "+test.want || (code == 1 && more != "") {
			t.Errorf("%q: %d, %q, %q; want %d, %q", test.args, code, out, stderr, test.code, test.want)
		}
	}
}

// A page's code is compiled with what types prints: names that the connector publishes
// are known, and others are errors. Without it any name will do.
func TestTypesCompile(t *testing.T) {
	p := startProcess(t, t.TempDir())
	if status, answer := p.hull("POST", "/segments/vip", `{"name":"VIP"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	settings := `{"private_settings":{"public_traits":["plan","clearbit/name","account.clearbit/industry"],"public_segments":["vip"],"public_events":["Signed Up"]}}`
	if status, answer := p.hull("POST", "/settings/demo", settings); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	declaration, stderr, code := p.types()
	if code != 0 {
		t.Fatalf("%d: %s", code, stderr)
	}
	var right, misspelt []string
	for _, test := range [][2]string{
		{`update.user.id, update.user.plan`, `update.user.plna`},
		{`update.user.clearbit?.name`, `update.user.clearbit?.nmae`},
		{`update.account["clearbit/industry"]`, `update.account["clearbit/industri"]`},
		{`update.segments.includes("VIP")`, `update.segments.includes("ViP")`},
		{`update.events.includes("Signed Up")`, `update.events.includes("Signed up")`},
		{`update.changes?.segments.entered`, `update.changes?.segment`},
	} {
		right, misspelt = append(right, test[0]), append(misspelt, test[1])
	}
	if said := compile(t, declaration, right); said != "" {
		t.Errorf("what is published: %s", said)
	}
	said := compile(t, declaration, misspelt)
	for i, expression := range misspelt {
		if !strings.Contains(said, fmt.Sprintf("page0.ts(%d,", i+2)) {
			t.Errorf("%s is compiled; others: %s", expression, said)
		}
	}
	if said := compile(t, declaration, []string{
		`update.changes?.user.plan?.[1], update.changes?.user.clearbit?.name?.[0], update.changes?.account["clearbit/industry"]`,
	}); said != "" {
		t.Errorf("what changed: %s", said)
	}
	if said := compile(t, "", []string{`update.user.any, update.account.any`, `update.segments.includes("any")`}); said != "" {
		t.Errorf("without types: %s", said)
	}
}

// compile is what tsc complains of when a page uses an update in these expressions, the
// first of which is on line 2 of page0.ts.
func compile(t *testing.T, declaration string, expressions []string) string {
	t.Helper()
	return compilePages(t, declaration, "window.hullBrowser?.on(\"user.update\", (update) => { console.log(\n"+strings.Join(expressions, ",\n")+"\n) });")
}

// compilePages is what tsc complains of in pages' code, page0.ts and so on, with what the
// server has and types prints.
func compilePages(t *testing.T, declaration string, pages ...string) string {
	t.Helper()
	files := map[string]string{}
	for i, page := range pages {
		files[fmt.Sprintf("page%d.ts", i)] = page
	}
	return compileFiles(t, files, declaration)
}

// ambient is what is there in pages besides ship.d.ts: its object, or the stub of it, and
// what operators' scripts are called by.
const ambient = `import type { HullBrowser } from "./ship";
declare global {
  const hullBrowser: HullBrowser;
  interface Window { hullBrowserScripts: Record<string, (...args: any[]) => void> }
}
`

// compileFiles is what tsc complains of in files.
func compileFiles(t *testing.T, files map[string]string, declaration string) string {
	t.Helper()
	dir := t.TempDir()
	files = maps.Clone(files)
	files["ship.d.ts"], files["hull.d.ts"], files["ambient.d.ts"] = proctest.ReadFile(t, "static/dist/ship.d.ts"), declaration, ambient
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tsc, err := filepath.Abs("testdata/browser/node_modules/.bin/tsc")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--noEmit", "--strict", "--allowJs", "--jsx", "preserve", "--lib", "es2021,dom"}, slices.Sorted(maps.Keys(files))...)
	cmd := exec.CommandContext(t.Context(), tsc, args...)
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	if len(said) == 0 && err != nil {
		t.Fatalf("%v (ci/install.sh installs tsc)", err)
	}
	return string(said)
}
