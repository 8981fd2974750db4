package shiptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait: far above what anything takes on a busy machine.
const patience = 30 * time.Second

// userAgent is a browser's that somebody sits before: Chromium without a window calls itself
// HeadlessChrome, and the history leaves out what says that of itself.
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"

// chromium is one for all tests, started when the first asks for it.
var chromium struct {
	once  sync.Once
	ctx   context.Context
	close context.CancelFunc
	err   error
}

func openBrowser(t *testing.T) context.Context {
	t.Helper()
	chromium.once.Do(func() {
		flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.WindowSize(1000, 700), chromedp.ExecPath("chromium"), chromedp.UserAgent(userAgent),
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
		alloc, stop := chromedp.NewExecAllocator(context.Background(), flags...)
		ctx, end := chromedp.NewContext(alloc, chromedp.WithErrorf(complain))
		chromium.ctx, chromium.close = ctx, func() { end(); stop() }
		chromium.err = chromedp.Run(ctx)
	})
	if chromium.err != nil {
		t.Fatalf("chromium: %v (ci/install.sh installs it)", chromium.err)
	}
	return chromium.ctx
}

// complain is how chromedp logs. It does not know all events that this Chromium has.
func complain(format string, values ...any) {
	if line := fmt.Sprintf(format, values...); !strings.Contains(line, "unhandled") {
		stdlog.Println(line)
	}
}

func closeBrowser() {
	if chromium.close != nil {
		chromium.close()
	}
}

// profile is a browser of one visitor: its tabs share storage, and nothing with the
// profiles of other tests.
type profile struct {
	t       *testing.T
	browser context.Context // commands to the browser itself
	id      cdp.BrowserContextID
}

func newProfile(t *testing.T) *profile {
	t.Helper()
	ctx := openBrowser(t)
	p := &profile{t: t, browser: cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)}
	var err error
	if p.id, err = target.CreateBrowserContext().Do(p.browser); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.DisposeBrowserContext(p.id).Do(p.browser) })
	return p
}

// tab is a tab. What its console says of errors and warnings fails the test in the end,
// unless the test has taken it by complaints.
type tab struct {
	t      *testing.T
	ctx    context.Context
	detach context.CancelFunc
	id     target.ID
	in     *profile

	mu         sync.Mutex
	complained []string
	logged     []string
}

// tab opens a tab, in a window of its own. scripts run in each of its documents before
// anything of the page.
func (p *profile) tab(scripts ...string) *tab {
	p.t.Helper()
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(p.id).WithNewWindow(true).Do(p.browser)
	if err != nil {
		p.t.Fatal(err)
	}
	b := &tab{t: p.t, id: id, in: p}
	b.ctx, b.detach = chromedp.NewContext(chromium.ctx, chromedp.WithTargetID(id))
	chromedp.ListenTarget(b.ctx, b.listen)
	actions := []chromedp.Action{log.Enable()}
	for _, script := range scripts {
		actions = append(actions, chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
			return err
		}))
	}
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		b.close()
		for _, complaint := range b.complaints() {
			p.t.Errorf("the console says: %s", complaint)
		}
	})
	return b
}

// close closes the tab, as its visitor does.
func (b *tab) close() {
	target.CloseTarget(b.id).Do(b.in.browser)
	b.detach()
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, arg := range e.Args {
			words = append(words, strings.Trim(string(arg.Value), `"`)+arg.Description)
		}
		line := strings.Join(words, " ")
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.complained = append(b.complained, line)
		} else {
			b.logged = append(b.logged, line)
		}
	case *runtime.EventExceptionThrown:
		b.complained = append(b.complained, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			b.complained = append(b.complained, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// complaints takes what the console has said of errors and warnings.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	complaints := b.complained
	b.complained = nil
	return complaints
}

// log is what the console has said otherwise.
func (b *tab) log() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.logged...)
}

// open goes to a page and waits until it has loaded.
func (b *tab) open(url string) {
	b.t.Helper()
	b.run(chromedp.Navigate(url))
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is the value of an expression, or of what its promise comes to, as JSON.
func (b *tab) eval(expression string) string {
	b.t.Helper()
	text, err := b.evaluate(expression)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *tab) evaluate(expression string) (text string, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	var value json.RawMessage
	err = chromedp.Run(ctx, chromedp.Evaluate("(async () => JSON.stringify(await ("+expression+") ?? null))()", &value,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(value, &text); err != nil {
		return "", fmt.Errorf("%s: %s", expression, value)
	}
	return text, nil
}

// until waits until an expression is true, also in a page that another is about to take the
// place of.
func (b *tab) until(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		is, err := b.evaluate("!!(" + expression + ")")
		if is == "true" {
			return
		}
		if err != nil && !isOfNavigation(err) {
			b.t.Fatal(err)
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("it never came to be: %s\n%s\n%s", expression, b.eval("window.heard"), strings.Join(b.log(), "\n"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// isOfNavigation tells whether an expression had no value since its page was left meanwhile.
func isOfNavigation(err error) bool {
	said, ok := errors.AsType[*cdproto.Error](err)
	return ok && said.Code == -32000 && strings.Contains(said.Message, "navigated")
}

// same fails when an expression's value is another one; want is JSON as JSON.stringify
// writes it.
func (b *tab) same(expression, want string) {
	b.t.Helper()
	if got := b.eval(expression); got != want {
		b.t.Errorf("%s:\n got %s\nwant %s", expression, got, want)
	}
}

// hear makes the page keep the events of the snippet, in window.heard: ["name", argument].
// It is a script for profile.tab.
const hear = `
	window.heard = [];
	for (const name of ["user.update", "user.private", "user.error", "segment.enter", "segment.leave", "offer", "status"])
		document.addEventListener("hull:" + name, (e) => heard.push([name, e.detail]));`

// heard is an expression: how many events of a name the page has heard, whose argument
// fulfils a condition on it, e.
func heard(name, condition string) string {
	return fmt.Sprintf(`heard.filter(([name, e]) => name == %q && (%s)).length`, name, condition)
}
