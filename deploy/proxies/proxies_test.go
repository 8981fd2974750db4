//go:build unix

package proxies

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hullbeam/internal/fronttest"
	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

// What pages see behind each proxy is what they see without: at the very beginning, while
// a node stops, and when there is none. All of it is on two nodes, and proxies that would
// compress whatever they can.
func TestProxies(t *testing.T) {
	t.Parallel()
	processes := fronttest.StartNodes(t, hullbeam, 2, storetest.Redis(t).URL(), "{heartbeat: 2s, drain: 15s, retry: 200ms}")
	nodes := [2]string{processes[0].Addr, processes[1].Addr}
	browser := openBrowser(t)
	var fronts []*front
	var tokens []string
	var visitors []*shopper
	for _, p := range programs {
		f := p.start(t, nodes, p.compress, p.page, p.cutAfter("5s"))
		fronts = append(fronts, f)
		tokens = append(tokens, f.site(true).Token(t, "a-visitor-of-"+p.name))
		visitors = append(visitors, visit(t, browser, f, "a-visitor-with-chromium-of-"+p.name))
	}
	t.Run("events", func(t *testing.T) {
		for i, f := range fronts {
			t.Run("Chromium behind "+f.name, func(t *testing.T) {
				t.Parallel()
				visitors[i].watches(t)
			})
			for protocol, http2 := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
				t.Run(f.name+" over "+protocol, func(t *testing.T) {
					t.Parallel()
					if err := told(t, f.site(http2), protocol, fronttest.Soon); err != nil {
						t.Error(err)
					}
				})
			}
		}
		t.Run("nginx that was told nothing of event streams", func(t *testing.T) {
			t.Parallel()
			if err := told(t, bare.start(t, nodes).site(true), "HTTP/2.0", fronttest.Soon); err != nil {
				t.Error(err)
			}
		})
		t.Run("nginx that does not hear the nodes say so", func(t *testing.T) {
			t.Parallel()
			f := nginx.start(t, nodes, nginx.compress, edit{"proxy_buffering off;", "proxy_buffering off; proxy_ignore_headers X-Accel-Buffering;"})
			if err := told(t, f.site(true), "HTTP/2.0", fronttest.Soon); err != nil {
				t.Error(err)
			}
		})
		t.Run("nginx that keeps what it gets", func(t *testing.T) {
			t.Parallel()
			f := nginx.start(t, nodes, nginx.compress, edit{"proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"})
			err := told(t, f.site(true), "HTTP/2.0", patience)
			if err == nil {
				t.Error("events come all the same: the tests beside this one find nothing")
			}
			t.Log(err)
		})
		t.Run("Chromium behind nginx without HTTP/2", func(t *testing.T) {
			t.Parallel()
			f := nginx.start(t, nodes, nginx.page, edit{" ssl http2 ", " ssl "})
			crowded := visit(t, browser, f, "a-visitor-of-six-connections")
			crowded.until(6, "s.heartbeats > 1")
			if n := crowded.count("s.first != null"); n != 6 {
				t.Errorf("%d streams are open: the test beside this one finds nothing", n)
			}
		})
	})
	if t.Failed() {
		return
	}
	t.Run("a node that stops", func(t *testing.T) { drain(t, processes[0], fronts, tokens) })
	processes[1].Kill()
	t.Run("no node at all", func(t *testing.T) {
		for i, f := range fronts {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				visitors[i].waits(t)
				f.deserted(t, tokens[i])
			})
		}
	})
}

// bare is nginx as somebody has it who adds one site to many that are compressed: what
// the nodes say of their streams has to do.
var bare = program{
	name: "bare nginx", file: "testdata/bare.conf", command: nginx.command, places: nginx.places, end: nginx.end,
}

// atOnce is how long the first event may take. A machine that is busy with other things
// gets some tries: what is held back is late each time.
const atOnce = time.Second

// told has a page open a stream and five updates come, each when the page has the one
// before. It tells what did not come in time.
func told(t *testing.T, site *fronttest.Site, protocol string, limit time.Duration) error {
	t.Helper()
	visitor := strings.ReplaceAll("a-visitor-"+t.Name(), "/", "-")
	token := site.Token(t, visitor)
	var page *fronttest.Page
	took := fronttest.Soon
	for range 5 {
		began := time.Now()
		opened, err := open(t, site, token, limit)
		if err != nil {
			return err
		}
		if e, err := opened.Next("", limit); err != nil || e.Type != "room.joined" {
			return fmt.Errorf("the first event is %q, %w", e.Type, err)
		}
		if page, took = opened, time.Since(began); took < atOnce {
			break
		}
	}
	if took >= atOnce {
		return fmt.Errorf("the first event came after %v", took)
	}
	if page.Proto != protocol {
		return fmt.Errorf("the stream is over %s", page.Proto)
	}
	t.Logf("over %s, encoded %q, the first event after %v", page.Proto, page.Header.Get("Content-Encoding"), took)
	for i := range 5 {
		began := time.Now()
		site.Put(t, visitor, i)
		e, err := page.Next("user.update", limit)
		if err != nil {
			return err
		}
		if !strings.Contains(e.Data, fronttest.Plan(i)) {
			return fmt.Errorf("%s came, want %s", e.Data, fronttest.Plan(i))
		}
		t.Logf("update %d after %v", i, time.Since(began))
	}
	return nil
}

