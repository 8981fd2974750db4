package shiptest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// known has the site's analytics know demo-user. It is a script for profile.tab.
const known = `window.analytics = { user: () => ({ id() {}, anonymousId: () => "demo-visitor-0001", traits: () => ({}) }), ready(then) { then(); }, on() {} };`

// isOpen is an expression: the page has its event stream.
var isOpen = heard("status", `e.state == "open"`)

// sent keeps what pages of the site tell Hullbeam in its storage, as [path, body].
// It is a script for profile.tab.
const sent = `
	window.sentSoFar = () => JSON.parse(sessionStorage.sent || "[]");
	const note = (url, body) => { sessionStorage.sent = JSON.stringify([...sentSoFar(), [new URL(url).pathname, JSON.parse(body)]]); };
	const original = window.fetch;
	window.fetch = (url, init) => { if (init?.body) note(url, init.body); return original(url, init); };
	window.views = () => sentSoFar().filter(([path]) => path == "/api/v1/pages").map(([, body]) => body);`

// told waits until Hullbeam has so many page views with a result.
func (b *beam) told(result string, want int) {
	b.t.Helper()
	b.until("page views "+result, fmt.Sprint(want), func() string { return b.metric(`hullbeam_page_views_total{result="` + result + `"}`) })
}

// receipts waits until Hullbeam has so many receipts of an event.
func (b *beam) receipts(event string, want int) {
	b.t.Helper()
	b.until("receipts "+event, fmt.Sprint(want), func() string { return b.metric(`hullbeam_offer_receipts_total{event="` + event + `"}`) })
}

func TestPageViews(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known, sent)
	s.page("/other", "")
	page.open(s.page("/shop", b.snippet("data-track")))
	page.until(`views().length == 1`)
	for _, c := range []struct{ name, navigate, path, referrer string }{
		{"a route", `history.pushState({}, "", "/a?x=1")`, "/a?x=1", "/shop"},
		{"the same route again", `history.pushState({}, "", "/a?x=1")`, "", ""},
		{"a state that changes nothing", `history.replaceState({ scroll: 7 }, "")`, "", ""},
		{"a place in the page", `location.hash = "#prices"`, "", ""},
		{"a route that is replaced", `history.replaceState({}, "", "/a?x=2")`, "/a?x=2", "/a?x=1"},
		{"a route in the fragment", `location.hash = "#/cart"`, "/a?x=2#/cart", "/a?x=2"},
		{"another one", `location.hash = "#!/cart/pay"`, "/a?x=2#!/cart/pay", "/a?x=2#/cart"},
		{"back", `history.back()`, "/a?x=2#/cart", "/a?x=2#!/cart/pay"},
	} {
		before := page.eval(`views().length`)
		// An application routes, and sets its title when it has drawn the page.
		page.eval(`new Promise((drawn) => { ` + c.navigate + `; setTimeout(() => { document.title = "` + c.name + `"; drawn(); }, 100); })`)
		if c.path == "" {
			continue // the next one has before: a view too many is one more
		}
		page.until(`views().length == ` + before + ` + 1`)
		page.same(`(({ url, referrer, title }) => [url, referrer, title])(views().at(-1))`,
			fmt.Sprintf(`["%[1]s%[2]s","%[1]s%[3]s","%[4]s"]`, s.URL, c.path, c.referrer, c.name))
	}
	page.same(`new Set(views().map((view) => view.view)).size`, `6`)
	page.same(`new Set(views().map((view) => view.tab)).size`, `1`)
	page.same(`views().filter((view) => Math.abs(Date.parse(view.local_time) - Date.now()) > 60000 || !/[+-]\d\d:\d\d$/.test(view.local_time))`, `[]`)
	// A page that is left at once has its view, and its title.
	page.eval(`void setTimeout(() => { history.pushState({}, "", "/last"); document.title = "Last"; location.href = "/other"; })`)
	page.until(`location.pathname == "/other" && views().length == 8`)
	page.same(`views().slice(-2).map(({ url, title, gone, view, tab }) => [url?.slice(location.origin.length), title, gone, view == views().at(-1).view, tab == views()[0].tab])`,
		`[["/last","Last",null,true,true],[null,null,true,true,true]]`)
	b.told("counted", 7)
	b.told("ended", 1)
	b.told("invalid", 0)
	b.told("repeated", 0)
}

