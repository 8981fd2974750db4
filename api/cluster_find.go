package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hullbeam/store"
)

// listenWait is how long a page waits for its channels to be listened to.
const listenWait = 2 * time.Second

// find is the store's Find, from memory as far as that is known to be current. An
// error that isAway: Redis is not in reach.
func (c *cluster) find(ctx context.Context, connectorID string, topics []string) (store.Snapshot, int, error) {
	limited, cancel := context.WithTimeout(ctx, listenWait)
	defer cancel()
	snap, rank, err := c.findIn(limited, connectorID, topics)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errDegraded, err) // it is find's own time that was over
	}
	return snap, rank, err
}

func (c *cluster) findIn(ctx context.Context, connectorID string, topics []string) (store.Snapshot, int, error) {
	held := c.holdTopics(connectorID, topics)
	defer c.letGoAll(held)
	users, err := c.leadsOf(ctx, connectorID, held)
	if err != nil {
		return store.Snapshot{}, -1, err
	}
	for rank, user := range users {
		if user == "" {
			continue
		}
		snap, err := c.user(ctx, connectorID, user)
		switch {
		case errors.Is(err, store.ErrNotFound): // a key that nobody has tidied up
		case err != nil:
			return store.Snapshot{}, -1, err
		case leads(snap, topics[rank]):
			if rank > 0 {
				err = c.isThere(ctx) // as for whoever better topics may lead to
			}
			return *snap, rank, err
		}
	}
	if err := c.isThere(ctx); err != nil {
		return store.Snapshot{}, -1, err
	}
	return store.Snapshot{}, -1, store.ErrNotFound
}

// holdTopics holds them while they are looked into: what the stream holds of them
// changes with the user that it follows.
func (c *cluster) holdTopics(connectorID string, topics []string) []*resident {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := make([]*resident, len(topics))
	for i, topic := range topics {
		held[i] = c.holdLocked(topicChannel(connectorID, topic))
	}
	return held
}

func (c *cluster) letGoAll(held []*resident) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range held {
		c.letGoLocked(r)
	}
}

// leadsOf returns whom each topic leads to, as far as its key says.
func (c *cluster) leadsOf(ctx context.Context, connectorID string, topics []*resident) ([]string, error) {
	users := make([]string, len(topics))
	for { // what is told while it is read makes it uncertain
		var mine []*resident
		var others chan struct{}
		c.mu.Lock()
		for i, r := range topics {
			switch {
			case r.fresh:
				users[i] = r.lead
			case r.reading != nil:
				others = r.reading
			default:
				r.reading = make(chan struct{})
				mine = append(mine, r)
			}
		}
		c.mu.Unlock()
		if len(mine) > 0 {
			if err := c.readLeads(ctx, connectorID, mine); err != nil {
				return nil, err
			}
			continue
		}
		if others == nil {
			return users, nil
		}
		if err := waitFor(ctx, others); err != nil {
			return nil, err
		}
	}
}

// readLeads reads topics whose reading was begun by the caller, and ends it.
func (c *cluster) readLeads(ctx context.Context, connectorID string, topics []*resident) error {
	var users []string
	err := c.listened(ctx, topics...)
	before := make([]int, len(topics))
	if err == nil {
		names := make([]string, len(topics))
		c.mu.Lock()
		for i, r := range topics {
			names[i], before[i] = r.channel.Name, r.told
		}
		c.mu.Unlock()
		users, err = c.store.Leads(ctx, connectorID, names)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range topics {
		if err == nil && r.told == before[i] {
			r.lead, r.fresh, r.known = users[i], true, true
		}
		close(r.reading)
		r.reading = nil
	}
	return err
}

// user returns a user's state. ErrNotFound: there is none.
func (c *cluster) user(ctx context.Context, connectorID, id string) (*store.Snapshot, error) {
	r := c.hold(userChannel(connectorID, id))
	defer c.letGo(r)
	for {
		c.mu.Lock()
		reading := r.reading
		if r.fresh {
			snap, ok := c.tier.GetIfPresent(r.channel)
			if ok || r.version == 0 {
				c.mu.Unlock()
				return snap, notFoundUnless(ok)
			}
		}
		if reading == nil {
			r.reading = make(chan struct{})
			c.mu.Unlock()
			return c.readUser(ctx, r)
		}
		c.mu.Unlock()
		if err := waitFor(ctx, reading); err != nil {
			return nil, err
		}
	}
}

func notFoundUnless(ok bool) error {
	if ok {
		return nil
	}
	return store.ErrNotFound
}

// readUser reads a user whose reading was begun by the caller, and ends it.
func (c *cluster) readUser(ctx context.Context, r *resident) (*store.Snapshot, error) {
	var list []store.Snapshot
	var before int
	err := c.listened(ctx, r)
	if err == nil {
		c.mu.Lock()
		before = r.told
		c.mu.Unlock()
		list, err = c.store.Snapshots(ctx, r.channel.Connector, []string{r.channel.Name})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(r.reading)
	r.reading = nil
	if err != nil {
		return nil, err
	}
	r.fresh = r.told == before
	if len(list) == 0 {
		snap, ok := c.tier.GetIfPresent(r.channel) // it came over the bus meanwhile, or Redis has lost it
		return snap, notFoundUnless(ok)
	}
	snap := &list[0]
	c.learnLocked(r, snap)
	if later, ok := c.tier.GetIfPresent(r.channel); ok && later.Version > snap.Version {
		return later, nil
	}
	return snap, nil
}

// listened waits until what is told of all these comes.
func (c *cluster) listened(ctx context.Context, list ...*resident) error {
	for _, r := range list {
		if r.sub.Heard() {
			continue
		}
		if c.degraded() {
			return errDegraded
		}
		if err := waitFor(ctx, r.sub.Ready()); err != nil {
			return err
		}
		if !r.sub.Heard() {
			return errDegraded // it is not heard any more
		}
	}
	return nil
}

// waitFor waits for ch to be closed. An end of find's own time is Redis's fault.
func waitFor(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("waiting for Redis: %w", errDegraded)
		}
		return ctx.Err()
	}
}

// remembered is find without Redis: what the node knows, which may be old.
// ErrNotFound: it does not know whom the topics lead to.
func (c *cluster) remembered(connectorID string, topics []string) (store.Snapshot, int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for rank, topic := range topics {
		r := c.residents[topicChannel(connectorID, topic)]
		if r == nil || !r.known {
			break // it may lead to somebody, whom no worse topic stands for
		}
		if r.lead == "" {
			if c.recoveringLocked() {
				break
			}
			continue
		}
		snap, ok := c.tier.GetIfPresent(userChannel(connectorID, r.lead))
		if ok && leads(snap, topic) {
			return *snap, rank, nil
		}
		if !ok {
			break
		}
	}
	return store.Snapshot{}, -1, store.ErrNotFound
}
