package shiptest

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hullbeam/internal/proctest"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// sharingSite is a page that shares its stream as the snippet does, by the part that hullbeam
// serves, and keeps what it receives in window.got. It has a stream of its own as long as
// window.leads. Unless it hangs it lets go of the stream when it is left or frozen.
const sharing = `<script type="module">
	const { share } = await import(%q);
	const types = ["room.joined", "user.update", "user.private", "offer", "heartbeat"];
	const open = (receive) => {
		let source;
		window.leads = true;
		fetch(%q + "/api/v1/connectors/demo/token", {method: "POST", body: '{"claims":{"anonymous_id":"demo-visitor-0001"}}'})
			.then((answer) => answer.json()).then(({ token, stream_url }) => {
				if (!leads) return;
				receive("token", { token });
				source = new EventSource(stream_url + "?token=" + token);
				for (const type of types) source.addEventListener(type, (e) => receive(type, JSON.parse(e.data), e.lastEventId));
			});
		return () => { leads = false; source?.close(); };
	};
	window.got = [];
	window.begin = () => { window.end = share(%q, open, (type, data, id) => got.push([type, data, id])); };
	window.updates = () => got.filter(([type]) => type == "user.update").map(([, data]) => data.user.plan);
	window.leads = false;
	begin();
	if (!location.search.includes("hangs")) {
		addEventListener("pagehide", () => end());
		document.addEventListener("freeze", () => end());
		const again = () => { end(); begin(); }; // a page that is restored hears of both
		document.addEventListener("resume", again);
		addEventListener("pageshow", (e) => e.persisted && (window.restored = true, again()));
	}
</script>`

// sharingSite is a site whose pages share streams.
type sharingSite struct {
	*site
	b       *beam
	part    string // the address of the part
	updates int
}

func newSharingSite(t *testing.T, args ...string) *sharingSite {
	t.Helper()
	parts, err := filepath.Glob("../static/dist/ship/more-*.js")
	if err != nil || len(parts) != 1 {
		t.Fatalf("the part is %q, %v: make snippet builds it", parts, err)
	}
	s := &sharingSite{site: newSite(t), b: startBeam(t, args...)}
	s.part = s.b.URL + "/ship/" + filepath.Base(parts[0])
	s.page("/away", "A page without the snippet.")
	return s
}

// sharing is the address of a page that shares with those of the same name.
func (s *sharingSite) sharing(name string) string {
	return s.page("/"+name, fmt.Sprintf(sharing, s.part, s.b.URL, name))
}

// tabs opens tabs in p that share, and waits until they know the visitor.
func (s *sharingSite) tabs(p *profile, n int, query string, scripts ...string) []*tab {
	s.b.t.Helper()
	var tabs []*tab
	for range n {
		one := p.tab(scripts...)
		one.open(s.sharing("demo") + query)
		one.until(`window.got && updates().length`)
		tabs = append(tabs, one)
	}
	return tabs
}

// leader waits until one of the tabs leads, and answers it and the others.
func leader(t *testing.T, tabs []*tab) (*tab, []*tab) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		for i, one := range tabs {
			if one.eval("leads") == "true" {
				return one, slices.Delete(slices.Clone(tabs), i, i+1)
			}
		}
	}
	t.Fatal("no tab leads")
	return nil, nil
}