// Who says who they are while a page is looked at gets another token: until it is there the
// view waits. That of somebody who is forgotten meanwhile is not the next one's.
func TestPageViewBetweenTokens(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	const slow = `
		const quick = fetch;
		window.fetch = (url, options) => window.slow && String(url).endsWith("/token") ? new Promise((go) => (window.go = () => go(quick(url, options)))) : quick(url, options);`
	page := newProfile(t).tab(hear, known, slow, sent)
	page.open(s.page("/shop", b.snippet(`data-track`)))
	page.until(isOpen)
	page.eval(`(history.pushState({}, "", "/a"), window.slow = true, void hullBrowser.identify({ external_id: "u1" }))`) // the view of /shop is told
	page.until(`window.go && views().length == 1`)
	page.eval(`void history.pushState({}, "", "/b")`) // that of /a waits
	page.eval(`void (window.slow = false, go())`)
	page.until(`views().length == 3`)
	page.same(`views().map((view) => view.url.slice(location.origin.length))`, `["/shop","/a","/b"]`)
	b.told("counted", 3)

	page.eval(`(history.pushState({}, "", "/c"), hullBrowser.consent(false), history.pushState({}, "", "/d"), history.pushState({}, "", "/e"), void hullBrowser.consent(true))`)
	page.until(heard("status", `e.state == "open"`) + ` == 3`)
	page.eval(`void history.pushState({}, "", "/f")`)
	page.until(`views().at(-1).url.endsWith("/f")`)
	page.same(`views().map((view) => view.url.slice(location.origin.length))`, `["/shop","/a","/b","/e","/f"]`) // where consent is given is told
}

// One in ten page views reports how long its visitor waited until it was personalized, when
// it is left.
func TestPersonalizedTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, reports string }{
		{"that is drawn", `Math.random = () => 0.09;`, "1"},
		{"that is not drawn", `Math.random = () => 0.1;`, "0"},
		{"that was opened behind another", `Math.random = () => 0; Object.defineProperty(document, "hidden", { get: () => true });`, "0"},
	} {
		t.Run("a view "+c.name, func(t *testing.T) {
			b, s := startBeam(t), newSite(t)
			page := newProfile(t).tab(hear, known, sent, c.script)
			s.page("/other", "")
			page.open(s.page("/shop", b.snippet("data-track")))
			page.until(heard("user.update", `e.user.name == "Ada"`))
			page.until(`views().length == 1`)
			page.same(`performance.getEntriesByName("hullbeam.personalized").length`, `1`)
			page.open(s.URL + "/other")
			b.told("ended", 1)
			b.until("reports", c.reports, func() string { return b.metric("hullbeam_page_personalized_seconds_count") })
		})
	}
}

func TestNoPageViewsUnlessAsked(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known, sent)
	page.open(s.page("/shop", b.snippet("")))
	page.until(isOpen)
	page.eval(`history.pushState({}, "", "/a")`)
	s.page("/other", "")
	page.open(s.URL + "/other")
	page.same(`views()`, `[]`)
	page.same(`sentSoFar().map(([path, body]) => body.page.url).join()`, `""`)
	for _, result := range []string{"counted", "ended", "invalid"} {
		b.told(result, 0)
	}
}

// A page out of the back/forward cache is looked at again.
func TestPageViewOutOfTheCache(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known, sent, `addEventListener("pageshow", (event) => window.again = event.persisted);`)
	s.page("/other", "")
	page.open(s.page("/shop", b.snippet("data-track")))
	page.until(`views().length == 1`)
	page.open(s.URL + "/other")
	page.eval(`void setTimeout(() => history.back())`)
	page.until(`location.pathname == "/shop" && views().length == 3`)
	page.same(`again`, `true`)
	page.same(`views().map(({ gone, url }) => gone || new URL(url).pathname)`, `["/shop",true,"/shop"]`)
	b.told("counted", 2)
	b.told("ended", 1)
}

func TestPageViewsAnyhow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, header string }{
		{"where fetch cannot outlive a page, by a beacon", `delete Request.prototype.keepalive;`, "origin"},
		{"from a page that says nowhere where it is", ``, "no-referrer"},
		{"from a site that says it to itself alone", ``, "same-origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := startBeam(t), newSite(t)
			page := newProfile(t).tab(hear, known, sent, c.script)
			page.open(s.page("/shop", b.snippet("data-track"), [2]string{"Referrer-Policy", c.header}))
			b.told("counted", 1)
			s.page("/other", "")
			page.open(s.URL + "/other")
			b.told("ended", 1)
		})
	}
}

