package clustertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What is expected of a node's /readyz.
const (
	anything = iota // it is changing, or the process is away
	ready
	notReady
)

// watch asks a node all along what /readyz and /healthz say, and complains when
// that is not the truth.
type watch struct {
	name, url string
	complain  *complaints
	expected  atomic.Int32 // of /readyz
	mustLive  atomic.Bool  // /healthz is to answer 200

	mu      sync.Mutex
	changes []change  // of /readyz; the last one holds
	alive   time.Time // when the last good answer of /healthz was asked for
}

// change is when /readyz began to say what it says.
type change struct {
	at    time.Time
	ready bool
}

func (w *watch) expect(what int32) { w.expected.Store(what) }

const (
	watchEvery   = 50 * time.Millisecond
	watchTimeout = 2 * time.Second // a node that says nothing for so long is not ready
)

func newWatch(name, url string, complain *complaints) *watch {
	return &watch{name: name, url: url, complain: complain, changes: []change{{time.Now(), false}}}
}

// run watches until ctx ends.
func (w *watch) run(ctx context.Context) {
	client := &http.Client{Timeout: watchTimeout}
	defer client.CloseIdleConnections()
	for tick := time.NewTicker(watchEvery); ; {
		select {
		case <-tick.C:
			w.askReady(client)
			w.askAlive(client)
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

func (w *watch) askReady(client *http.Client) {
	expected := w.expected.Load()
	said, is := ask(client, w.url+"/readyz")
	w.mu.Lock()
	if last := w.changes[len(w.changes)-1]; last.ready != is {
		w.changes = append(w.changes, change{time.Now(), is})
	}
	w.mu.Unlock()
	if expected != w.expected.Load() {
		return // things changed meanwhile
	}
	if expected == ready && !is {
		w.complain.add("not ready without a reason", "%s: %s", w.name, said)
	}
	if expected == notReady && is {
		w.complain.add("ready while the bus is away", "%s: %s", w.name, said)
	}
}

func (w *watch) askAlive(client *http.Client) {
	must, asked := w.mustLive.Load(), time.Now()
	said, is := ask(client, w.url+"/healthz")
	if is {
		w.mu.Lock()
		w.alive = asked
		w.mu.Unlock()
	} else if must && w.mustLive.Load() {
		w.complain.add("/healthz of a living node", "%s: %s", w.name, said)
	}
}

func ask(client *http.Client, url string) (said string, ok bool) {
	res, err := client.Get(url)
	if err != nil {
		return err.Error(), false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, strings.TrimSpace(string(body))), err == nil && res.StatusCode == http.StatusOK
}

// isReady is what /readyz says.
func (w *watch) isReady() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes[len(w.changes)-1].ready
}

// changed is when /readyz first began to say is after t, and when it did so last.
// ok is false when it never did.
func (w *watch) changed(t time.Time, is bool) (first, last time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.changes {
		if c.ready == is && c.at.After(t) {
			if !ok {
				first, ok = c.at, true
			}
			last = c.at
		}
	}
	return first, last, ok
}

// aliveSince tells whether /healthz has answered what was asked after t.
func (w *watch) aliveSince(t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alive.After(t)
}
