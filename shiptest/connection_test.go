package shiptest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"hullbeam/internal/proctest"
)

// opens is an expression: how often the page's stream has opened.
var opens = heard("status", `e.state == "open"`)

// onAPage opens a page whose visitor is demo-user, and waits until its stream is open.
func onAPage(t *testing.T, b *beam, attributes string) *tab {
	t.Helper()
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", b.snippet(attributes)))
	page.until(opens)
	return page
}

// hears has Hull change the visitor's plan, and waits until the page knows.
func (b *tab) hears(beam *beam, plan string) {
	b.t.Helper()
	beam.hull("/users/demo-user", `{"user":{"plan":"`+plan+`"}}`)
	b.until(heard("user.update", `e.user.plan == "`+plan+`"`))
}

// onlyNetwork takes the complaints of the browser itself about requests that came to
// nothing, which no script can keep it from, and leaves the others.
func (b *tab) onlyNetwork() {
	for _, complaint := range b.complaints() {
		if !strings.Contains(complaint, "Failed to load resource") && !strings.Contains(complaint, "net::ERR_") {
			b.t.Errorf("the console says: %s", complaint)
		}
	}
}

func TestC4ServerRestarts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*beam){"stopped": (*beam).stop, "killed": (*beam).kill} {
		t.Run(name, func(t *testing.T) {
			b := startBeam(t, "--stream.drain", "1s")
			page := onAPage(t, b, "")
			end(b)
			page.until(heard("status", `e.state == "waiting" && e.retry_in_ms >= 0`))
			b.start()
			page.until(opens + " > 1")
			page.hears(b, "team")
			page.onlyNetwork()
		})
	}
}

func TestOfflineAndBack(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	l := newLine(t, b)
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", b.snippetBy(l.URL)))
	page.until(opens)
	page.offline(true)
	l.cut()
	page.until(heard("status", `e.state == "waiting"`))
	page.offline(false)
	page.until(opens + " > 1")
	page.hears(b, "team")
	page.onlyNetwork()
}

func (b *tab) offline(offline bool) {
	b.t.Helper()
	conditions := []*network.Conditions{{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}}
	b.run(network.Enable(), network.OverrideNetworkState(offline, 0, -1, -1), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := network.EmulateNetworkConditionsByRule(conditions).Do(ctx)
		return err
	}))
}

// Streams end at their age, tokens after them: the page asks for new ones and goes on.
func TestTokensExpire(t *testing.T) {
	t.Parallel()
	b := startBeam(t, "--stream.max-age", "1s", "--stream.drain", "500ms", "--stream.token-ttl", "2s")
	page := onAPage(t, b, "")
	page.until(opens + " > 4")
	page.hears(b, "team")
	page.until(`performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/token")).length > 1`)
	page.onlyNetwork()
}

// A connection that is gone though nothing says so is given up after two and a half
// heartbeats.
func TestSilence(t *testing.T) {
	t.Parallel()
	b := startBeam(t, "--stream.heartbeat", "1s")
	l := newLine(t, b)
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", b.snippetBy(l.URL)))
	page.until(opens)
	l.silent.Store(true)
	page.until(heard("status", `e.state == "connecting"`) + " > 1")
	l.silent.Store(false)
	page.until(opens + " > 1")
	page.hears(b, "team")
	page.onlyNetwork()
}

// frontDoor answers token requests as a server does that is not well, so often, and then
// hands them to a beam.
func frontDoor(t *testing.T, refuse func(w http.ResponseWriter, n int) (refused bool)) (url string, asked func() []time.Time) {
	t.Helper()
	var mu sync.Mutex
	var times []time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		if r.URL.Path == "/stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "event: room.joined\ndata: {\"topics\":[],\"heartbeat_ms\":15000}\n\n")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		if !strings.HasSuffix(r.URL.Path, "/token") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		mu.Lock()
		times = append(times, time.Now())
		n := len(times)
		mu.Unlock()
		if !refuse(w, n) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token":"t","expires_at":"2999-01-01T00:00:00Z","stream_url":"http://%s/stream","topics":[],"visitor_key":"k"}`, r.Host)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, func() []time.Time {
		mu.Lock()
		defer mu.Unlock()
		return append([]time.Time(nil), times...)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			door, asked := frontDoor(t, func(w http.ResponseWriter, n int) bool {
				if n == 1 {
					w.Header().Set("Retry-After", "2")
					w.WriteHeader(status)
				}
				return n == 1
			})
			b := startBeam(t)
			page := newProfile(t).tab(hear, visitor)
			page.open(newSite(t).page("/", b.snippetBy(door)))
			page.until(heard("status", `e.state == "waiting" && e.retry_in_ms >= 1900`))
			page.eval(`document.dispatchEvent(new Event("visibilitychange"))`) // coming back is no reason to ask before
			page.until(opens)
			if !proctest.Within(patience, func() bool { return len(asked()) > 1 }) {
				t.Fatal("it has not asked again")
			}
			if times := asked(); times[1].Sub(times[0]) < 1900*time.Millisecond {
				t.Errorf("asked again after %s", times[1].Sub(times[0]))
			}
			page.onlyNetwork()
		})
	}
}