// Nothing of it is the page's trouble.
func TestVisitorNeverThrows(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known, `
		const original = window.fetch;
		window.fetch = (url, init) => { if (init?.keepalive) { window.asked = true; throw new Error("no"); } return original(url, init); };
		navigator.sendBeacon = undefined;`)
	page.open(s.page("/shop", b.snippet("data-track")))
	page.until(`window.asked`)
	page.eval(`hullBrowser.email("nobody"), hullBrowser.receipt("../..", "seen")`)
	page.eval(`history.pushState({}, "", "/a")`)
}

// What is said before the visitor is known is told when they are.
func TestEmailBeforeThereIsAToken(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear)
	page.open(s.page("/shop", b.snippet("")))
	page.until(`window.hullBrowser`)
	page.eval(`void hullBrowser.email("ada@example.com")`)
	page.eval(`void hullBrowser.identify({ anonymous_id: "demo-visitor-0001" })`)
	b.until("emails", "1", func() string { return b.metric("hullbeam_stated_emails_total") })
}

// strictPolicy allows scripts and requests of Hullbeam alone, and styles of nobody.
func (b *beam) strictPolicy() [2]string {
	return [2]string{"Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src %[1]s; connect-src %[1]s; require-trusted-types-for 'script'; trusted-types 'none'", b.URL)}
}

const banner = `document.querySelector("hull-offer")?.shadowRoot`

func TestBanner(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known)
	page.open(s.page("/shop", `<input id=search autofocus>`+b.snippet("data-offers=banner"), b.strictPolicy()))
	page.until(isOpen)
	page.eval(`search.focus()`)

	b.offer("first", `{"title": "Spring <b>sale</b>", "text": "10 % off <img src=x onerror=alert(1)>", "url": "/sale?a=1", "label": "To the sale", "close": "Not now"}`)
	page.until(banner + `?.querySelector("[role=status]").textContent`)
	page.same(banner+`.querySelector("aside").innerText.replace(/\s+/g, " ")`, `"Spring <b>sale</b> 10 % off <img src=x onerror=alert(1)> To the sale ×"`)
	page.same(banner+`.querySelector("aside").ariaLabel`, `"Spring <b>sale</b>"`)
	page.same(banner+`.querySelector("button").ariaLabel`, `"Not now"`)
	page.same(banner+`.querySelector("a").href`, fmt.Sprintf(`"%s/sale?a=1"`, s.URL))
	page.same(`getComputedStyle(`+banner+`.querySelector("aside")).position`, `"fixed"`)
	page.same(`document.activeElement.id`, `"search"`)
	b.receipts("seen", 1)

	b.offer("second", `"a text alone"`)
	page.until(heard("offer", `e.id == "second"`))
	page.same(`document.querySelectorAll("hull-offer").length`, `1`)

	page.run(chromedp.KeyEvent("\x1b"))
	page.same(`!!`+banner+`.querySelector("a")`, `true`) // Escape is the site's while the focus is
	page.eval(banner + `.querySelector("button").focus()`)
	page.run(chromedp.KeyEvent("\x1b"))
	b.receipts("dismissed", 1)
	page.same(`document.activeElement.id`, `"search"`)

	page.until(banner + `?.querySelector("[role=status]").textContent == "a text alone"`)
	page.same(banner+`.querySelector("aside").ariaLabel`, `"a text alone"`)
	page.same(banner+`.querySelectorAll("a").length`, `0`)
	page.eval(banner + `.querySelector("button").click()`)
	b.receipts("dismissed", 2)
	page.same(`!!document.querySelector("hull-offer")`, `false`)

	s.page("/sale", "")
	b.offer("third", `{"text": "More", "url": "sale"}`)
	page.until(banner + `?.querySelector("[role=status]").textContent == "More"`)
	page.eval(`void ` + banner + `.querySelector("a").click()`)
	page.until(`location.pathname == "/sale"`)
	b.receipts("clicked", 1)
	b.receipts("seen", 3)
}

