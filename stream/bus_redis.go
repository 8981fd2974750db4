package stream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// BusConfig is what a bus on Redis needs.
type BusConfig struct {
	// Client is the bus's own, with short timeouts: what it sends after an
	// interruption waits for them. The bus closes it when Run ends.
	Client   redis.UniversalClient
	Names    Names
	Listener Listener
	// Log: nil is silent.
	Log *slog.Logger
	// Linger is how long a channel that nobody wants is still listened to, since
	// a page that reconnects wants it again. 0 is 5 s.
	Linger time.Duration
	// Canary is the time between two canaries; one that has not come back after
	// twice that has failed. 0 is 1 s.
	Canary time.Duration
}

// Names makes the names of channels as the store publishes on them. On a Cluster a
// name's hash tag says which server has the channel. store.RedisConfig is one.
type Names interface {
	UserChannel(connector, user string) string
	TopicChannel(connector, topic string) string
	ConnectorChannel(connector string) string
}

func (b *RedisBus) nameOf(c Channel) string {
	switch c.Kind {
	case UserChannel:
		return b.cfg.Names.UserChannel(c.Connector, c.Name)
	case TopicChannel:
		return b.cfg.Names.TopicChannel(c.Connector, c.Name)
	default:
		return b.cfg.Names.ConnectorChannel(c.Connector)
	}
}

// RedisBus is the bus on Redis pub/sub, and on sharded pub/sub of a Cluster: one
// connection to each master, with all channels that are there.
// docs/decisions/0013-bus.md says why so.
type RedisBus struct {
	cfg     BusConfig
	cluster *redis.ClusterClient // nil: there is one master
	name    string               // of this node's canaries
	metrics *busMetrics
	wake    chan struct{} // holds one wake-up for manage

	mu       sync.Mutex
	followed map[string]*followed // by name
	pending  []*followed          // to be given to a link
	idle     []*followed          // wanted by nobody, the longest so first
	links    map[string]*link     // by the server's address
	failures map[string]int       // of links in a row, by address
	waiting  map[string]chan struct{}
	ended    bool

	running sync.WaitGroup // links and canaries

	saidInterrupted, saidUnreadable atomic.Int64 // when, in Unix ns
	health                          atomic.Pointer[health]
	serial                          atomic.Uint64
}

var _ Bus = (*RedisBus)(nil)

// sayAgain is how often the log has what goes on: the reason may be another one by
// then.
const sayAgain = time.Minute

// followed is a channel that somebody wants, or wanted a moment ago. Its fields
// but the first three are guarded by the bus's mu.
type followed struct {
	channel Channel
	name    string
	ready   chan struct{}
	refs    int
	idle    time.Time
	heard   bool  // it is listened to
	stale   bool  // it may have missed something
	link    *link // nil: it is pending
}

// NewRedisBus makes a bus, which Run connects.
func NewRedisBus(cfg BusConfig) *RedisBus {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Linger == 0 {
		cfg.Linger = 5 * time.Second
	}
	if cfg.Canary == 0 {
		cfg.Canary = time.Second
	}
	b := &RedisBus{
		cfg: cfg, name: "canary." + rand.Text(), wake: make(chan struct{}, 1),
		followed: map[string]*followed{}, links: map[string]*link{},
		failures: map[string]int{}, waiting: map[string]chan struct{}{},
	}
	b.cluster, _ = cfg.Client.(*redis.ClusterClient)
	b.metrics = newBusMetrics(b)
	b.health.Store(&health{err: errors.New("the bus has not begun"), at: time.Now()})
	return b
}

// Metrics are the bus's collectors.
func (b *RedisBus) Metrics() []prometheus.Collector { return b.metrics.all() }

// Follow implements [Bus].
func (b *RedisBus) Follow(c Channel) *Subscription {
	name := b.nameOf(c)
	b.mu.Lock()
	f := b.followed[name]
	if f == nil {
		f = &followed{channel: c, name: name, ready: make(chan struct{})}
		b.followed[name] = f
		b.pending = append(b.pending, f)
	}
	f.refs++
	b.mu.Unlock()
	b.wakeUp()
	return &Subscription{b, f}
}

func (b *RedisBus) release(f *followed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.refs--; f.refs == 0 {
		f.idle = time.Now()
		b.idle = append(b.idle, f)
	}
}

func (b *RedisBus) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Tell implements [Bus].
func (b *RedisBus) Tell(ctx context.Context, connector string, data []byte) (nodes int, err error) {
	return b.tell(ctx, b.cfg.Names.ConnectorChannel(connector), data)
}

func (b *RedisBus) tell(ctx context.Context, name string, data []byte) (nodes int, err error) {
	publish := b.cfg.Client.Publish
	if b.cluster != nil {
		publish = b.cluster.SPublish
	}
	n, err := publish(ctx, name, encodeTold(data)).Result()
	if err != nil {
		return 0, fmt.Errorf("telling the other nodes: %w", err)
	}
	return int(n), nil
}

