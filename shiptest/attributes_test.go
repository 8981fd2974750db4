package shiptest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"hullbeam/internal/proctest"
)

// strictly is a policy under which only scripts and styles of the site itself run, and
// none of them writes HTML. (An empty style element, whose hash this is, may be there.)
var strictly = [2]string{"Content-Security-Policy",
	"default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; img-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"}

// marked is a page under a strict policy that has the attributes alone: know(state) is
// what is known of the visitor from now on, wait() waits for it. It waits from the start.
func marked(t *testing.T, body string) *tab {
	t.Helper()
	s := newSite(t)
	s.handle("/marked.js", script(bundle(t, `
		import { attributes } from "./attributes";
		const states = {}, apply = attributes((connector) => states[connector]);
		window.know = (state, connector = "") => { states[connector] = state; apply(false); };
		window.wait = () => apply(true);
		wait();`)))
	s.handle("/page.css", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, ".card { display: flex !important; visibility: visible !important } .block { height: 100px }")
	}))
	page := newProfile(t).tab(shifts, `window.one = (selector) => document.querySelector(selector);
		window.seen = (selector) => { const { display, visibility } = getComputedStyle(one(selector)); return display + " " + visibility; };
		window.displayed = (selector) => [...document.querySelectorAll(selector)].filter((e) => getComputedStyle(e).display != "none").map((e) => e.id).join(" ");`)
	page.open(s.page("/", `<link rel=stylesheet href=/page.css><script src=/marked.js></script>`+body, strictly))
	return page
}

// shifts makes the page add up its layout shifts, in window.shifted.
const shifts = `
	window.shifted = 0;
	new PerformanceObserver((list) => { for (const entry of list.getEntries()) shifted += entry.value; }).observe({ type: "layout-shift", buffered: true });`

// unmoved fails when anything of the page has moved. It moves all of it then, to see that
// moves are noticed.
func (b *tab) unmoved() {
	b.t.Helper()
	const frame = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
	b.eval(frame)
	before := b.eval("shifted")
	b.eval("document.body.prepend(document.createElement('p')), document.body.firstChild.style.height = '200px'")
	b.until("shifted > " + before)
	if before != "0" {
		b.t.Errorf("the page has moved by %s", before)
	}
}

// bundle is what esbuild makes of a script that imports parts of the snippet.
func bundle(t *testing.T, source string) string {
	t.Helper()
	cmd := exec.Command("go", "tool", "-modfile=../../ci/tools.mod", "esbuild", "--bundle", "--loader=ts", "--target=es2020", "--mangle-props=[^_]_$")
	cmd.Dir, cmd.Stdin, cmd.Stderr = "../static/ship", strings.NewReader(source), os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("esbuild: %v", err)
	}
	return string(text)
}

func script(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		fmt.Fprint(w, text)
	})
}

const sixVariants = `
	<p id=vip data-hull-show="segment:VIP" hidden>VIP</p>
	<p id=pro data-hull-show="user.plan = 'pro' and not segment:VIP">Pro</p>
	<p id=trial data-hull-show="user.plan = 'trial' and user.days_left > 3">Trial</p>
	<p id=ending data-hull-show="user.plan = 'trial' and user.days_left <= 3">Ending</p>
	<p id=large data-hull-show="account_segment:Large and not user.plan">Large</p>
	<p id=nobody data-hull-hide="user.plan or segment:VIP or account_segment:Large">Nobody</p>`

func TestAttributesShowSixVariants(t *testing.T) {
	t.Parallel()
	page := marked(t, sixVariants)
	page.same(`displayed("p")`, `"nobody"`)
	for _, row := range [][2]string{
		{`{ user: {}, segments: ["VIP"] }`, "vip"},
		{`{ user: { plan: "pro" }, segments: ["VIP"] }`, "vip"},
		{`{ user: { plan: "pro" }, segments: [] }`, "pro"},
		{`{ user: { plan: "trial", days_left: 4 } }`, "trial"},
		{`{ user: { plan: "trial", days_left: "2" } }`, "ending"},
		{`{ user: {}, account_segments: ["Large"] }`, "large"},
		{`{ user: {} }`, "nobody"},
		{`undefined`, "nobody"},
	} {
		page.eval(`know(` + row[0] + `)`)
		if got := page.eval(`displayed("p")`); got != `"`+row[1]+`"` {
			t.Errorf("%s: %s is displayed, not %s", row[0], got, row[1])
		}
	}
}

