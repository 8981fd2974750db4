package shiptest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// bundled makes a script of TypeScript, whose imports are looked for in dir.
func bundled(dir, source string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		tools, err := os.Getwd()
		if err != nil {
			return "", err
		}
		cmd := exec.Command("go", "tool", "-modfile="+tools+"/../ci/tools.mod", "esbuild", "--bundle", "--format=iife",
			"--target=es2020", "--define:process.env.NODE_ENV=\"production\"", "--log-level=error")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(source)
		out, err := cmd.Output()
		if failed, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("esbuild: %w\n%s", err, failed.Stderr)
		}
		return string(out), err
	})
}

// finder looks for identifiers as the snippet does. window.asked has the claims that tokens
// would have been asked for, window.told what it has been told: whether the visitor left.
var finder = bundled("../static/ship", `
	import { identifiers } from "./identifiers";
	window.asked = [];
	window.told = [];
	const update = () => {
		const { claims, waiting } = finder.found();
		if (!waiting && JSON.stringify(claims) != JSON.stringify(asked.at(-1) ?? {})) asked.push(claims);
	};
	const finder = identifiers((left) => {
		told.push(left);
		update();
	});
	window.finder = finder;
	window.look = () => {
		finder.look();
		update();
	};
	addEventListener("pageshow", look);
	look();`)

// segment is analytics.js as a package, which a site bundles.
var segment = bundled("../testdata/browser", `
	import { AnalyticsBrowser } from "@segment/analytics-next";
	window.analytics = AnalyticsBrowser.load({ writeKey: "key", cdnURL: location.origin }, options);`)

// shop is a site that has finder, Segment in both of its forms, and what Segment fetches.
// Its settings answer when they are let.
type shop struct {
	*site
	settings chan struct{}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{newSite(t), make(chan struct{})}
	for path, script := range map[string]func() (string, error){"/finder.js": finder, "/segment.js": segment} {
		text, err := script()
		if err != nil {
			t.Fatal(err)
		}
		s.handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, text)
		}))
	}
	umd := "../testdata/browser/node_modules/@segment/analytics-next/dist/umd/"
	files, err := os.ReadDir(umd)
	if err != nil {
		t.Fatalf("%v (ci/install.sh installs it)", err)
	}
	for _, file := range files {
		s.handle("/analytics-next/bundles/"+file.Name(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, umd+file.Name())
		}))
	}
	s.handle("/v1/projects/key/settings", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.settings:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, `{"integrations":{"Segment.io":{"apiKey":"key"}}}`)
	}))
	return s
}

// prompt lets the settings answer at once.
func (s *shop) prompt() *shop {
	close(s.settings)
	return s
}

// look opens a page of some HTML before finder, in a tab of its own or in one that is there.
func (s *shop) look(t *testing.T, in *tab, html string) *tab {
	t.Helper()
	if in == nil {
		in = newProfile(t).tab()
	}
	in.open(s.page("/", html+`<script src="/finder.js"></script>`))
	return in
}

// asks fails unless tokens are asked for claims, and for no others before; also when the
// page is looked through again.
func (b *tab) asks(claims ...string) {
	b.t.Helper()
	want := "[" + strings.Join(claims, ",") + "]"
	b.until(fmt.Sprintf(`asked.length >= %d`, len(claims)))
	b.eval(`look()`)
	b.same(`asked`, want)
}

const segmentOptions = `<script>var options = {integrations: {"Segment.io": {apiHost: location.host + "/v1", protocol: "http"}}}</script>`

// segmentForms are HTML that loads Segment, and calls that a page makes at once.
var segmentForms = map[string]func(calls string) string{
	"snippet": func(calls string) string {
		return segmentOptions + `<script>
			var analytics = [];
			for (const name of ["identify", "reset", "track", "ready", "alias", "page", "once", "off", "on", "setAnonymousId"])
				analytics[name] = (...values) => (analytics.push([name, ...values]), analytics);
			Object.assign(analytics, {_writeKey: "key", _loadOptions: options, _cdn: location.origin});
			` + calls + `</script><script async src="/analytics-next/bundles/standalone.js"></script>`
	},
	"package": func(calls string) string {
		return segmentOptions + `<script src="/segment.js"></script><script>` + calls + `</script>`
	},
}

