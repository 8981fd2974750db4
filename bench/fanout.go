package bench

import (
	"context"
	"fmt"
	"time"
)

// Fanout opens streams of one topic and sends offers to it.
type Fanout struct {
	Streams int `json:"streams"`
	// Messages is how many offers are sent.
	Messages int `json:"messages"`
	// Size is how many bytes of payload an offer carries.
	Size int `json:"size"`
	// Interval is the time between two offers; 0: each is sent when the one before
	// was answered.
	Interval time.Duration `json:"interval_ns"`
}

func (f Fanout) name() string { return "fanout" }
func (f Fanout) streams() int { return f.Streams }

func (f Fanout) validate() error {
	if f.Streams < 1 || f.Messages < 1 || f.Interval < 0 {
		return fmt.Errorf("streams and messages are above 0, the interval is not below")
	}
	return validMessages(f.Streams, 1, f.Size)
}

func (f Fanout) run(ctx context.Context, s *session) error {
	o, err := newOffers(s, f.Messages+1, f.Size)
	if err != nil {
		return err
	}
	defer o.client.close()
	s.start(func(int) opening { return opening{anonymousID: s.visitor(0)} }, o.sink)
	streams, err := s.open(ctx, f.Streams)
	if err != nil {
		return err
	}
	// One that does not count: it warms the connection, and shows that they arrive.
	if err := o.send(ctx, 0, clock()); err != nil {
		return err
	}
	if err := s.settle(ctx, func() bool { return s.arrived() >= int64(streams) }); err != nil {
		return err
	}
	if s.arrived() == 0 {
		return fmt.Errorf("the first offer has reached no stream: %s", s.why())
	}
	s.engine.take()
	o.taken, o.refused, o.answers = 0, 0, hist{}
	cpu, began := s.serverCPU(), clock()
	for i := 1; i <= f.Messages; i++ {
		due := clock()
		if f.Interval > 0 {
			due = pace(began, i-1, f.Interval)
			if err := sleep(ctx, time.Duration(due-clock())); err != nil {
				return err
			}
		}
		if err := o.send(ctx, i, due); err != nil {
			return err
		}
		s.progress.say("%d of %d messages are sent", i, f.Messages)
	}
	want := o.taken * int64(streams)
	if err := s.settle(ctx, func() bool { return s.arrived() >= want }); err != nil {
		return err
	}
	used := s.serverCPU() - cpu
	t := s.engine.take()
	s.result.add("streams", "", float64(streams), "more")
	s.result.add("deliveries_per_s", "", float64(t.delivered)/(float64(t.lastArrival-began)/1e9), "more")
	s.result.add("delivered", "events", float64(t.delivered), "more")
	s.result.add("lost", "events", float64(want-t.delivered), "less")
	s.result.add("duplicated", "events", float64(t.duplicated), "less")
	s.result.addLatency("delivery", &t.latency)
	s.result.addLatency("answer", &o.answers)
	s.addCPU("server_cpu_per_delivery", "µs", used*1e6, float64(t.delivered))
	o.failures(s.result, want-t.delivered, t.duplicated)
	return nil
}

func (o *offers) failures(r *Result, lost, duplicated int64) {
	if lost > 0 {
		r.fail("%d deliveries were lost", lost)
	}
	if duplicated > 0 {
		r.fail("%d events arrived twice", duplicated)
	}
	if o.refused > 0 {
		r.fail("%d offers were not taken", o.refused)
	}
}