func TestAttributesShowTextsAsText(t *testing.T) {
	t.Parallel()
	page := marked(t, `<h1>Hello <span data-hull-text="user.name">dear <b>friend</b></span></h1><i data-hull-text="user.name"></i>
		<textarea data-hull-text="user.name"></textarea><title data-hull-text="user.name">A title</title>`)
	hostile := `<script>document.title = "run"</script><img src=x onerror="document.title = 'run'">&amp;`
	page.eval(`know({ user: { name: ` + quoted(hostile) + ` } })`)
	for _, element := range []string{"span", "i", "textarea", "title[data-hull-text]"} {
		page.same(`one("`+element+`").textContent`, quoted(hostile))
		page.same(`one("`+element+`").children.length`, `0`)
	}
	for _, row := range [][2]string{
		{`12.5`, "12.5"}, {`0`, "0"}, {`true`, "true"}, {`false`, "false"}, {`"Ada"`, "Ada"},
		{`""`, "dear friend"}, {`null`, "dear friend"}, {`undefined`, "dear friend"}, {`["Ada"]`, "dear friend"}, {`{ a: 1 }`, "dear friend"},
	} {
		page.eval(`know({ user: { name: ` + row[0] + ` } })`)
		page.same(`one("span").textContent`, quoted(row[1]))
	}
	page.same(`one("span").innerHTML`, `"dear <b>friend</b>"`)
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\x00", `\u0000`, "\x01", `\u0001`, "\x1f", `\u001f`, "\r", `\r`).Replace(text) + `"`
}

func TestAttributesRefuseUnsafeAddresses(t *testing.T) {
	t.Parallel()
	page := marked(t, `<a data-hull-attr-href="user.a" href="/own">a</a>`)
	for _, address := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", "jAvAsCrIpT:alert(1)", " javascript:alert(1)", "\tjavascript:alert(1)", "\njavascript:alert(1)",
		"\x00javascript:alert(1)", "\x01javascript:alert(1)", "\x1f javascript:alert(1)", "java\nscript:alert(1)", "java\tscript:alert(1)", "java\r\nscript:alert(1)",
		"javascript\n:alert(1)", "j\na\nv\na\ns\nc\nr\ni\np\nt\n:alert(1)", "javascript://example.com/%0aalert(1)", "javascript:/*https://*/alert(1)",
		"javascript:", "data:text/html,<script>alert(1)</script>", "DATA:text/html;base64,PHNjcmlwdD4=", "data:image/svg+xml,<svg onload=alert(1)>",
		"vbscript:msgbox(1)", "blob:https://example.com/0", "filesystem:https://example.com/x", "file:///etc/passwd", "ftp://example.com/", "view-source:https://example.com",
		"about:blank", "intent://x#Intent;end", "ws://example.com", "livescript:x", "mocha:x", "feed:javascript:alert(1)", "jar:https://example.com!/x", "http://[", "https://exa mple.com:x",
	} {
		page.eval(`know({ user: { a: ` + quoted(address) + ` } })`)
		if got := page.eval(`one("a").getAttribute("href")`); got != `"/own"` {
			t.Errorf("%q stands in href: %s", address, got)
		}
	}
	for _, address := range []string{
		"https://example.com/a?b#c", "http://example.com", "HTTPS://EXAMPLE.COM", "//example.com/x", "/path", "path", "?query", "#part", "./a:b", "a/javascript:b",
		"mailto:a@example.com", "tel:+15550100", " https://example.com",
	} {
		page.eval(`know({ user: { a: ` + quoted(address) + ` } })`)
		page.same(`one("a").getAttribute("href")`, quoted(address))
	}
}

func TestAttributesRefuseWhatRuns(t *testing.T) {
	t.Parallel()
	value := map[string]string{"address": `javascript:document.title='run'`, "good": `https://example.com/x`, "code": `document.title='run'`, "markup": `<script>document.title='run'</script>`}
	state := fmt.Sprintf(`{ user: { address: %s, good: %s, code: %s, markup: %s } }`, quoted(value["address"]), quoted(value["good"]), quoted(value["code"]), quoted(value["markup"]))
	var body strings.Builder
	rows := [][2]string{
		{"button", `data-hull-attr-onclick="user.code"`}, {"button", `data-hull-attr-ONCLICK="user.code"`}, {"img", `data-hull-attr-onerror="user.code"`}, {"svg", `data-hull-attr-onload="user.code"`},
		{"p", `data-hull-attr-style="'position:fixed'"`}, {"p", `data-hull-attr-id="user.code"`}, {"form", `data-hull-attr-name="user.code"`},
		{"div", `data-hull-attr-srcdoc="user.markup"`}, {"iframe", `data-hull-attr-srcdoc="user.markup"`}, {"iframe", `data-hull-attr-src="user.good"`}, {"iframe", `data-hull-attr-sandbox="'allow-scripts'"`},
		{"object", `data-hull-attr-data="user.good"`}, {"embed", `data-hull-attr-src="user.good"`}, {"base", `data-hull-attr-href="user.good"`},
		{"link", `data-hull-attr-href="user.good"`}, {"script", `data-hull-attr-src="user.good"`}, {"script", `data-hull-text="user.code"`}, {"style", `data-hull-text="'p{display:none}'"`},
		{"meta", `data-hull-attr-content="user.good"`}, {"form", `data-hull-attr-action="user.address"`}, {"button", `data-hull-attr-formaction="user.address"`},
		{"video", `data-hull-attr-poster="user.address"`}, {"img", `data-hull-attr-src="user.address"`}, {"img", `data-hull-attr-data-src="user.address"`}, {"a", `data-hull-attr-ping="user.address"`}, {"a", `data-hull-attr-ping="'https://a.example javascript:b'"`},
	}
	for _, row := range rows {
		fmt.Fprintf(&body, "<%[1]s class=row %[2]s></%[1]s>\n", row[0], row[1])
	}
	body.WriteString(`<svg><a class=row data-hull-attr-xlink:href="user.address"><text>x</text></a>
		<a><set class=row data-hull-attr-to="user.address" /></a><animate class=row data-hull-attr-values="user.address" /><script class=row data-hull-text="user.code"></script></svg>`)
	page := marked(t, body.String())
	// Without the values, and without the style with which the page waits.
	page.eval(`know(undefined)`)
	const rowsNow = `JSON.stringify([...document.querySelectorAll(".row")].map((e) => { if (!e.getAttribute("style")) e.removeAttribute("style"); return e.outerHTML; }))`
	if got := page.eval(`document.querySelectorAll(".row").length`); got != fmt.Sprint(len(rows)+4) {
		t.Fatalf("%s rows", got)
	}
	before := page.eval(rowsNow)
	page.eval(`know(` + state + `)`)
	page.same(rowsNow, before)
	page.eval(`document.querySelectorAll("button, a").forEach((e) => e.dispatchEvent(new Event("click")))`)
	page.same(`document.title`, `"A shop"`)
	// The same names, with what is safe.
	page.eval(`one("img[data-hull-attr-src]").dataset.hullAttrSrc = "'/x.png'", one("form[data-hull-attr-action]").dataset.hullAttrAction = "user.good", know(` + state + `)`)
	page.same(`[one("img[data-hull-attr-src]").getAttribute("src"), one("form[data-hull-attr-action]").action]`, `["/x.png","https://example.com/x"]`)
}

