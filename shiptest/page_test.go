package shiptest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// connectors is a configuration file with connectors beside demo, each of which publishes
// one trait.
func connectors(t *testing.T, traits map[string]string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("connectors:\n")
	for id, trait := range traits {
		text.WriteString(fmt.Sprintf("  - {id: %s, organization: '', secret: s, settings: {}, private_settings: {whitelisted_domains: ['127.0.0.1'], public_traits: [%s]}}\n", id, trait))
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// D12: each script tag is a connector of its own, with a state of its own.
func TestD12TwoConnectors(t *testing.T) {
	t.Parallel()
	b := startBeam(t, "--config", connectors(t, map[string]string{"second": "city"}))
	b.do("POST", "/api/v1/connectors/second/users", `{"user":{"id":"u2","city":"Bern","plan":"x","anonymous_ids":["demo-visitor-0001"]}}`)
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", b.snippet("")+strings.Replace(b.snippet(""), `"demo"`, `"second"`, 1)))
	page.until(heard("user.update", `e.connector == "demo" && e.user.name == "Ada" && !e.user.city`))
	page.until(heard("user.update", `e.connector == "second" && e.user.city == "Bern" && !e.user.name`))
	page.same(`[hullBrowser.state().user.name, hullBrowser.state("second").user.city]`, `["Ada","Bern"]`)
	page.same(`Object.keys(localStorage).filter((name) => name.startsWith("hull_browser:")).sort()`, `["hull_browser:demo","hull_browser:second"]`)
}

// The same tag twice is one connector.
func TestD12TheSameTagTwice(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", b.snippet("")+b.snippet("")))
	page.until(opens)
	page.hears(b, "team")
	page.same(heard("user.update", `e.user.plan == "team"`), "1")
}

// D7: where window.Hull cannot emit the page has window.hullBrowser all the same, and
// where it can its listeners hear as well.
func TestD7Emitter(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	for name, test := range map[string]struct{ hull, heard string }{
		"no Hull":                  {"", "true"},
		"a Hull without emit":      {"window.Hull = {}", "true"},
		"a Hull that emits":        {`window.Hull = {emit: (name, e) => window.emitted = [name, e]}`, `emitted[0] == "user.update" && emitted[1].user.name == "Ada"`},
		"a Hull whose emit throws": {`window.Hull = {emit: () => { throw 1 }}`, "true"},
	} {
		t.Run(name, func(t *testing.T) {
			page := newProfile(t).tab(hear, visitor, test.hull)
			page.open(newSite(t).page("/", b.snippet("")))
			page.until(heard("user.update", `e.user.name == "Ada"`))
			page.same("["+test.heard+", typeof hullBrowser.on]", `[true,"function"]`)
		})
	}
}

// Listeners: by name, once, by wildcard, taken off again; one that throws stops no other.
func TestListeners(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", `<script src="/listen.js"></script>`+b.snippet(`data-consent="wait"`)))
	page.until("window.hullBrowser")
	page.eval(`(window.calls = [], window.note = (name) => () => calls.push(name), window.removed = note("removed"),
		hullBrowser.on("user.update", () => { throw new Error("of the site") }).on("user.update", note("name")).once("user.update", note("once"))
			.on("user.*", note("user.*")).on("*", note("*")).on("**", note("**")).on("*.update", note("*.update")).on("user", note("user")).on("user.update", removed),
		hullBrowser.off("user.update", removed), hullBrowser.consent(true), 0)`)
	page.until(`calls.includes("*.update")`)
	page.same(`calls.filter((name) => name != "**" && name != "*")`, `["name","once","user.*","*.update"]`)
	page.same(`[calls.includes("*"), calls.includes("**")]`, "[true,true]")
	page.hears(b, "team")
	page.same(`calls.filter((name) => name == "once").length`, "1")
	for _, complaint := range page.complaints() {
		if !strings.Contains(complaint, "of the site") {
			t.Errorf("the console says: %s", complaint)
		}
	}
}

// stub is what a page has before the snippet to call it (docs/personalization.md).
const stub = `(function(w,m){if(!w.hullBrowser){var q=[];w.hullBrowser={q:q};m.split(" ").forEach(function(n){w.hullBrowser[n]=function(){q.push([n,arguments])}})}})(window,"on once off consent identify reset email receipt");`

// Calls that were made before the script was there are made up for.
func TestStub(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, stub+`hullBrowser.on("user.update", (e) => window.told = e); hullBrowser.identify({anonymous_id: "demo-visitor-0002"})`)
	page.open(s.page("/", b.snippet("")))
	page.until(`window.told?.user.name == "Grace"`)
}

// A tag manager that leaves attributes out can say them in the script's address; Hullbeam
// is where the script is from.
func TestOptionsInTheAddress(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor, fmt.Sprintf(`addEventListener("DOMContentLoaded", () => { const s = document.createElement("script"); s.src = "%s/ship.js?hullId=demo"; document.head.append(s) })`, b.URL))
	page.open(newSite(t).page("/", "a page"))
	page.until(heard("user.update", `e.user.name == "Ada"`))
}

