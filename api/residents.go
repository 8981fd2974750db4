package api

import (
	"slices"
	"strings"
	"time"

	"hullbeam/store"
	"hullbeam/stream"
)

// resident is a channel that this node follows, and what it knows of it. Guarded
// by the cluster's mu.
type resident struct {
	channel stream.Channel
	sub     *stream.Subscription
	refs    int
	idle    time.Time // since when refs is 0

	// fresh means that what is known was read after the channel was listened to:
	// whatever is news comes. Not fresh, it is the latest that came by.
	fresh   bool
	told    int           // how often something was told that a read under way may contradict
	reading chan struct{} // closed when it ends; nil: none is under way

	// Of a user: the latest state known, which is in the tier unless evicted, the
	// latest that was published to this node's streams, and by which topics how many
	// of them follow the user.
	version, published uint64
	followed           []following

	lead  string // of a topic: whom it leads to; empty: nobody
	known bool   // of a topic: lead has been read, or told
}

func userChannel(connectorID, user string) stream.Channel {
	return stream.Channel{Kind: stream.UserChannel, Connector: connectorID, Name: user}
}

func topicChannel(connectorID, topic string) stream.Channel {
	return stream.Channel{Kind: stream.TopicChannel, Connector: connectorID, Name: topic}
}

func connectorChannel(connectorID string) stream.Channel {
	return stream.Channel{Kind: stream.ConnectorChannel, Connector: connectorID}
}

// holdLocked follows a channel, until it is let go as often as it was held.
func (c *cluster) holdLocked(ch stream.Channel) *resident {
	r := c.residents[ch]
	if r == nil {
		ch.Connector, ch.Name = strings.Clone(ch.Connector), strings.Clone(ch.Name) // they are parts of longer texts
		r = &resident{channel: ch, sub: c.bus.Follow(ch)}
		c.residents[ch] = r
	}
	r.refs++
	return r
}

func (c *cluster) hold(ch stream.Channel) *resident {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holdLocked(ch)
}

func (c *cluster) letGoLocked(r *resident) {
	if r.refs--; r.refs == 0 {
		r.idle = time.Now()
		c.idle = append(c.idle, idle{r, r.idle})
	}
}

func (c *cluster) letGo(r *resident) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.letGoLocked(r)
}

// idle is a resident that nobody has held since then, or had not for a while.
type idle struct {
	*resident
	since time.Time
}

// sweep forgets what nobody has needed for long, and streams that have ended before
// they could be told of their users.
func (c *cluster) sweep(now time.Time) {
	degraded := c.degraded()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for ; n < len(c.idle); n++ {
		r := c.idle[n]
		young := degraded || now.Sub(r.since) < c.life
		if young && len(c.idle)-n <= maxIdle {
			break
		}
		if r.refs > 0 || !r.idle.Equal(r.since) {
			continue // it was held again; then it stands in the list again further on
		}
		delete(c.residents, r.channel)
		c.tier.Invalidate(r.channel)
		r.sub.Release()
	}
	c.idle = slices.Delete(c.idle, 0, n)
	c.late = slices.DeleteFunc(c.late, func(o *opening) bool { return o.visit.served.ended })
}

// goneLocked are the topics by which streams follow a user, and which do not lead
// there any more, without those that are about to lead their streams to another.
func (c *cluster) goneLocked(r *resident, snap *store.Snapshot) (gone []string) {
	for _, f := range r.followed {
		if !leads(snap, f.topic) && !c.movesLocked(r.channel, f.topic) {
			gone = append(gone, f.topic)
		}
	}
	return gone
}

// knowLocked has read what is not known, and shown whom a topic is known to lead to.
func (c *cluster) knowLocked(r *resident) {
	switch {
	case !r.fresh && r.reading == nil:
		c.dirtyLocked(r.channel, want{show: true})
	case r.fresh && r.lead != "":
		c.dirtyLocked(userChannel(r.channel.Connector, r.lead), want{show: true})
	}
}

// unknow has a connector that is not in memory read anew once it is.
func (c *cluster) unknow(connectorID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.residents[connectorChannel(connectorID)]; r != nil {
		r.fresh = false
		r.told++
	}
}

// want is why something is read anew.
type want struct {
	show bool // it is published also when it has not changed: a topic has come to lead there
	lost bool // Redis has lost something: topics of a user that it has may be lacking
	// If it has this version at least, it came with these events, and was accepted
	// then.
	version  uint64
	events   []byte
	accepted time.Time
	trace    string
}

// show has users published again, from memory or from Redis as soon as that can be
// read.
func (c *cluster) show(connectorID string, users []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, user := range users {
		c.dirtyLocked(userChannel(connectorID, user), want{show: true})
	}
}

// dirtyLocked has a channel's matter read anew.
func (c *cluster) dirtyLocked(ch stream.Channel, w want) {
	before := c.dirty[ch]
	if before.version > w.version {
		w.version, w.events, w.accepted, w.trace = before.version, before.events, before.accepted, before.trace
	}
	w.show, w.lost = w.show || before.show, w.lost || before.lost
	c.dirty[ch] = w
	c.wakeUp()
}

// learnLocked notes a user's state, unless a later one is known.
func (c *cluster) learnLocked(r *resident, snap *store.Snapshot) {
	if snap.Version >= r.version {
		r.version = snap.Version
		c.tier.Set(r.channel, snap)
	}
}

// leads tells whether topic leads to the user of snap.
func leads(snap *store.Snapshot, topic string) bool {
	_, ok := slices.BinarySearch(snap.Topics, topic)
	return ok
}