func TestAttributesFollowTheDocument(t *testing.T) {
	t.Parallel()
	page := marked(t, `<main></main><section data-hull-connector=other><p data-hull-text="user.name">own</p></section>`)
	page.eval(`know({ user: { name: "Ada" }, segments: ["VIP"] })`)
	// Before anything is painted: at the end of the task.
	const add = `(async () => { const box = document.createElement("div"); box.id = "added";
		const text = document.createElement("b"), hide = document.createElement("i");
		text.dataset.hullText = "user.name"; hide.dataset.hullHide = "segment:VIP"; box.append(text, hide);
		one("main").replaceChildren(box); await null;
		return text.textContent + " " + getComputedStyle(hide).display; })()`
	page.same(add, `"Ada none"`)
	page.same(add, `"Ada none"`)
	page.same(`one("section p").textContent`, `"own"`)
	page.eval(`know({ user: { name: "Bob" } }, "other")`)
	page.same(`[one("section p").textContent, one("main b").textContent]`, `["Bob","Ada"]`)
	// An attribute that the application changes, as at a change of its route.
	page.eval(`one("main b").dataset.hullText = "user.nothing", know({ user: { name: "Ada" } })`)
	page.same(`one("main b").textContent`, `""`)
	// What the page itself wrote is the author's.
	page.eval(`one("main b").dataset.hullText = "user.name", know({ user: { name: "Ada" } }), one("main b").textContent = "the page's", know({ user: { name: "Eve" } })`)
	page.same(`one("main b").textContent`, `"Eve"`)
	page.eval(`know(undefined)`)
	page.same(`one("main b").textContent`, `"the page's"`)
	// A second update that says the same writes nothing.
	page.eval(`know({ user: { name: "Ada" } })`)
	page.same(`(async () => { let writes = 0; const o = new MutationObserver((r) => writes += r.length);
		o.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		know({ user: { name: "Ada" } }); await new Promise((done) => setTimeout(done)); return writes; })()`, `0`)
}

