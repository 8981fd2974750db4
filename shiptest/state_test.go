package shiptest

import (
	"fmt"
	"strings"
	"testing"
)

// keptAs is a script that puts what an earlier page would have kept into storage, once.
func keptAs(text string) string {
	return fmt.Sprintf(`if (!sessionStorage.was) { sessionStorage.was = 1; localStorage["hull_browser:demo"] = %q }`, text)
}

const updates = `heard.filter(([name]) => name == "user.update").map(([, e]) => [e.user.name, e.changes && Object.keys(e.changes.user)])`

// D8, D9: a page begins with what the last one knew, and changes is undefined then; what is
// the same is not told again.
func TestD8D9Boot(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("user.update", "e.changes"))
	page.until(opens)
	page.open(s.page("/second", b.snippet("")))
	page.until(opens)
	page.hears(b, "team")
	page.same(updates, `[["Ada",null],["Ada",["plan"]]]`)
	page.same(heard("segment.enter", "true"), "0")
}

// D3: what is kept is one connector's, and is of use to one visitor alone. The next
// visitor of the browser is neither shown it nor compared with it.
func TestD3AnotherVisitorOfTheBrowser(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Ada"`))
	page.eval("localStorage.ajs_anonymous_id = '\"demo-visitor-0002\"'")
	page.open(s.page("/next", b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.same(updates, `[["Grace",["id","name","plan","points"]]]`)
}

// D1, D3: somebody who was known by a name and is not any more has signed out: what was
// kept of them is not shown.
func TestD3SignedOutBetweenPages(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	b.hull("/settings/demo", `{"private_settings":{"identity_verification":"off"}}`)
	page := newProfile(t).tab(hear, `try { localStorage.ajs_anonymous_id ||= '"demo-visitor-0099"'; if (!sessionStorage.out) localStorage.ajs_user_id = '"4711"' } catch {}`)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.eval("(sessionStorage.out = 1, delete localStorage.ajs_user_id)")
	page.open(s.page("/next", b.snippet("")))
	page.until(heard("user.error", `e.message == "not_found"`))
	page.same(heard("user.update", "true"), "0")
	if kept := page.eval(`localStorage["hull_browser:demo"]`); len(kept) == 0 || page.eval(`/Grace|4711/.test(localStorage["hull_browser:demo"])`) != "false" {
		t.Errorf("kept: %s", kept)
	}
}

// D1: what the last page knew of the visitor is claimed when the page shows nothing.
func TestD1KeptClaims(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, `if (!sessionStorage.once) { sessionStorage.once = 1; `+visitor+`}`)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("user.update", "true"))
	page.eval("delete localStorage.ajs_anonymous_id")
	page.open(s.page("/next", b.snippet("")))
	page.until(opens)
	page.hears(b, "team")
}

// D2: whatever is in storage does no harm, and what is right takes its place.
func TestD2RubbishInStorage(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	site := s.page("/", b.snippet(""))
	for _, text := range []string{
		"undefined", "", "null", "[]", "5", `"x"`, "{", "{}", `{"text":"undefined"}`, `{"text":5,"claims":7,"key":{}}`, `{"claims":{"id":{"a":1},"anonymous_id":"x"},"key":"?"}`,
		`{"claims":[],"text":"{\"user\":{\"id\":\"u\"},\"segments\":7}"}`, `{"claims":{"anonymous_id":["demo-visitor-0001"]},"text":"{\"user\":{\"id\":[]}}"}`,
	} {
		t.Run(text, func(t *testing.T) {
			page := newProfile(t).tab(hear, visitor, keptAs(text))
			page.open(site)
			page.until(heard("user.update", `e.user.name == "Ada" && e.changes`))
			page.same(`JSON.parse(JSON.parse(localStorage["hull_browser:demo"]).text).user.name`, `"Ada"`)
		})
	}
}

// D2: storage that throws, or is full, does no harm.
func TestD2StorageThatThrows(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	for name, script := range map[string]string{
		"blocked": `for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, {get() { throw new DOMException("denied", "SecurityError") }})`,
		"full":    `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError") }`,
		"null":    `for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, {value: null})`,
	} {
		t.Run(name, func(t *testing.T) {
			page := newProfile(t).tab(hear, script)
			page.open(s.page("/", b.snippet(`data-anonymous_id="demo-visitor-0001"`)))
			page.until(heard("user.update", `e.user.name == "Ada"`))
		})
	}
}

// The state that the server has rendered into the page is the first.
func TestServedState(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet("")+`<script type="application/json" id="hull-state">{"user":{"id":"demo-user","name":"Ada from the server","plan":"free"},"segments":["vip"]}</script>`))
	page.until(heard("user.update", "e.changes"))
	page.same(`heard.filter(([name]) => name == "user.update").map(([, e]) => [e.user.name, e.changes && [e.changes.user, e.changes.segments]])`,
		`[["Ada from the server",null],["Ada",[{"name":["Ada from the server","Ada"],"invite_url":[null,"/demo/pricing.html?from=ada"],"points":[null,80]},{"entered":[],"left":["vip"]}]]]`)
	page.same(heard("segment.leave", `e.segment == "vip"`), "1")
}

// Who is not to be shown any more is forgotten, in the page and in storage.
func TestPrivate(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := onAPage(t, b, "")
	page.until(heard("user.update", "true"))
	b.hull("/settings/demo", `{"private_settings":{"synchronized_segments":["vip"]}}`)
	page.until(heard("user.private", `e.user.id == "demo-user"`))
	page.same(`[hullBrowser.state() ?? null, JSON.parse(localStorage["hull_browser:demo"]).text ?? null]`, "[null,null]")
	b.hull("/users/demo-user", `{"enter":["vip"]}`)
	page.until(heard("user.update", `e.segments.includes("vip")`))
}

