//go:build unix

package proxies

import (
	"context"
	"encoding/json"
	"fmt"
	stdlog "log"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"hullbeam/internal/fronttest"
	"hullbeam/internal/proctest"
)

// shopper is a visitor's page in Chromium, with more streams than browsers open connections
// to a host.
type shopper struct {
	t       *testing.T
	ctx     context.Context // the tab's
	site    *fronttest.Site
	visitor string

	mu        sync.Mutex
	protocols map[string]int // of the answers that began streams
}

const streams = 8

// openBrowser starts a Chromium.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.ExecPath("chromium"),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, end := chromedp.NewContext(alloc, chromedp.WithErrorf(complain))
	t.Cleanup(func() { end(); stop() })
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("chromium: %v (ci/install.sh installs it)", err)
	}
	return ctx
}

// visit opens a tab with the page, and its streams.
func visit(t *testing.T, browser context.Context, f *front, visitor string) *shopper {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	s := &shopper{t: t, ctx: ctx, site: f.site(true), visitor: visitor, protocols: map[string]int{}}
	chromedp.ListenTarget(ctx, s.listen)
	if err := chromedp.Run(ctx, network.Enable(), chromedp.Navigate(s.site.URL+"/page")); err != nil {
		t.Fatal(err)
	}
	s.eval(`fetch("/api/v1/connectors/c/token", {method: "POST", body: JSON.stringify({claims: {anonymous_id: "` + visitor + `"}})})
		.then((r) => r.json()).then((answer) => { window.token = answer.token })`)
	s.eval(fmt.Sprintf(`void (window.streams = Array.from({length: %d}, () => {
		const s = {source: new EventSource("/api/v1/stream?token=" + token), began: performance.now(), heartbeats: 0, errors: 0};
		s.source.addEventListener("room.joined", () => { s.first ??= performance.now() - s.began });
		s.source.addEventListener("user.update", (e) => { s.plan = JSON.parse(e.data).user.plan });
		s.source.addEventListener("heartbeat", () => { s.heartbeats++ });
		s.source.addEventListener("error", () => { s.errors++ });
		return s;
	}))`, streams))
	return s
}

// complain is how chromedp logs. It does not know all events that this Chromium has.
func complain(format string, values ...any) {
	if line := fmt.Sprintf(format, values...); !strings.Contains(line, "unhandled") {
		stdlog.Println(line)
	}
}

func (s *shopper) listen(event any) {
	if e, ok := event.(*network.EventResponseReceived); ok && strings.Contains(e.Response.URL, "/api/v1/stream") {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.protocols[e.Response.Protocol]++
	}
}

// eval is the value of an expression, or of what its promise comes to, as JSON.
func (s *shopper) eval(expression string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, fronttest.Soon)
	defer cancel()
	var text string
	err := chromedp.Run(ctx, chromedp.Evaluate("(async () => JSON.stringify(await ("+expression+") ?? null))()", &text,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if err != nil {
		s.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// until waits until a condition on a stream, s, holds for so many of them.
func (s *shopper) until(n int, condition string) {
	s.t.Helper()
	if !proctest.Within(fronttest.Soon, func() bool { return s.count(condition) == n }) {
		s.t.Fatalf("%s: of %d streams, want %d: %s", condition, s.count(condition), n, s.eval("streams"))
	}
}

func (s *shopper) count(condition string) (n int) {
	s.t.Helper()
	json.Unmarshal([]byte(s.eval("streams.filter((s) => "+condition+").length")), &n)
	return n
}

// watches has all streams of the page open at once, over one connection, and told
// everything at once, and silent for a while.
func (s *shopper) watches(t *testing.T) {
	s.until(streams, "s.first != null")
	took := s.eval("streams.map((s) => Math.round(s.first))")
	// The streams that opened while this machine was busy with something else are late; what
	// is held back is late on each.
	if s.count(fmt.Sprintf("s.first < %d", atOnce.Milliseconds())) == 0 {
		t.Errorf("the first events came after %s ms", took)
	}
	for i := range 3 {
		began := time.Now()
		s.site.Put(t, s.visitor, i)
		s.until(streams, fmt.Sprintf(`s.plan == "plan %d"`, i))
		t.Logf("update %d was on %d streams after %v", i, streams, time.Since(began).Round(time.Millisecond))
	}
	s.until(streams, "s.heartbeats >= 3") // more than five seconds
	if n := s.count("s.errors > 0"); n > 0 {
		t.Errorf("%d streams were cut while they were idle", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.protocols["h2"] != streams || len(s.protocols) != 1 {
		t.Errorf("the streams are over %v", s.protocols)
	}
	if got := s.eval(`[...new Set(performance.getEntriesByType("resource").map((e) => e.nextHopProtocol))]`); got != `["h2"]` {
		t.Errorf("nextHopProtocol is %s", got)
	}
	t.Logf("%d streams over %v; first events after %s ms; %s", streams, s.protocols, took, s.eval(
		`performance.getEntriesByType("resource").map((e) => new URL(e.name).pathname + " " + e.nextHopProtocol)`))
}

// waits has the page's streams come back again and again, over HTTP/2, while nobody is
// there for them: none of its EventSources has given up.
func (s *shopper) waits(t *testing.T) {
	s.until(streams, "s.errors > 1 && s.source.readyState == EventSource.CONNECTING")
	got := s.eval(`[...new Set(performance.getEntriesByType("resource").filter((e) => e.name.includes("/api/v1/stream") && e.responseStatus == 200)
		.map((e) => e.nextHopProtocol))]`)
	if got != `["h2"]` {
		t.Errorf("nextHopProtocol of the streams that were open is %s", got)
	}
}
