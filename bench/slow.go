package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Slow opens streams of one topic, of which one stops to read, sends messages to
// it, and lets that one come back.
type Slow struct {
	Streams int `json:"streams"`
	// Size is how many bytes of payload a message carries.
	Size int `json:"size"`
	// Rate is messages a second, for so long.
	Rate     float64       `json:"rate"`
	Duration time.Duration `json:"duration_ns"`
	// Updates sends updates of the topic's user, via ViaUsers or
	// ViaNotifications as Via says, in place of offers.
	Updates bool   `json:"updates,omitempty"`
	Via     string `json:"via,omitempty"`
	// ReceiveBuffer is SO_RCVBUF of the one that stops to read, in bytes.
	ReceiveBuffer int `json:"receive_buffer"`
}

func (w Slow) name() string { return "slow" }
func (w Slow) streams() int { return w.Streams }

func (w Slow) validate() error {
	switch {
	case w.Streams < 2:
		return fmt.Errorf("streams: %d is out of range: 2 or more", w.Streams)
	case w.Rate <= 0 || w.Duration <= 0 || w.ReceiveBuffer < 0:
		return fmt.Errorf("rate and duration are above 0, the receive buffer is not below")
	}
	return validMessages(w.Streams, 1, w.Size)
}

// sender sends messages to the topic of Slow.
type sender struct {
	first func(context.Context) error // one message that all streams get
	all   func(context.Context) error // the others, at the rate
	sink  func(*tally, *stream, event, int64)
	lost  func(tally) int64 // of what the streams that read were to get
	last  func() uint32     // sequence number of the newest that was taken
	count func() (taken, refused, unsent int64)
}

func (w Slow) run(ctx context.Context, s *session) error {
	send, err := w.sender(ctx, s)
	if err != nil {
		return err
	}
	s.start(func(i int) opening {
		o := opening{anonymousID: s.visitor(0)}
		if i == 0 {
			o.watched, o.receiveBuffer = true, w.ReceiveBuffer
		}
		return o
	}, func(t *tally, st *stream, e event, now int64) { send.sink(t, st, e, now) })
	streams, err := s.open(ctx, w.Streams)
	if err != nil {
		return err
	}
	if err := send.first(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx, func() bool { return s.arrived() >= int64(streams) }); err != nil {
		return err
	}
	stalledOne := s.engine.stall(0)
	if stalledOne == nil || s.arrived() == 0 {
		return fmt.Errorf("the first message has reached no stream: %s", s.why())
	}
	s.engine.take()
	before, peak := memoryOf(s.pids), atomic.Int64{}
	look, stop := context.WithCancel(ctx)
	dropped, ended := atomic.Int64{}, make(chan struct{})
	began := clock()
	go func() { defer close(ended); w.watch(look, s, stalledOne, &dropped, &peak) }()
	err = send.all(ctx)
	if err == nil {
		err = s.settle(ctx, func() bool { return send.lost(s.engine.peek()) <= 0 })
	}
	t := s.engine.take()
	stop()
	<-ended
	if err != nil {
		return err
	}
	lost := send.lost(t)
	taken, refused, unsent := send.count()
	s.result.add("streams", "", float64(streams), "more")
	s.result.add("taken", "messages", float64(taken), "more")
	s.result.add("delivered_to_others", "events", float64(t.delivered), "more")
	s.result.add("conflated", "events", float64(t.conflated), "")
	s.result.add("lost_by_others", "", float64(lost), "less")
	s.result.add("duplicated", "events", float64(t.duplicated), "less")
	s.result.addLatency("delivery", &t.latency)
	if at := dropped.Load(); at > 0 {
		s.result.add("stalled_dropped_after", "s", float64(at-began)/1e9, "")
	} else {
		s.result.note("the server has not dropped the stalled stream by the end")
	}
	if len(s.pids) > 0 {
		s.result.add("rss_growth_peak", "MiB", float64(max(0, peak.Load()-before.rss))/(1<<20), "less")
	}
	for _, f := range []struct {
		n    int64
		what string
	}{
		{lost, "%d were lost by streams that read"}, {t.duplicated, "%d events arrived twice"},
		{t.backwards, "%d events had an older version than one before"},
		{refused, "%d messages were not taken"}, {unsent, "%d messages could not be sent in time"},
	} {
		if f.n > 0 {
			s.result.fail(f.what, f.n)
		}
	}
	return w.comeBack(ctx, s, stalledOne, send)
}