func TestAttributesAreTheAuthorsAgain(t *testing.T) {
	t.Parallel()
	page := marked(t, `<div id=all class="a b" title="own" data-hull-show="user.here" hidden
			data-hull-class="a: user.a; c: user.c = ';'; md:d: user.c; wrong: (; b: user.b" data-hull-attr-title="user.title" data-hull-attr-aria-label="user.title"
			data-hull-text="user.name">own <b>text</b></div>
		<div id=flex class=card data-hull-hide="user.here">x</div><div id=inline data-hull-hide="user.here">x</div><div id=wrong data-hull-show="user.">x</div>`)
	page.eval(`inline = one("#inline"), inline.style.setProperty("display", "grid", "important"), inline.style.setProperty("visibility", "collapse"), know(undefined)`)
	const now = `[...document.querySelectorAll("div")].map((e) => [...[...e.attributes].map((a) => a.name + ": " + a.value).filter((a) => a != "style: ").sort(), e.innerHTML])`
	before := page.eval(now)
	if !strings.Contains(before, "display: grid !important") || strings.Contains(before, "display: none; visibility") {
		t.Fatal(before)
	}
	page.same(`displayed("div")`, `"flex inline"`)

	page.eval(`know({ user: { here: true, c: ";", title: "Her title", name: "Ada" } })`)
	page.same(`displayed("div")`, `"all"`)
	page.same(`[one("#all").textContent, one("#all").title, one("#all").getAttribute("aria-label"), one("#all").className]`, `["Ada","Her title","Her title","c md:d"]`)
	page.eval(`know({ user: { here: true, a: 1, b: 1 } })`)
	page.same(`[one("#all").innerHTML, one("#all").title, one("#all").getAttribute("aria-label"), [...one("#all").classList].sort()]`, `["own <b>text</b>","own",null,["a","b"]]`)

	page.eval(`know(undefined)`)
	page.same(`[...one("#all").classList].sort().join(" ")`, `"a b"`)
	page.eval(`one("#all").className = "a b"`)
	page.same(now, before)
	page.eval(`wait(), wait(), know({ user: { here: true } }), wait(), know(undefined)`)
	page.eval(`one("#all").className = "a b"`)
	page.same(now, before)
}

func TestAttributesWaitInTheirSpace(t *testing.T) {
	t.Parallel()
	page := marked(t, `<p class=block data-hull-text="user.name">own</p><div class="block card" data-hull-hide="segment:VIP">card</div>
		<div class=block data-hull-show="segment:VIP">vip</div><div data-hull-connector=demo id=box>box</div><p id=last>last</p>`)
	page.same(`[seen("p"), seen(".card"), seen("[data-hull-show]").split(" ")[0], seen("#box"), seen("body")]`,
		`["block hidden","flex hidden","none","block visible","block visible"]`)
	page.same(`one("p").offsetHeight`, `100`)
	page.eval(`document.body.dataset.hullClass = "x: segment:VIP", wait()`)
	page.same(`[seen("body"), seen("p"), seen("#box")]`, `["block visible","block hidden","block visible"]`)
	page.eval(`document.body.append(one("p").cloneNode(true))`)
	page.eval(`know(undefined)`)
	page.same(`[...document.querySelectorAll("p")].map((e) => getComputedStyle(e).visibility)`, `["visible","visible","visible"]`)
	page.same(`seen("[data-hull-show]").split(" ")[0]`, `"none"`)
	page.unmoved()
	// Known from the start: no waiting.
	page.eval(`know({ user: {}, segments: ["VIP"] }), wait()`)
	page.same(`[seen("p"), seen(".card").split(" ")[0], seen("[data-hull-show]")]`, `["block visible","none","block visible"]`)
}