// streams waits until so many are open.
func (s *sharingSite) streams(want string) {
	s.b.t.Helper()
	got := s.b.metric("hullbeam_streams")
	for deadline := time.Now().Add(patience); got != want; got = s.b.metric("hullbeam_streams") {
		if time.Now().After(deadline) {
			s.b.t.Fatalf("%s streams are open, want %s", got, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// opened fails unless so many streams have been opened so far.
func (s *sharingSite) opened(want string) {
	s.b.t.Helper()
	if got := s.b.metric("hullbeam_stream_opens_total"); got != want {
		s.b.t.Errorf("%s streams were opened, want %s", got, want)
	}
}

// update changes the visitor's plan and waits until the tabs know.
func (s *sharingSite) update(tabs []*tab) (plan string) {
	s.b.t.Helper()
	s.updates++
	plan = fmt.Sprintf("plan %d", s.updates)
	s.b.hull("/users/demo-user", fmt.Sprintf(`{"user":{"plan":%q},"events":[{"event":"Signed Up"}]}`, plan))
	for _, one := range tabs {
		one.until(fmt.Sprintf("updates().includes(%q)", plan))
	}
	return plan
}

// reached fails unless each of two more updates reaches each of the tabs once, in order.
func (s *sharingSite) reached(tabs []*tab) {
	s.b.t.Helper()
	first, second := s.update(tabs), s.update(tabs)
	for _, one := range tabs {
		one.same(fmt.Sprintf("updates().filter((plan) => [%q, %q].includes(plan))", first, second), fmt.Sprintf("[%q,%q]", first, second))
	}
}

// plansHeard is an expression: which plans a tab heard of, but for the one at first.
const plansHeard = `updates().filter((plan) => plan != "free")`

func TestTabsShareOneStream(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 5} {
		t.Run(fmt.Sprintf("%d tabs", n), func(t *testing.T) {
			s := newSharingSite(t)
			tabs := s.tabs(newProfile(t), n, "")
			s.reached(tabs)
			s.b.offer("spring-1", `{"text":"10 % off"}`)
			for _, one := range tabs {
				one.until(`got.some(([type]) => type == "offer")`)
				one.same(`got.filter(([type]) => type == "offer").map(([, offer, id]) => [offer.id, !!id])`, `[["spring-1",true]]`)
			}
			s.streams("1")
			s.opened("1")
		})
	}
}

func TestTabsDoNotShare(t *testing.T) {
	t.Parallel()
	t.Run("with another name", func(t *testing.T) {
		s, p := newSharingSite(t), newProfile(t)
		tabs := s.tabs(p, 1, "")
		other := p.tab()
		other.open(s.sharing("other"))
		s.reached(append(tabs, other))
		s.streams("2")
	})
	t.Run("with another browser", func(t *testing.T) {
		s := newSharingSite(t)
		s.reached(append(s.tabs(newProfile(t), 1, ""), s.tabs(newProfile(t), 1, "")...))
		s.streams("2")
	})
	for what, script := range map[string]string{
		"without locks":                  `Object.defineProperty(navigator, "locks", {value: undefined})`,
		"when the lock is refused":       `LockManager.prototype.request = () => Promise.reject(new DOMException("", "SecurityError"))`,
		"without channels":               `delete window.BroadcastChannel`,
		"when channels are not allowed":  `window.BroadcastChannel = function () { throw new DOMException("", "SecurityError") }`,
		"when a second channel is not":   `{ let n = 0; const Real = BroadcastChannel; window.BroadcastChannel = function (name) { if (n++) throw 0; return new Real(name) } }`,
		"where asking for a lock throws": `LockManager.prototype.request = () => { throw new TypeError() }`,
	} {
		t.Run(what, func(t *testing.T) {
			s := newSharingSite(t)
			tabs := s.tabs(newProfile(t), 2, "", script)
			s.reached(tabs)
			s.streams("2")
			tabs[0].eval(`end()`)
			s.streams("1")
		})
	}
}

// A tab that comes later is told the present state by the leader, and nobody else hears it.
func TestTabsTellALateOne(t *testing.T) {
	t.Parallel()
	s, p := newSharingSite(t), newProfile(t)
	tabs := s.tabs(p, 2, "")
	plan := s.update(tabs)
	told := tabs[1].eval(`got`)
	tabs[1].same(`got.at(-1)[1].events`, `["Signed Up"]`)
	late := s.tabs(p, 1, "")[0]
	late.until(`got.length >= 4`)
	late.same(`got.map(([type]) => type).filter((type) => type != "heartbeat").sort()`, `["room.joined","token","user.update"]`)
	late.same(`got.find(([type]) => type == "user.update")[1].events`, `[]`) // it has not happened again
	late.same(`updates()`, fmt.Sprintf(`[%q]`, plan))
	late.same(`got.find(([type]) => type == "user.update")[2] != ""`, `true`)
	s.reached(append(tabs, late))
	if now := tabs[1].eval(`got`); !strings.HasPrefix(now, strings.TrimSuffix(told, "]")) {
		t.Errorf("another tab heard %s, and before %s", now, told)
	}
	tabs[1].same(joined, `1`)
	s.opened("1")
}

// joined is an expression: of how many streams a tab heard.
const joined = `got.filter(([type]) => type == "room.joined").length`

func TestTabsTakeOver(t *testing.T) {
	t.Parallel()
	for what, leaves := range map[string]func(*sharingSite, *tab){
		"when the leader is closed":            func(_ *sharingSite, one *tab) { one.close() },
		"when the leader goes to another page": func(s *sharingSite, one *tab) { one.open(s.URL + "/away") },
		"when the leader stops":                func(_ *sharingSite, one *tab) { one.eval(`end()`) },
		"when the leader crashes":              func(_ *sharingSite, one *tab) { go chromedp.Run(one.ctx, page.Crash()) },
		"when the leader is frozen": func(_ *sharingSite, one *tab) {
			one.run(page.SetWebLifecycleState(page.SetWebLifecycleStateStateFrozen))
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSharingSite(t)
			first, others := leader(t, s.tabs(newProfile(t), 3, ""))
			leaves(s, first)
			second, others := leader(t, others)
			last := others[0]
			last.until(joined + " == 2")
			s.reached([]*tab{second, last})
			s.streams("1")
			second.close()
			last.until(joined + " == 3")
			s.reached([]*tab{last})
			s.streams("1")
			last.same(plansHeard, `["plan 1","plan 2","plan 3","plan 4"]`) // and not those that new streams begin with
		})
	}
}

// hang has a tab's script hang, as no event tells, until the answer is called.
func (s *sharingSite) hang(one *tab) (goOn func()) {
	done := make(chan struct{})
	s.handle("/hang", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-done }))
	one.run(chromedp.Evaluate(`setTimeout(() => { const r = new XMLHttpRequest(); r.open("GET", "/hang", false); r.send(); window.woke = true })`, nil))
	return func() {
		close(done)
		one.until(`window.woke`)
		one.complaints() // Chromium does not like requests that block
	}
}