// D10: a page is told that it is refused, and why; and asks no more.
func TestD10Refused(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	for name, test := range map[string]struct {
		prepare func()
		code    string
	}{
		"a connector that nobody knows": {func() {}, "connector_unknown"},
		"an origin that is not allowed": {func() { b.hull("/settings/demo", `{"private_settings":{"whitelisted_domains":["www.example.com"]}}`) }, "origin_not_allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			test.prepare()
			snippet := b.snippet("")
			if test.code == "connector_unknown" {
				snippet = strings.Replace(snippet, `"demo"`, `"nobodys"`, 1)
			}
			page := newProfile(t).tab(hear, visitor, sent)
			page.open(newSite(t).page("/", snippet))
			page.until(heard("status", `e.state == "refused" && e.code == "`+test.code+`"`))
			page.eval(`(document.dispatchEvent(new Event("visibilitychange")), dispatchEvent(new Event("online")), dispatchEvent(new Event("pageshow")), history.pushState({}, "", "/route"))`)
			page.same(heard("status", `e.state == "waiting" && e.retry_in_ms >= 0`), "0")
			page.eval(`void hullBrowser.identify({anonymous_id: "demo-visitor-0002"})`) // somebody else may be let in
			page.until(heard("status", `e.state == "refused"`) + " > 1")
			page.same(`sentSoFar().map(([, { claims }]) => claims.anonymous_id)`, `[["demo-visitor-0001"],["demo-visitor-0002","demo-visitor-0001"]]`)
			page.onlyNetwork()
		})
	}
}

// A page that is left gives its connection back, and is restored as it was: told of what
// it has missed, and of nothing twice.
func TestBackForwardCache(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	p := newProfile(t).tab(hear, visitor, `addEventListener("pageshow", (e) => window.restored = e.persisted)`)
	other := s.page("/other", "nothing")
	p.open(s.page("/", b.snippet("")))
	p.until(opens)
	p.until(heard("user.update", `e.user.plan == "free"`))
	p.open(other)
	if !proctest.Within(patience, func() bool { return b.metric("hullbeam_streams") == "0" }) {
		t.Errorf("%s streams are open", b.metric("hullbeam_streams"))
	}
	b.hull("/users/demo-user", `{"user":{"plan":"team"}}`)
	p.back()
	p.until("window.restored")
	p.until(heard("user.update", `e.user.plan == "team"`))
	p.same(heard("user.update", "true"), "2")
}

// back goes back in the tab's history.
func (b *tab) back() {
	b.t.Helper()
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		i, entries, err := page.GetNavigationHistory().Do(ctx)
		if err != nil {
			return err
		}
		return page.NavigateToHistoryEntry(entries[i-1].ID).Do(ctx)
	}))
}

// A page that is frozen gives its connection back; somebody who comes back to it sees what
// is so now.
func TestFreeze(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	p := onAPage(t, b, "")
	p.run(page.SetWebLifecycleState(page.SetWebLifecycleStateStateFrozen))
	if !proctest.Within(patience, func() bool { return b.metric("hullbeam_streams") == "0" }) {
		t.Errorf("%s streams are open", b.metric("hullbeam_streams"))
	}
	b.hull("/users/demo-user", `{"user":{"plan":"team"}}`)
	p.run(page.SetWebLifecycleState(page.SetWebLifecycleStateStateActive))
	p.hide(false) // what thaws a page leaves it hidden
	p.until(heard("user.update", `e.user.plan == "team"`))
}

// hide has the page believe that nobody sees it, or that somebody does: a headless
// browser does not hide pages.
func (b *tab) hide(hidden bool) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`(Object.defineProperty(document, "hidden", {configurable: true, get: () => %v}), document.dispatchEvent(new Event("visibilitychange")))`, hidden))
}

