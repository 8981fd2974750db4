package shiptest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// attacks are texts that run, load, or make elements where they are not shown as text. What
// they run says x5s = 1, or alerts; what they load is of evil.example.
func attacks(t *testing.T) (texts []string) {
	t.Helper()
	file, err := os.Open("testdata/xss.txt") // of JSON, one a line
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		texts = append(texts, text)
	}
	if len(texts) < 200 {
		t.Fatalf("there are %d attacks", len(texts))
	}
	return texts
}

// plain are texts as operators get them: without characters that have no look of their own.
func plain(texts []string) (kept []string) {
	for _, text := range texts {
		text = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069' {
				return -1
			}
			return r
		}, text)
		if text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}

// addressOf has a text in a path, and as it is in a query.
func addressOf(origin, text string) string {
	return origin + "/" + url.PathEscape(text) + "?q=" + strings.Join(plain(strings.FieldsFunc(text, func(r rune) bool { return r == '#' || r == '&' })), "")
}

// besiege has visitors come of whom everything that they, their pages and Hull can say is an
// attack, and one, besieged, of whom it is all of them.
func (b *beam) besiege(texts []string) {
	b.t.Helper()
	var messages []any
	all := map[string]any{"id": "besieged", "anonymous_ids": []string{"visitor-besieged"}, "name": "Besieged"}
	var segments []any
	for i, text := range texts {
		segment := map[string]any{"id": fmt.Sprintf("segment-%d", i), "name": text}
		segments = append(segments, segment)
		all[fmt.Sprintf("trait%d", i)], all[text] = text, i
		messages = append(messages, map[string]any{"segments": []any{segment}, "user": map[string]any{
			"id": fmt.Sprintf("user-%d", i), "anonymous_ids": []string{fmt.Sprintf("visitor-of-test-%d", i)}, "name": text, "email": fmt.Sprintf("%s%d@example.com", text, i), "external_id": text,
		}})
	}
	messages = append(messages, map[string]any{"user": all, "segments": segments})
	body, err := json.Marshal(messages)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("POST", "/api/v1/connectors/demo/users", string(body))

	besieged := b.shopper("visitor-besieged")
	addresses := 0
	for i, text := range texts {
		view := func() map[string]any {
			return map[string]any{"title": text, "url": addressOf(shopperOrigin, text), "referrer": addressOf("http://evil.example", text), "view": fmt.Sprintf("view%d", i)}
		}
		one := b.shopper(fmt.Sprintf("visitor-of-test-%d", i))
		one.views(view())
		besieged.views(view())
		if one.types(text + "@example.com") {
			addresses++
		}
	}
	if addresses == 0 {
		b.t.Error("no attack is an email")
	}
	for i, text := range texts {
		offer, err := json.Marshal(map[string]any{"to": map[string]any{"segment": text}, "data": map[string]any{"title": text, "text": text, "url": text}, "id": fmt.Sprintf("offer%d", i)})
		if err != nil {
			b.t.Fatal(err)
		}
		b.do("POST", "/api/v1/connectors/demo/offers", string(offer))
	}
}

// alarm keeps what runs in the page that must not. It is a script for profile.tab.
const alarm = `
	window.alarms = [];
	for (const name of ["alert", "confirm", "prompt", "print", "open"]) window[name] = (...values) => { alarms.push([name, ...values].join()); };
	Object.defineProperty(window, "x5s", { get() {}, set() { alarms.push("x5s"); } });
	document.addEventListener("securitypolicyviolation", (event) => alarms.push([event.violatedDirective, event.blockedURI, event.sample].join()));`

// foreign is an expression: elements and attributes that the admin pages do not have, and
// addresses that are not of the web.
const foreign = `[...document.querySelectorAll("*")].filter((e) =>
	!/^(html|head|meta|title|link|script|body|a|div|header|img|span|nav|main|footer|h[1-4]|p|form|label|input|select|option|textarea|button|table|thead|tbody|tr|t[hd]|small|b|bdi|strong|code|pre|ul|ol|li|dl|dt|dd|time|section|details|summary|canvas|fieldset|legend|dialog|noscript)$/.test(e.localName) ||
	e.namespaceURI != "http://www.w3.org/1999/xhtml" ||
	[...e.attributes].some(({ name, value }) => !/^(class|id|href|title|role|aria-[a-z]+|tabindex|data-label|dir|datetime|type|src|alt|width|height|style|rel|target|referrerpolicy|lang|charset|name|content|value|placeholder|autocomplete|spellcheck|required|disabled|open|pattern|rows|autofocus|checked|label)$/.test(name) ||
		(name == "href" && !/^(#|https?:\/\/|\/docs|licenses.txt$|logo.svg$|admin-[0-9A-F]+.css$)/.test(value)) ||
		(name == "src" && !/^(logo.svg|admin-[0-9A-F]+.js)$/.test(value)) ||
		(name == "id" && !/^(admin|main|dialog-title)$/.test(value)) ||
		(name == "name" && !/^(viewport|referrer|robots)$/.test(value))),
).map((e) => e.outerHTML.slice(0, 300))`

// missing is an expression: which texts no text node of the page is.
func missing(texts []string) string {
	list, _ := json.Marshal(texts)
	return fmt.Sprintf(`((texts) => {
		const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), there = new Set();
		while (nodes.nextNode()) there.add(nodes.currentNode.data);
		return texts.filter((text) => !there.has(text));
	})(%s)`, list)
}