// patience is for what does not come.
const patience = 4 * time.Second

// open opens a stream whose head comes in time.
func open(t *testing.T, site *fronttest.Site, token string, limit time.Duration) (*fronttest.Page, error) {
	ctx, cancel := context.WithCancelCause(t.Context())
	late := time.AfterFunc(limit, func() { cancel(fmt.Errorf("no head of the stream in %v", limit)) })
	res, err := site.Get(ctx, token, "")
	if !late.Stop() || err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.New("the stream is answered " + res.Status)
	}
	return fronttest.NewPage(res, ""), nil
}

// drain has a node stop while pages are on it through each proxy: they are told, and open
// new streams on the other one, and are never answered anything but 200.
func drain(t *testing.T, stopping *fronttest.Node, fronts []*front, tokens []string) {
	const each = 6
	pages := make([][]*fronttest.Page, len(fronts))
	for i, f := range fronts {
		site := f.site(true)
		for range each {
			pages[i] = append(pages[i], site.Stream(t, tokens[i], ""))
		}
	}
	stopping.Crowd(t, 700) // 10 ms each: it takes 7 s
	stopping.Cmd.Process.Signal(syscall.SIGTERM)
	if !proctest.Within(fronttest.Soon, func() bool { return stopping.Refuses(t, tokens[0]) }) {
		t.Fatal("a node that stops does not answer 503: nothing is tested")
	}
	for i, f := range fronts {
		site, ended := f.site(true), 0
		for range 2 * each {
			ended += reopen(t, f, site, tokens[i])
		}
		t.Logf("%s: %d new streams; %d ended before they began, and were asked for again", f.name, 2*each, ended)
	}
	if stopping.HasEnded() {
		t.Fatal("the node has stopped too early: not all was tested")
	}
	<-stopping.Done
	for i, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if n := closed(t, pages[i]); n == 0 || n == each {
				t.Errorf("%d of %d streams were closed, want those of one of two nodes", n, each)
			}
		})
	}
}

// closed counts the pages that were told of the end of their stream, as all are that have
// none any more.
func closed(t *testing.T, pages []*fronttest.Page) int {
	var told atomic.Int64
	var all sync.WaitGroup
	for _, p := range pages {
		all.Go(func() {
			if e, err := p.Next("close", patience); err == nil {
				told.Add(1)
				t.Log(e.Data)
			} else if p.HasEnded() {
				t.Error("a stream ended without close")
			}
		})
	}
	all.Wait()
	return int(told.Load())
}

// reopen opens a stream as an EventSource does, which comes back when it was not answered
// at all. It tells how often it was not.
func reopen(t *testing.T, f *front, site *fronttest.Site, token string) (ended int) {
	t.Helper()
	for began := time.Now(); time.Since(began) < fronttest.Soon; time.Sleep(100 * time.Millisecond) {
		res, err := site.Get(t.Context(), token, "")
		if err == nil && res.StatusCode != http.StatusOK {
			res.Body.Close()
			t.Fatalf("%s: the stream is answered %s", f.name, res.Status)
		}
		if err == nil {
			if e := fronttest.NewPage(res, "").Await(t, ""); e.Type != "room.joined" {
				t.Errorf("%s: the first event is %s", f.name, e.Type)
			}
			return ended
		}
		if ended++; !f.again {
			t.Fatalf("%s: %v, want the other node", f.name, err)
		}
	}
	t.Fatalf("%s opens no stream in %v", f.name, fronttest.Soon)
	return 0
}

// deserted asks a proxy for a stream that has no node any more: the request ends without an
// answer. And no token is in its logs. Over HTTP/1.1, since at the way nginx and HAProxy end
// it over HTTP/2 Go's client asks again, at once and for ever; browsers do not.
func (f *front) deserted(t *testing.T, token string) {
	if res, err := f.site(false).Get(t.Context(), token, ""); err == nil {
		t.Errorf("the stream is answered %s: an EventSource would give up for good", res.Status)
		res.Body.Close()
	}
	if log := f.logs(); strings.Contains(log, token) || !strings.Contains(log, "/api/v1/stream") {
		t.Errorf("the log has no streams, or a token:\n%.3000s", log)
	}
}
