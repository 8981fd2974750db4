package stream

import (
	"iter"
	"strings"
	"sync"
	"time"
	"unique"
)

// Publication is one state of one user on its way to those who follow the user.
// It is shared by them and must not be changed once published.
type Publication struct {
	User    string // whose state; opaque
	Version uint64 // grows with every state of the user
	// Generation grows with the connector's settings: of two publications of one
	// version the later generation is the newer.
	Generation uint32
	// Topics lead to the user now, best kind first. Gone led there before.
	Topics, Gone []string
	// Unsigned and Signed show the state to followers whose topic is proven
	// without and with a signature. An event that hides the user goes only to
	// those who were shown the user.
	Unsigned, Signed *Event
	// Foreign tells whether a stream whose topics these are, and whether each is signed,
	// is somebody else's: then no topic without a signature leads it to the user. nil:
	// none is. It is called with locks held, and must not wait.
	Foreign func(topics iter.Seq2[string, bool]) bool
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
	showing uint64   // the print of what the page shows of user; 0: unknown
	state   *Event   // the latest state, not written yet, or hidden from a page that never saw it
	queued  *Event   // the first of what is not conflated
	backlog *backlog // what is seldom there; nil when there is nothing
	rank    int32    // of the best topic that leads to user
	signed  bool     // that topic is proven by a signature
	shown   bool     // the page was given something of user
	owed    bool     // the page is to be told about its user even if that hides the user
	vouched bool     // one of its topics is signed
	ending  *ending

	index   *connector
	topics  []place
	origin  unique.Handle[string]
	visitor string
	owner   Owner  // nil: nobody
	gen     uint32 // of the latest state; guarded by mu
	place   int32  // where it stands in the connector's list; guarded by the broker's mu
}

// place is a topic of a subscriber, and where the subscriber stands in the
// topic's list, which the list's shard guards.
type place struct {
	topic  string
	at     int32
	signed bool
}

// backlog is what waits for a stream beside its state and one event, and what
// matters until its first state.
type backlog struct {
	waiting *waiting // until the first state of the stream's user; nil then
	queued  []*Event // behind the first one; not conflated, at most Config.Backlog
	leave   *Event   // the farewell to the user followed before
	names   []byte   // carried on from states that were conflated
}

// ending is the last thing a stream is told, and why it ends.
type ending struct {
	event  *Event
	reason Reason
}

// newSubscriber keeps of g what a stream needs when it is open, in a text of its
// own: g's are parts of a longer one.
func newSubscriber(g Grant, owner Owner, greeting []*Event) *Subscriber {
	length := len(g.Visitor)
	for _, t := range g.Topics {
		length += len(t.Name)
	}
	var text strings.Builder
	text.Grow(length)
	text.WriteString(g.Visitor)
	for _, t := range g.Topics {
		text.WriteString(t.Name)
	}
	rest := text.String()
	cut := func(n int) (part string) {
		part, rest = rest[:n], rest[n:]
		return part
	}
	s := &Subscriber{
		origin: unique.Make(g.Origin), visitor: cut(len(g.Visitor)), topics: make([]place, len(g.Topics)),
		owner: owner, rank: nobody,
	}
	for i, t := range g.Topics {
		s.topics[i] = place{topic: cut(len(t.Name)), signed: t.Signed}
		s.vouched = s.vouched || t.Signed
	}
	for _, e := range greeting {
		s.queueLocked(e)
	}
	return s
}

// Origin is that of the page that the stream is for.
func (s *Subscriber) Origin() string { return s.origin.Value() }

// Topic is topic number i of the stream's grant, best first.
func (s *Subscriber) Topic(i int) string { return s.topics[i].topic }

// Topics are the topics of the stream's grant, best first, and whether each is signed.
func (s *Subscriber) Topics() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for i := range s.topics { // a place as a whole is its shard's to read
			if !yield(s.topics[i].topic, s.topics[i].signed) {
				return
			}
		}
	}
}

// Visitor is the visitor of the stream's grant.
func (s *Subscriber) Visitor() string { return s.visitor }

// Greet queues events that are not conflated, before any state.
func (s *Subscriber) Greet(events ...*Event) {
	s.mu.Lock()
	for _, e := range events {
		s.queueLocked(e)
	}
	s.wakeLocked(nil)
	s.mu.Unlock()
}

// GreetNobody is Greet for a stream that follows nobody. Others are not told: what they show
// was published meanwhile.
func (s *Subscriber) GreetNobody(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == "" {
		s.queueLocked(e)
		s.wakeLocked(nil)
	}
}

// send queues an event that is not conflated. A stream that has Config.Backlog of
// them waiting ends instead.
func (s *Subscriber) send(e *Event, w *woken) (taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil {
		return false
	}
	if s.queueLengthLocked() >= s.index.broker.cfg.Backlog {
		if s.backlog != nil {
			s.backlog.queued = nil // but the first, which may be what greets the page
		}
		s.endLocked(ReasonBehind, s.index.broker.Retry())
		return false
	}
	s.queueLocked(e)
	s.wakeLocked(w)
	return true
}

func (s *Subscriber) queueLengthLocked() int {
	switch {
	case s.queued == nil:
		return 0
	case s.backlog == nil:
		return 1
	}
	return 1 + len(s.backlog.queued)
}

func (s *Subscriber) queueLocked(e *Event) {
	if s.queued == nil {
		s.queued = e
		return
	}
	b := s.backlogLocked()
	b.queued = append(b.queued, e)
}

func (s *Subscriber) backlogLocked() *backlog {
	if s.backlog == nil {
		s.backlog = &backlog{}
	}
	return s.backlog
}

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

// End ends the stream with a close event that tells the page why, and when to
// come back. Only the first call counts.
func (s *Subscriber) End(reason Reason, reconnectIn time.Duration) {
	s.mu.Lock()
	s.endLocked(reason, reconnectIn)
	s.mu.Unlock()
}

// EndWithout is End, and tells a page that was shown user that the user is not there any
// more. Nothing comes between: a state that was published before is not shown again.
func (s *Subscriber) EndWithout(user string, reason Reason, reconnectIn time.Duration) {
	s.mu.Lock()
	if s.ending == nil && s.user == user && user != "" {
		s.leaveLocked()
	}
	s.endLocked(reason, reconnectIn)
	s.mu.Unlock()
}

func (s *Subscriber) endLocked(reason Reason, reconnectIn time.Duration) {
	if s.ending == nil {
		s.ending = &ending{CloseEvent(reason, reconnectIn), reason}
	}
	s.wakeLocked(nil)
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

func (s *Subscriber) wakeLocked(w *woken) {
	s.socket.wake(w)
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

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