func TestBannerLeadsToWebPagesAlone(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t, "--offers.cap", "0"), newSite(t)
	page := newProfile(t).tab(hear, known)
	page.open(s.page("/shop/a", `<base href="/base/">`+b.snippet("data-offers=banner")))
	page.until(isOpen)
	for i, c := range []struct{ url, want string }{
		{`"https://example.com/x"`, `"https://example.com/x"`},
		{`"sale"`, fmt.Sprintf(`"%s/base/sale"`, s.URL)},
		{`"//example.com/"`, `"http://example.com/"`},
		{`"javascript:alert(1)"`, `null`},
		{`" jAvA\tscript:alert(1)"`, `null`},
		{`"data:text/html,x"`, `null`},
		{`"mailto:ada@example.com"`, `null`},
		{`"https://"`, `null`},
		{`""`, `null`},
		{`["https://example.com/"]`, `null`},
		{`null`, `null`},
	} {
		text := fmt.Sprintf("offer %d", i)
		b.offer(fmt.Sprint(i), fmt.Sprintf(`{"text":%q,"url":%s}`, text, c.url))
		page.until(banner + `?.querySelector("[role=status]").textContent == "` + text + `"`)
		if got := page.eval(banner + `.querySelector("a")?.href`); got != c.want {
			t.Errorf("%s: got %s, want %s", c.url, got, c.want)
		}
		page.eval(banner + `.querySelector("button").click()`)
	}
}

// What has no text is for the site's own code.
func TestNoBannerWithoutText(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t, "--offers.cap", "0"), newSite(t)
	page := newProfile(t).tab(hear, known)
	page.open(s.page("/", b.snippet("data-offers=banner")))
	page.until(isOpen)
	for i, data := range []string{`{"title":"T","url":"/"}`, `7`, `[]`, `{"text":7}`, `""`, `{"text":{"text":"x"}}`} {
		b.offer(fmt.Sprint(i), data)
	}
	b.offer("last", `"shown"`)
	page.until(heard("offer", `e.id == "last"`) + ` && ` + banner)
	page.until(banner + `.querySelector("[role=status]").textContent == "shown"`)
	b.receipts("seen", 1)
}

func TestBannerExpires(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known)
	page.open(s.page("/", b.snippet("data-offers=banner")))
	page.until(isOpen)
	send := func(id, life string) {
		b.do("POST", "/api/v1/connectors/demo/offers", fmt.Sprintf(`{"to":{"all":true},"id":%q,"data":%[1]q,"expires_in":%q}`, id, life))
	}
	send("short", "3s")
	send("shorter", "2s")
	send("long", "720h")
	page.until(banner + `?.querySelector("[role=status]").textContent == "long"`) // the others have gone by themselves
	b.receipts("seen", 2)
	b.receipts("dismissed", 0)
}

// One of a person's tabs shows an offer, and only when somebody looks at it.
func TestOneTabShowsABanner(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	address := s.page("/", b.snippet("data-offers=banner"))
	person := newProfile(t)
	hides := `window.away = false; Object.defineProperty(Document.prototype, "hidden", { get: () => window.away });`
	tabs := []*tab{person.tab(hear, known, hides), person.tab(hear, known, hides), person.tab(hear, known, hides)}
	for _, one := range tabs {
		one.open(address)
		one.until(isOpen)
	}
	tabs[0].eval(`window.away = true`)
	b.offer("one", `"once"`)
	b.receipts("seen", 1)
	tabs[0].eval(`(window.away = false, document.dispatchEvent(new Event("visibilitychange")))`)
	b.offer("two", `"twice"`)
	for _, one := range tabs {
		one.until(heard("offer", `e.id == "two"`))
	}
	b.receipts("seen", 2)
	var shown []string
	for _, one := range tabs {
		shown = append(shown, one.eval(banner+`?.querySelector("[role=status]").textContent`))
	}
	if shown[0] == `"once"` {
		t.Error("an offer waited for a tab that nobody looked at")
	}
	if slices.Sort(shown); !slices.Equal(shown, []string{`"once"`, `"twice"`, `null`}) {
		t.Errorf("the tabs show %v", shown)
	}
}

func TestBannerWithoutStorage(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known, `
		for (const name of ["localStorage", "sessionStorage"])
			Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });`)
	page.open(s.page("/", b.snippet("data-offers=banner")))
	page.until(isOpen)
	b.offer("one", `"shown"`)
	b.receipts("seen", 1)
}