// What a page is told of a number is what the server said, also above 2^53.
func TestNumbers(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	b.hull("/settings/demo", `{"private_settings":{"public_traits":["big"]}}`)
	page := onAPage(t, b, "")
	b.hull("/users/demo-user", `{"user":{"big":9007199254740993}}`)
	page.until(heard("user.update", `e.user.big === "9007199254740993"`))
	b.hull("/users/demo-user", `{"user":{"big":9007199254740992}}`)
	page.until(heard("user.update", `e.changes.user.big?.[0] === "9007199254740993" && e.user.big === "9007199254740992"`))
}

func TestResetForgets(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := onAPage(t, b, "")
	page.until(heard("user.update", "true"))
	page.eval("delete localStorage.ajs_anonymous_id")
	page.eval("hullBrowser.reset()")
	page.until(heard("user.private", `e.user.id == "demo-user"`))
	page.until(heard("status", `e.state == "waiting" && e.retry_in_ms == null`))
	page.same(`localStorage["hull_browser:demo"] ?? null`, "null")
	page.eval(`hullBrowser.identify({anonymous_id: "demo-visitor-0002"})`)
	page.until(heard("user.update", `e.user.name == "Grace"`))
}

// With data-consent="wait" nothing is stored and nothing sent before consent, and all is
// forgotten when it is taken back.
func TestConsent(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear)
	page.open(s.page("/", b.snippet(`data-consent="wait" data-anonymous_id="demo-visitor-0001"`)))
	page.until(`window.hullBrowser`)
	page.until("performance.now() > 1500") // longer than anything waits in a page that is allowed to
	page.same(fmt.Sprintf(`[localStorage.length, sessionStorage.length, performance.getEntriesByType("resource").map((e) => e.name).filter((name) => name.startsWith(%q))]`, b.URL),
		fmt.Sprintf(`[0,0,["%s/ship.js"]]`, b.URL))
	page.eval("hullBrowser.consent(true)")
	page.until(heard("user.update", `e.user.name == "Ada"`))
	page.eval("hullBrowser.consent(false)")
	page.until(heard("user.private", "true"))
	page.same(`[Object.keys(localStorage).filter((name) => name.startsWith("hull")), hullBrowser.state() ?? null]`, "[[],null]")
	page.same(heard("status", `e.state == "paused"`), "1")
}

// What was kept is not shown on when the server refuses the page.
func TestRefusedIsForgotten(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("user.update", "true"))
	page.open(s.page("/away", "somewhere else"))
	b.hull("/settings/demo", `{"private_settings":{"whitelisted_domains":["www.example.com"]}}`)
	page.open(s.page("/next", b.snippet("")))
	page.until(heard("user.private", `e.user.id == "demo-user"`))
	page.same(`JSON.parse(localStorage["hull_browser:demo"]).text ?? null`, "null")
	page.onlyNetwork()
}

// consent(false) forgets what was stored.
func TestConsentForgets(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear)
	page.open(s.page("/", b.snippet(`data-consent="wait" data-offers="banner" data-anonymous_id="demo-visitor-0001"`)))
	page.until(`window.hullBrowser`)
	page.eval("hullBrowser.consent(true)")
	page.until(opens)
	b.offer("o", `{"text":"an offer"}`)
	page.until(heard("offer", "true"))
	page.until(`document.querySelector("hull-offer")`)
	page.eval("hullBrowser.consent(false)")
	page.same(`[Object.keys(localStorage), Object.keys(sessionStorage), document.querySelectorAll("hull-offer").length]`, "[[],[],0]")
}

// Before consent nothing is fetched, also not by what takes it back.
func TestConsentFetchesNothing(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear)
	page.open(s.page("/", b.snippet(`data-consent="wait" data-own-id data-track data-offers="banner"`)))
	page.until(`window.hullBrowser`)
	page.eval(`(hullBrowser.email("ada@example.com"), void hullBrowser.consent(false))`)
	page.until("performance.now() > 1500")
	page.same(fmt.Sprintf(`performance.getEntriesByType("resource").map((e) => e.name).filter((name) => name.startsWith(%q)).length`, b.URL), "1")
}

// An id of Hullbeam's own: where the operator asks for it, the same on each page, another
// after reset(), and none for who sends Global Privacy Control.
func TestOwnID(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	site := s.page("/", b.snippet("data-own-id"))
	page := newProfile(t).tab(hear, tokens)
	page.open(site)
	page.until("tokens[0]")
	first := page.eval("tokens[0].topics")
	if !strings.Contains(first, "anonymous_id:") || len(first) < len(`["anonymous_id:"]`)+32 {
		t.Errorf("topics %s", first)
	}
	page.open(site)
	page.until("tokens[0]")
	page.same("tokens[0].topics", first)
	page.eval("hullBrowser.reset()")
	page.until("tokens[1]")
	page.same(fmt.Sprintf("JSON.stringify(tokens[1].topics) == %q", first), "false")

	careful := newProfile(t).tab(hear, tokens, "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
	careful.open(site)
	careful.until(heard("status", `e.state == "waiting"`))
	careful.same(`[tokens.length, Object.keys(localStorage).length]`, "[0,0]")
}
