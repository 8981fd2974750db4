package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"hullbeam/store"
)

var errUnknownConnector = errors.New("unknown connector")

// connectors are those that the store knows, read once.
type connectors struct {
	store        store.Store
	shared       bool             // other nodes change them, too
	revokedSince func() time.Time // Server.revokedSince
	watched      func(id string)  // called once for each that is read; nil: by nobody
	labels       *connectorLabels

	mu       sync.RWMutex
	byID     map[string]*connector
	learning sync.Mutex // held while one that nobody knows is stored
}

func newConnectors(s store.Store) *connectors {
	return &connectors{store: s, labels: newConnectorLabels(), byID: map[string]*connector{}}
}

// get returns a known connector, or the problem connector_unknown.
func (cs *connectors) get(ctx context.Context, id string) (*connector, error) {
	c, err := cs.find(ctx, id)
	if errors.Is(err, errUnknownConnector) {
		return nil, newProblem("connector_unknown", "No connector has this id.")
	}
	return c, err
}

// find returns a known connector, or errUnknownConnector.
func (cs *connectors) find(ctx context.Context, id string) (*connector, error) {
	if c := cs.known(id); c != nil {
		return c, nil
	}
	if !ValidConnectorID(id) {
		return nil, errUnknownConnector
	}
	record, err := cs.store.Connector(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errUnknownConnector
	} else if err != nil {
		return nil, fmt.Errorf("reading connector %s: %w", id, err)
	}
	return cs.enter(ctx, record)
}

// enter is keep for one whose tokens may have been revoked before it was read.
func (cs *connectors) enter(ctx context.Context, record store.Connector) (*connector, error) {
	revoked, err := cs.store.Revocations(ctx, record.ID, cs.revokedSince())
	if err != nil {
		return nil, fmt.Errorf("reading the revocations of connector %s: %w", record.ID, err)
	}
	return cs.keep(record, revoked), nil
}

// known returns a connector that has been read; nil: it was not.
func (cs *connectors) known(id string) *connector {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return cs.byID[id]
}

// all are those that have been read.
func (cs *connectors) all() []*connector {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return slices.Collect(maps.Values(cs.byID))
}

// refresh reads a connector again that another node may have changed. Nothing is
// done for one that was never read, and c is nil. store.ErrNotFound: the store
// does not have it any more.
func (cs *connectors) refresh(ctx context.Context, id string) (c *connector, changed bool, err error) {
	if c = cs.known(id); c == nil {
		return nil, false, nil
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	record, err := cs.store.Connector(ctx, id)
	if err != nil {
		return c, false, fmt.Errorf("reading connector %s: %w", id, err)
	}
	known := c.record.UpdatedAt.Truncate(time.Microsecond) // as stores have it; those in the future they take for now
	if record.UpdatedAt.Before(known) && known.Before(time.Now()) {
		_, err := cs.store.PutConnector(ctx, c.record) // the store has lost the later one
		return c, false, err
	}
	return c, c.use(record), nil
}

// keep enters a connector that was read, unless another request was first.
func (cs *connectors) keep(record store.Connector, revoked []store.Revocation) *connector {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[record.ID]
	if c == nil {
		c = &connector{id: record.ID, label: cs.labels.of(record.ID), profile: newProfile(record)}
		c.revoked.take(revoked, time.Time{})
		cs.byID[record.ID] = c
		if cs.watched != nil {
			cs.watched(c.id)
		}
	}
	return c
}

// errOutdated: the store has later settings of a connector than this node, which is
// about to be told of them.
var errOutdated = errors.New("the store has later settings of the connector")

// edit stores what change makes of a connector's record, and uses it from now on. changed
// is false when that is what is known, or from before it. change is called once or twice,
// the last time with nobody else changing the connector; it must change nothing but what
// it returns. errOutdated: nothing was changed; errUnknownConnector: it was deleted.
func (cs *connectors) edit(ctx context.Context, c *connector, change func(known profile) store.Connector) (changed bool, err error) {
	if known := c.known(); !isNews(known.record, change(known)) {
		return false, nil // as with most notifications, which thus wait for no store
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	if c.gone.Load() {
		return false, errUnknownConnector
	}
	if cs.shared {
		release, err := cs.claim(ctx, c.id)
		if err != nil {
			return false, err
		}
		defer release()
		latest, err := cs.store.Connector(ctx, c.id)
		if errors.Is(err, store.ErrDeleted) {
			return false, errUnknownConnector
		} else if err != nil {
			return false, fmt.Errorf("reading connector %s: %w", c.id, err)
		}
		changed = c.use(latest) // what another node has changed is to be made visible, too
	}
	record := change(c.profile)
	if !isNews(c.record, record) {
		return changed, nil
	}
	stored, err := cs.store.PutConnector(ctx, record)
	if err != nil {
		return false, fmt.Errorf("storing connector %s: %w", c.id, err)
	}
	if !stored {
		return changed, errOutdated
	}
	return c.use(record) || changed, nil
}

const (
	// claimHold is how long a node may take to change a connector before another one
	// may: longer than a read and a write take that do not fail.
	claimHold = 15 * time.Second
	// claimEach is how often a node looks whether another one is done.
	claimEach = 20 * time.Millisecond
)

// claim waits until no other node changes a connector, and keeps them from it until
// release. store.ErrUnavailable: one takes very long.
func (cs *connectors) claim(ctx context.Context, id string) (release func(), err error) {
	for began := time.Now(); time.Since(began) < claimHold; {
		turn, err := cs.store.Begin(ctx, id, "settings", store.Digest{}, claimHold)
		if err != nil {
			return nil, fmt.Errorf("claiming connector %s: %w", id, err)
		}
		if turn.State == store.Yours {
			return func() { _ = cs.store.Undone(context.WithoutCancel(ctx), turn) }, nil // it ends by itself, too
		}
		select {
		case <-time.After(claimEach):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("another node changes connector %s: %w", id, store.ErrUnavailable)
}

// delete has nobody know a connector any more, on this node from now on, on others once
// they read it again. errUnknownConnector: nobody does already.
func (cs *connectors) delete(ctx context.Context, c *connector) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	if c.gone.Load() {
		return errUnknownConnector
	}
	if cs.shared {
		release, err := cs.claim(ctx, c.id)
		if err != nil {
			return err
		}
		defer release()
	}
	if err := cs.store.DeleteConnector(ctx, c.id); err != nil {
		return fmt.Errorf("deleting connector %s: %w", c.id, err)
	}
	cs.drop(c)
	return nil
}

// drop forgets a connector that was deleted.
func (cs *connectors) drop(c *connector) {
	c.gone.Store(true)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.byID[c.id] == c {
		delete(cs.byID, c.id)
	}
}

// learn stores a connector that nobody knows, and else returns the known one.
func (cs *connectors) learn(ctx context.Context, record store.Connector) (c *connector, learnt bool, err error) {
	if c := cs.known(record.ID); c != nil {
		return c, false, nil
	}
	cs.learning.Lock()
	defer cs.learning.Unlock()
	if c, err = cs.find(ctx, record.ID); !errors.Is(err, errUnknownConnector) {
		return c, false, err
	}
	stored, err := cs.store.PutConnector(ctx, record)
	if err == nil && !stored { // it was deleted after its settings were made, which are the latest all the same
		record.UpdatedAt = time.Time{}
		_, err = cs.store.PutConnector(ctx, record)
	}
	if err != nil {
		return nil, false, fmt.Errorf("storing connector %s: %w", record.ID, err)
	}
	c, err = cs.enter(ctx, record)
	return c, err == nil, err
}
