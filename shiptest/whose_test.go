package shiptest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const served = `<script type="application/json" id="hull-state">{"user":{"id":"served","name":"Served"},"segments":["vip"]}</script>`

// After reset() the state that the server has rendered for whoever was signed in is not shown again.
func TestServedStateIsForgotten(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear)
	page.open(s.page("/", served+`<p id=p data-hull-show="segment:vip" hidden>for VIPs</p>`+b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Served"`))
	page.eval("hullBrowser.reset()")
	page.same("[hullBrowser.state()?.user.name ?? null, document.body.innerText.trim()]", `[null,""]`)
}

// A user who must not be shown any more (user.private) is not shown again at the next look.
func TestServedStateOfAPrivateUser(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", strings.Replace(served, `"id":"served"`, `"id":"demo-user"`, 1)+b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Ada"`))
	b.hull("/settings/demo", `{"private_settings":{"synchronized_segments":["vip"]}}`)
	page.until(heard("user.private", "true"))
	page.eval(`history.pushState({}, "", "/route")`)
	page.same("hullBrowser.state()?.user.name ?? null", "null")
}

// Somebody else signs in: they are not shown the served state of the one before.
func TestServedStateAndAnother(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", strings.Replace(served, `"id":"served"`, `"id":"demo-user"`, 1)+b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Ada"`))
	page.eval(`(localStorage.clear(), window.heard.length = 0, hullBrowser.reset(), hullBrowser.identify({anonymous_id: "demo-visitor-0002"}))`)
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.same(heard("user.update", `e.user.name == "Served"`), "0")
}

// D12: the served state is not every connector's.
func TestD12ServedStateOfTwoConnectors(t *testing.T) {
	t.Parallel()
	b := startBeam(t, "--config", connectors(t, map[string]string{"second": "city"}))
	page := newProfile(t).tab(hear)
	page.open(newSite(t).page("/", served+b.snippet("")+strings.Replace(b.snippet(""), `"demo"`, `"second"`, 1)))
	page.until("window.hullBrowser?.state('demo')")
	page.until(heard("status", `e.connector == "second"`))
	page.same("hullBrowser.state('second')?.user.name ?? null", "null")
}

// guest shows who the visitor is. Whom the page does not know it greets as guest.
const guest = `<p>Hello <b id=who data-hull-text="user.name">guest</b></p>`

// Whoever signs out on a server-rendered site is not shown to the next one at the browser.
func TestD3SignedOutByTheServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verification string
		signedIn     func(*beam) string
	}{
		"an external id":                           {"off", func(*beam) string { return `data-external_id="4711"` }},
		"an email and its proof":                   {"possession", signed("grace@example.com")},
		"an email and a proof that nobody demands": {"off", signed("grace@example.com")},
	} {
		t.Run(name, func(t *testing.T) {
			b, s := startBeam(t), newSite(t)
			b.hull("/settings/demo", fmt.Sprintf(`{"private_settings":{"identity_verification":%q}}`, c.verification))
			page := newProfile(t).tab(hear, tokens)
			page.open(s.page("/in", b.snippet(c.signedIn(b))))
			page.until(heard("user.update", `e.user.name == "Grace"`))
			page.open(s.page("/out", guest+b.snippet("")))
			page.until(heard("status", `e.state == "waiting"`))
			page.until(`document.body.innerText.trim() == "Hello guest"`)
			page.same(`[hullBrowser.state()?.user.name ?? null, tokens.length]`, "[null,0]")
		})
	}
}

// signed is what a tag says of somebody who has signed in, with the proof of the site's back end.
func signed(email string) func(*beam) string {
	return func(b *beam) string {
		return fmt.Sprintf(`data-email="%s" data-identity_token="%s"`, email, b.proof(email))
	}
}

// What was kept without claims is nobody's, not everybody's.
func TestD3KeptWithoutClaims(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, keptAs(`{"text":"{\"user\":{\"id\":\"demo-user\",\"name\":\"Ada\"}}"}`))
	page.open(s.page("/", b.snippet(`data-anonymous_id="demo-visitor-0002"`)))
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.same(heard("user.update", `e.user.name == "Ada"`), "0")
}

// Another visitor of the browser is another visitor for Hullbeam.
func TestVisitorOfAnother(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, tokens, visitor)
	page.open(s.page("/", b.snippet("")))
	page.until("tokens[0]")
	first := page.eval("tokens[0].visitor")
	page.eval("localStorage.ajs_anonymous_id = '\"demo-visitor-0002\"'")
	page.open(s.page("/next", b.snippet("")))
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.until("tokens[0]")
	if page.eval("tokens[0].visitor") == first {
		t.Errorf("Ada and Grace are the visitor %s", first)
	}
}

