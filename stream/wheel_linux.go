package stream

import "time"

// tick is a time of a wheel, counted from its making, in slots.
type tick uint32

const (
	slot  = 100 * time.Millisecond
	slots = 512 // a turn takes 51 s; what is due later is looked at once a turn
)

// wheel has each stream in the slot of the time at which it must be looked at.
// One that is due later than its slot says is put on when its slot comes, so that
// a write, which puts off the heartbeat, need not move the stream.
type wheel struct {
	start time.Time
	done  tick // the last slot that was looked at
	slots [slots]*socket
}

func newWheel() *wheel { return &wheel{start: time.Now()} }

// before is the last tick that begins before d is over.
func (w *wheel) before(d time.Duration) tick { return tick((time.Since(w.start) + d) / slot) }

// after is the first tick that begins when d is over.
func (w *wheel) after(d time.Duration) tick { return w.before(d + slot - 1) }

// put has s looked at at due, or sooner.
func (w *wheel) put(s *socket, due tick) {
	if s.at != 0 && s.at <= due {
		return
	}
	w.remove(s)
	s.at = min(max(due, w.done+1), w.done+slots-1)
	first := &w.slots[s.at%slots]
	if s.next = *first; s.next != nil {
		s.next.prev = s
	}
	*first = s
}

func (w *wheel) remove(s *socket) {
	if s.at == 0 {
		return
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		w.slots[s.at%slots] = s.next
	}
	s.prev, s.next, s.at = nil, nil, 0
}

// turn takes out what is due by now and calls fire with it.
func (w *wheel) turn(fire func(*socket, tick)) {
	now := w.before(0)
	for w.done < now {
		w.done++
		for s := w.slots[w.done%slots]; s != nil; s = w.slots[w.done%slots] {
			w.remove(s)
			fire(s, now)
		}
	}
}

// wait is in how many milliseconds the next slot with a stream is due; -1: there
// is none.
func (w *wheel) wait() int {
	for t := w.done + 1; t < w.done+slots; t++ {
		if w.slots[t%slots] != nil {
			return int(max(0, time.Duration(t)*slot-time.Since(w.start)+time.Millisecond-1) / time.Millisecond)
		}
	}
	return -1
}
