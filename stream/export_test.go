package stream

import "time"

// Take is what a transport would write now.
func (s *Subscriber) Take() (frames [][]byte, ended bool) {
	due, got := s.take(nil)
	for _, f := range due {
		frames = append(frames, f.bytes)
	}
	return frames, got == takenLast
}

// TakeInto is Take as the transports do it, without making anything.
func (s *Subscriber) TakeInto(due []Frame) []Frame {
	due, _ = s.take(due[:0])
	return due
}

type Frame = frame

// Wrote tells the count of a stream that was written to.
func (d *Delivery) Wrote(now time.Time) { d.wrote(now) }