// library is an expression: Segment, once it is there.
const library = `(analytics.instance ?? analytics)`

func TestSegment(t *testing.T) {
	t.Parallel()
	for form, load := range segmentForms {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			t.Run("anonymous", func(t *testing.T) {
				page := newShop(t).prompt().look(t, nil, load(``))
				page.until(`asked[0]`)
				page.asks(page.eval(`{anonymous_id: [` + library + `.user().anonymousId()]}`))
			})
			t.Run("identified by a call that was queued before the library was there, then as it has stored", func(t *testing.T) {
				s := newShop(t).prompt()
				page := s.look(t, nil, load(`analytics.identify("user-1", {email: "ada@example.com"})`))
				page.until(`asked[0]`)
				want := page.eval(`{external_id: "user-1", email: "ada@example.com", anonymous_id: [` + library + `.user().anonymousId()]}`)
				page.asks(want)
				s.look(t, page, load(``)).asks(want)
				s.look(t, page, ``).asks(want)
			})
			t.Run("a call that was queued after the snippet", func(t *testing.T) {
				page := newShop(t).prompt().look(t, nil, load(``)+`<script src="/finder.js"></script><script>analytics.identify(7)</script>`)
				page.until(`asked[0]`)
				page.same(`asked[0].external_id`, `"7"`)
			})
			t.Run("a visitor signs in, and out", func(t *testing.T) {
				page := newShop(t).prompt().look(t, nil, load(``))
				page.until(`asked[0]`)
				first := page.eval(`asked[0].anonymous_id[0]`)
				page.eval(library + `.identify("user-1") && 0`)
				page.asks(`{"anonymous_id":[`+first+`]}`, `{"external_id":"user-1","anonymous_id":[`+first+`]}`)
				page.same(`told.includes(true)`, `false`)
				page.eval(library + `.reset()`)
				page.same(`[told.at(-1), asked.length, asked[2].external_id, asked[2].anonymous_id.length, asked[2].anonymous_id[0] != `+first+`]`, `[true,3,null,1,true]`)
			})
			t.Run("somebody else signs in", func(t *testing.T) {
				page := newShop(t).prompt().look(t, nil, load(`analytics.identify("user-1")`))
				page.until(`asked[0]`)
				page.eval(library + `.identify("user-2") && 0`)
				page.same(`[told.at(-1), asked.length, asked[1].external_id]`, `[true,2,"user-2"]`)
			})
			t.Run("settings that come late", func(t *testing.T) {
				s := newShop(t)
				page := s.look(t, nil, `<script>localStorage.ajs_anonymous_id = '"anonymous-of-before"'</script>`+load(`analytics.identify("user-1")`))
				page.asks(`{"anonymous_id":["anonymous-of-before"]}`)
				s.prompt()
				page.asks(`{"anonymous_id":["anonymous-of-before"]}`, `{"external_id":"user-1","anonymous_id":["anonymous-of-before"]}`)
				page.same(`told`, `[false,false]`)
			})
			t.Run("D11 an anonymous id in a link counts if Segment has taken it, and a user whom it knows is not mixed with the link's", func(t *testing.T) {
				s := newShop(t).prompt()
				page := s.look(t, nil, load(`analytics.identify("user-1")`))
				page.until(`asked[0]`)
				page.open(s.URL + "/?ajs_aid=of-the-link&ajs_email=victim@example.com")
				page.until(`asked[0]`)
				page.same(`asked.every((claims) => !("email" in claims))`, `true`)
				page.same(`asked.at(-1).anonymous_id`, page.eval(`[`+library+`.user().anonymousId()]`))
			})
			t.Run("storage that is blocked", func(t *testing.T) {
				page := newShop(t).prompt().look(t, newProfile(t).tab(blocked), load(`analytics.identify("user-1")`))
				page.until(`asked[0]`)
				page.asks(page.eval(`{external_id: "user-1", anonymous_id: [` + library + `.user().anonymousId()]}`))
				for _, complaint := range page.complaints() {
					if !strings.HasPrefix(complaint, "Unable to access ") { // Segment's own
						t.Error(complaint)
					}
				}
			})
		})
	}
}