func TestAttributesEndureAnyState(t *testing.T) {
	t.Parallel()
	page := marked(t, `<b data-hull-text="user.a" data-hull-attr-title="user.a" data-hull-class="x: user.a.b.c = 1" data-hull-attr-x&quot;y="'x'">own</b><i data-hull-text="user.b">own</i>
		<u data-hull-show="user.a.length > 1">own</u>`)
	for _, state := range []string{
		`{ user: { a: JSON.parse("[".repeat(60000) + "]".repeat(60000)) } }`, `{ user: { a: Array(1e6).fill({}) } }`, `{ user: [], segments: {}, account: 1 }`, `null`, `{}`, `1`,
		`JSON.parse('{"user":{"a":{"toString":1,"valueOf":null,"__proto__":{"b":{"c":1}}}}}')`, `{ user: null }`, `{ user: { a: NaN } && null, segments: null }`,
	} {
		page.eval(`know(` + state + `)`)
		page.same(`one("b").outerHTML.includes(">own<")`, `true`)
		page.eval(`know({ user: { b: "still" } })`)
		page.same(`one("i").textContent`, `"still"`)
	}
	page.eval(`know({ user: { a: "x".repeat(1e6) } })`)
	page.same(`one("b").textContent.length`, `1000000`)
	page.same(`({}).b ?? null`, `null`)
}

// A page of 10,000 elements, 1,000 of them marked: what an application takes is logged.
func TestAttributesOfALargePage(t *testing.T) {
	t.Parallel()
	page := marked(t, strings.Repeat(`<div class=a title=b><p class=c><span>x</span><i>x</i></p><p><b>x</b><a href="/x">x</a></p><ul><li>x</li></ul><u data-hull-text="user.name">own</u></div>`, 1000))
	page.same(`document.querySelectorAll("body *").length >= 10000`, `true`)
	const took = `(() => { const times = []; for (let i = 0; i < 21; i++) { const start = performance.now(); know(%s); times.push(performance.now() - start); } return times.sort((a, b) => a - b)[10]; })()`
	t.Logf("ms with 1,000 changes: %s", page.eval(fmt.Sprintf(took, `{ user: { name: "" + Math.random() } }`)))
	t.Logf("ms with none: %s", page.eval(fmt.Sprintf(took, `{ user: { name: "Ada" } }`)))
	t.Logf("ms to find them: %s", page.eval(strings.Replace(fmt.Sprintf(took, "0"), "know(0)", `document.evaluate("descendant-or-self::*[@*[starts-with(name(),'data-hull-')]]", document, null, 6)`, 1)))
	page.same(`document.querySelectorAll("u")[999].textContent`, `"Ada"`)
}

// The style of the document hides what is marked until the script comes, or for its time.
func TestAttributesStyleWithoutTheScript(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/attributes.md")
	if err != nil {
		t.Fatal(err)
	}
	css := regexp.MustCompile("(?s)```css\n(.*?)```").FindSubmatch(text)
	if css == nil {
		t.Fatal("the document has no style")
	}
	s := newSite(t)
	page := newProfile(t).tab()
	page.open(s.page("/", `<style>`+string(css[1])+`</style><script async src="http://`+proctest.FreeAddr(t)+`/ship.js"></script><p data-hull-text="user.name">own</p>`))
	const add = `(() => { const p = document.createElement("p"); p.dataset.hullText = "user.name"; p.textContent = "own"; document.body.append(p); return getComputedStyle(p).visibility; })()`
	page.same(add, `"hidden"`)
	page.until(`[...document.querySelectorAll("p")].every((p) => getComputedStyle(p).visibility == "visible")`)
	page.eval(`document.documentElement.dataset.hullReady = ""`)
	page.same(add, `"visible"`)
	page.complaints() // that the script could not be loaded

	with := marked(t, `<p data-hull-text="user.name">own</p>`)
	with.same(`document.documentElement.matches("[data-hull-ready]")`, `true`)
}