// An identity that is said in place of another one, without reset().
func TestVisitorOfAnotherIdentity(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, tokens)
	page.open(s.page("/", b.snippet(`data-anonymous_id="demo-visitor-0001"`)))
	page.until("tokens[0]")
	page.eval(`hullBrowser.identify({anonymous_id: "demo-visitor-0002"})`)
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.until("tokens[1]")
	page.same("tokens[0].visitor == tokens[1].visitor", "false")
}

// D11: an inlined snippet has no address of its own, so the page's counts as its address.
func TestD11InlinedSnippet(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	ship, err := os.ReadFile("../static/dist/ship.js")
	if err != nil {
		t.Fatal(err)
	}
	page := newProfile(t).tab(hear)
	url := s.page("/", fmt.Sprintf(`<script data-hull-id=demo data-hull-endpoint=%s>%s</script>`, b.URL, ship))
	page.open(url + "?anonymous_id=demo-visitor-0002")
	page.until(heard("status", `e.state == "waiting"`)) // it knows of nobody
	page.same(heard("user.update", "true"), "0")
	page.open(s.page("/known", fmt.Sprintf(`<script data-hull-id=demo data-hull-endpoint=%s data-anonymous_id=demo-visitor-0001>%s</script>`, b.URL, ship)))
	page.until(opens)
	page.until(heard("user.update", `e.user.name == "Ada"`))
}

// visitorOnce is visitor, until the page's library forgets them.
const visitorOnce = `if (!localStorage.once) { localStorage.once = 1; ` + visitor + ` }`

// A page out of the back/forward cache knows that the visitor has left meanwhile.
func TestBackAfterReset(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitorOnce, `addEventListener("pageshow", (e) => window.restored = e.persisted)`)
	page.open(s.page("/account", guest+b.snippet("")))
	page.until(`window.who.textContent == "Ada"`)
	page.until(opens)
	page.open(s.page("/out", guest+b.snippet("")))
	page.until("window.hullBrowser")
	page.eval("(delete localStorage.ajs_anonymous_id, void hullBrowser.reset())")
	page.back()
	page.until("window.restored")
	page.until(heard("user.private", `e.user.id == "demo-user"`))
	page.until(heard("status", `e.state == "waiting"`))
	page.same(`[who.textContent, hullBrowser.state() ?? null, localStorage["hull_browser:demo"] ?? null]`, `["guest",null,null]`)
}

// What one tab forgets no other one remembers.
func TestOtherTabsForget(t *testing.T) {
	t.Parallel()
	for _, forget := range []string{"reset()", "consent(false)"} {
		t.Run(forget, func(t *testing.T) {
			b, s, p := startBeam(t), newSite(t), newProfile(t)
			url := s.page("/", guest+b.snippet(""))
			one, other := p.tab(hear, visitorOnce), p.tab(hear, visitorOnce)
			for _, each := range []*tab{one, other} {
				each.open(url)
				each.until(heard("user.update", `e.user.name == "Ada"`))
				each.until(opens)
			}
			one.eval("(delete localStorage.ajs_anonymous_id, void hullBrowser." + forget + ")")
			other.until(heard("user.private", `e.user.id == "demo-user"`))
			other.until(heard("status", `e.state == "waiting"`))
			other.same(`[who.textContent, hullBrowser.state() ?? null]`, `["guest",null]`)
			b.until("streams", "0", func() string { return b.metric("hullbeam_streams") }) // so nothing is kept any more
			one.same(`localStorage["hull_browser:demo"] ?? null`, "null")
			other.open(s.page("/out", guest+b.snippet("")))
			other.until(heard("status", `e.state == "waiting"`))
			other.same(`[who.textContent, hullBrowser.state() ?? null]`, `["guest",null]`)
		})
	}
}

// What only somebody with a proof may see is not shown to whoever comes without one.
func TestSignedTraitsWithoutAProof(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	b.hull("/settings/demo", `{"private_settings":{"public_traits_unsigned":["plan"]}}`)
	page := newProfile(t).tab(hear)
	page.open(s.page("/in", b.snippet(`data-anonymous_id="demo-visitor-0001" `+signed("ada@example.com")(b))))
	page.until(heard("user.update", `e.user.name == "Ada"`))
	page.until(opens)
	page.open(s.page("/out", b.snippet(`data-anonymous_id="demo-visitor-0001" data-email="ada@example.com"`)))
	page.until(heard("user.update", `e.changes`))
	page.same(updates, `[[null,["id","plan"]]]`)
}

// Whoever signs in and is refused is not shown the state of whom the page knew.
func TestSignInRefused(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", guest+b.snippet("")))
	page.until(`who.textContent == "Ada"`)
	page.until(opens)
	page.eval(`void hullBrowser.identify({external_id: "4711", identity_token: "expired"})`)
	page.until(heard("status", `e.state == "refused"`))
	page.same(`[who.textContent, hullBrowser.state() ?? null]`, `["guest",null]`)
	page.onlyNetwork()
}
