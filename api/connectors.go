package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// connector is a connector as this node uses it.
type connector struct {
	id string

	// mu is held for reading from the look at the settings to the publication
	// of what was projected under them, so that once a change of settings has
	// been made nothing is published under the old ones.
	mu         sync.RWMutex
	record     store.Connector // changes with both locks held
	settings   *hull.Settings
	generation uint64

	changing sync.Mutex // held while it changes, so that store and node agree
}

// current are the settings now.
func (c *connector) current() *hull.Settings {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.settings
}

func (c *connector) credentials() hull.Credentials {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return hull.Credentials{ConnectorID: c.id, Organization: c.record.Organization, Secret: c.record.Secret}
}

// connectorID is what a connector's id looks like (docs/protocol.md).
var connectorID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidConnectorID tells whether a connector can have this id.
func ValidConnectorID(id string) bool { return connectorID.MatchString(id) }

var errUnknownConnector = errors.New("unknown connector")

// kept is the record as the store has it.
func (c *connector) kept() store.Connector {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.record
}

// connectors are those that the store knows, read once.
type connectors struct {
	store   store.Store
	watched func(id string) // called once for each that is read; nil: by nobody

	mu       sync.RWMutex
	byID     map[string]*connector
	learning sync.Mutex // held while one that nobody knows is stored
}

func newConnectors(s store.Store) *connectors {
	return &connectors{store: s, byID: map[string]*connector{}}
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
	return cs.keep(record), nil
}

// known returns a connector that has been read; nil: it was not.
func (cs *connectors) known(id string) *connector {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return cs.byID[id]
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

// use has c be as record says from now on. changed is false when that is what it
// was, but for the time of the update.
func (c *connector) use(record store.Connector) (changed bool) {
	if sameConnector(c.record, record) {
		c.mu.Lock()
		c.record = record
		c.mu.Unlock()
		return false
	}
	settings := hull.ParseSettings(record.ID, record.Settings, record.PrivateSettings)
	c.mu.Lock()
	c.record, c.settings = record, settings
	c.generation++
	c.mu.Unlock()
	return true
}

// keep enters a connector that was read, unless another request was first.
func (cs *connectors) keep(record store.Connector) *connector {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[record.ID]
	if c == nil {
		c = &connector{id: record.ID, record: record, settings: hull.ParseSettings(record.ID, record.Settings, record.PrivateSettings)}
		cs.byID[record.ID] = c
		if cs.watched != nil {
			cs.watched(c.id)
		}
	}
	return c
}

// change stores a connector and uses it from now on. changed is false when it
// says what is known, or something older.
func (cs *connectors) change(ctx context.Context, record store.Connector) (c *connector, changed bool, err error) {
	c, learnt, err := cs.learn(ctx, record)
	if learnt || err != nil {
		return c, learnt, err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	known := c.record
	if record.ConfigDigest == "" {
		record.ConfigDigest = known.ConfigDigest
	}
	if record.UpdatedAt.IsZero() {
		record.UpdatedAt = known.UpdatedAt
	}
	if sameConnector(known, record) && !record.UpdatedAt.After(known.UpdatedAt) {
		return c, false, nil
	}
	stored, err := cs.store.PutConnector(ctx, record)
	if err != nil || !stored {
		return c, false, err
	}
	return c, c.use(record), nil
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
	if _, err := cs.store.PutConnector(ctx, record); err != nil {
		return nil, false, fmt.Errorf("storing connector %s: %w", record.ID, err)
	}
	return cs.keep(record), true, nil
}

func sameConnector(a, b store.Connector) bool {
	return a.Organization == b.Organization && a.Secret == b.Secret &&
		bytes.Equal(a.Settings, b.Settings) && bytes.Equal(a.PrivateSettings, b.PrivateSettings) &&
		a.ConfigDigest == b.ConfigDigest
}