// strict is the policy of a site that lets in the snippet from beam, and nothing inline.
func (b *beam) strict() [2]string {
	return [2]string{"Content-Security-Policy", fmt.Sprintf(
		"default-src 'none'; script-src 'self' %[1]s; connect-src %[1]s; style-src 'self'; img-src 'self'; require-trusted-types-for 'script'", b.URL)}
}

// The whole way: what Hull says of a visitor, in the page, without a script of its own.
func TestAttributesFromHullToThePage(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", `<p id=vip data-hull-show="segment:vip" hidden>VIP</p>
		<p id=free data-hull-show="user.plan = 'free' and not segment:vip">Free</p>
		<p id=pro data-hull-show="user.plan = 'pro' and not segment:vip">Pro</p>
		<p id=team data-hull-show="user.plan = 'team' and not segment:vip">Team</p>
		<p id=engines data-hull-show="account.name = 'Engines Ltd'">Engines</p>
		<p id=nobody data-hull-hide="user.plan">Nobody</p>
		<b data-hull-text="user.name">friend</b>`+b.snippet(""), b.strict()))
	const shown = `[...document.querySelectorAll("p")].filter((e) => e.offsetHeight && getComputedStyle(e).visibility == "visible").map((e) => e.id).join(" ")`
	becomes := func(ids, name string) {
		t.Helper()
		page.until(fmt.Sprintf(`%s == %q && document.querySelector("b").textContent == %q`, shown, ids, name))
	}
	becomes("free engines", "Ada")
	b.hull("/users/demo-user", `{"user":{"plan":"pro"}}`)
	becomes("pro engines", "Ada")
	hostile := `<script>document.title='run'</script><img src=x onerror=alert(1)>`
	b.hull("/users/demo-user", fmt.Sprintf(`{"user":{"plan":"team","name":%q}}`, hostile))
	becomes("team engines", hostile)
	page.same(`[document.querySelector("b").children.length, document.title]`, `[0,"A shop"]`)
	b.hull("/users/demo-user", `{"user":{"name":"Ada L."},"enter":["vip"]}`)
	becomes("vip engines", "Ada L.")
	page.eval(`localStorage.clear(), hullBrowser.reset()`)
	becomes("nobody", "friend")
}

// The deadline with a Hullbeam that is out of reach: the page is as its author wrote it,
// and nothing of it has moved.
func TestAttributesWithoutAHullbeam(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	ship, err := os.ReadFile("../static/dist/ship.js")
	if err != nil {
		t.Fatal(err)
	}
	s.handle("/ship.js", script(string(ship)))
	b.kill()
	page := newProfile(t).tab(hear, visitor, shifts, `
		window.hidden = [];
		document.addEventListener("DOMContentLoaded", () => hidden.push(getComputedStyle(document.querySelector("b")).visibility));`)
	tag := fmt.Sprintf(`<script src=/ship.js data-hull-id=demo data-hull-endpoint=%s></script>`, b.URL)
	page.open(s.page("/", tag+`<p>Hello <b data-hull-text="user.name">friend</b></p><p data-hull-hide="segment:vip">for all</p>
		<p data-hull-show="segment:vip">for some</p><p data-hull-class="x: user.plan" data-hull-attr-title="user.name">end</p>`, b.strict()))
	page.until(`[...document.querySelectorAll("p, b")].every((e) => getComputedStyle(e).visibility == "visible")`)
	page.same(`[document.querySelector("b").textContent, document.body.innerText.split(/\s+/).join(" ").trim()]`, `["friend","Hello friend for all end"]`)
	page.unmoved()
	page.same(`hidden`, `["hidden"]`)
	page.until(heard("status", `e.state == "waiting"`))
	for _, complaint := range page.complaints() {
		if !strings.Contains(complaint, "ERR_CONNECTION_REFUSED") { // the browser's own line
			t.Error(complaint)
		}
	}
}
