package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
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
	ReasonRevoked  Reason = "revoked"            // an operator or an erasure ended it
	ReasonGone     Reason = "client_gone"
	ReasonSlow     Reason = "write_timeout"
	ReasonError    Reason = "write_error"
)

// Reasons lists them all.
var Reasons = []Reason{ReasonMaxAge, ReasonDrain, ReasonOrigin, ReasonIdentity, ReasonRevoked, ReasonGone, ReasonSlow, ReasonError}

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
	connectors map[string][]*Subscriber
}

// shard holds the lists of the topics that hash to it.
type shard struct {
	mu     sync.RWMutex
	topics map[key][]entry
}

// key is a topic of a connector. In the index its strings are those of the
// grant that brought it, so that it takes no memory of its own.
type key struct{ connector, topic string }

// entry is a subscriber in a topic's list, with the topic's number there.
type entry struct {
	sub  *Subscriber
	rank int32
}

// New makes a broker. farewell makes the event that tells a page that a user it
// was shown is followed no more; it is called with locks held and must not call
// the broker.
func New(cfg Config, farewell func(user string) *Event) *Broker {
	b := &Broker{
		cfg: cfg, farewell: farewell, metrics: newMetrics(),
		seed: maphash.MakeSeed(), empty: make(chan struct{}),
		connectors: map[string][]*Subscriber{},
	}
	b.setEmpty = sync.OnceFunc(func() { close(b.empty) })
	for i := range b.shards {
		b.shards[i].topics = map[key][]entry{}
	}
	return b
}

// Streams is how many streams are open.
func (b *Broker) Streams() int { return int(b.count.Load()) }

// Subscribe enters a stream into the index: from now on it gets what is
// published to its topics. The caller must call Serve, or Unsubscribe; done,
// when given, is called once when the stream has ended. ErrFull, ErrDraining.
func (b *Broker) Subscribe(g Grant, done func(Reason)) (*Subscriber, error) {
	if !b.enter() {
		return nil, ErrFull
	}
	if b.draining.Load() { // asked once counted, so that Drain waits for what it misses
		b.leave()
		return nil, ErrDraining
	}
	s := &Subscriber{
		Grant: g, broker: b, done: done, at: make([]int32, len(g.Topics)), rank: nobody,
	}
	b.mu.Lock()
	list := b.connectors[g.Connector]
	s.place = len(list)
	b.connectors[g.Connector] = append(list, s)
	b.mu.Unlock()
	for i, t := range g.Topics {
		b.insert(key{g.Connector, t.Name}, entry{s, int32(i)})
	}
	b.metrics.opens.Inc()
	if b.draining.Load() { // Drain may have walked past
		s.End(ReasonDrain, b.Retry())
	}
	return s, nil
}

// Unsubscribe takes a stream that is not being served out of the index.
func (b *Broker) Unsubscribe(s *Subscriber, reason Reason) {
	for i, t := range s.Grant.Topics {
		b.remove(key{s.Grant.Connector, t.Name}, s, i)
	}
	b.mu.Lock()
	list := b.connectors[s.Grant.Connector]
	last := len(list) - 1
	list[s.place] = list[last]
	list[s.place].place = s.place
	list[last] = nil
	if list = list[:last]; last == 0 {
		delete(b.connectors, s.Grant.Connector)
	} else {
		b.connectors[s.Grant.Connector] = list
	}
	b.mu.Unlock()
	b.leave()
	b.metrics.closes[reason].Inc()
	if s.done != nil {
		s.done(reason)
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

// Publish offers p to every subscriber of its topics, and returns how many took
// it. Each takes it once. It does not wait for anything to be written.
func (b *Broker) Publish(connector string, p *Publication) int {
	for _, topic := range p.Gone {
		b.each(key{connector, topic}, func(e entry) { e.sub.detach(p.User, e.rank) })
	}
	taken := 0
	for _, topic := range p.Topics {
		taken += b.offer(key{connector, topic}, p)
	}
	for _, topic := range p.Gone {
		b.each(key{connector, topic}, func(e entry) { e.sub.settle(p.User) })
	}
	return taken
}

func (b *Broker) offer(k key, p *Publication) int {
	sh := b.shard(k)
	taken := 0
	sh.mu.RLock()
	for _, e := range sh.topics[k] {
		if e.sub.offer(p, e.rank) {
			taken++
		}
	}
	sh.mu.RUnlock()
	return taken
}

func (b *Broker) each(k key, do func(entry)) {
	sh := b.shard(k)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for _, e := range sh.topics[k] {
		do(e)
	}
}

// Subscribers returns the connector's open streams as they are now.
func (b *Broker) Subscribers(connector string) []*Subscriber {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return append([]*Subscriber(nil), b.connectors[connector]...)
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
	for _, list := range b.connectors {
		all = append(all, list...)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// Draining tells that the node is stopping.
func (b *Broker) Draining() bool { return b.draining.Load() }

// Reaches tells whether any stream has one of the topics, so that nothing need
// be encoded when nobody listens.
func (b *Broker) Reaches(connector string, topics []string) bool {
	if b.count.Load() == 0 {
		return false
	}
	for _, topic := range topics {
		k := key{connector, topic}
		sh := b.shard(k)
		sh.mu.RLock()
		reached := len(sh.topics[k]) > 0
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

func (b *Broker) insert(k key, e entry) {
	sh := b.shard(k)
	sh.mu.Lock()
	list := sh.topics[k]
	e.sub.at[e.rank] = int32(len(list))
	sh.topics[k] = append(list, e)
	sh.mu.Unlock()
}

func (b *Broker) remove(k key, s *Subscriber, rank int) {
	sh := b.shard(k)
	sh.mu.Lock()
	list := sh.topics[k]
	i, last := s.at[rank], int32(len(list)-1)
	list[i] = list[last]
	list[i].sub.at[list[i].rank] = i
	list[last] = entry{}
	if list = list[:last]; last == 0 {
		delete(sh.topics, k)
	} else {
		sh.topics[k] = list
	}
	sh.mu.Unlock()
}

func closeEvent(reason Reason, reconnectIn time.Duration) *Event {
	data, _ := json.Marshal(struct {
		Message     Reason `json:"message"`
		ReconnectIn int64  `json:"reconnect_in_ms"`
	}{reason, reconnectIn.Milliseconds()})
	e, _ := NewEvent(Fields{Type: "close", Data: data}) // a constant type and compact JSON
	return e
}
