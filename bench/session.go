package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// session is one run of a scenario.
type session struct {
	cfg      Config
	server   *server
	pids     []int
	run      string // in the ids of its visitors and users, so that they are new
	epoch    uint32 // of the marks
	engine   *engine
	progress *progress
	result   *Result
}

func (s *session) measure(ctx context.Context, scenario Scenario) (*Result, error) {
	var err error
	if s.engine, err = newEngine(s.server, s.cfg.Threads); err != nil {
		return nil, err
	}
	defer s.engine.close()
	s.engine.direct = s.cfg.Direct
	s.result = newResult(scenario, s.cfg)
	if len(s.pids) == 0 {
		s.result.note("the server's processes are not on this machine, or not ours to read: its memory and CPU are left out; --pid names them")
	}
	stop := s.progress.start()
	client := ownCPU()
	began := time.Now()
	err = scenario.run(ctx, s)
	stop()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	s.result.add("client_cpu", "% of a core", 100*(ownCPU()-client)/time.Since(began).Seconds(), "less")
	s.conclude()
	return s.result, nil
}

// conclude says in the result what went wrong on the side of the streams.
func (s *session) conclude() {
	e := s.engine
	if n := e.failed.Load(); n > 0 {
		s.result.fail("%d streams could not be opened", n)
	}
	if n := e.dropped.Load(); n > 0 {
		s.result.fail("%d streams were ended by the server", n)
	}
	reasons := e.noted()
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		s.result.note("%d × %s", reasons[why], why)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, keys := range slices.Sorted(maps.Keys(e.limits)) {
		s.result.limit(keys)
	}
}

// visitor is an anonymous id that is nobody else's: at least 16 characters, so
// that it counts by possession.
func (s *session) visitor(i int) string { return fmt.Sprintf("bench-%s-%08d", s.run, i) }

func (s *session) user(i int) string { return fmt.Sprintf("bench-user-%s-%d", s.run, i) }

// start begins to open and read streams as plan says.
func (s *session) start(plan func(int) opening, sink func(*tally, *stream, event, int64)) {
	s.engine.plan, s.engine.sink = plan, sink
	s.engine.run()
}

// open opens streams until there have been n, and returns how many are open. It
// gives up when a limit is met, since more would be refused too.
func (s *session) open(ctx context.Context, n int) (int, error) {
	e := s.engine
	e.want.Store(int64(n))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for e.ready.Load()+e.failed.Load() < int64(n) {
		s.progress.say("%d of %d streams are open, %d failed", e.ready.Load(), n, e.failed.Load())
		if e.failed.Load() >= 500 && e.ready.Load() < e.failed.Load() || e.limited.Load() >= 20 {
			e.want.Store(e.started.Load())
			if e.ready.Load()+e.failed.Load() >= e.started.Load() {
				break
			}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
	ready := int(e.ready.Load() - e.dropped.Load())
	if ready == 0 {
		return 0, fmt.Errorf("no stream could be opened: %s", s.why())
	}
	return ready, nil
}

// why are the reasons of what failed, the most frequent first.
func (s *session) why() string {
	reasons := s.engine.noted()
	list := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int { return reasons[b] - reasons[a] })
	for i, why := range list {
		list[i] = fmt.Sprintf("%d × %s", reasons[why], why)
	}
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for _, keys := range slices.Sorted(maps.Keys(s.engine.limits)) {
		list = append(list, "set "+keys+" to 0 for the measurement")
	}
	return strings.Join(list, "; ")
}

// settle waits until done, or until nothing has arrived for the time of Drain.
func (s *session) settle(ctx context.Context, done func() bool) error {
	from := clock()
	for !done() {
		if clock()-max(from, s.engine.peek().lastArrival) > int64(s.cfg.Drain) {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// serverCPU is what the server's processes have used, in seconds.
func (s *session) serverCPU() float64 { return cpuOf(s.pids) }

// addCPU adds the server's CPU per unit of work to the result.
func (s *session) addCPU(name, unit string, seconds, count float64) {
	if len(s.pids) > 0 && count > 0 {
		s.result.add(name, unit, seconds/count, "less")
	}
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
