//go:build unix

package proxies

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"hullbeam/internal/fronttest"
	"hullbeam/store/storetest"
)

var idleFor = flag.Duration("idle", 0, "how long streams are idle, with all time-outs as they are shipped; 0: for seconds, with short ones")

// Streams on which nothing happens but heartbeats are not cut, and the next event comes at
// once. Ten minutes with what is shipped: make soak.
func TestIdle(t *testing.T) {
	t.Parallel()
	settings, duration, heartbeat := "{}", *idleFor, 15*time.Second
	short := func(program) []edit { return nil }
	if duration == 0 {
		settings, duration, heartbeat = "{heartbeat: 2s}", 16*time.Second, 2*time.Second
		short = func(p program) []edit { return []edit{p.cutAfter("5s")} } // three times in that time
	}
	processes := fronttest.StartNodes(t, hullbeam, 2, storetest.Redis(t).URL(), settings)
	nodes := [2]string{processes[0].Addr, processes[1].Addr}
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			f := p.start(t, nodes, append(short(p), p.compress)...)
			pages := watch(t, f, "a-quiet-visitor-of-"+p.name, 4)
			heartbeats, err := idle(pages, duration)
			if err != nil {
				t.Error(err)
			}
			if least := len(pages) * (int(duration/heartbeat) - 1); heartbeats < least {
				t.Errorf("%d heartbeats came in %v, want %d", heartbeats, duration, least)
			}
			f.site(true).Put(t, "a-quiet-visitor-of-"+p.name, 1)
			for _, page := range pages {
				page.Await(t, "user.update")
			}
			t.Logf("%d streams were idle for %v, with %d heartbeats, and none was cut", len(pages), duration, heartbeats)
		})
		if *idleFor == 0 {
			t.Run(p.name+" that has less patience than a heartbeat takes", func(t *testing.T) {
				t.Parallel()
				f := p.start(t, nodes, p.cutAfter("1s"))
				_, err := idle(watch(t, f, "an-impatient-visitor-of-"+p.name, 1), fronttest.Soon)
				if err == nil {
					t.Error("the stream is not cut: the test above finds nothing")
				}
				t.Log(err)
			})
		}
	}
}

// cutAfter has it cut a stream after such a silence.
func (p program) cutAfter(silence string) edit {
	return edit{p.timeout.old, fmt.Sprintf(p.timeout.new, silence)}
}

// watch has so many streams over HTTP/2 and one over HTTP/1.1, which have been told all
// that there is to tell.
func watch(t *testing.T, f *front, visitor string, n int) (pages []*fronttest.Page) {
	t.Helper()
	site := f.site(true)
	token := site.Token(t, visitor)
	for range n {
		pages = append(pages, site.Stream(t, token, ""))
	}
	pages = append(pages, f.site(false).Stream(t, token, ""))
	for _, p := range pages {
		p.Await(t, "user.error") // nobody knows the visitor
	}
	return pages
}

// idle looks on for so long, and tells of the first stream that is cut, or is told anything
// but heartbeats.
func idle(pages []*fronttest.Page, duration time.Duration) (heartbeats int, err error) {
	began, over := time.Now(), time.After(duration)
	var all sync.WaitGroup
	var mu sync.Mutex
	done := make(chan struct{})
	go func() { <-over; close(done) }()
	for _, p := range pages {
		all.Go(func() {
			n, perr := quiet(p, done, began)
			mu.Lock()
			defer mu.Unlock()
			heartbeats += n
			if err == nil {
				err = perr
			}
		})
	}
	all.Wait()
	return heartbeats, err
}

func quiet(p *fronttest.Page, done <-chan struct{}, began time.Time) (heartbeats int, err error) {
	for {
		select {
		case e, ok := <-p.Events:
			if !ok {
				return heartbeats, fmt.Errorf("a stream over %s was cut after %v", p.Proto, time.Since(began).Round(time.Millisecond))
			}
			if e.Type != "heartbeat" {
				return heartbeats, fmt.Errorf("a stream is told %s", e.Type)
			}
			heartbeats++
		case <-done:
			return heartbeats, nil
		}
	}
}