// readsAll waits until each of texts is one of the page's own: a text node.
func (o operator) readsAll(where string, texts []string) {
	o.t.Helper()
	o.b.until(where+", what is missing", "[]", func() string { return o.eval(missing(texts)) })
}

// more shows all of a list.
func (o operator) more() {
	o.t.Helper()
	o.until(`!document.querySelector(".busy")`)
	for o.eval(`!!document.querySelector(".more")`) == "true" {
		o.eval(`document.querySelector(".more button")?.click()`)
		o.until(`!document.querySelector(".more :disabled")`)
	}
}

// each goes through pages of the connector, and answers what is foreign in the first that
// has anything. It waits for ready in each, an expression in which what is the last part of
// the page's path.
func (o operator) each(page string, whats []string, ready string) string {
	o.t.Helper()
	list, _ := json.Marshal(whats)
	return o.eval(fmt.Sprintf(`(async () => {
		for (const what of %s) {
			const come = new Promise((done) => addEventListener("hashchange", done, {once: true}));
			const hash = "#/connector/demo/%s/" + encodeURIComponent(what);
			if (location.hash != hash) {
				location.hash = hash;
				await come;
			}
			do await new Promise(requestAnimationFrame); while (!(%s));
			const found = %s;
			if (found.length) return found;
		}
		return [];
	})()`, list, page, ready, foreign))
}

// Whatever visitors, their pages and Hull say is a text to operators: nothing of it runs,
// nothing is loaded, and no element is made of it.
func TestOperatorsReadTexts(t *testing.T) {
	t.Parallel()
	b := startBeam(t, "--visitors.grace", "10m", "--history.query-parameters", "q", "--offers.cap", "0",
		"--limits.tokens-per-address", "0", "--limits.pages-per-visitor", "0")
	texts := attacks(t)
	o := b.operator(alarm)
	besieged := o.besieged()
	o.page("events")
	o.reads("live.ready")
	b.besiege(texts)
	o.reads("offer.sent")
	besieged("events as they come")

	o.run(emulation.SetDeviceMetricsOverride(1280, int64(len(texts)+20)*60, 1, false)) // all rows can be seen
	o.page("visitors")
	o.readsAll("the live table", plain(texts))
	besieged("the live table")
	o.run(emulation.ClearDeviceMetricsOverride())

	o.page("people")
	o.reads("Besieged")
	o.more()
	o.readsAll("people", plain(texts))
	besieged("people")

	o.press("Besieged")
	o.reads("Timeline")
	o.more()
	o.readsAll("a person's history", plain(texts))
	besieged("a person's history")
	visitors := o.eval(`fetch("/api/v1/connectors/demo/visitors?limit=500").then((answer) => answer.json()).then(({items}) => items.map(({visitor}) => visitor))`)
	var ids []string
	if err := json.Unmarshal([]byte(visitors), &ids); err != nil || len(ids) != len(texts)+1 {
		t.Errorf("there are %d visitors: %v", len(ids), err)
	}
	for few := range slices.Chunk(ids, 20) {
		if found := o.each("visitors", few, `document.querySelector(".timeline h3") && [...document.querySelectorAll(".facts code")].some((code) => code.textContent == what)`); found != "[]" {
			t.Errorf("a person has %s", found)
		}
	}
	besieged("a person")
	o.press("Erase…")
	o.reads("to confirm")
	besieged("erasing a person")

	o.page("explain/id:besieged")
	o.reads("What is cached")
	o.until(fmt.Sprintf(`[...document.querySelectorAll("pre")].some((pre) => pre.textContent.includes(JSON.stringify(%q)))`, texts[0]))
	besieged("explaining all of it")
	var topics []string
	for _, text := range texts {
		if !strings.ContainsFunc(text, unicode.IsControl) { // which no claim can have
			topics = append(topics, "external_id:"+text)
		}
	}
	for few := range slices.Chunk(topics, 20) {
		if found := o.each("explain", few, `document.querySelector(".verdict, .problem")`); found != "[]" {
			t.Errorf("an explanation has %s", found)
		}
	}
	besieged("an explanation")

	o.page("events")
	o.reads("live.ready")
	besieged("events")

	o.page("offers")
	o.reads(texts[len(texts)-1])
	o.more()
	o.readsAll("offers", texts)
	besieged("offers")

	o.page("audit")
	o.reads("offer.send")
	o.more()
	o.until(fmt.Sprintf(`document.body.innerText.includes("segment:" + %q)`, texts[0]))
	besieged("the audit log")
}

// besieged watches a tab, and answers what has it fail when something of an attack has
// become more than a text.
func (o operator) besieged() func(where string) {
	var mu sync.Mutex
	var alarms []string
	own := strings.TrimPrefix(o.b.URL, "http://")
	chromedp.ListenTarget(o.ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != own {
				alarms = append(alarms, "asks for "+e.Request.URL)
			}
		case *page.EventJavascriptDialogOpening:
			alarms = append(alarms, "says "+e.Message)
		case *page.EventFrameNavigated:
			if e.Frame.ParentID != "" {
				alarms = append(alarms, "has a frame "+e.Frame.URL)
			}
		}
	})
	o.run(network.Enable())
	return func(where string) {
		o.t.Helper()
		o.same(`alarms`, `[]`)
		o.same(foreign, `[]`)
		mu.Lock()
		defer mu.Unlock()
		for _, alarm := range alarms {
			o.t.Errorf("%s %s", where, alarm)
		}
		for _, complaint := range o.complaints() {
			o.t.Errorf("%s: the console says %s", where, complaint)
		}
		alarms = nil
	}
}
