package bench

import (
	"context"
)

// sink counts the updates that arrive. What was replaced by a newer one counts as
// conflated, and its latency is that of the newer one, which is when the page knew.
func (u *updates) sink(t *tally, s *stream, e event, now int64) {
	if string(e.kind) != "user.update" {
		return
	}
	if version, ok := versionOf(e.id); ok {
		switch {
		case version == s.version:
			t.duplicated++
			return
		case version < s.version:
			t.backwards++
		}
		s.version = max(s.version, version)
	}
	m, ok := findMark(e.data)
	switch {
	case !ok || m.epoch != u.epoch:
		t.stale++ // of an earlier step
		return
	case m.topic != uint32(s.topic):
		t.misrouted++
		return
	case m.seq < s.last:
		t.backwards++
		return
	case m.seq == s.last:
		t.duplicated++
		return
	}
	for seq := s.last + 1; seq <= m.seq; seq++ {
		if due := u.dueAt(int(s.topic), seq); due > 0 {
			t.latency.add(now - due)
		}
	}
	t.conflated += int64(m.seq - s.last - 1)
	t.delivered++
	t.lastArrival = now
	s.last = m.seq
}

// versionOf is what an event's id starts with: docs/protocol.md, version-tag.
func versionOf(id []byte) (version int64, ok bool) {
	for i, c := range id {
		if c == '-' {
			return version, i > 0
		}
		if c < '0' || c > '9' || i > 17 {
			return 0, false
		}
		version = version*10 + int64(c-'0')
	}
	return 0, false
}

// behind is how many streams have not got the latest state of their user.
func (u *updates) behind() (n int) {
	u.session.engine.each(func(s *stream) {
		if s.state == open && s.last < u.latest[s.topic] {
			n++
		}
	})
	return n
}

// answers are the durations of all answers.
func (u *updates) answers() (h hist) {
	for _, l := range u.lanes {
		h.merge(&l.answers)
	}
	return h
}

// outcome is what came of the updates.
type outcome struct {
	tally   tally
	answers hist
	lost    int
	sent    int64 // messages that were taken
	seconds float64
	rate    float64 // at which they were taken
	cpu     float64 // seconds of the server
	unsent  int64
	refused int64
}

// measure sends everything, waits for what arrives, and counts.
func (u *updates) measure(ctx context.Context) (o outcome, err error) {
	s := u.session
	s.engine.each(func(st *stream) { st.last = 0 })
	s.engine.take()
	cpu, began := s.serverCPU(), clock()
	if err := u.send(ctx); err != nil {
		return o, err
	}
	sent := clock()
	if err := s.settle(ctx, func() bool { return u.behind() == 0 }); err != nil {
		return o, err
	}
	o.cpu = s.serverCPU() - cpu
	o.lost = u.behind()
	o.tally, o.answers = s.engine.take(), u.answers()
	o.sent, o.unsent, o.refused = u.accepted.Load(), u.unsent.Load(), u.refused.Load()
	o.seconds = float64(max(sent, o.tally.lastArrival)-began) / 1e9
	o.rate = float64(o.sent) / (float64(sent-began) / 1e9)
	return o, nil
}

// failures say in the result what is wrong with o.
func (o *outcome) failures(r *Result) {
	for _, f := range []struct {
		n    int64
		what string
	}{
		{int64(o.lost), "%d streams did not get the latest state of their user"},
		{o.unsent, "%d messages could not be sent in time"},
		{o.refused, "%d messages were not taken"},
		{o.tally.duplicated, "%d events arrived twice"},
		{o.tally.backwards, "%d events had an older version than one before"},
		{o.tally.misrouted, "%d events were somebody else's"},
	} {
		if f.n > 0 {
			r.fail(f.what, f.n)
		}
	}
}

// sound tells whether nothing is wrong with o.
func (o *outcome) sound() bool {
	r := &Result{}
	o.failures(r)
	return r.Passed()
}