// blocked is a script that has storage throw, as it does where a visitor blocks cookies.
const blocked = `for (const [object, name] of [[window, "localStorage"], [window, "sessionStorage"], [Document.prototype, "cookie"]])
	Object.defineProperty(object, name, {configurable: true, get() { throw new DOMException("denied", "SecurityError"); }, set() {}});`

// Libraries that are not Segment's: the visitor has an anonymous id in storage besides.
func TestLibraries(t *testing.T) {
	t.Parallel()
	const here = `{"anonymous_id":["stored-1"]}`
	rows := []struct {
		name, html string
		then       string // what the page does when a token was asked for
		want       []string
		told       string
	}{
		{name: "nothing but storage",
			want: []string{here}, told: `[false]`},
		{name: "Hull knows the visitor",
			html: `window.Hull = {ready: () => Promise.resolve({hull: {config: () => ({anonymousId: "hull-1"})}, me: {id: "5c0fa1fb", external_id: "user-1", email: "ada@example.com"}})}`,
			want: []string{`{"id":"5c0fa1fb","external_id":"user-1","email":"ada@example.com","anonymous_id":["hull-1","stored-1"]}`}, told: `[false]`},
		{name: "Hull knows nobody",
			html: `window.Hull = {ready: () => Promise.resolve({hull: {config: () => ({anonymousId: "hull-1"})}, me: null})}`,
			want: []string{`{"anonymous_id":["hull-1","stored-1"]}`}, told: `[false]`},
		{name: "D4 Hull.ready() fails",
			html: `window.Hull = {ready: () => Promise.reject(new Error("blocked"))}`,
			want: []string{here}, told: `[false]`},
		{name: "D4 Hull.ready() never ends, and blocks nobody",
			html: `window.Hull = {ready: () => new Promise(() => {})}; window.Intercom = () => "visitor-1"`,
			want: []string{`{"anonymous_id":["intercom:visitor-1","stored-1"]}`}, told: `[false]`},
		{name: "Hull.ready() ends late, and adds to the others",
			html: `window.Hull = {ready: () => new Promise((done) => (window.late = () => done({hull: {config: () => ({anonymousId: "hull-1"})}})))}`,
			then: `late()`,
			want: []string{here, `{"anonymous_id":["hull-1","stored-1"]}`}, told: `[false,false]`},
		{name: "a Hull that cannot be asked",
			html: `window.Hull = {emit() {}}`,
			want: []string{here}, told: `[false]`},
		{name: "Intercom's queue is not called",
			html: `window.Intercom = (...values) => Intercom.q.push(values); Intercom.q = []`,
			then: `Intercom.q[0] ? 0 : (window.Intercom = () => "visitor-1")`,
			want: []string{here, `{"anonymous_id":["intercom:visitor-1","stored-1"]}`}, told: `[false,false]`},
		{name: "Intercom knows no visitor",
			html: `window.Intercom = () => undefined`,
			want: []string{here}, told: `[false]`},
		{name: "Intercom's settings name a user",
			html: `window.Intercom = () => undefined; window.intercomSettings = {app_id: "x", user_id: 42, email: "ada@example.com"}`,
			want: []string{`{"external_id":"42","email":"ada@example.com","anonymous_id":["stored-1"]}`}, told: `[false]`},
		{name: "a library that comes when the visitor has consented",
			then: `window.Intercom = () => "visitor-1"`,
			want: []string{here, `{"anonymous_id":["intercom:visitor-1","stored-1"]}`}, told: `[false,false]`},
		{name: "a Segment without events",
			html: `window.analytics = {user: () => ({id: () => 7, anonymousId: () => "segment-1", traits: () => ({email: ["ada@example.com"]})})}`,
			want: []string{`{"external_id":"7","anonymous_id":["segment-1"]}`}, told: `[false]`},
		{name: "a Segment that has calls to make before it is ready is not asked twice",
			html: `let id = null; window.analytics = {on() {}, user: () => ({id: () => id, anonymousId: () => "segment-1", traits: () => ({})}),
				ready: (done) => setTimeout(() => { id = 7; done(); }, 120)}`,
			want: []string{`{"external_id":"7","anonymous_id":["segment-1"]}`}, told: `[false]`},
		{name: "D5 whatever throws has said nothing",
			html: `const fail = () => { throw new Error("broken"); };
				window.analytics = {on: fail, ready: fail, user: fail}; window.Hull = {ready: fail}; window.Intercom = fail`,
			want: []string{here}, told: `[false]`},
		{name: "D5 so have getters, and answers that are none",
			html: `const thrower = {get() { throw new Error("broken"); }};
				Object.defineProperty(window, "analytics", thrower); Object.defineProperty(window, "intercomSettings", thrower);
				window.Hull = {ready: () => 1}; window.Intercom = () => ({})`,
			want: []string{here}, told: `[false]`},
		{name: "a visitor who signs out is not known by what was found before",
			html: `window.Hull = {ready: () => Promise.resolve({hull: {config: () => ({anonymousId: "hull-1"})}, me: {external_id: "user-1"}})}
				window.intercomSettings = {email: "ada@example.com"}`,
			then: `(Hull.ready = () => Promise.reject(), finder.forget())`,
			want: []string{`{"external_id":"user-1","email":"ada@example.com","anonymous_id":["hull-1","stored-1"]}`, here}, told: `[false,true]`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			page := newShop(t).look(t, nil, `<script>localStorage.ajs_anonymous_id = '"stored-1"';`+row.html+`</script>`)
			page.asks(row.want[0])
			if row.then != "" {
				page.eval(row.then)
				page.asks(row.want...)
			}
			page.same(`told`, row.told)
		})
	}
}

