package stream

import (
	"sync"
	"time"
)

// Publication is one state of one user on its way to those who follow the user.
// It is shared by them and must not be changed once published.
type Publication struct {
	User    string // whose state; opaque
	Version uint64 // grows with every state of the user
	// Generation grows with the connector's settings: of two publications of one
	// version the later generation is the newer.
	Generation uint64
	// Topics lead to the user now, best kind first. Gone led there before.
	Topics, Gone []string
	// Unsigned and Signed show the state to followers whose topic is proven
	// without and with a signature. An event that hides the user goes only to
	// those who were shown the user.
	Unsigned, Signed *Event
}

func (p *Publication) event(signed bool) *Event {
	if signed {
		return p.Signed
	}
	return p.Unsigned
}

// nobody is the rank of the user of a subscriber that follows nobody, or follows
// a user whom none of its topics leads to any more.
const nobody = MaxTopics

// Subscriber is one open stream: its topics and what it is to be told.
type Subscriber struct {
	// mu guards the fields up to the empty line. They come first, so that an
	// update touches one or two cache lines: among 100,000 streams none is warm.
	mu      sync.Mutex
	notify  chan struct{} // holds one wake-up; nil unless a goroutine waits on it
	socket  *socket       // where the reactor has the stream; nil unless it has
	user    string        // whom the stream follows; empty: nobody yet
	version uint64
	gen     uint64
	state   *Event // the latest state, not written yet, or hidden from a page that never saw it
	rank    int32  // of the best topic that leads to user
	signed  bool   // that topic is proven by a signature
	shown   bool   // the page was given something of user
	owed    bool   // the page is to be told about its user even if that hides the user
	ending  *Event
	leave   *Event   // the farewell to the user followed before
	control []*Event // not conflated; bounded by what Greet is given
	names   []byte   // carried on from states that were conflated
	reason  Reason

	Grant  Grant
	broker *Broker
	done   func(Reason)
	at     []int32 // where it stands in each topic's list; guarded by the lists' shards
	place  int     // where it stands in the connector's list; guarded by the broker's mu
}

// Greet queues events that are not conflated, before any state. Only what opens
// a stream is told this way, so that the queue stays as short as its callers'.
func (s *Subscriber) Greet(events ...*Event) {
	s.mu.Lock()
	s.control = append(s.control, events...)
	s.wakeLocked()
	s.mu.Unlock()
}

// Follow offers the subscriber the state that its topic number rank leads to, as
// Publish does, for this stream alone, and an event that hides the user is sent
// whatever was shown, also when a publication of it came first. With seen the
// page has that state already: the user is followed from there, and only what
// is newer is sent.
func (s *Subscriber) Follow(p *Publication, rank int, seen bool) {
	s.mu.Lock()
	accepted := s.acceptLocked(p, int32(rank))
	if s.user == p.User && s.ending == nil {
		e := p.event(s.signed)
		switch {
		case accepted && !seen:
			s.state, s.names = e, nil
		case seen && s.version == p.Version && s.gen == p.Generation:
			s.state, s.names = nil, nil
		}
		if seen {
			s.shown = e.effect == Shows
		} else {
			s.owed = s.state != nil
		}
	}
	s.wakeLocked()
	s.mu.Unlock()
}

// Following is the user whom the stream follows; empty: nobody.
func (s *Subscriber) Following() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

// End ends the stream with a close event that tells the page why, and when to
// come back. Only the first call counts.
func (s *Subscriber) End(reason Reason, reconnectIn time.Duration) {
	s.mu.Lock()
	if s.ending == nil {
		s.ending, s.reason = closeEvent(reason, reconnectIn), reason
	}
	s.wakeLocked()
	s.mu.Unlock()
}

// offer takes a publication that reached the subscriber by its topic number
// rank. However many of its topics match, it takes a version once.
func (s *Subscriber) offer(p *Publication, rank int32) bool {
	s.mu.Lock()
	accepted := s.acceptLocked(p, rank)
	if accepted {
		s.putLocked(p)
		s.wakeLocked()
	}
	s.mu.Unlock()
	return accepted
}

// acceptLocked tells whether p is to be shown, and follows its user if so.
func (s *Subscriber) acceptLocked(p *Publication, rank int32) bool {
	switch {
	case s.ending != nil:
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

func (s *Subscriber) ledByLocked(rank int32) {
	s.rank, s.signed = rank, s.Grant.Topics[rank].Signed
}

// leaveLocked forgets the followed user, and tells the page if it was shown.
func (s *Subscriber) leaveLocked() {
	if s.shown {
		s.leave = s.broker.farewell(s.user)
	}
	s.user, s.rank, s.shown = "", nobody, false
	s.state, s.names = nil, nil
}

// putLocked makes p the state to be written next.
func (s *Subscriber) putLocked(p *Publication) {
	e := p.event(s.signed)
	switch old := s.state; {
	case e.effect == Hides:
		s.names = nil
	case old != nil && old.start < old.end:
		s.names = newestNames(joinNames(s.names, old.names()), maxNames)
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
	s.mu.Unlock()
}

// settle ends the stream of a subscriber that follows user by none of its
// topics: whom it is to follow now is found when the page opens it again.
func (s *Subscriber) settle(user string) {
	s.mu.Lock()
	lost := s.user == user && s.rank == nobody
	if lost {
		s.leaveLocked()
	}
	s.mu.Unlock()
	if lost {
		s.End(ReasonIdentity, s.broker.Retry())
	}
}

// wakeups tells a transport that there may be something to take. What there is
// before the first call, it does not tell.
func (s *Subscriber) wakeups() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notify == nil {
		s.notify = make(chan struct{}, 1)
	}
	return s.notify
}

// attach has sock woken instead.
func (s *Subscriber) attach(sock *socket) {
	s.mu.Lock()
	s.socket = sock
	s.mu.Unlock()
}

func (s *Subscriber) wakeLocked() {
	s.socket.wake()
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

// take moves what is due to dst, as frames in the order in which they are to be
// written. ended tells that nothing comes after them.
func (s *Subscriber) take(dst []frame) (due []frame, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.control {
		dst = append(dst, frame{e.frame, e.accepted})
	}
	s.control = nil
	if s.leave != nil {
		dst = append(dst, frame{s.leave.frame, s.leave.accepted})
		s.leave = nil
	}
	if e := s.state; e != nil && (e.effect != Hides || s.shown || s.owed) {
		bytes := e.frame
		if len(s.names) > 0 && e.hasNames {
			bytes = e.withNames(s.names)
		}
		dst = append(dst, frame{bytes, e.accepted})
		if e.effect != Keeps {
			s.shown = e.effect == Shows
		}
		s.state, s.names, s.owed = nil, nil, false
	}
	if s.ending != nil {
		dst = append(dst, frame{s.ending.frame, time.Time{}})
	}
	return dst, s.ending != nil
}

// frame is one event on its way to a socket.
type frame struct {
	bytes    []byte
	accepted time.Time // zero: its latency is not counted
}
