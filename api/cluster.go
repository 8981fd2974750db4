package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"hullbeam/store"
	"hullbeam/stream"
)

// sharedStore is a store that other nodes write too. store.Redis is one.
type sharedStore interface {
	store.Store
	Leads(ctx context.Context, connectorID string, topics []string) ([]string, error)
	Heads(ctx context.Context, connectorID string, userIDs []string) ([]store.Head, error)
	Restore(ctx context.Context, connectorID string, snapshots []store.Snapshot) (restored int, err error)
	RestoreConnector(ctx context.Context, c store.Connector) (stored bool, err error)
	Renew(ctx context.Context, connectorID string, users []store.Snapshot) error
	Epoch(ctx context.Context) (string, error)
}

// Cluster says how a node lives with others.
type Cluster struct {
	// CacheBytes (redis.cache_bytes) bounds the states that a node has in memory of
	// the users that it serves. What is there need not be read again, is served
	// while Redis is away, and is written back when Redis has lost it. 1 MiB to
	// 1 TiB; default 256 MiB.
	CacheBytes int64 `mapstructure:"cache_bytes"`
}

// DefaultCluster is what holds when nothing is configured.
func DefaultCluster() Cluster { return Cluster{CacheBytes: 256 << 20} }

// Validate names the first key whose value is out of its range.
func (c Cluster) Validate() error {
	if c.CacheBytes < 1<<20 || c.CacheBytes > 1<<40 {
		return fmt.Errorf("redis.cache_bytes: %d is out of range: %d to %d", c.CacheBytes, 1<<20, 1<<40)
	}
	return nil
}

// cluster keeps what this node knows of the users that it serves the same as what
// the nodes have written, and its pages with it: it follows their channels on the
// bus, answers from memory what it follows, and reads anew what it may have
// missed. docs/decisions/0016-residents.md says why so.
//
// It is the bus's listener. Locks are taken in the order slot, cluster, bus.
type cluster struct {
	server    *Server
	store     sharedStore
	bus       stream.Bus
	node      string                                        // its name among the nodes, of this process
	tier      *otter.Cache[stream.Channel, *store.Snapshot] // of resident users
	wake      chan struct{}                                 // holds one wake-up for run
	life      time.Duration                                 // residentLife
	renews    time.Duration                                 // renewEach
	patience  time.Duration                                 // countWait
	looksEach time.Duration                                 // lookEach
	stuck     atomic.Bool                                   // what was missed cannot be read

	mu        sync.Mutex
	residents map[stream.Channel]*resident
	idle      []idle                  // the longest so first
	dirty     map[stream.Channel]want // to be read anew: dirtyLocked
	moved     []move
	late      []*opening
	underWay  int // of those, what is being read or told
	losses    losses
	audits    []time.Time     // when all is to be compared again
	untold    map[string]bool // connectors of whose change the others were not told
	taken     []takenOffer    // to be told to who sent it
	counts    map[string]*offerCount
	offers    []dueOffer
	looks     map[string]*looks // by connector
}

func newCluster(s *Server, shared sharedStore, cfg Cluster) *cluster {
	return &cluster{
		server: s, store: shared, wake: make(chan struct{}, 1), life: residentLife, renews: renewEach, patience: countWait, looksEach: lookEach,
		residents: map[stream.Channel]*resident{}, dirty: map[stream.Channel]want{}, untold: map[string]bool{},
		counts: map[string]*offerCount{}, looks: map[string]*looks{}, node: rand.Text(),
		tier: otter.Must(&otter.Options[stream.Channel, *store.Snapshot]{
			MaximumWeight: uint64(cfg.CacheBytes),
			Weigher: func(_ stream.Channel, s *store.Snapshot) uint32 {
				const record = 300 // of what stands around it, about
				size := record + len(s.State)
				for _, t := range s.Topics {
					size += len(t) + 16
				}
				return uint32(size)
			},
		}),
	}
}

// watch follows a connector's channel for good, and reads it once it is followed:
// it may have changed since it was read.
func (c *cluster) watch(connectorID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.knowLocked(c.holdLocked(connectorChannel(connectorID)))
}

// hears tells that what the others write comes, in time, and can be read.
func (c *cluster) hears() bool { return !c.degraded() && !c.stuck.Load() }

// degraded tells that what the others write does not come, or not in time.
func (c *cluster) degraded() bool { return c.bus.Ready() != nil }

func (c *cluster) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// told is what nodes tell each other about a connector, in JSON. Members and
// values that a node does not know are for newer ones.
type told struct {
	Op       string        `json:"op"`
	Offer    *store.Offer  `json:"offer,omitempty"`
	Call     string        `json:"call,omitempty"`  // of who sent an offer, and counts
	Trace    string        `json:"trace,omitempty"` // of an offer that is traced: carrier
	Live     int           `json:"live,omitempty"`  // persons at the node that took it
	Node     string        `json:"node,omitempty"`  // who looks
	Whole    bool          `json:"whole,omitempty"`
	Presence *toldPresence `json:"presence,omitempty"`
	Page     *toldPage     `json:"page,omitempty"`
	Notice   *notice       `json:"notice,omitempty"`

	Revoked []store.Revocation `json:"revoked,omitempty"`
	User    string             `json:"user,omitempty"` // who was erased with it

	Topics  []string       `json:"topics,omitempty"`  // of who was erased
	Persons []store.Person `json:"persons,omitempty"` // who was
}

const (
	opSettings = "settings" // they have changed: read them
	opOffer    = "offer"    // send it to your streams
	opTaken    = "taken"    // so many persons were sent an offer
	opErased   = "erased"   // forget what is in memory of persons
	opForget   = "forget"   // drop what waits for Hull of whom the topics lead to
	opRevoked  = "revoked"  // refuse these tokens, and end their streams
)

// tellSettings has the other nodes read a connector. If it cannot be told now, it
// is later.
func (c *cluster) tellSettings(ctx context.Context, connectorID string) {
	if _, err := c.tell(ctx, connectorID, told{Op: opSettings}); err != nil {
		c.tellLater([]string{connectorID})
	}
}

// tellLater is tellSettings as soon as that can be.
func (c *cluster) tellLater(connectorIDs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range connectorIDs {
		c.untold[id] = true
	}
}

func (c *cluster) tell(ctx context.Context, connectorID string, t told) (nodes int, err error) {
	data, err := encode(t)
	if err != nil {
		return 0, err
	}
	return c.bus.Tell(ctx, connectorID, data)
}

// errDegraded is why something is not known: Redis is not there to be asked.
var errDegraded = fmt.Errorf("%w: Redis is not in reach", store.ErrUnavailable)

// isAway tells whether err means that it may be known later.
func isAway(err error) bool { return errors.Is(err, store.ErrUnavailable) }

const (
	clusterTick = 250 * time.Millisecond
	// residentLife is how long what nobody needs is still followed: a page that
	// leads to the next comes back within it, and finds all in memory.
	residentLife = 30 * time.Second
	// maxIdle bounds those; while Redis is away they stay, since they could not be
	// read again.
	maxIdle = 100_000
)

// run mends what is not as it should be, when it is said or in time.
func (c *cluster) run(ctx context.Context) {
	tick := time.NewTicker(clusterTick)
	defer tick.Stop()
	r := &resync{cluster: c}
	defer r.lookups.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-tick.C:
			c.sweep(time.Now())
		}
		r.step(ctx)
	}
}
