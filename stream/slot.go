package stream

// Follow offers the subscriber the state that its topic number rank leads to, as
// Publish does, for this stream alone, and an event that hides the user is sent
// whatever was shown, also when a publication of it came first. A stream that
// waits does so no more.
func (s *Subscriber) Follow(p *Publication, rank int) {
	s.mu.Lock()
	accepted := s.acceptLocked(p, int32(rank))
	if s.user == p.User && s.ending == nil {
		if accepted && !s.sawLocked(p) {
			s.stateLocked(p.event(s.signed))
		}
		s.owed = s.state != nil
	}
	s.resolvedLocked()
	s.wakeLocked(nil)
	s.mu.Unlock()
}

// Following is the user whom the stream follows; empty: nobody.
func (s *Subscriber) Following() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

// put takes a publication that reached the subscriber by its topic number rank.
// However many of its topics match, it takes a version once. told: its page is to be told
// something.
func (s *Subscriber) put(p *Publication, rank int32, w *woken) (accepted, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if waits := s.waitingLocked(); waits != nil && s.ending == nil {
		waits.keep(p, rank)
		return true, true
	}
	accepted, told = s.putLocked(p, rank)
	if told {
		s.wakeLocked(w)
	}
	return accepted, told
}

func (s *Subscriber) putLocked(p *Publication, rank int32) (accepted, told bool) {
	switch {
	case !s.acceptLocked(p, rank):
		return false, false
	case s.sawLocked(p):
		return true, true // it may have left somebody else
	case s.showsLocked(p.event(s.signed)):
		return true, false
	}
	s.conflateLocked(p)
	return true, true
}

// showsLocked tells whether the page shows what e shows, and e brings nothing else.
func (s *Subscriber) showsLocked(e *Event) bool {
	return s.shown && s.state == nil && e.effect == Shows && e.print == s.showing && e.start == e.end
}

// acceptLocked tells whether p is to be shown, and follows its user if so.
func (s *Subscriber) acceptLocked(p *Publication, rank int32) bool {
	switch {
	case s.ending != nil:
		return false
	case s.isForeignLocked(p, rank):
		s.partLocked(p)
		return false
	case s.user == p.User:
		// Late news does not say which topics lead there now.
		if rank < s.rank && (p.Version >= s.version || s.rank == nobody) {
			s.ledByLocked(rank)
		}
		if p.Version < s.version || p.Version == s.version && p.Generation <= s.gen {
			return false
		}
	case s.user != "" && rank > s.rank:
		return false // a better topic leads to somebody else
	case s.user != "" && rank == s.rank && p.Version <= s.version:
		return false // late news of whom this topic led to before
	default:
		s.leaveLocked()
		s.user = p.User
		s.ledByLocked(rank)
	}
	s.version, s.gen = p.Version, p.Generation
	return true
}

// isForeignLocked tells whether p is of somebody else than who has signed a topic of the
// stream's, and reached it by one that is not signed.
func (s *Subscriber) isForeignLocked(p *Publication, rank int32) bool {
	return s.vouched && p.Foreign != nil && !s.topics[rank].signed && p.Foreign(s.Topics())
}

// partLocked ends a stream that has followed the user of p by a topic without a signature,
// until the user turned out to be somebody else: whom it is to follow now is found when
// the page opens it again.
func (s *Subscriber) partLocked(p *Publication) {
	if s.user != p.User || s.signed || p.Version < s.version {
		return
	}
	s.leaveLocked()
	s.endLocked(ReasonIdentity, s.index.broker.Retry())
}

func (s *Subscriber) ledByLocked(rank int32) {
	s.rank, s.signed = rank, s.topics[rank].signed
	if s.owner != nil {
		s.owner.Follows(s, s.user, int(rank))
	}
}

// leaveLocked forgets the followed user, and tells the page if it was shown.
func (s *Subscriber) leaveLocked() {
	if s.shown {
		s.backlogLocked().leave = s.index.broker.farewell(s.user)
	}
	followed := s.user != ""
	s.user, s.rank, s.shown, s.showing = "", nobody, false, 0
	s.stateLocked(nil)
	if followed && s.owner != nil {
		s.owner.Follows(s, "", len(s.topics))
	}
}

// stateLocked makes e the state to be written next, whatever was there.
func (s *Subscriber) stateLocked(e *Event) {
	s.state = e
	if s.backlog != nil {
		s.backlog.names = nil
	}
}

// conflateLocked makes p the state to be written next, conflated with what waits.
func (s *Subscriber) conflateLocked(p *Publication) {
	e, old := p.event(s.signed), s.state
	if e.effect == Hides {
		s.stateLocked(e)
		return
	}
	if old != nil && old.start < old.end {
		b := s.backlogLocked()
		b.names = newestNames(joinNames(b.names, old.names()), maxNames)
	}
	s.state = e
}

// detach is told that topic number rank does not lead to user any more. It is
// followed by offers by the topics that still do, and then by settle.
func (s *Subscriber) detach(user string, rank int32) {
	s.mu.Lock()
	if s.user == user && s.rank == rank {
		s.rank = nobody
	}
	if w := s.waitingLocked(); w != nil {
		w.forget(user, rank)
	}
	s.mu.Unlock()
}

// settle ends the stream of a subscriber that follows user by none of its
// topics: whom it is to follow now is found when the page opens it again.
func (s *Subscriber) settle(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == user && s.rank == nobody {
		s.leaveLocked()
		s.endLocked(ReasonIdentity, s.index.broker.Retry())
	}
}