// What a link and storage say, where there is no library.
func TestLinksAndStorage(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, query, script, want string }{
		{"D11 a link names a user, who is only claimed; its anonymous id is not even that",
			"?ajs_uid=user-1&ajs_aid=of-the-link&ajs_email=ada%40example.com", ``, `[{"external_id":"user-1","email":"ada@example.com"}]`},
		{"Segment's own name for an email", "?ajs_trait_email=ada%40example.com", ``, `[{"email":"ada@example.com"}]`},
		{"empty ones, and the first of two", "?ajs_uid=&ajs_email=ada%40example.com&ajs_email=eve%40example.com", ``, `[{"email":"ada@example.com"}]`},
		{"a link stays when an application changes the address", "?ajs_uid=user-1", `addEventListener("load", () => history.replaceState(0, "", "/"))`, `[{"external_id":"user-1"}]`},
		{"a link beats what is stored", "?ajs_uid=user-1", `localStorage.ajs_user_id = '"user-2"'; localStorage.ajs_anonymous_id = '"stored-1"'`,
			`[{"external_id":"user-1","anonymous_id":["stored-1"]}]`},
		{"cookies, bare and as JSON", "", `document.cookie = "ajs_anonymous_id=cookie-1"; document.cookie = "ajs_user_id=" + encodeURIComponent('"user-1"')`,
			`[{"external_id":"user-1","anonymous_id":["cookie-1"]}]`},
		{"traits, and a number with more digits than numbers have", "", `document.cookie = "ajs_user_id=12345678901234567890"; localStorage.ajs_user_traits = '{"email":"ada@example.com"}'`,
			`[{"external_id":"12345678901234567890","email":"ada@example.com"}]`},
		{"rubbish", "", `localStorage.ajs_user_id = "undefined"; localStorage.ajs_anonymous_id = "{"; localStorage.ajs_user_traits = "["; document.cookie = "ajs_user_id=%"`, `[]`},
		{"storage that is blocked", "?ajs_uid=user-1", blocked, `[{"external_id":"user-1"}]`},
		{"no storage at all", "?ajs_uid=user-1", `Object.defineProperty(window, "localStorage", {value: null})`, `[{"external_id":"user-1"}]`},
		{"nothing", "", ``, `[]`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s, page := newShop(t), newProfile(t).tab()
			s.page("/", `<script>`+row.script+`</script><script src="/finder.js"></script>`)
			page.open(s.URL + "/" + row.query)
			page.eval(`look()`)
			page.same(`asked`, row.want)
			page.same(`told.length`, fmt.Sprint(strings.Count(row.want, "{")))
		})
	}
}

