package stream

import (
	"errors"
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