// Hull.js tells a script that it has embedded which connector it is.
func TestEmbeddedByHull(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor, fmt.Sprintf(`window.Hull = {onEmbed: (embedded) => setTimeout(() => embedded(document.body, {ship: {id: "demo", source_url: "%s/"}, platform: {}}, {}))}`, b.URL))
	page.open(newSite(t).page("/", fmt.Sprintf(`<script async src="%s/ship.js"></script>`, b.URL)))
	page.until(heard("user.update", `e.user.name == "Ada"`))
}

// A tag without a connector says so, once.
func TestNoConnector(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab()
	page.open(newSite(t).page("/", fmt.Sprintf(`<script src="%s/ship.js"></script>`, b.URL)))
	if got := page.complaints(); len(got) != 1 || !strings.Contains(got[0], "data-hull-id") {
		t.Errorf("the console says %q", got)
	}
}

// strict is what a site's policy must at least allow.
func strict(b *beam) [2]string {
	return [2]string{"Content-Security-Policy", "default-src 'none'; script-src 'self' " + b.URL + "; connect-src " + b.URL + "; require-trusted-types-for 'script'"}
}

// D6: nothing is evaluated: the operator's script runs under a strict policy, as a file.
func TestD6StrictPolicy(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	b.hull("/settings/demo", `{"settings":{"script":"window.ran = (window.ran || []).concat([[user.name, segments, account, account_segments, events, changes && Object.keys(changes.user)]]); implicit = 1"}}`)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet(""), strict(b)))
	page.until("window.ran")
	page.same("ran", `[["Ada",[],{"name":"Engines Ltd"},[],[],["id","invite_url","name","plan","points"]]]`)
	b.hull("/users/demo-user", `{"user":{"plan":"team"},"enter":["vip"],"events":[{"event":"Signed Up"}]}`)
	page.until("ran.length == 2")
	page.same("ran[1]", `["Ada",["vip"],{"name":"Engines Ltd"},[],["Signed Up"],["plan"]]`)
	// On the next page it runs for what was kept, with changes undefined: as soon as the
	// server says that it is still the operator's.
	page.open(s.page("/next", b.snippet(""), strict(b)))
	page.until("window.ran")
	page.same("ran", `[["Ada",["vip"],{"name":"Engines Ltd"},[],[],null]]`)
}

// D6: a script that the operator has taken away does not run again from storage.
func TestD6ScriptTakenAway(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	b.hull("/settings/demo", `{"settings":{"script":"window.ran = 1"}}`)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet("")))
	page.until("window.ran")
	page.open(s.page("/away", "somewhere else"))
	b.hull("/settings/demo", `{"settings":{"script":""}}`)
	page.open(s.page("/next", b.snippet("")))
	page.until(heard("user.update", "true"))
	page.hears(b, "team")
	page.same("window.ran ?? null", "null")
}

// The example of hull-browser's readme runs unchanged, and again with each update.
func TestReadmeExample(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	example := `segments.map(function(segment) {
  fbq('trackCustom', 'In Segment '+segment, {
    metrics_raised: user.clearbit_company.metrics_raised
  });
});`
	b.do("POST", "/demo/hull/settings/demo", fmt.Sprintf(`{"settings":{"script":%q},"private_settings":{"public_traits":["clearbit_company/metrics_raised"]}}`, example))
	b.hull("/users/demo-user", `{"user":{"traits_clearbit_company/metrics_raised":1000},"enter":["vip"]}`)
	page := newProfile(t).tab(hear, visitor, `window.tracked = []; window.fbq = (...call) => tracked.push(call);
		window.listeners = []; window.Hull = {on: (name, f) => listeners.push([name, f]), emit: (name, e) => listeners.forEach(([n, f]) => n == name && f(e))};
		Hull.on("user.update", function({
			user,
			segments,
			account,
			account_segments,
			events,
			changes
		}) {
			window.destructured = [user, segments, account, account_segments, events, changes];
		})`)
	page.open(newSite(t).page("/", b.snippet("")))
	page.until("tracked.length")
	page.same("tracked", `[["trackCustom","In Segment vip",{"metrics_raised":1000}]]`)
	page.same("destructured.map((value) => value != null)", "[true,true,true,true,true,true]")
}

// The whole console under localStorage.debug says in one line what was refused; without,
// nothing.
func TestDebug(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	b.hull("/settings/demo", `{"private_settings":{"whitelisted_domains":["www.example.com"]}}`)
	for name, test := range map[string]struct {
		script string
		lines  int
	}{"asked for": {`localStorage.debug = "hull*"`, 1}, "not asked for": {"", 0}, "others'": {`localStorage.debug = "express*"`, 0}} {
		t.Run(name, func(t *testing.T) {
			page := newProfile(t).tab(hear, visitor, test.script)
			page.open(newSite(t).page("/", b.snippet("")))
			page.until(heard("status", `e.state == "refused"`))
			var lines int
			for _, line := range page.log() {
				if strings.Contains(line, "origin_not_allowed") {
					lines++
				}
			}
			if lines != test.lines {
				t.Errorf("the console says %q", page.log())
			}
			page.onlyNetwork()
		})
	}
}

