package bench

import (
	"context"
	"fmt"
	"time"
)

// Churn opens streams, each of which is closed at its first event.
type Churn struct {
	// Rate is openings a second; 0: as fast as possible.
	Rate     float64       `json:"rate"`
	Duration time.Duration `json:"duration_ns"`
	// TokenOnce has all streams opened with one token, so that the opening of
	// the stream alone is measured.
	TokenOnce bool `json:"token_once,omitempty"`
	// Parallel is how many are being opened at a time, at most.
	Parallel int `json:"parallel"`
	// Settle is how long the server has, before and after, until its memory is
	// read.
	Settle time.Duration `json:"settle_ns"`
}

func (c Churn) name() string { return "churn" }
func (c Churn) streams() int { return c.Parallel }

func (c Churn) validate() error {
	switch {
	case c.Rate < 0 || c.Duration <= 0 || c.Settle < 0:
		return fmt.Errorf("rate and settle are not below 0, duration is above")
	case c.Parallel < 1 || c.Parallel > 10000:
		return fmt.Errorf("parallel: %d is out of range: 1 to 10000", c.Parallel)
	}
	return nil
}

func (c Churn) run(ctx context.Context, s *session) error {
	e := s.engine
	e.churn, e.rate, e.atOnce = true, c.Rate, c.Parallel
	o := opening{}
	if c.TokenOnce {
		token, err := s.token(ctx, s.visitor(0))
		if err != nil {
			return err
		}
		o.token = token
	}
	if err := sleep(ctx, c.Settle); err != nil {
		return err
	}
	before, cpu, began, from := memoryOf(s.pids), s.serverCPU(), time.Now(), clock()
	s.start(func(i int) opening {
		mine := o
		mine.anonymousID = s.visitor(i)
		return mine
	}, nil)
	e.want.Store(1 << 40)
	if c.Rate > 0 {
		e.want.Store(max(1, int64(c.Rate*c.Duration.Seconds())))
	}
	for time.Since(began) < c.Duration || c.Rate > 0 && e.started.Load() < e.want.Load() && time.Since(began) < c.Duration+5*time.Second {
		s.progress.say("%d streams were opened, %d failed", e.ready.Load(), e.failed.Load())
		if e.limited.Load() >= 20 || e.failed.Load() >= 1000 && e.ready.Load() < e.failed.Load() {
			break
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	unopened := max(0, e.want.Load()-e.started.Load())
	e.want.Store(0)
	if err := s.settle(ctx, func() bool { return e.ready.Load()+e.failed.Load() >= e.started.Load() }); err != nil {
		return err
	}
	used, t := s.serverCPU()-cpu, e.take()
	took := float64(t.lastArrival-from) / 1e9
	if hang := e.started.Load() - e.ready.Load() - e.failed.Load(); hang > 0 {
		e.failed.Add(hang)
		s.result.fail("%d openings had no answer", hang)
	}
	s.result.add("opened", "streams", float64(e.ready.Load()), "more")
	s.result.add("opens_per_s", "", float64(e.ready.Load())/took, "more")
	s.result.add("failed", "streams", float64(e.failed.Load()), "less")
	s.result.addLatency("open", &t.opened)
	s.addCPU("server_cpu_per_1000_opens", "s", used*1000, float64(e.ready.Load()))
	if c.Rate > 0 && unopened > 0 && e.limited.Load() == 0 {
		s.result.fail("%d streams could not be opened in time", unopened)
	}
	if e.ready.Load() == 0 {
		return fmt.Errorf("no stream could be opened: %s", s.why())
	}
	if err := sleep(ctx, c.Settle); err != nil {
		return err
	}
	if after := memoryOf(s.pids); len(s.pids) > 0 {
		s.result.add("rss_before", "MiB", float64(before.rss)/(1<<20), "less")
		s.result.add("rss_after", "MiB", float64(after.rss)/(1<<20), "less")
		s.result.add("descriptors_before", "", float64(before.descriptors), "less")
		s.result.add("descriptors_after", "", float64(after.descriptors), "less")
	}
	return nil
}

// token asks for a token.
func (s *session) token(ctx context.Context, visitor string) (string, error) {
	c := s.server.client(0)
	defer c.close()
	a, err := c.do(ctx, s.server.tokenRequest(0, visitor))
	if err != nil {
		return "", err
	}
	token := member(a.body, "token")
	if a.status == 429 {
		s.engine.limit(limitKeys("token", a.status))
	}
	if a.status != 201 || token == "" {
		return "", fmt.Errorf("no token: %d %s", a.status, member(a.body, "code"))
	}
	return token, nil
}
