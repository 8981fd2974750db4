package stream

import (
	"iter"
	"strings"
	"sync"
	"time"
	"unique"
)

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