// watch looks at the server's end of the stalled connection: this end does not
// see that the server has dropped it, since the end waits behind what was not
// read.
func (w Slow) watch(ctx context.Context, s *session, stalledOne *watch, dropped, peak *atomic.Int64) {
	far := s.server.address(0)
	if !far.Addr().IsLoopback() && !isOurs(far.Addr()) {
		s.result.note("the server is on another machine: when it dropped the stalled stream is not known")
		return
	}
	for sleep(ctx, 100*time.Millisecond) == nil {
		peak.Store(max(peak.Load(), residentOf(s.pids)))
		if dropped.Load() != 0 {
			continue
		}
		if !slices.ContainsFunc(connections(established), func(c connection) bool {
			return c.remote == stalledOne.local && c.local == far
		}) {
			dropped.Store(clock())
		}
	}
}

// comeBack opens the stalled stream again, as a browser would, and tells what it
// gets.
func (w Slow) comeBack(ctx context.Context, s *session, stalledOne *watch, send *sender) error {
	s.engine.release()
	var again *stream
	got := map[string]int{}
	first := stalledOne.lastEventID
	plan, sink := s.engine.plan, s.engine.sink
	s.engine.locked(func() {
		s.engine.plan = func(int) opening {
			return opening{token: stalledOne.token, lastEventID: first, watched: true}
		}
		s.engine.sink = func(t *tally, st *stream, e event, now int64) {
			if st.index >= int32(w.Streams) {
				again = st
				got[string(e.kind)]++
				if m, ok := findMark(e.data); ok {
					st.last = max(st.last, m.seq)
				}
			}
		}
	})
	ready, failed := s.engine.ready.Load(), s.engine.failed.Load()
	s.engine.want.Add(1)
	if err := s.settle(ctx, func() bool { return s.engine.ready.Load() > ready || s.engine.failed.Load() > failed }); err != nil {
		return err
	}
	if err := sleep(ctx, 500*time.Millisecond); err != nil { // what opens a stream comes at once
		return err
	}
	s.engine.locked(func() {
		s.engine.plan, s.engine.sink = plan, sink
		latest := again != nil && again.last == send.last()
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(got)) {
			kinds = append(kinds, fmt.Sprintf("%d × %s", got[kind], kind))
		}
		s.result.note("the stalled stream came back with Last-Event-ID %q and got %s", first, strings.Join(kinds, ", "))
		s.result.add("came_back_events", "events", float64(got["offer"]+got["user.update"]), "")
		switch {
		case again == nil:
			s.result.fail("the stalled stream could not come back")
		case w.Updates && !latest:
			s.result.fail("the stalled stream came back and did not get the latest state")
		}
	})
	return nil
}

func (w Slow) sender(ctx context.Context, s *session) (*sender, error) {
	count := max(1, int(w.Rate*w.Duration.Seconds()))
	if w.Updates {
		return w.updates(ctx, s, count)
	}
	o, err := newOffers(s, count+1, w.Size)
	if err != nil {
		return nil, err
	}
	unsent := int64(0)
	return &sender{
		first: func(ctx context.Context) error {
			err := o.send(ctx, 0, clock())
			o.taken = 0
			return err
		},
		all: func(ctx context.Context) error {
			defer o.client.close()
			interval := time.Duration(1e9 / w.Rate)
			began := clock()
			for i := 1; i <= count; i++ {
				due := pace(began, i-1, interval)
				if err := sleep(ctx, time.Duration(due-clock())); err != nil {
					return err
				}
				if clock()-pace(began, count, interval) > int64(5*time.Second) {
					unsent = int64(count - i + 1)
					break
				}
				if err := o.send(ctx, i, due); err != nil {
					return err
				}
				s.progress.say("%d of %d messages are sent", i, count)
			}
			return nil
		},
		sink:  o.sink,
		lost:  func(t tally) int64 { return o.taken*int64(w.Streams-1) - t.delivered },
		last:  func() uint32 { return uint32(count) },
		count: func() (int64, int64, int64) { return o.taken, o.refused, unsent },
	}, nil
}

func (w Slow) updates(ctx context.Context, s *session, count int) (*sender, error) {
	if err := s.cfg.via(w.Via); err != nil {
		return nil, err
	}
	one, err := newUpdates(ctx, s, w.Via, 1, 1, 1, w.Size, 1, 0)
	if err != nil {
		return nil, err
	}
	all, err := newUpdates(ctx, s, w.Via, 1, 1, 1, w.Size, count, w.Rate)
	if err != nil {
		return nil, err
	}
	present := one
	return &sender{
		first: one.send,
		all: func(ctx context.Context) error {
			s.engine.locked(func() { present = all })
			s.engine.each(func(st *stream) { st.last = 0 })
			return all.send(ctx)
		},
		sink:  func(t *tally, st *stream, e event, now int64) { present.sink(t, st, e, now) },
		lost:  func(tally) int64 { return int64(all.behind()) },
		last:  func() uint32 { return all.latest[0] },
		count: func() (int64, int64, int64) { return all.accepted.Load(), all.refused.Load(), all.unsent.Load() },
	}, nil
}