// A pattern that is no regular expression stops no event.
func TestPattern(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor, stub+`hullBrowser.on("user.update(", () => {})`)
	page.open(newSite(t).page("/", b.snippet("")))
	page.until(heard("user.update", `true`))
}

// hullBrowser.on of a queue that holds a call which is not ours does not cost the page its stream.
func TestStubWithAnUnknownCall(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor, stub+`hullBrowser.q.push(["ready", []])`)
	page.open(newSite(t).page("/", b.snippet("")))
	page.until(opens)
}

// What a listener listens to is what comes next (as in Node's emitter, and EventEmitter2).
func TestListenInAListener(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor, stub+`hullBrowser.on("user.update", () => { if (!window.n) { window.n = 1; hullBrowser.on("user.update", () => window.n++) } })`)
	page.open(newSite(t).page("/", b.snippet("")))
	page.until(opens)
	page.until(heard("user.update", "true"))
	page.same("n", "1")
}

// Only off is off.
func TestShareOn(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := onAPage(t, b, `data-share="on"`)
	page.same(`navigator.locks.query().then(({held}) => held.length)`, "1")
}

// Elements that are named as what a page has otherwise are not that: window and document
// have them by their names.
func TestNamedElements(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	for name, html := range map[string]string{
		"the snippet's own name": `<div id=hullBrowser></div>`,
		"libraries": `<form id=analytics><input name=user><input name=instance></form><form id=Hull><input name=ready><input name=emit></form>
			<form id=Intercom></form><form id=intercomSettings></form><form id=dataLayer></form>`,
		"the script that runs":    `<img name=currentScript>`,
		"a state of the server's": `<p id=hull-state hidden>{"user":{"id":"x","name":"Mallory"},"segments":["vip"]}</p>`,
	} {
		t.Run(name, func(t *testing.T) {
			page := newProfile(t).tab(hear, visitor)
			page.open(s.page("/", html+b.snippet(`data-destinations="datalayer"`)))
			page.until(opens)
			page.until(heard("user.update", `e.user.name == "Ada"`))
			page.same(`[`+heard("user.update", `e.user.name == "Mallory"`)+`, typeof hullBrowser.on]`, `[0,"function"]`)
		})
	}
}

// Whatever other scripts have done to the page costs it nothing.
func TestOtherScripts(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	for name, script := range map[string]string{
		"members of every object":      `Object.prototype.extend = function () {}; Object.prototype.answer = 42; Object.prototype.key = "polluted"`,
		"globals that throw":           `for (const name of ["Hull", "analytics", "Intercom", "intercomSettings", "dataLayer"]) Object.defineProperty(window, name, {get() { throw new Error(name) }})`,
		"globals that are others":      `window.Hull = {ready: () => 5, emit: 7, onEmbed: 3}; window.analytics = {user: () => null, ready: 4, on: 5}; window.Intercom = () => ({}); window.intercomSettings = "x"`,
		"a history that cannot change": `Object.defineProperty(History.prototype, "pushState", {value: 5}); Object.freeze(history)`,
		"an older browser":             `delete window.IntersectionObserver; delete Request.prototype.keepalive`,
	} {
		t.Run(name, func(t *testing.T) {
			page := newProfile(t).tab(hear, visitor, script)
			page.open(s.page("/", b.snippet("data-track")))
			page.until(heard("user.update", "e.changes"))
			page.until(opens)
			page.same(heard("user.update", "true"), "1")
			page.same(`Object.keys(heard.find(([name]) => name == "user.update")[1].changes.user).sort()`, `["id","invite_url","name","plan","points"]`)
		})
	}
}

// What a listener says of the visitor while it is told of one is what counts.
func TestListenerIdentifies(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor, tokens)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Ada"`))
	page.eval("delete localStorage.ajs_anonymous_id")
	page.eval(`void hullBrowser.once("user.private", () => hullBrowser.identify({anonymous_id: "demo-visitor-0002"}))`)
	page.eval(`void hullBrowser.identify({anonymous_id: "demo-visitor-0003"})`)
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.same(`tokens.at(-1).claims.anonymous_id.includes("demo-visitor-0003")`, "false")
}

// The operator's script is not run for somebody who has left while it was fetched.
func TestScriptAfterReset(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	b.hull("/settings/demo", `{"settings":{"script":"(window.ran ||= []).push(user.name)"}}`)
	proxy := (&line{URL: b.URL}).proxy(t, b)
	asked, goOn := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/script.") {
			once()
			<-goOn
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.CloseClientConnections)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippetBy(server.URL)))
	<-asked
	page.eval("(delete localStorage.ajs_anonymous_id, void hullBrowser.reset())")
	close(goOn)
	page.until("window.hullBrowserScripts")
	page.eval(`void hullBrowser.identify({anonymous_id: "demo-visitor-0002"})`)
	page.until("window.ran")
	page.same("ran", `["Grace"]`)
}