// D4: a page where nothing is found is not searched for ever.
func TestD4SearchesEnd(t *testing.T) {
	t.Parallel()
	page := newShop(t).look(t, newProfile(t).tab(`
		window.pauses = [];
		const original = setTimeout;
		window.setTimeout = (work, pause) => original(work, pauses.push(pause) && 0);`), ``)
	page.until(`pauses.at(-1) == 25600`)
	page.same(`new Promise((done) => original(() => done(pauses.length), 100))`, page.eval(`pauses.length`))
	page.same(`pauses.slice(-9)`, `[100,200,400,800,1600,3200,6400,12800,25600]`)
}

// tokens is a script that keeps in window.tokens what tokens are asked for, and the answers.
const tokens = `window.tokens = [];
	const ask = fetch;
	window.fetch = async (url, options) => {
		const answer = await ask(url, options);
		if (String(url).endsWith("/token")) answer.clone().json().then((body) => tokens.push({...JSON.parse(options.body), ...body}));
		return answer;
	};`

// What is found reaches hullbeam, in one request.
func TestIdentifiersReachHullbeam(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	for form, load := range segmentForms {
		t.Run("a visitor who signs in and out with Segment as a "+form, func(t *testing.T) {
			s, page := newShop(t).prompt(), newProfile(t).tab(hear, tokens)
			page.open(s.page("/", b.snippet("")+load(`analytics.setAnonymousId("demo-visitor-0001")`)))
			page.until(`hullBrowser.state()`)
			page.same(`tokens.map((token) => token.topics)`, `[["anonymous_id:demo-visitor-0001"]]`)
			page.eval(library + `.identify("user-1") && 0`)
			page.until(`tokens[1]`)
			page.same(`[tokens[1].claims, tokens[1].unproven]`, `[{"external_id":"user-1","anonymous_id":["demo-visitor-0001"]},["external_id"]]`)
			page.eval(library + `.reset()`)
			page.until(`tokens[2]`)
			page.same(`[hullBrowser.state(), tokens.length, "external_id" in tokens[2].claims, tokens[2].topics.includes("anonymous_id:demo-visitor-0001"), tokens[2].visitor == tokens[1].visitor]`,
				`[null,3,false,false,false]`)
		})
	}
	t.Run("D11 a link proves nobody, and its anonymous id is not even claimed", func(t *testing.T) {
		s, page := newShop(t), newProfile(t).tab(hear, tokens, `window.Intercom = () => "visitor-0000000001"`)
		s.page("/", b.snippet(""))
		page.open(s.URL + "/?ajs_uid=user-1&ajs_aid=demo-visitor-0001")
		page.until(heard("status", `e.state == "open"`))
		page.same(`tokens.map(({claims, topics, unproven}) => [claims, topics, unproven])`,
			`[[{"external_id":"user-1","anonymous_id":["intercom:visitor-0000000001"]},["anonymous_id:intercom:visitor-0000000001"],["external_id"]]]`)
	})
}
