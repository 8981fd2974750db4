package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrFull is returned when the node has as many streams as it may.
	ErrFull = errors.New("too many streams")
	// ErrDraining is returned when the node is stopping.
	ErrDraining = errors.New("the node is stopping")
)

// Reason is why a stream ended. The set is closed: it is a metric's label.
type Reason string

// The reasons, with what the page is told in its close event; of the last three
// it is told nothing, since nobody is there to hear it.
const (
	ReasonMaxAge   Reason = "max_age"            // the page opens a new one
	ReasonDrain    Reason = "shutting_down"      // the node stops
	ReasonOrigin   Reason = "origin_not_allowed" // the connector's domains changed
	ReasonIdentity Reason = "identity_changed"   // its topics lead elsewhere now
	ReasonRevoked  Reason = "revoked"            // it must not go on with its token
	ReasonBehind   Reason = "behind"             // more offers waited for it than may
	ReasonGone     Reason = "client_gone"
	ReasonSlow     Reason = "write_timeout"
	ReasonError    Reason = "write_error"
)

// Reasons lists them all.
var Reasons = []Reason{ReasonMaxAge, ReasonDrain, ReasonOrigin, ReasonIdentity, ReasonRevoked, ReasonBehind, ReasonGone, ReasonSlow, ReasonError}

const shardCount = 64 // a power of two

// Broker leads publications to the subscribers of their topics.
type Broker struct {
	cfg      Config
	farewell func(user string) *Event
	reactor  *Reactor // nil: all streams take the portable transport
	metrics  *metrics
	seed     maphash.Seed
	shards   [shardCount]shard
	count    atomic.Int64
	draining atomic.Bool
	empty    chan struct{} // closed when draining has ended the last stream
	setEmpty func()

	mu         sync.RWMutex
	connectors map[string]*connector
}

// connector is a connector while it has streams.
type connector struct {
	broker *Broker
	name   string
	subs   []*Subscriber // guarded by the broker's mu
}

// Owner is who opened a stream, and is told what becomes of it.
type Owner interface {
	// Follows: s follows user, whom its topic number rank leads to. Empty: it
	// follows nobody, and rank is the number of its topics. It is called with locks
	// held, and must neither wait, nor call the broker, nor lock s.
	Follows(s *Subscriber, user string, rank int)
	// Ended is called once.
	Ended(Reason)
}

// OnEnd is an [Owner] that wants to know of the end alone.
type OnEnd func(Reason)

// Follows implements [Owner].
func (OnEnd) Follows(*Subscriber, string, int) {}

// Ended implements [Owner].
func (f OnEnd) Ended(r Reason) { f(r) }

// shard holds the lists of the topics that hash to it.
type shard struct {
	mu     sync.RWMutex
	topics map[key]list
}

// key is a topic of a connector. In the index its text is that of the stream
// that brought it, so that it takes no memory of its own.
type key struct {
	connector *connector
	topic     string
}

// list are the subscribers of a topic. Most have one, which stands in the map.
type list struct {
	first entry
	more  *[]entry // nil: none
}

// entry is a subscriber in a topic's list, with the topic's number there.
type entry struct {
	sub  *Subscriber
	rank int32
}

func (l list) len() int {
	switch {
	case l.first.sub == nil:
		return 0
	case l.more == nil:
		return 1
	}
	return 1 + len(*l.more)
}

func (l list) at(i int) *entry { return &(*l.more)[i-1] } // i is above 0

// New makes a broker. farewell makes the event that tells a page that a user it
// was shown is followed no more; it is called with locks held and must not call
// the broker.
func New(cfg Config, farewell func(user string) *Event) *Broker {
	b := &Broker{
		cfg: cfg, farewell: farewell, metrics: newMetrics(),
		seed: maphash.MakeSeed(), empty: make(chan struct{}),
		connectors: map[string]*connector{},
	}
	b.setEmpty = sync.OnceFunc(func() { close(b.empty) })
	for i := range b.shards {
		b.shards[i].topics = map[key]list{}
	}
	return b
}

// Streams is how many streams are open.
func (b *Broker) Streams() int { return int(b.count.Load()) }

// StreamsOf yields the connectors that have streams, and how many.
func (b *Broker) StreamsOf() iter.Seq2[string, int] {
	return func(yield func(connector string, streams int) bool) {
		b.mu.RLock()
		defer b.mu.RUnlock()
		for name, c := range b.connectors {
			if !yield(name, len(c.subs)) {
				return
			}
		}
	}
}

// Subscribe enters a stream into the index: from now on it gets what is
// published to its topics, behind the greeting. The caller must call Serve, or
// Unsubscribe; owner may be nil. ErrFull, ErrDraining.
func (b *Broker) Subscribe(g Grant, owner Owner, greeting ...*Event) (*Subscriber, error) {
	return b.subscribe(g, owner, nil, greeting)
}

