package bench

import (
	"context"
	"fmt"
	"time"
)

// Unicast opens streams, each of a user of its own, and sends updates of the
// users at a rate, whether the server keeps up or not.
type Unicast struct {
	Streams int `json:"streams"`
	// Rate is messages a second; with Search the first that is tried.
	Rate float64 `json:"rate"`
	// Duration is how long is sent at a rate.
	Duration time.Duration `json:"duration_ns"`
	// Search looks for the highest rate at which the 99th of 100 updates takes
	// less than P99 and nothing is lost.
	Search bool          `json:"search,omitempty"`
	P99    time.Duration `json:"p99_ns"`
	// Via is ViaNotifications or ViaUsers.
	Via string `json:"via"`
	// Batch is how many messages, each of another user, a request has. They are
	// due together.
	Batch int `json:"batch"`
	// Size is how many bytes of payload a message carries.
	Size int `json:"size"`
	// Connections is how many requests are on their way at a time, at most.
	Connections int `json:"connections"`
	// NewUsers leaves out that each user is sent once before it is measured: a
	// server may have more to do for a user whom it sees for the first time.
	NewUsers bool `json:"new_users,omitempty"`
}

func (u Unicast) name() string { return "unicast" }
func (u Unicast) streams() int { return u.Streams }

func (u Unicast) validate() error {
	switch {
	case u.Rate <= 0 || u.Duration <= 0 || u.P99 <= 0:
		return fmt.Errorf("rate, duration and p99 are above 0")
	case u.Connections < 1:
		return fmt.Errorf("connections: %d is out of range: 1 or more", u.Connections)
	}
	return validMessages(u.Streams, u.Batch, u.Size)
}

// validMessages checks what all scenarios with updates of users say.
func validMessages(streams, batch, size int) error {
	switch {
	case batch < 1 || batch > 10000: // docs/protocol.md: a notification has no more
		return fmt.Errorf("batch: %d is out of range: 1 to 10000", batch)
	case streams < batch:
		return fmt.Errorf("streams: %d are less than the batch of %d: each message of it is of another user", streams, batch)
	case size < markLength || size > 60<<10:
		return fmt.Errorf("size: %d is out of range: %d to %d", size, markLength, 60<<10)
	}
	return nil
}

func (u Unicast) run(ctx context.Context, s *session) error {
	if err := s.cfg.via(u.Via); err != nil {
		return err
	}
	present := &updates{} // of no epoch, until the first step
	s.start(func(i int) opening { return opening{topic: int32(i), anonymousID: s.visitor(i)} },
		func(t *tally, st *stream, e event, now int64) { present.sink(t, st, e, now) })
	streams, err := s.open(ctx, u.Streams)
	if err != nil {
		return err
	}
	s.result.add("streams", "", float64(streams), "more")
	if !u.NewUsers {
		if err := s.introduce(ctx, &present, u.Via, u.Streams, u.Connections, u.Batch, u.Size); err != nil {
			return err
		}
	}
	if !u.Search {
		o, err := u.step(ctx, s, &present, u.Rate)
		if err != nil {
			return err
		}
		u.report(s, o)
		o.failures(s.result)
		return nil
	}
	best := outcome{}
	rate, err := search(u.Rate, func(rate float64) (bool, error) {
		o, err := u.step(ctx, s, &present, rate)
		passed := o.sound() && o.tally.latency.quantile(.99) < u.P99
		if passed {
			best = o
		}
		return passed, err
	})
	if err != nil {
		return err
	}
	s.result.add("best_rate", "messages/s", rate, "more")
	u.report(s, best)
	if rate == 0 {
		s.result.fail("no rate passed: p99 below %v and nothing lost", u.P99)
	}
	return nil
}

// step sends at one rate.
func (u Unicast) step(ctx context.Context, s *session, present **updates, rate float64) (outcome, error) {
	requests := max(1, int(rate*u.Duration.Seconds()/float64(u.Batch)))
	next, err := newUpdates(ctx, s, u.Via, u.Streams, u.Connections, u.Batch, u.Size, requests, rate)
	if err != nil {
		return outcome{}, err
	}
	s.engine.locked(func() { *present = next })
	s.progress.say("%.0f messages a second", rate)
	o, err := next.measure(ctx)
	if err != nil {
		return o, err
	}
	step := Step{Rate: round(rate), Metrics: []Metric{
		metric("taken_per_s", "", o.rate, "more"),
		metric("p50", "ms", milliseconds(o.tally.latency.quantile(.5)), "less"),
		metric("p99", "ms", milliseconds(o.tally.latency.quantile(.99)), "less"),
		metric("max", "ms", milliseconds(time.Duration(o.tally.latency.greatest)), "less"),
		metric("lost", "", float64(o.lost), "less"),
		metric("unsent", "", float64(o.unsent+o.refused), "less"),
		metric("conflated", "", float64(o.tally.conflated), "")}}
	if len(s.pids) > 0 {
		step.Metrics = append(step.Metrics, metric("server_cpu", "% of a core", 100*o.cpu/o.seconds, "less"))
	}
	s.result.Steps = append(s.result.Steps, step)
	return o, nil
}

func (u Unicast) report(s *session, o outcome) {
	s.result.add("taken_per_s", "messages/s", o.rate, "more")
	o.report(s)
}

// report adds what holds for all updates of users.
func (o *outcome) report(s *session) {
	s.result.add("delivered", "events", float64(o.tally.delivered), "more")
	s.result.add("conflated", "events", float64(o.tally.conflated), "")
	s.result.add("lost", "streams", float64(o.lost), "less")
	s.result.add("duplicated", "events", float64(o.tally.duplicated), "less")
	s.result.addLatency("delivery", &o.tally.latency)
	s.result.addLatency("answer", &o.answers)
	s.addCPU("server_cpu_per_message", "µs", o.cpu*1e6, float64(o.sent))
}
