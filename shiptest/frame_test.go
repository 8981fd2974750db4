package shiptest

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// hullDashboard is where Hull shows a connector's page, in a frame.
const hullDashboard = "https://dashboard.hullapp.io/"

// openDashboard opens a page of Hull's dashboard that has a frame.
func (b *tab) openDashboard(frame string) {
	b.t.Helper()
	page := fmt.Sprintf(`<!doctype html><html lang=en><title>Hull</title><iframe src=%q width=900 height=600></iframe>`, frame)
	chromedp.ListenTarget(b.ctx, func(event any) {
		if e, ok := event.(*fetch.EventRequestPaused); ok {
			go chromedp.Run(b.ctx, fetch.FulfillRequest(e.RequestID, 200).WithBody(base64.StdEncoding.EncodeToString([]byte(page))).
				WithResponseHeaders([]*fetch.HeaderEntry{{Name: "Content-Type", Value: "text/html"}}))
		}
	})
	// To a page of a public address this machine is another network, which it asks for: by
	// the name that browsers have for that now, or by the one before it.
	for _, name := range []string{"loopback-network", "local-network-access"} {
		browser.SetPermission(&browser.PermissionDescriptor{Name: name}, browser.PermissionSettingGranted).
			WithOrigin(hullDashboard).WithBrowserContextID(b.in.id).Do(b.in.browser)
	}
	b.run(fetch.Enable().WithPatterns([]*fetch.RequestPattern{{URLPattern: hullDashboard + "*"}}))
	b.open(hullDashboard)
}

// another waits for a tab or frame of this browser at an address that begins so.
func (p *profile) another(kind, address string) *tab {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		targets, err := target.GetTargets().Do(p.browser)
		if err != nil {
			p.t.Fatal(err)
		}
		i := slices.IndexFunc(targets, func(i *target.Info) bool {
			return i.BrowserContextID == p.id && i.Type == kind && strings.HasPrefix(i.URL, address)
		})
		if i < 0 {
			continue
		}
		b := &tab{t: p.t, id: targets[i].TargetID, in: p}
		b.ctx, b.detach = chromedp.NewContext(chromium.ctx, chromedp.WithTargetID(b.id))
		chromedp.ListenTarget(b.ctx, b.listen)
		if err := chromedp.Run(b.ctx, log.Enable()); err != nil {
			p.t.Fatal(err)
		}
		return b
	}
	p.t.Fatalf("there is no %s at %s", kind, address)
	return nil
}

// In Hull's dashboard, whose frame gets no cookie, a button opens the operators' pages in a
// tab of its own: it has signed in, for this connector.
func TestOperatorComesFromHull(t *testing.T) {
	t.Parallel()
	b := startBeam(t)
	person := newProfile(t)
	hull := person.tab()
	page := b.URL + "/admin.html?" + url.Values{"ship": {"demo"}, "organization": {"demo.hullapp.io"}, "secret": {b.keys().ConnectorSecret}}.Encode()
	hull.openDashboard(page)
	frame := person.another("iframe", b.URL+"/admin.html")
	frame.until(`document.getElementById("operators")?.checkVisibility()`)
	frame.eval(`document.getElementById("operators").click()`)
	o := operator{person.another("page", b.URL+"/admin/"), b}
	o.reads("hull:demo")
	o.same(`[location.hash, opener]`, `["",null]`)
	o.press("demo")
	o.reads("Nobody is there right now")
	o.isSignedOut() // before the code was used
}

// Nobody frames the operators' pages.
func TestNobodyFramesTheOperatorsPages(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	for name, open := range map[string]func(*tab){
		"a site":           func(tab *tab) { tab.open(s.page("/", fmt.Sprintf(`<iframe src="%s/admin/"></iframe>`, b.URL))) },
		"Hull's dashboard": func(tab *tab) { tab.openDashboard(b.URL + "/admin/") },
	} {
		t.Run(name, func(t *testing.T) {
			tab := newProfile(t).tab()
			open(tab)
			if got := strings.Join(tab.complaints(), "\n"); !strings.Contains(got, "frame-ancestors 'none'") {
				t.Errorf("the console says %q", got)
			}
		})
	}
}