// Hidden for long, a page gives its connection back, and is current again at once when
// somebody comes back.
func TestHidden(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	p := onAPage(t, b, `data-hidden="0.5"`)
	p.hide(true)
	p.until(heard("status", `e.state == "paused"`))
	if !proctest.Within(patience, func() bool { return b.metric("hullbeam_streams") == "0" }) {
		t.Errorf("%s streams are open", b.metric("hullbeam_streams"))
	}
	b.hull("/users/demo-user", `{"user":{"plan":"team"}}`)
	p.eval(`(window.back = performance.now(), document.addEventListener("hull:user.update", () => window.current = performance.now()))`)
	p.hide(false)
	p.until(heard("user.update", `e.user.plan == "team"`))
	t.Logf("current again after %s ms", p.eval("Math.round(current - back)"))
	p.same(`performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/token")).length`, "1")
}

// Hidden for a moment nothing happens.
func TestHiddenForAMoment(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	p := onAPage(t, b, "")
	p.hide(true)
	p.hide(false)
	p.hears(b, "team")
	p.same(opens, "1")
}

// A call that waited for the script does not cost the page its life.
func TestStubAndLife(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, stub+`hullBrowser.identify({anonymous_id: "demo-visitor-0001"})`)
	page.open(newSite(t).page("/", b.snippet(`data-hidden="0.2"`)))
	page.until(opens)
	page.hide(true)
	page.until(heard("status", `e.state == "paused"`))
}

// A page that is opened in the background has been hidden from the start.
func TestOpenedInTheBackground(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := newProfile(t).tab(hear, visitor, `Object.defineProperty(document, "hidden", {configurable: true, get: () => true})`)
	page.open(newSite(t).page("/", b.snippet(`data-hidden="3"`))) // it opens within that
	page.until(opens)
	page.until(heard("status", `e.state == "paused"`))
}

// The network coming back is nobody who looks at a page that sleeps.
func TestOnlineWhileHidden(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	page := onAPage(t, b, `data-hidden="0.2"`)
	page.hide(true)
	page.until(heard("status", `e.state == "paused"`))
	page.eval(`dispatchEvent(new Event("online"))`)
	page.hide(false)
	page.until(opens + " > 1")
	page.same(opens, "2")
}

// Retry-After may be a date (RFC 9110, 10.2.3).
func TestRetryAfterDate(t *testing.T) {
	t.Parallel()
	door, asked := frontDoor(t, func(w http.ResponseWriter, n int) bool {
		w.Header().Set("Retry-After", time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", startBeam(t).snippetBy(door)))
	page.until(heard("status", `e.state == "waiting" && e.retry_in_ms > 20000`))
	// Neither is a reason to ask before.
	for i, call := range []string{`identify({anonymous_id: "demo-visitor-0002"})`, "reset()"} {
		page.eval("void hullBrowser." + call)
		page.until(fmt.Sprintf(`%s == %d`, heard("status", `e.state == "waiting" && e.retry_in_ms > 10000`), i+2))
	}
	if n := len(asked()); n != 1 {
		t.Errorf("asked %d times", n)
	}
	page.onlyNetwork()
}

// A part that was not there once (another node's version, a lost connection) is fetched when it is needed.
func TestPartsComeLate(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	var asked atomic.Int32
	proxy := (&line{URL: b.URL}).proxy(t, b)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ship/more") && asked.Add(1) == 1 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", b.snippetBy(server.URL)))
	page.until(opens)
	b.offer("late", `{"text":"an offer"}`)
	page.until(heard("offer", "true"))
	page.complaints()
}

// A page can have the core of another version than the Hullbeam that it asks: it is given
// the parts that there are.
func TestPartsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	proxy := (&line{URL: b.URL}).proxy(t, b)
	part := regexp.MustCompile(`^(/ship/[a-z]+-)[A-Z0-9]{8}\.js$`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = part.ReplaceAllString(r.URL.Path, "${1}YESTERDA.js")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	page := newProfile(t).tab(hear, visitor)
	page.open(newSite(t).page("/", strings.Replace(b.snippetBy(server.URL), "<script", "<script data-offers=banner", 1)))
	page.until(opens)
	b.offer("one", `{"text":"an offer"}`)
	page.until(heard("offer", "true"))
	page.until(`document.querySelector("hull-offer")`)
}