// Await is Subscribe for a stream whose user is still being looked for: until
// Follow or Resolved is called it follows nobody, since what is published first
// may be somebody whom a worse topic leads to. Then it gets what was published
// meanwhile. seen is what the page has seen, if anything: neither that state nor
// an older one of the same user is sent.
func (b *Broker) Await(g Grant, owner Owner, seen ID, greeting ...*Event) (*Subscriber, error) {
	return b.subscribe(g, owner, &waiting{seen: seen}, greeting)
}

func (b *Broker) subscribe(g Grant, owner Owner, w *waiting, greeting []*Event) (*Subscriber, error) {
	if !b.enter() {
		return nil, ErrFull
	}
	if b.draining.Load() { // asked once counted, so that Drain waits for what it misses
		b.leave()
		return nil, ErrDraining
	}
	s := newSubscriber(g, owner, greeting)
	if w != nil {
		s.backlogLocked().waiting = w // nobody else has it yet
	}
	b.mu.Lock()
	c := b.connectors[g.Connector]
	if c == nil {
		c = &connector{broker: b, name: strings.Clone(g.Connector)}
		b.connectors[c.name] = c
	}
	s.index, s.place = c, int32(len(c.subs))
	c.subs = append(c.subs, s)
	b.mu.Unlock()
	for i := range s.topics {
		b.insert(s, i)
	}
	if b.draining.Load() { // Drain may have walked past
		s.End(ReasonDrain, b.Retry())
	}
	return s, nil
}

// Unsubscribe takes a stream that is not being served out of the index.
func (b *Broker) Unsubscribe(s *Subscriber, reason Reason) {
	for i := range s.topics {
		b.remove(s, i)
	}
	b.mu.Lock()
	c := s.index
	last := len(c.subs) - 1
	c.subs[s.place] = c.subs[last]
	c.subs[s.place].place = s.place
	c.subs[last] = nil
	if c.subs = c.subs[:last]; last == 0 {
		delete(b.connectors, c.name)
	}
	b.mu.Unlock()
	b.leave()
	b.metrics.closes[reason].Inc()
	if s.owner != nil {
		s.owner.Ended(reason)
	}
}