func TestBannerFits(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known)
	s.page("/", `<style>body { margin: 0; font: 30px serif } aside, hull-offer { color: red; width: 3000px }</style>`+b.snippet("data-offers=banner"))
	rect := `(({ left, right, top, bottom }) => [left, right, top, bottom].map(Math.round))(` + banner + `.querySelector("aside").getBoundingClientRect())`
	for _, c := range []struct {
		name, attribute string
		width           int64
		left, right     int
	}{
		{"a wide page", "", 1000, 564, 984},
		{"a wide page from right to left", "rtl", 1000, 16, 436},
		{"a narrow page", "", 360, 16, 344},
		{"a narrow page from right to left", "rtl", 360, 16, 344},
	} {
		page.run(emulation.SetDeviceMetricsOverride(c.width, 700, 1, false))
		page.open(s.URL + "/")
		page.eval(`document.documentElement.dir = "` + c.attribute + `"`)
		page.until(isOpen)
		b.offer(strings.ReplaceAll(c.name, " ", "-"), `{"title":"A title","text":"`+strings.Repeat("A text that is long. ", 20)+strings.Repeat("x", 200)+`","url":"/x","label":"There"}`)
		page.until(banner + `?.querySelector("[role=status]").textContent`)
		page.same(rect+`.slice(0, 2)`, fmt.Sprintf(`[%d,%d]`, c.left, c.right))
		page.same(rect+`[2] > 0 && `+rect+`[3] == 684`, `true`)
		page.same(`document.documentElement.scrollWidth <= innerWidth`, `true`)
		page.same(`(({ width, height }) => width >= 44 && height >= 44)(`+banner+`.querySelector("button").getBoundingClientRect())`, `true`)
	}
	page.run(emulation.SetEmulatedMedia().WithMedia("print"))
	page.same(`getComputedStyle(`+banner+`.querySelector("aside")).display`, `"none"`)
}

// contrast is an expression: that of a text in the banner before its ground.
const contrast = `(() => {
	const light = (colour) => colour.match(/[\d.]+/g).slice(0, 3)
		.map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const aside = ` + banner + `.querySelector("aside");
	const ground = light(getComputedStyle(aside).backgroundColor);
	return Math.min(...["aside", "a", "button", "b"].map((name) => {
		const text = light(getComputedStyle(` + banner + `.querySelector(name)).color);
		return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
	}));
})()`

func TestBannerIsReadable(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known)
	page.open(s.page("/", b.snippet("data-offers=banner")))
	page.until(isOpen)
	b.offer("one", `{"title":"A title","text":"A text","url":"/x","label":"There"}`)
	page.until(banner + `?.querySelector("b")`)
	grounds := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		page.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		page.same(contrast+` >= 4.5`, `true`)
		grounds[page.eval(`getComputedStyle(`+banner+`.querySelector("aside")).backgroundColor`)] = true
	}
	if len(grounds) != 2 {
		t.Errorf("grounds: %v", grounds)
	}
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	s.handle("/libraries.js", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `
			window.calls = [];
			window.ga = (...values) => { calls.push(["ga", ...values]); throw new Error("ga fails"); };
			window.gtag = (...values) => { calls.push(["gtag", ...values]); };`)
	}))
	address := s.page("/", `<script src=/libraries.js></script>`+b.snippet(`data-destinations="datalayer ga gtag"`))
	page := newProfile(t).tab(hear, known)
	page.open(address)
	page.until(isOpen)
	b.hull("/users/demo-user", `{"enter":["vip"],"events":[{"event":"Signed Up"}]}`)
	page.until(`calls.length == 4`)
	b.hull("/users/demo-user", `{"leave":["vip"]}`)
	page.until(`calls.length == 6`)
	page.same(`dataLayer`, `[{"event":"hull.event","hull_event":"Signed Up"},{"event":"hull.segment.enter","hull_segment":"vip"},{"event":"hull.segment.leave","hull_segment":"vip"}]`)
	page.same(`calls.filter(([library]) => library == "ga").map(([, ...values]) => values)`,
		`[["send","event","hull","event","Signed Up",{"nonInteraction":true}],["send","event","hull","segment.enter","vip",{"nonInteraction":true}],["send","event","hull","segment.leave","vip",{"nonInteraction":true}]]`)
	page.same(`calls.filter(([library]) => library == "gtag").map(([, ...values]) => values)`,
		`[["event","hull_event",{"hull_event":"Signed Up"}],["event","hull_segment_enter",{"hull_segment":"vip"}],["event","hull_segment_leave",{"hull_segment":"vip"}]]`)

	// The next page begins with what the last one knew, which is no news.
	b.hull("/users/demo-user", `{"enter":["vip"]}`)
	page.until(`calls.length == 8`)
	page.open(address)
	page.until(isOpen)
	page.same(`hullBrowser.state().segments`, `["vip"]`)
	b.hull("/users/demo-user", `{"user":{"plan":"team"}}`)
	page.until(`hullBrowser.state().user.plan == "team"`)
	b.hull("/users/demo-user", `{"events":[{"event":"Signed Up"}]}`)
	page.until(`calls.length == 2`)
	page.same(`dataLayer`, `[{"event":"hull.event","hull_event":"Signed Up"}]`)
}