// A leader that hangs holds the lock. When it goes on it has events of its own stream to
// read, which the others have heard.
func TestTabsTakeOverFromOneThatHangs(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		heartbeat string
		notice    func(*tab)
	}{
		"when another becomes visible":  {"15s", func(one *tab) { one.eval(`document.dispatchEvent(new Event("visibilitychange"))`) }},
		"when others hear no heartbeat": {"1s", func(*tab) {}},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSharingSite(t, "--stream.heartbeat", c.heartbeat)
			tabs := s.tabs(newProfile(t), 3, "?hangs")
			first, others := leader(t, tabs)
			goOn := s.hang(first)
			c.notice(others[0])
			leader(t, others)
			s.streams("2") // the one that hangs cannot close its own
			plans := []string{s.update(others), s.update(others), s.update(others)}
			goOn()
			s.streams("1")
			s.reached(tabs)
			for _, one := range tabs {
				one.same(plansHeard, fmt.Sprintf(`["%s","plan 4","plan 5"]`, strings.Join(plans, `","`)))
			}
			first.same(`leads`, `false`)
		})
	}
}

// Whoever comes to a leader that hangs does not wait for it.
func TestTabsTakeOverWhenTheyCome(t *testing.T) {
	t.Parallel()
	s, p := newSharingSite(t), newProfile(t)
	tabs := s.tabs(p, 1, "?hangs")
	goOn := s.hang(tabs[0])
	tabs = append(tabs, s.tabs(p, 1, "")...)
	goOn()
	s.reached(tabs)
	tabs[1].same(`leads`, `true`)
	s.streams("1")
}

// A leader that answers keeps the stream, whoever becomes visible.
func TestTabsDoNotTakeOverFromOneThatAnswers(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	tabs := s.tabs(newProfile(t), 3, "")
	first, others := leader(t, tabs)
	for _, one := range others {
		heartbeats := one.eval(`got.filter(([type]) => type == "heartbeat").length`)
		one.eval(`document.dispatchEvent(new Event("visibilitychange"))`)
		one.until(`got.filter(([type]) => type == "heartbeat").length > ` + heartbeats)
	}
	s.reached(tabs)
	s.opened("1")
	first.same(`leads`, `true`)
}

// A tab that slept over many heartbeats asks before it takes anything.
func TestTabsThatWakeUpAsk(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t, "--stream.heartbeat", "1s")
	tabs := s.tabs(newProfile(t), 2, "?hangs")
	first, others := leader(t, tabs)
	goOn := s.hang(others[0])
	const beats = `got.filter(([type]) => type == "heartbeat").length`
	first.until(beats + " > 4 + " + first.eval(beats))
	goOn()
	s.reached(tabs)
	first.same(`leads`, `true`)
	s.opened("1")
}

