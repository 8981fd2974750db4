package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Hold opens streams step by step, each a visitor of its own with a token of its
// own, and holds each step for a while.
type Hold struct {
	// Steps are numbers of streams, each greater than the one before.
	Steps []int `json:"steps"`
	// Hold is how long each step is held.
	Hold time.Duration `json:"hold_ns"`
}

func (h Hold) name() string { return "hold" }
func (h Hold) streams() int { return slices.Max(h.Steps) }

func (h Hold) validate() error {
	before := 0
	for _, n := range h.Steps {
		if n <= before {
			return fmt.Errorf("streams: %d comes after %d: each step has more", n, before)
		}
		before = n
	}
	if len(h.Steps) == 0 || h.Hold < 0 {
		return fmt.Errorf("hold: at least one step, held for 0s or more")
	}
	return nil
}

func (h Hold) run(ctx context.Context, s *session) error {
	s.start(func(i int) opening { return opening{topic: int32(i), anonymousID: s.visitor(i)} }, nil)
	base := memoryOf(s.pids)
	had, opened, took := 0, 0, 0.
	idle := 0.
	var first, last memory
	firstN := 0
	for i, n := range h.Steps {
		began := time.Now()
		have, err := s.open(ctx, n)
		if err != nil {
			return err
		}
		seconds := time.Since(began).Seconds()
		s.progress.say("%d streams, held for %v", have, h.Hold)
		cpu, from := s.serverCPU(), time.Now()
		if err := sleep(ctx, h.Hold); err != nil {
			return err
		}
		if h.Hold > 0 {
			idle = 100 * (s.serverCPU() - cpu) / time.Since(from).Seconds()
		}
		last = memoryOf(s.pids)
		if i == 0 {
			first, firstN = last, have
		}
		step := Step{Streams: have, Metrics: []Metric{metric("opens_per_s", "", float64(have-had)/seconds, "more")}}
		if len(s.pids) > 0 {
			step.Metrics = append(step.Metrics,
				metric("rss", "MiB", float64(last.rss)/(1<<20), "less"),
				metric("pss", "MiB", float64(last.pss)/(1<<20), "less"),
				metric("anonymous", "MiB", float64(last.anonymous)/(1<<20), "less"),
				metric("descriptors", "", float64(last.descriptors), "less"),
				metric("idle_cpu", "% of a core", idle, "less"))
		}
		s.result.Steps = append(s.result.Steps, step)
		opened, took, had = opened+have-had, took+seconds, have
		if s.engine.limited.Load() > 0 {
			break
		}
	}
	s.result.add("streams", "", float64(had), "more")
	s.result.add("opens_per_s", "", float64(opened)/took, "more")
	s.result.add("failed", "", float64(s.engine.failed.Load()), "less")
	t := s.engine.take()
	s.result.addLatency("open", &t.opened)
	if len(s.pids) > 0 {
		if had > firstN {
			s.result.add("rss_per_stream_slope", "B", float64(last.rss-first.rss)/float64(had-firstN), "less")
		}
		s.result.add("rss_per_stream_from_base", "B", float64(last.rss-base.rss)/float64(had), "less")
		s.result.add("rss_base", "MiB", float64(base.rss)/(1<<20), "less")
		s.result.add("rss", "MiB", float64(last.rss)/(1<<20), "less")
		s.result.add("descriptors", "", float64(last.descriptors), "less")
		s.result.add("idle_cpu", "% of a core", idle, "less")
	}
	return nil
}
