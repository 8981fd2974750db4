package stream

import "slices"

// waiting is what a stream has until it is known whom it follows.
type waiting struct {
	seen     ID // what the page has seen; zero: nothing
	resolved bool
	early    []early // what was published meanwhile: the latest of each user and topic
}

// early is a publication that reached a stream by its topic number rank.
type early struct {
	p    *Publication
	rank int32
}

// waitingLocked is what s waits with; nil: it does not.
func (s *Subscriber) waitingLocked() *waiting {
	if s.backlog == nil || s.backlog.waiting == nil || s.backlog.waiting.resolved {
		return nil
	}
	return s.backlog.waiting
}

func (w *waiting) keep(p *Publication, rank int32) {
	for i, a := range w.early {
		if a.p.User == p.User && a.rank == rank {
			if p.Version > a.p.Version || p.Version == a.p.Version && p.Generation > a.p.Generation {
				w.early[i].p = p
			}
			return
		}
	}
	w.early = append(w.early, early{p, rank})
}

// forget drops what was published of a user whom the topic does not lead to.
func (w *waiting) forget(user string, rank int32) {
	w.early = slices.DeleteFunc(w.early, func(a early) bool { return a.p.User == user && a.rank == rank })
}

// Resolved ends the waiting of a stream that none of its topics leads anywhere.
func (s *Subscriber) Resolved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resolvedLocked()
	s.wakeLocked(nil)
}

func (s *Subscriber) resolvedLocked() {
	w := s.waitingLocked()
	if w == nil {
		return
	}
	w.resolved = true
	slices.SortStableFunc(w.early, func(a, b early) int { return int(a.rank - b.rank) }) // whom the best leads to
	for _, a := range w.early {
		s.putLocked(a.p, a.rank)
	}
	if w.early = nil; w.seen.IsZero() {
		s.backlog.waiting = nil
	}
}

// sawLocked tells whether the page has seen p, which is the first state of its
// user that the stream gets.
func (s *Subscriber) sawLocked(p *Publication) bool {
	if s.backlog == nil || s.backlog.waiting == nil || s.backlog.waiting.seen.IsZero() {
		return false
	}
	seen, e := s.backlog.waiting.seen, p.event(s.signed)
	s.backlog.waiting.seen = ID{}
	if s.backlog.waiting.resolved {
		s.backlog.waiting = nil
	}
	if e.effect == Keeps { // and what the page has seen
		s.shown = true
	}
	if e.id.Tag != seen.Tag || p.Version > seen.Version {
		return false
	}
	if s.shown = e.effect == Shows; p.Version == seen.Version {
		s.showing = e.print
	}
	s.version = seen.Version
	return true
}
