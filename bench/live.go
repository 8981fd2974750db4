package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Live has visitors with open streams go from page to page, first while nobody looks,
// then while an operator looks at the live view.
type Live struct {
	Visitors int `json:"visitors"`
	// Every is how long a visitor stays on a page.
	Every time.Duration `json:"every_ns"`
	// Duration is that of each half.
	Duration time.Duration `json:"duration_ns"`
	// Connections tell of the page views.
	Connections int `json:"connections"`
	// Plain has the operator take no compressed answer.
	Plain bool `json:"plain,omitempty"`
}

func (l Live) name() string { return "live" }
func (l Live) streams() int { return l.Visitors + l.Connections }

func (l Live) validate() error {
	switch {
	case l.Visitors < 1 || l.Every <= 0 || l.Duration <= 0:
		return errors.New("visitors is 1 or more, every and duration are above 0")
	case l.Connections < 1 || l.Connections > 10000:
		return fmt.Errorf("connections: %d is out of range: 1 to 10000", l.Connections)
	}
	return nil
}

func (l Live) run(ctx context.Context, s *session) error {
	if s.cfg.AdminKey == "" {
		return errors.New("the live view needs an admin key")
	}
	s.start(func(i int) opening { return opening{topic: int32(i), anonymousID: s.visitor(i), watched: true} }, nil)
	streams, err := s.open(ctx, l.Visitors)
	if err != nil {
		return err
	}
	s.result.add("streams", "", float64(streams), "more")
	if streams < l.Visitors {
		s.result.fail("%d visitors have no stream", l.Visitors-streams)
	}
	tokens := make([]string, l.Visitors)
	s.engine.each(func(st *stream) { tokens[st.topic] = st.watch.token })
	alone := l.newNavigation(s, tokens)
	if err := alone.run(ctx); err != nil {
		return err
	}
	watched := l.newNavigation(s, tokens)
	o, err := l.look(ctx, s, watched)
	if err != nil {
		return err
	}
	defer o.close()
	if err := watched.run(ctx); err != nil {
		return err
	}
	if err := o.settle(ctx, s.cfg.Drain); err != nil {
		return err
	}
	l.report(s, alone, watched, o)
	return nil
}

func (l Live) report(s *session, alone, watched *navigation, o *onlooker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, seconds := s.result, float64(max(o.lastArrival, watched.ended)-watched.began)/1e9 // until all was told
	r.add("views_per_s", "", float64(watched.taken.Load())/watched.seconds, "more")
	r.addLatency("staleness", &o.staleness)
	r.addLatency("answer", &watched.answers)
	r.add("wire", "kB/s", float64(o.wire.Load()-o.wireReady)/1e3/seconds, "less")
	r.add("events", "kB/s", float64(o.text-o.textReady)/1e3/seconds, "less")
	r.add("events_per_s", "", float64(o.changes)/seconds, "")
	r.add("ready", "ms", milliseconds(time.Duration(o.readyAfter)), "less")
	r.add("ready_wire", "kB", float64(o.wireReady)/1e3, "less")
	r.add("conflated", "views", float64(o.conflated), "")
	if len(s.pids) > 0 {
		r.add("server_cpu", "% of a core", 100*watched.cpu/watched.seconds, "less")
		r.add("server_cpu_unwatched", "% of a core", 100*alone.cpu/alone.seconds, "less")
	}
	for _, f := range []struct {
		n    int64
		what string
	}{
		{alone.refused.Load() + watched.refused.Load(), "%d views were not taken"},
		{alone.unsent.Load() + watched.unsent.Load(), "%d views could not be told of in time"},
		{int64(o.behindLocked()), "of %d visitors the operator does not know the page"},
		{o.backwards, "%d times the operator was told of an older page than before"},
	} {
		if f.n > 0 {
			r.fail(f.what, f.n)
		}
	}
}

// navigation is the page views of all visitors, who take turns.
type navigation struct {
	Live
	s       *session
	epoch   uint32
	tokens  []string
	count   int
	began   int64           // clock
	ended   int64           // clock
	latest  []atomic.Uint32 // by visitor, the last view that was taken
	answers hist
	seconds float64
	cpu     float64 // seconds of the server

	mu                     sync.Mutex // of answers
	taken, refused, unsent atomic.Int64
}

func (l Live) newNavigation(s *session, tokens []string) *navigation {
	s.epoch++
	count := max(1, int(float64(l.Visitors)*l.Duration.Seconds()/l.Every.Seconds()))
	return &navigation{Live: l, s: s, epoch: s.epoch, tokens: tokens, count: count, latest: make([]atomic.Uint32, l.Visitors)}
}

// dueAt is when a visitor's view of this number, 1 and on, was due.
func (n *navigation) dueAt(visitor, seq uint32) int64 {
	i := int64(seq-1)*int64(n.Visitors) + int64(visitor)
	return n.began + int64(float64(i)*float64(n.Every)/float64(n.Visitors))
}

// run tells of all views, each when it is due.
func (n *navigation) run(ctx context.Context) error {
	cpu := n.s.serverCPU()
	n.began = clock() + int64(20*time.Millisecond)
	err := n.s.share(ctx, n.Connections, n.count, func(c *client, i int) error {
		visitor, seq := uint32(i%n.Visitors), uint32(i/n.Visitors+1)
		due := n.dueAt(visitor, seq)
		if err := sleep(ctx, time.Duration(due-clock())); err != nil {
			return err
		}
		if n.tokens[visitor] == "" || clock()-due > int64(n.Every) {
			n.unsent.Add(1)
			return nil
		}
		return n.tell(ctx, c, visitor, seq, due)
	})
	n.ended = clock()
	n.seconds = float64(n.ended-n.began) / 1e9
	n.cpu = n.s.serverCPU() - cpu
	return err
}

func (n *navigation) tell(ctx context.Context, c *client, visitor, seq uint32, due int64) error {
	taken, err := n.s.tell(ctx, c, n.view(visitor, seq))
	if err != nil {
		return err
	}
	if !taken {
		n.refused.Add(1)
		return nil
	}
	n.latest[visitor].Store(seq)
	n.mu.Lock()
	n.answers.add(clock() - due)
	n.mu.Unlock()
	n.s.progress.say("%d of %d views were told of", n.taken.Add(1), n.count)
	return nil
}

func (n *navigation) view(visitor, seq uint32) *told {
	m := mark{n.epoch, visitor, seq}
	page := (visitor + seq*7) % 4000
	return &told{
		token: n.tokens[visitor], view: fmt.Sprintf("%s-%08x-%d", n.s.run, n.epoch, seq), tab: "t1",
		path:      fmt.Sprintf("/en/category-%d/product-%d/%s", page%40, page, m.append(nil)),
		title:     fmt.Sprintf("Product %d of category %d | The Example Shop", page, page%40),
		referrer:  fmt.Sprintf("/en/category-%d", page%40),
		localTime: time.Now().Format("2006-01-02T15:04:05.000Z07:00"),
	}
}