// enter counts a stream, unless there are as many as there may be.
func (b *Broker) enter() bool {
	for {
		n := b.count.Load()
		if b.cfg.MaxStreams > 0 && n >= int64(b.cfg.MaxStreams) {
			return false
		}
		if b.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (b *Broker) leave() {
	if b.count.Add(-1) == 0 && b.draining.Load() {
		b.setEmpty()
	}
}

// connector is the one of that name; nil: it has no streams.
func (b *Broker) connector(name string) *connector {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.connectors[name]
}

// Publish puts p to every subscriber of its topics, and returns how many took
// it. Each takes it once. told is how many of them have something to tell their pages: the
// others show the same already, and p brings no names. It does not wait for anything to be written.
func (b *Broker) Publish(connector string, p *Publication) (taken, told int) {
	c := b.connector(connector)
	if c == nil {
		return 0, 0
	}
	b.detachAll(c, p.User, p.Gone)
	taken, told = b.putAll(c, p)
	b.settleAll(c, p.User, p.Gone)
	return taken, told
}

// Lose tells the subscribers of a topic that it does not lead to user any more,
// but to the user of p; nil: to nobody.
func (b *Broker) Lose(connector, user, topic string, p *Publication) {
	c := b.connector(connector)
	if c == nil {
		return
	}
	gone := []string{topic}
	b.detachAll(c, user, gone)
	if p != nil {
		b.putAll(c, p)
	}
	b.settleAll(c, user, gone)
}

func (b *Broker) detachAll(c *connector, user string, gone []string) {
	for _, topic := range gone {
		b.each(key{c, topic}, func(e entry) { e.sub.detach(user, e.rank) })
	}
}

func (b *Broker) putAll(c *connector, p *Publication) (taken, told int) {
	var w woken
	for _, topic := range p.Topics {
		b.each(key{c, topic}, func(e entry) {
			accepted, tells := e.sub.put(p, e.rank, &w)
			if accepted {
				taken++
			}
			if tells {
				told++
			}
		})
	}
	w.write()
	return taken, told
}

func (b *Broker) settleAll(c *connector, user string, gone []string) {
	for _, topic := range gone {
		b.each(key{c, topic}, func(e entry) { e.sub.settle(user) })
	}
}

// Send queues e, which is not conflated, for these streams, and returns how many took
// it. It does not wait for anything to be written. A stream that does not keep up ends:
// ReasonBehind.
func (b *Broker) Send(subs []*Subscriber, e *Event) int {
	taken := 0
	var w woken
	for _, s := range subs {
		if s.send(e, &w) {
			taken++
		}
	}
	w.write()
	return taken
}

func (b *Broker) each(k key, do func(entry)) {
	sh := b.shard(k)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	l := sh.topics[k]
	if l.first.sub == nil {
		return
	}
	do(l.first)
	if l.more != nil {
		for _, e := range *l.more {
			do(e)
		}
	}
}

// SubscribersOf returns the open streams of a topic as they are now.
func (b *Broker) SubscribersOf(connector, topic string) (subs []*Subscriber) {
	if c := b.connector(connector); c != nil {
		b.each(key{c, topic}, func(e entry) { subs = append(subs, e.sub) })
	}
	return subs
}

// Subscribers returns the connector's open streams as they are now.
func (b *Broker) Subscribers(connector string) []*Subscriber {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if c := b.connectors[connector]; c != nil {
		return slices.Clone(c.subs)
	}
	return nil
}

// Drain ends every stream and admits no new one. The ends are spread over
// Config.Drain when there are many, and the pages are told to come back within
// it, so that the next node does not get all of them at once. It returns when
// the last stream has ended, or with ctx's error.
func (b *Broker) Drain(ctx context.Context) error {
	b.draining.Store(true)
	all := b.all()
	// A hundred a second is no storm: a node with few streams stops at once.
	window := min(b.cfg.Drain, time.Duration(len(all))*10*time.Millisecond)
	pause := time.NewTimer(0)
	defer pause.Stop()
	const steps = 100
	for i := range steps {
		for _, s := range all[len(all)*i/steps : len(all)*(i+1)/steps] {
			s.End(ReasonDrain, time.Duration(rand.Int64N(int64(window)+1)))
		}
		pause.Reset(window / steps)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("draining %d streams: %w", b.Streams(), context.Cause(ctx))
		}
	}
	if b.count.Load() == 0 {
		b.setEmpty()
	}
	select {
	case <-b.empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("draining %d streams: %w", b.Streams(), context.Cause(ctx))
	}
}

func (b *Broker) all() []*Subscriber {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []*Subscriber
	for _, c := range b.connectors {
		all = append(all, c.subs...)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// Draining tells that the node is stopping.
func (b *Broker) Draining() bool { return b.draining.Load() }

// Reaches tells whether any stream has one of the topics, so that nothing need
// be encoded when nobody listens.
func (b *Broker) Reaches(connector string, topics []string) bool {
	c := b.connector(connector)
	if c == nil {
		return false
	}
	for _, topic := range topics {
		k := key{c, topic}
		sh := b.shard(k)
		sh.mu.RLock()
		_, reached := sh.topics[k]
		sh.mu.RUnlock()
		if reached {
			return true
		}
	}
	return false
}

// Retry draws a reconnection time for one stream.
func (b *Broker) Retry() time.Duration {
	return b.cfg.Retry/2 + time.Duration(rand.Int64N(int64(b.cfg.Retry)))
}

func (b *Broker) shard(k key) *shard {
	return &b.shards[maphash.String(b.seed, k.topic)&(shardCount-1)]
}

// insert puts s into the list of its topic number rank.
func (b *Broker) insert(s *Subscriber, rank int) {
	k, e := key{s.index, s.topics[rank].topic}, entry{s, int32(rank)}
	sh := b.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l := sh.topics[k]
	s.topics[rank].at = int32(l.len())
	switch {
	case l.first.sub == nil:
		l.first = e
	case l.more == nil:
		l.more = &[]entry{e}
	default:
		*l.more = append(*l.more, e)
		return
	}
	sh.topics[k] = l
}

// remove takes s out of it: the last one takes its place.
func (b *Broker) remove(s *Subscriber, rank int) {
	k := key{s.index, s.topics[rank].topic}
	sh := b.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l, i := sh.topics[k], s.topics[rank].at
	n := l.len()
	if n == 1 {
		delete(sh.topics, k)
		return
	}
	last := *l.at(n - 1)
	last.sub.topics[last.rank].at = i
	if i > 0 {
		*l.at(int(i)) = last
	} else {
		l.first = last
	}
	*l.at(n - 1) = entry{}
	if *l.more = (*l.more)[:n-2]; n == 2 {
		l.more = nil
	}
	// The key's text goes with the stream that brought it.
	delete(sh.topics, k)
	sh.topics[key{s.index, l.first.sub.topics[l.first.rank].topic}] = l
}

// CloseEvent tells who reads an event stream why it ends, and when to come back.
func CloseEvent(reason Reason, reconnectIn time.Duration) *Event {
	data, _ := json.Marshal(struct {
		Message     Reason `json:"message"`
		ReconnectIn int64  `json:"reconnect_in_ms"`
	}{reason, reconnectIn.Milliseconds()})
	e, _ := NewEvent(Fields{Type: "close", Data: data}) // a constant type and compact JSON
	return e
}