// Run implements [Bus].
func (b *RedisBus) Run(ctx context.Context) error {
	b.running.Go(func() { b.sing(ctx) })
	tick := time.NewTicker(max(b.cfg.Linger/4, time.Millisecond))
	defer tick.Stop()
	for ctx.Err() == nil {
		b.drop(time.Now().Add(-b.cfg.Linger))
		if !b.route(ctx) {
			time.AfterFunc(100*time.Millisecond, b.wakeUp)
		}
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-tick.C:
		}
	}
	b.mu.Lock()
	b.ended = true
	for _, l := range b.links {
		l.cut()
	}
	b.mu.Unlock()
	b.running.Wait()
	return b.cfg.Client.Close()
}

// route gives what is pending to the links of the servers where it is. ok is
// false when one is not known.
func (b *RedisBus) route(ctx context.Context) (ok bool) {
	b.mu.Lock()
	pending := b.pending
	b.pending = nil
	b.mu.Unlock()
	var lost []*followed
	for _, f := range pending {
		addr, pubsub, err := b.home(ctx, f.name)
		if err != nil {
			lost = append(lost, f)
			continue
		}
		b.mu.Lock()
		if b.followed[f.name] == f { // else it was dropped meanwhile
			l := b.links[addr]
			if l == nil {
				l = newLink(b, addr, pubsub(), b.failures[addr])
				b.links[addr] = l
				b.running.Go(func() { l.run(ctx) })
			}
			f.link = l
			l.enqueueLocked(f, true)
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	b.pending = append(b.pending, lost...)
	b.mu.Unlock()
	return len(lost) == 0
}

// home is the server where a channel is, and how to listen there.
func (b *RedisBus) home(ctx context.Context, name string) (addr string, pubsub func() *redis.PubSub, err error) {
	if b.cluster == nil {
		return "", func() *redis.PubSub { return b.cfg.Client.Subscribe(ctx) }, nil
	}
	master, err := b.cluster.MasterForKey(ctx, name)
	if err != nil {
		return "", nil, err
	}
	return master.Options().Addr, func() *redis.PubSub { return master.SSubscribe(ctx) }, nil
}

// drop ends listening to what nobody has wanted since then.
func (b *RedisBus) drop(then time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for ; n < len(b.idle) && b.idle[n].idle.Before(then); n++ {
		f := b.idle[n]
		if f.refs > 0 || b.followed[f.name] != f || f.idle.After(then) {
			continue // it is wanted again, or stands in the list again further on
		}
		delete(b.followed, f.name)
		if f.link != nil {
			f.link.enqueueLocked(f, false)
		}
	}
	b.idle = b.idle[n:]
}

// failed takes a link out of use, and has its channels subscribed anew.
func (b *RedisBus) failed(l *link, err error) {
	b.mu.Lock()
	if b.links[l.addr] == l {
		delete(b.links, l.addr)
	}
	b.failures[l.addr]++
	first := b.failures[l.addr] == 1
	var deaf []*followed
	var channels []Channel
	for _, f := range b.followed {
		if f.link == l {
			f.link, f.heard, f.stale = nil, false, true
			deaf = append(deaf, f)
			if !b.isCanary(f.channel) {
				channels = append(channels, f.channel)
			}
		}
	}
	ended := b.ended
	b.mu.Unlock()
	if ended {
		return
	}
	b.cfg.Listener.Interrupted(channels)
	b.mu.Lock()
	for _, f := range deaf { // not before: Missed comes after Interrupted
		if b.followed[f.name] == f {
			b.pending = append(b.pending, f)
		}
	}
	b.mu.Unlock()
	b.metrics.interruptions.Inc()
	if again := b.saidInterrupted.Load() + int64(sayAgain); first || time.Now().UnixNano() > again {
		b.saidInterrupted.Store(time.Now().UnixNano())
		b.cfg.Log.Warn("the bus is interrupted", "error", err)
	}
	if b.cluster != nil {
		b.cluster.ReloadState(context.Background())
	}
	b.wakeUp()
}

// deliver gives a message to the listener.
func (b *RedisBus) deliver(name, payload string) {
	b.mu.Lock()
	f := b.followed[name]
	b.mu.Unlock()
	if f == nil {
		return
	}
	b.metrics.bytes.Add(float64(len(payload)))
	c, to := f.channel, b.cfg.Listener
	m, err := decodeMessage(payload)
	switch {
	case err != nil:
		b.metrics.messages["unreadable"].Inc()
		if now := time.Now().UnixNano(); now > b.saidUnreadable.Load()+int64(sayAgain) {
			b.saidUnreadable.Store(now)
			b.cfg.Log.Error("a message of the bus cannot be read; hullbeam_bus_messages_total counts them", "error", err)
		}
		to.Missed([]Channel{c})
	case m.update != nil:
		b.metrics.messages["update"].Inc()
		to.Update(c.Connector, c.Name, *m.update)
	case m.loss != nil:
		b.metrics.messages["lost"].Inc()
		to.Lost(c.Connector, c.Name, *m.loss)
	case m.lead != nil:
		b.metrics.messages["led"].Inc()
		to.Led(c.Connector, c.Name, *m.lead)
	case b.isCanary(c):
		b.returned(string(m.told))
	default:
		b.metrics.messages["told"].Inc()
		to.Told(c.Connector, m.told)
	}
}
