package shiptest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
)

// operator is a tab with the admin pages.
type operator struct {
	*tab
	b *beam
}

// operator opens the admin pages in a browser of its own, and signs in. scripts are as for
// profile.tab.
func (b *beam) operator(scripts ...string) operator {
	b.t.Helper()
	o := operator{newProfile(b.t).tab(scripts...), b}
	o.open(b.URL + "/admin/")
	o.reads("Admin key")
	o.isSignedOut()
	o.fill("Admin key", b.adminKey())
	o.press("Sign in")
	o.reads("Connectors")
	return o
}

// isSignedOut takes that the console says of nobody's having signed in, and nothing else.
func (o operator) isSignedOut() {
	o.t.Helper()
	for _, complaint := range o.complaints() {
		if !strings.Contains(complaint, "401") || !strings.HasSuffix(complaint, "/api/v1/session") {
			o.t.Errorf("the console says: %s", complaint)
		}
	}
}

// page goes to a page of the connector: o.page("offers").
func (o operator) page(path string) {
	o.t.Helper()
	o.eval(fmt.Sprintf(`void (location.hash = "#/connector/demo/%s")`, path))
}

// button is an expression: what can be pressed that has these words.
func button(words string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("button, a")].findLast((e) => e.innerText.trim() == %q && e.checkVisibility() && !e.disabled)`, words)
}

// press presses a button or follows a link: of those with these words the last, which in
// a dialog is its own.
func (o operator) press(words string) {
	o.t.Helper()
	o.until(button(words))
	o.eval(`void ` + button(words) + `.click()`)
}

// fill types a text into the field of a label.
func (o operator) fill(label, text string) {
	o.t.Helper()
	field := fmt.Sprintf(`[...document.querySelectorAll("label")].findLast((e) => e.querySelector("span")?.innerText.trim() == %q)?.control`, label)
	o.until(field)
	o.eval(fmt.Sprintf(`((field) => { field.value = %q; field.dispatchEvent(new Event("input", {bubbles: true})); field.dispatchEvent(new Event("change", {bubbles: true})); })(%s)`, text, field))
}

// reads waits until the page has a text.
func (o operator) reads(text string) {
	o.t.Helper()
	o.until(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// rows is an expression: the texts of the live table's rows.
const rows = `[...document.querySelectorAll(".live .body .row:not(.left)")].map((row) => row.innerText.replaceAll("\n", " "))`

// newcomer makes the demonstration site's visitor somebody whom nobody knows. It is a script
// for profile.tab.
const newcomer = `try { localStorage.fernleaf ||= '{"anonymous_id": "guest-0123456789abcdef"}' } catch {}`

// A visitor goes through the shop while an operator watches.
func TestOperatorWatchesAVisitor(t *testing.T) {
	t.Parallel()
	b := startBeam(t, "--visitors.grace", "2s")
	o := b.operator()
	o.press("demo")
	o.reads("Nobody is there right now")

	visitor := newProfile(t)
	shop := visitor.tab(hear, newcomer)
	shop.open(b.URL + "/demo/")
	o.until(rows + `[0]?.match(/^Anonymous .* Fernleaf: plants that stay alive /)`)
	o.reads("1 live")

	shop.eval(`void document.querySelector("nav a").click()`)
	o.until(rows + `[0]?.includes(" Monstera: Fernleaf ")`)
	o.same(rows+`.length`, `1`)

	shop.open(b.URL + "/demo/")
	shop.eval(`(() => { const form = document.getElementById("letter"); form.elements.email.value = "guest@example.com"; form.requestSubmit(); })()`)
	shop.until(`document.body.innerText.includes("Noted.")`)
	o.until(rows + `[0]?.startsWith("guest@example.com unverified Fernleaf: plants")`)

	second := visitor.tab(hear)
	second.open(b.URL + "/demo/pricing.html")
	o.until(rows + `[0]?.match(/ Plans: Fernleaf .* 2 Offer…$/)`) // 2 tabs

	// Between two pages, in both tabs.
	o.press("guest@example.com")
	o.until(`document.querySelector("h1").innerText.startsWith("guest@example.com")`)
	shop.open("about:blank")
	second.open("about:blank")
	b.until("streams", "0", func() string { return b.metric("hullbeam_streams") })
	o.press("Send an offer")
	o.fill("Title", "Ten per cent off")
	o.fill("Text", "Because the sun is out.")
	o.press("Send")
	o.reads("The offer is sent")
	o.press("Done")

	shop.open(b.URL + "/demo/can.html")
	second.open(b.URL + "/demo/monstera.html")
	b.receipts("seen", 1)
	shown := func(tab *tab) bool { return tab.eval(`!!`+banner) == "true" }
	in, other := shop, second
	if shown(second) {
		in, other = second, shop
	}
	in.same(banner+`?.querySelector("[role=status]").textContent`, `"Ten per cent offBecause the sun is out."`)
	other.until(isOpen)
	other.same(`!!`+banner, `false`)
	in.eval(`void ` + banner + `.querySelector("button").click()`)
	b.receipts("dismissed", 1)

	funnel := `[...document.querySelectorAll(".counts div")].map((e) => e.innerText.split(/\s+/).slice(0, 2).join(" ")).join()`
	o.page("offers")
	o.reads("Ten per cent off")
	o.until(funnel + ` == "Sent 1,Delivered 1,Seen 1,Clicked 0,Dismissed 1,Capped 0"`)

	o.page("visitors")
	o.until(rows + `[0]?.startsWith("guest@example.com")`)
	shop.eval(`void shop.signIn("ada@example.com")`)
	o.until(rows + `[0]?.startsWith("Ada ada@example.com guest@example.com unverified ")`)
	b.told("counted", 6) // each a second after its page, when that has its title
	o.press("Ada")
	o.reads("6 views in 1 session")
	o.reads("Plans: Fernleaf")
	o.page("visitors")
	o.until(rows + `.length == 1`)
	closed := time.Now()
	shop.close()
	second.close()
	o.reads("Nobody is there right now")
	if since := time.Since(closed); since < 2*time.Second {
		t.Errorf("the visitor has left after %v: there is no time between two pages", since)
	}
}

// A browser that says that nobody sits before it is no visitor.
func TestOperatorSeesNoPrograms(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	o := b.operator()
	o.page("visitors")
	program, shop := newProfile(t).tab(hear, known), newProfile(t).tab(hear, newcomer)
	program.run(emulation.SetUserAgentOverride(strings.Replace(userAgent, "Chrome", "HeadlessChrome", 1)))
	program.open(b.URL + "/demo/")
	program.until(isOpen)
	b.told("ignored", 1)
	shop.open(b.URL + "/demo/")
	o.until(rows + `.some((row) => row.includes("Fernleaf"))`)
	o.same(rows+`.length`, `1`)
	o.same(rows+`[0].startsWith("Anonymous")`, `true`)
	o.page("people")
	o.until(`document.querySelectorAll(".people li").length`)
	o.same(`document.querySelectorAll(".people li").length`, `1`)
}
