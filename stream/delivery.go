package stream

import (
	"sync"
	"time"
)

// Delivery counts to how many streams the events of one publication were written, for who
// wants to know that of it. Most publications have none. Events of it may be shared.
type Delivery struct {
	mu       sync.Mutex
	written  int
	expected int // -1: not known yet
	last     time.Time
	done     func(written int, last time.Time) // nil: it was called
	patience *time.Timer
}

// NewDelivery makes one that tells done, once, to how many streams the events were written,
// and when to the last of them; zero: to none. done is called with locks held, and must
// neither wait nor call the broker.
func NewDelivery(done func(written int, last time.Time)) *Delivery {
	return &Delivery{expected: -1, done: done}
}

// Expect says how many streams are to be written to: after so many it is done, and after a
// while also without the others, which may be slow, have left, or be shown something newer.
func (d *Delivery) Expect(streams int, while time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expected = streams; !d.settleLocked() {
		d.patience = time.AfterFunc(while, d.giveUp)
	}
}

// wrote is told of each stream that an event was written to.
func (d *Delivery) wrote(now time.Time) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written++
	d.last = now
	d.settleLocked()
}

func (d *Delivery) settleLocked() (settled bool) {
	if d.expected < 0 || d.written < d.expected {
		return false
	}
	d.finishLocked()
	return true
}

func (d *Delivery) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finishLocked()
}

func (d *Delivery) finishLocked() {
	done := d.done
	if d.done = nil; done == nil {
		return
	}
	if d.patience != nil {
		d.patience.Stop()
	}
	done(d.written, d.last)
}