// A page that has let go of the stream is kept in the back/forward cache.
func TestTabsAreRestored(t *testing.T) {
	t.Parallel()
	for _, leads := range []bool{true, false} {
		t.Run(fmt.Sprintf("leading %t", leads), func(t *testing.T) {
			s := newSharingSite(t)
			one, others := leader(t, s.tabs(newProfile(t), 2, ""))
			if !leads {
				one, others = others[0], []*tab{one}
			}
			one.open(s.URL + "/away")
			s.reached(others)
			s.streams("1")
			one.back()
			one.until(`window.restored`)
			s.reached(append(others, one))
			s.streams("1")
		})
	}
}

// What the part does for itself the snippet has it do, with its own stream.
func TestSnippetSharesItsStream(t *testing.T) {
	t.Parallel()
	b, s, p := startBeam(t), newSite(t), newProfile(t)
	url := s.page("/", b.snippet(""))
	s.page("/away", "A page without the snippet.")
	var tabs []*tab
	for range 3 {
		one := p.tab(visitor, hear, `addEventListener("pageshow", (e) => { if (e.persisted) window.restored = true })`)
		one.open(url)
		one.until(heard("user.update", `e.user.name == "Ada"`))
		tabs = append(tabs, one)
	}
	streams := &sharingSite{b: b}
	streams.streams("1")
	reach := func(plan string, tabs ...*tab) {
		t.Helper()
		b.hull("/users/demo-user", fmt.Sprintf(`{"user":{"plan":%q}}`, plan))
		for _, one := range tabs {
			one.until(heard("user.update", fmt.Sprintf(`e.user.plan == %q`, plan)))
			one.same(heard("user.update", fmt.Sprintf(`e.user.plan == %q`, plan)), "1")
		}
		streams.streams("1")
	}
	reach("shared", tabs...)
	tabs[0].open(s.URL + "/away")
	reach("left", tabs[1:]...)
	tabs[0].back()
	tabs[0].until(`window.restored`)
	reach("restored", tabs...)
	tabs[1].close()
	reach("closed", tabs[0], tabs[2])
	tabs[2].run(page.SetWebLifecycleState(page.SetWebLifecycleStateStateFrozen))
	reach("frozen", tabs[0])
}

// Whoever else uses the channel does no harm.
func TestTabsIgnoreRubbish(t *testing.T) {
	t.Parallel()
	s, p := newSharingSite(t), newProfile(t)
	tabs := s.tabs(p, 2, "")
	stranger := p.tab()
	stranger.open(s.URL + "/away")
	stranger.eval(`[null, undefined, 1, "text", {}, [], [1], [null, null, null], [0], [0, {}], [9e15], [9e15, "", "user.update"],
		[9e15, "", "user.update", "{}", ""], [9e15, "", "user.update", null, ""], [9e15, "", 1, {}, ""], [9e15, "", "user.update", {}], new Map(), new Blob(["x"])]
		.forEach((rubbish) => new BroadcastChannel("demo").postMessage(rubbish))`)
	s.reached(tabs)
	s.opened("1")
}

// A back end that renders a page signs anew each time: the visitor's tabs share one stream
// all the same.
func TestTabsShareWithProofsOfTheirOwn(t *testing.T) {
	t.Parallel()
	b, s, p := startBeam(t), newSite(t), newProfile(t)
	first, second := b.proof("grace@example.com"), ""
	proctest.Within(patience, func() bool { second = b.proof("grace@example.com"); return second != first }) // of the next second
	for i, one := range []string{first, second} {
		tab := p.tab(hear)
		tab.open(s.page(fmt.Sprint("/", i), b.snippet(fmt.Sprintf(`data-identity_token="%s"`, one))))
		tab.until(heard("user.update", `e.user.name == "Grace"`))
	}
	if got := b.metric("hullbeam_streams"); got != "1" {
		t.Errorf("%s streams, want 1", got)
	}
	// Somebody else's proof is another stream, though nothing else differs.
	tab := p.tab(hear)
	tab.open(s.page("/2", b.snippet(fmt.Sprintf(`data-identity_token="%s"`, b.proof("ada@example.com")))))
	tab.until(heard("user.update", `e.user.name == "Ada"`))
	if got := b.metric("hullbeam_streams"); got != "2" {
		t.Errorf("%s streams, want 2", got)
	}
}
