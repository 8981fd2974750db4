package stream

// portion is about how many bytes are taken for one write, so that a write to a
// slow reader has an end, and its deadline a meaning.
const portion = 64 << 10

// taken tells what was taken.
type taken uint8

const (
	takenAll  taken = iota // all that was due
	takenPart              // a portion: there is more
	takenLast              // all, and nothing comes after it: the stream ends
)

// take moves what is due to dst, as frames in the order in which they are to be
// written: all, or else a portion.
func (s *Subscriber) take(dst []frame) (due []frame, got taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeLocked(dst)
}

// takeUnlessEnding is take while the stream goes on.
func (s *Subscriber) takeUnlessEnding(dst []frame) (due []frame, got taken, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil {
		return nil, takenLast, false
	}
	due, got = s.takeLocked(dst)
	return due, got, true
}

func (s *Subscriber) takeLocked(dst []frame) (due []frame, got taken) {
	size := 0
	if e := s.queued; e != nil {
		dst = append(dst, s.tellTaken(e))
		size, s.queued = len(e.frame), nil
	}
	var names []byte
	if b := s.backlog; b != nil {
		for i, e := range b.queued {
			if size += len(e.frame); size > portion && len(dst) > 0 {
				s.queued, b.queued = e, b.queued[i+1:]
				return dst, takenPart
			}
			dst = append(dst, s.tellTaken(e))
		}
		if b.leave != nil {
			dst = append(dst, frame{b.leave.frame, b.leave})
		}
		names = b.names
		if s.backlog = nil; b.waiting != nil {
			s.backlog = &backlog{waiting: b.waiting}
		}
	}
	if e := s.state; e != nil && (e.effect != Hides || s.shown || s.owed) {
		bytes := e.frame
		if len(names) > 0 && e.hasNames {
			bytes = e.withNames(names)
		}
		dst = append(dst, frame{bytes, e})
		if e.effect != Keeps {
			s.shown = e.effect == Shows
		}
		s.showing = e.print // 0 behind what keeps: whoever was told of an error is told when it is over
		s.state, s.owed = nil, false
	}
	if s.ending != nil {
		return append(dst, frame{s.ending.event.frame, s.ending.event}), takenLast
	}
	return dst, takenAll
}

// tellTaken is the frame of an event that is not conflated, whose sender is told.
func (s *Subscriber) tellTaken(e *Event) frame {
	if e.taken != nil {
		e.taken(s)
	}
	return frame{e.frame, e}
}

// frame is one event on its way to a socket.
type frame struct {
	bytes []byte
	event *Event // nil: it is not counted
}