// A banner is for whom it was sent to, and so are those that wait.
func TestBannersOfAnotherVisitor(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, visitor)
	page.open(s.page("/", b.snippet("data-offers=banner")))
	page.until(isOpen)
	for _, id := range []string{"shown", "waiting"} {
		b.do("POST", "/api/v1/connectors/demo/offers", fmt.Sprintf(`{"to":{"topic":"anonymous_id:demo-visitor-0001"},"id":%q,"data":"for Ada"}`, id))
		page.until(heard("offer", fmt.Sprintf(`e.id == %q`, id)))
	}
	page.until(banner + `?.querySelector("[role=status]").textContent`)
	b.receipts("seen", 1)
	page.eval(`(localStorage.ajs_anonymous_id = '"demo-visitor-0002"', void hullBrowser.reset())`)
	page.until(heard("user.update", `e.user.name == "Grace"`))
	page.same(`document.querySelectorAll("hull-offer").length`, "0")
	page.until(isOpen + " > 1")
	b.offer("next", `"for Grace"`)
	page.until(banner + `?.querySelector("[role=status]").textContent == "for Grace"`)
	b.receipts("seen", 2)
}

// An email that was said before there was a token is told of nobody else.
func TestEmailOfAnotherVisitor(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, sent)
	page.open(s.page("/", b.snippet("")))
	page.until(heard("status", `e.state == "waiting"`))
	const part = `performance.getEntriesByType("resource").find(({ name }) => name.includes("/ship/more-"))`
	page.until(part)
	page.eval(`import(` + part + `.name).then(() => true)`) // the part that tells of it is there
	page.eval(`void hullBrowser.email("ada@example.com")`)
	page.eval(`void hullBrowser.reset()`)
	page.eval(`void hullBrowser.identify({ anonymous_id: "demo-visitor-0002" })`)
	page.until(isOpen)
	page.eval(`void hullBrowser.email("grace@example.com")`)
	page.until(`sentSoFar().some(([, body]) => body.email == "grace@example.com")`)
	page.same(`sentSoFar().filter(([path]) => path.endsWith("/email")).map(([, body]) => body.email)`, `["grace@example.com"]`)
}

// Whoever sends Global Privacy Control is shown what is for them, and that is all.
func TestGlobalPrivacyControl(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	page := newProfile(t).tab(hear, known, sent, `Object.defineProperty(navigator, "globalPrivacyControl", { value: true });`)
	page.open(s.page("/", b.snippet(`data-track data-destinations="datalayer"`)))
	page.until(isOpen)
	b.hull("/users/demo-user", `{"enter":["vip"],"events":[{"event":"Signed Up"}]}`)
	page.until(heard("segment.enter", `e.segment == "vip"`))
	b.hull("/users/demo-user", `{"leave":["vip"]}`)
	page.until(heard("segment.leave", `e.segment == "vip"`)) // what the first one led to has come before
	page.same(`[window.dataLayer ?? null, JSON.parse(localStorage["hull_browser:demo"]).key ?? null]`, "[null,null]")
	s.page("/other", "")
	page.open(s.URL + "/other") // which would be told, with the view before it
	page.same(`views()`, "[]")
	b.told("counted", 0)
	b.told("ended", 0)
}
