package shiptest

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
)

// A page that the browser has loaded in advance is nobody's yet: it has no stream and is no
// page view before somebody comes to it.
func TestPageLoadedInAdvance(t *testing.T) {
	t.Parallel()
	b, s := startBeam(t), newSite(t)
	come, told := make(chan struct{}), make(chan string, 1)
	s.handle("/come", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-come }))
	s.handle("/told", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, _ := io.ReadAll(r.Body)
		told <- string(what)
	}))
	s.page("/next", `<script>
		const tell = (what) => fetch("/told", { method: "POST", body: what });
		const states = [];
		document.addEventListener("hull:status", ({ detail }) => {
			states.push(detail.state + (document.prerendering ? " in advance" : ""));
			if (detail.state == "open") tell(states);
		});
		const looking = setInterval(() => {
			if (!performance.getEntriesByType("resource").some(({ name }) => name.includes("/ship/more-"))) return;
			clearInterval(looking);
			// Time for what must not be done: no event says that a page waits to be looked at.
			setTimeout(tell, 300, document.prerendering ? "loaded in advance" : "loaded");
		}, 20);
	</script>`+b.snippet("data-track data-share=off"))
	s.page("/", `<script>`+visitor+`fetch("/come").then(() => location.href = "/next")</script>
		<script type=speculationrules>{"prerender": [{"urls": ["/next"], "eagerness": "immediate"}]}</script>`)

	// Chromium loads nothing in advance for a tab that a debugger looks at.
	person := newProfile(t)
	if _, err := target.CreateTarget(s.URL + "/").WithBrowserContextID(person.id).WithNewWindow(true).Do(person.browser); err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Errorf("the page says %q, want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("the page does not say %q", want)
		}
	}
	says("loaded in advance")
	b.told("counted", 0)
	close(come)
	says("connecting,open")
	b.told("counted", 1)
}
