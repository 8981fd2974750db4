package shiptest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// wrongWithPage is an expression: what a reader of a document stumbles over. That are a page
// that scrolls sideways as a whole, what scrolls but cannot be reached by keyboard, text
// without contrast (WCAG 2.2, 1.4.3), and links to parts that are not there.
const wrongWithPage = `(() => {
	const wrong = [], root = document.documentElement, all = [...document.body.querySelectorAll("*")];
	if (root.scrollWidth > root.clientWidth) wrong.push("it is " + root.scrollWidth + " pixels wide");
	for (const e of all)
		if (e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX == "auto" && e.tabIndex < 0) wrong.push("no way to scroll " + e.outerHTML.slice(0, 80));
	for (const e of document.querySelectorAll("a[href^='#']"))
		if (!document.getElementById(decodeURIComponent(e.hash.slice(1)))) wrong.push("there is no part " + e.hash);

	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const known = {};
	const rgba = (color) => known[color] ??= (() => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data];
	})();
	const luminance = (color) => rgba(color).slice(0, 3).map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const ground = (e) => rgba(getComputedStyle(e).backgroundColor)[3] == 255 || !e.parentElement ? getComputedStyle(e).backgroundColor : ground(e.parentElement);
	for (const e of all) {
		if (![...e.childNodes].some((n) => n.nodeType == 3 && n.data.trim()) || !e.checkVisibility()) continue;
		const [low, high] = [luminance(getComputedStyle(e).color), luminance(ground(e))].sort((a, b) => a - b);
		if ((high + .05) / (low + .05) < 4.5 || getComputedStyle(e).opacity != 1) wrong.push("hard to read: " + e.outerHTML.slice(0, 80));
	}
	return wrong;
})()`

// Who goes through the contents finds each page, on a telephone, by light and by night, and
// the page in place of one that there is not. Of the many on errors and decisions one each.
func TestDocumentsAreRead(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	reader := newProfile(t).tab()
	missing := b.URL + "/docs/nothing"
	found := []string{b.URL + "/docs/", missing, b.URL + "/docs/errors/token_expired", b.URL + "/docs/decisions/0012-redis-layout"}
	for i := 0; i < len(found); i++ {
		scheme := []string{"light", "dark"}[i%2]
		reader.run(emulation.SetDeviceMetricsOverride(360, 800, 1, true),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		reader.open(found[i])
		if wrong := reader.eval(wrongWithPage); wrong != "[]" {
			t.Errorf("%s, %s: %s", found[i], scheme, wrong)
		}
		if got := reader.eval(`document.querySelector("h1").textContent`); (got == `"There is nothing here"`) != (found[i] == missing) {
			t.Errorf("%s: %s", found[i], got)
		}
		var links []string
		if err := json.Unmarshal([]byte(reader.eval(`[...document.querySelectorAll("#contents a")].map((a) => a.href.split("#")[0])`)), &links); err != nil {
			t.Fatal(err)
		}
		for _, to := range links {
			if !slices.Contains(found, to) {
				found = append(found, to)
			}
		}
	}
	if len(found) < 30 {
		t.Errorf("only %d pages were found", len(found))
	}
	for _, complaint := range reader.complaints() {
		if !strings.Contains(complaint, "404") {
			t.Errorf("the console says: %s", complaint)
		}
	}
}

// A row of a table is a box where there is no room for columns, and has columns where there
// is; on paper there are the text and all of the code.
func TestDocumentsFit(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	reader := newProfile(t).tab()
	const cells = `[...document.querySelector("tbody tr").cells].map((e) => Math.round(e.getBoundingClientRect().left)).filter((x, i, all) => all.indexOf(x) == i).length`
	const before = `getComputedStyle(document.querySelector("tbody tr").cells[1], "::before").content`
	reader.run(emulation.SetDeviceMetricsOverride(360, 800, 1, true))
	reader.open(b.URL + "/docs/configuration")
	reader.same(cells, "1")
	reader.same(before, `"\"Default: \""`)
	reader.run(emulation.SetDeviceMetricsOverride(1280, 800, 1, false))
	reader.same(cells, "6")
	reader.same(before, `"none"`)
	reader.same(`[...document.querySelectorAll(".wide")].filter((e) => e.scrollWidth > e.clientWidth).length`, "0")
	reader.same(`document.querySelector("[aria-current=page]").textContent`, `"Configuration"`)

	reader.run(emulation.SetEmulatedMedia().WithMedia("print"))
	reader.same(`["header", "#contents", ".turn", ".anchor"].filter((e) => document.querySelector(e).checkVisibility())`, "[]")
	reader.same(`[...document.querySelectorAll("pre")].filter((e) => e.scrollWidth > e.clientWidth).length`, "0")
}
