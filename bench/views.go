package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Views tells of page views as fast as they are answered. Then it reads, as an operator
// does, what is kept of the regulars: visitors who look at many pages.
type Views struct {
	Count    int `json:"count"`
	Visitors int `json:"visitors"`
	// Regulars look at RegularViews pages each; their views are among Count, and come
	// all along. They are beside Visitors.
	Regulars     int `json:"regulars"`
	RegularViews int `json:"regular_views"`
	Connections  int `json:"connections"`
	// Reads is how many times each thing is read.
	Reads int `json:"reads"`
	// History is the server's history.db, whose growth is told; empty: it is not.
	History string `json:"-"`
}

func (v Views) name() string { return "views" }
func (v Views) streams() int { return v.Connections }

func (v Views) validate() error {
	switch {
	case v.Count < 1 || v.Visitors < 1 || v.Reads < 1:
		return fmt.Errorf("count, visitors and reads are 1 or more")
	case v.Regulars < 1 || v.RegularViews < 1 || v.Regulars*v.RegularViews > v.Count/2:
		return fmt.Errorf("regulars and regular-views are 1 or more, and their product at most half of count")
	case v.Connections < 1 || v.Connections > 10000:
		return fmt.Errorf("connections: %d is out of range: 1 to 10000", v.Connections)
	}
	return nil
}

// A visit is of so many pages, and so many visitors are on the site at a time.
const (
	visitPages = 10
	atATime    = 500
)

// who is the visitor of the nth view: the regulars are the first.
func (v Views) who(n int) int {
	if every := v.Count / (v.Regulars * v.RegularViews); n%every == 0 && n/every < v.Regulars*v.RegularViews {
		return n / every % v.Regulars
	}
	here := min(atATime, v.Visitors)
	return v.Regulars + (n/(here*visitPages)*here+n%here)*7919%v.Visitors // all over the store
}

// view is the nth, of a shop with some thousand pages.
func (v Views) view(n int, run string, token string, now time.Time) *told {
	return &told{
		token: token, view: fmt.Sprintf("%s-%013d", run, n), tab: "t1",
		path:      fmt.Sprintf("/en/category-%d/product-%d", n%40, n%4000),
		title:     fmt.Sprintf("Product %d of category %d | The Example Shop", n%4000, n%40),
		referrer:  fmt.Sprintf("/en/category-%d", n%40),
		localTime: now.Format("2006-01-02T15:04:05.000Z07:00"),
	}
}

func (v Views) run(ctx context.Context, s *session) error {
	guests, err := s.guests(ctx, v.Regulars+v.Visitors, v.Connections)
	if err != nil {
		return err
	}
	if err := v.tell(ctx, s, guests); err != nil {
		return err
	}
	return v.read(ctx, s, guests[:v.Regulars])
}

// tell tells of all views, and says how that went.
func (v Views) tell(ctx context.Context, s *session, guests []guest) error {
	before, cpu, began := sizeOf(v.History), s.serverCPU(), clock()
	var mu sync.Mutex
	var answers hist
	var done, refused atomic.Int64
	err := s.share(ctx, v.Connections, v.Count, func(c *client, i int) error {
		sent := clock()
		taken, err := s.tell(ctx, c, v.view(i, s.run, guests[v.who(i)].token, time.Now()))
		if err != nil {
			return err
		}
		if !taken {
			refused.Add(1)
		}
		mu.Lock()
		answers.add(clock() - sent)
		mu.Unlock()
		if n := done.Add(1); n%1000 == 0 {
			s.progress.say("%d of %d views were told of", n, v.Count)
		}
		return nil
	})
	if err != nil {
		return err
	}
	seconds := float64(clock()-began) / 1e9
	s.result.add("views", "", float64(done.Load()-refused.Load()), "more")
	s.result.add("views_per_s", "", float64(done.Load()-refused.Load())/seconds, "more")
	s.result.addLatency("answer", &answers)
	s.addCPU("server_cpu_per_view", "µs", (s.serverCPU()-cpu)*1e6, float64(done.Load()))
	if after := sizeOf(v.History); after > 0 {
		s.result.add("history_file", "MB", float64(after)/1e6, "less")
		s.result.add("history_per_view", "B", float64(after-before)/float64(v.Count), "less")
	} else {
		s.result.note("the server's history.db is not here: its size is left out; --data-dir names its directory")
	}
	if n := refused.Load(); n > 0 {
		s.result.fail("%d views were not taken", n)
	}
	return nil
}

// sizeOf is the size of a database with what is not in its own file yet; 0: there is none.
func sizeOf(file string) (size int64) {
	for _, name := range []string{file, file + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	return size
}

// read reads timelines and summaries of regulars, one after the other.
func (v Views) read(ctx context.Context, s *session, regulars []guest) error {
	c := s.server.client(0)
	defer c.close()
	var timeline, whole, summary hist
	for i := range v.Reads {
		visitor := regulars[i%len(regulars)].visitor
		_, took, err := s.read(ctx, c, pagesPath(visitor, "?limit=50"))
		if err != nil {
			return err
		}
		timeline.add(took)
		took, views, err := v.whole(ctx, s, c, visitor)
		if err != nil {
			return err
		}
		whole.add(took)
		if views != v.RegularViews && s.result.Passed() {
			s.result.fail("%d of %d views of a regular are in the history: see history.views_per_visitor", views, v.RegularViews)
		}
		if _, took, err = s.read(ctx, c, pagesPath(visitor, "/summary")); err != nil {
			return err
		}
		summary.add(took)
		s.progress.say("%d of %d timelines were read", i+1, v.Reads)
	}
	s.result.addLatency("timeline", &timeline)
	s.result.addLatency("whole_timeline", &whole)
	s.result.addLatency("summary", &summary)
	return nil
}

// whole reads all of a visitor's timeline.
func (v Views) whole(ctx context.Context, s *session, c *client, visitor string) (took int64, views int, err error) {
	for cursor := ""; ; {
		body, t, err := s.read(ctx, c, pagesPath(visitor, "?limit=500&cursor="+cursor))
		if err != nil {
			return 0, 0, err
		}
		var list struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &list); err != nil {
			return 0, 0, err
		}
		took, views, cursor = took+t, views+len(list.Items), list.Next
		if cursor == "" || len(list.Items) == 0 {
			return took, views, nil
		}
	}
}
