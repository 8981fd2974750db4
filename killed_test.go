//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"hullbeam/store/storetest"
)

// Every page view that was answered 202 is in its visitor's history after kill -9, and
// none is twice, though pages tell of one again whenever they have no answer.
func TestKillLosesNoPageView(t *testing.T) {
	t.Setenv("ADMIN_KEY", killedKey)
	t.Run("embedded store", testKilledWhileViewsArrive)
	t.Run("Redis", func(t *testing.T) {
		t.Setenv("REDIS_URL", storetest.Redis(t).URL())
		testKilledWhileViewsArrive(t)
	})
}

const (
	killedKey    = "an admin key for the history that is killed"
	killedRounds = 5
)

func testKilledWhileViewsArrive(t *testing.T) {
	dir := configured(t, "a secret", "one.example")
	start := func() *process {
		p := startProcess(t, dir, "--limits.tokens-per-address", "0", "--limits.pages-per-visitor", "0")
		storetest.Eventually(t, "it is ready", func() bool { status, _ := p.ask("GET", "/readyz", "", ""); return status == 200 })
		return p
	}
	browsers := make([]*browser, 24)
	for i := range browsers {
		browsers[i] = &browser{
			t: t, number: i, accepted: map[string]bool{},
			client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
		}
	}
	for round := range killedRounds {
		p := start()
		var left atomic.Int64
		left.Store(100 + rand.Int64N(500)) // answers until the kill
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, b := range browsers {
			b.at(p) // all of them, before the first one's views can have it killed
		}
		for _, b := range browsers {
			all.Go(func() {
				b.browse(ctx, func() {
					if left.Add(-1) == 0 {
						p.cmd.Process.Kill()
						cancel()
					}
				})
			})
		}
		all.Wait()
		cancel()
		p.kill()

		p = start()
		kept := 0
		for _, b := range browsers {
			kept += b.check(p)
		}
		t.Logf("round %d: %d views are in the history", round+1, kept)
		p.kill()
	}
}

// browser is a visitor who looks at one page after the other. It goes on where it was
// when the server is back.
type browser struct {
	t      *testing.T
	number int
	client *http.Client
	url    string // of the server
	next   int    // the number of the next view

	token, visitor, key string
	accepted            map[string]bool // the views that were answered 202
}

// at has the browser talk to a process.
func (b *browser) at(p *process) {
	b.url = p.URL
	if b.token == "" && !b.ask(b.t.Context(), "") {
		b.t.Fatal("there is no token")
	}
}

// browse looks at pages until the server does not answer any more. answered is called
// after each 202.
func (b *browser) browse(ctx context.Context, answered func()) {
	for ok := true; ok; {
		view := fmt.Sprintf("view-%d", b.next)
		if ok = b.look(ctx, view, answered); ok {
			b.next++
		}
	}
}

// look tells of a view until it was answered: once; twice at a time, as a page does that
// is left while it tells; or with a token request, and once more.
func (b *browser) look(ctx context.Context, view string, answered func()) bool {
	tell := func() bool {
		ok := b.tell(ctx, view)
		if ok {
			answered()
		}
		return ok
	}
	first, second := false, false
	switch b.next % 3 {
	case 0:
		first = tell()
	case 1:
		var both sync.WaitGroup
		both.Go(func() { first = tell() })
		both.Go(func() { second = tell() })
		both.Wait()
	case 2:
		first = b.ask(ctx, view) && tell()
	}
	if first || second {
		b.accepted[view] = true
	}
	return first || second
}

// ask asks for a token, with a view unless that is "".
func (b *browser) ask(ctx context.Context, view string) bool {
	body := map[string]any{"claims": map[string]string{"anonymous_id": fmt.Sprintf("browser-number-%04d", b.number)}}
	if b.key != "" {
		body["visitor_key"] = b.key
	}
	if view != "" {
		body["page"] = map[string]string{"url": "https://one.example/" + view, "view": view}
	}
	status, answer := b.post(ctx, "/api/v1/connectors/demo-1/token", body)
	var granted struct {
		Token, Visitor string
		VisitorKey     string `json:"visitor_key"`
	}
	if status != http.StatusCreated || json.Unmarshal(answer, &granted) != nil {
		return false
	}
	if b.visitor != "" && granted.Visitor != b.visitor {
		b.t.Errorf("the visitor %s is %s now", b.visitor, granted.Visitor)
	}
	b.token, b.visitor, b.key = granted.Token, granted.Visitor, granted.VisitorKey
	return true
}

func (b *browser) tell(ctx context.Context, view string) (accepted bool) {
	status, answer := b.post(ctx, "/api/v1/pages", map[string]any{"token": b.token, "url": "https://one.example/" + view, "view": view})
	if status != 0 && status != http.StatusAccepted {
		b.t.Errorf("%s: %d %s", view, status, answer)
	}
	return status == http.StatusAccepted
}

// post returns status 0 when there is no answer.
func (b *browser) post(ctx context.Context, path string, body any) (status int, answer []byte) {
	text, _ := json.Marshal(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+path, strings.NewReader(string(text)))
	if err != nil {
		b.t.Error(err)
		return 0, nil
	}
	req.Header.Set("Origin", "https://one.example")
	req.Header.Set("Content-Type", "application/json")
	res, err := b.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		return 0, nil
	}
	return res.StatusCode, answer
}

// check compares what was accepted with the history, and returns how many views that has.
func (b *browser) check(p *process) int {
	b.t.Helper()
	kept := b.history(p)
	seen := map[string]bool{}
	for _, view := range kept {
		if seen[view] {
			b.t.Errorf("%s of %s is twice in the history", view, b.visitor)
		}
		seen[view] = true
	}
	for view := range b.accepted {
		if !seen[view] {
			b.t.Errorf("%s of %s was answered 202 and is not in the history", view, b.visitor)
		}
	}
	return len(kept)
}

// history reads the ids of the visitor's views to the last part of the list.
func (b *browser) history(p *process) (views []string) {
	b.t.Helper()
	cursor := ""
	for range 1000 {
		req, _ := http.NewRequestWithContext(b.t.Context(), http.MethodGet,
			p.URL+"/api/v1/connectors/demo-1/visitors/"+b.visitor+"/pages?limit=7&cursor="+cursor, nil)
		req.Header.Set("Authorization", "Bearer "+killedKey)
		res, err := b.client.Do(req)
		if err != nil {
			b.t.Fatal(err)
		}
		var list struct {
			Items []struct{ View string }
			Next  string `json:"next_cursor"`
		}
		err = json.NewDecoder(res.Body).Decode(&list)
		res.Body.Close()
		if res.StatusCode == http.StatusNotFound && len(b.accepted) == 0 {
			return nil
		}
		if err != nil || res.StatusCode != http.StatusOK {
			b.t.Fatalf("%s: %d %v", b.visitor, res.StatusCode, err)
		}
		views = slices.AppendSeq(views, func(yield func(string) bool) {
			for _, item := range list.Items {
				if !yield(item.View) {
					return
				}
			}
		})
		if cursor = list.Next; cursor == "" {
			return views
		}
	}
	b.t.Fatal("the list has no end")
	return nil
}
