package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

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
	record     store.Connector
	settings   *hull.Settings
	generation uint64
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

// connectors are those that the store knows, read once.
type connectors struct {
	store store.Store

	mu   sync.RWMutex
	byID map[string]*connector
	put  sync.Mutex // held while settings change, so that store and node agree
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
	cs.mu.RLock()
	c := cs.byID[id]
	cs.mu.RUnlock()
	if c != nil {
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

// keep enters a connector that was read, unless another request was first.
func (cs *connectors) keep(record store.Connector) *connector {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[record.ID]
	if c == nil {
		c = &connector{id: record.ID, record: record, settings: hull.ParseSettings(record.ID, record.Settings, record.PrivateSettings)}
		cs.byID[record.ID] = c
	}
	return c
}

// change stores a connector and uses it from now on. changed is false when it
// says what is known, or something older.
func (cs *connectors) change(ctx context.Context, record store.Connector) (c *connector, changed bool, err error) {
	cs.put.Lock()
	defer cs.put.Unlock()
	c, err = cs.find(ctx, record.ID)
	switch {
	case errors.Is(err, errUnknownConnector):
		if _, err := cs.store.PutConnector(ctx, record); err != nil {
			return nil, false, fmt.Errorf("storing connector %s: %w", record.ID, err)
		}
		return cs.keep(record), true, nil
	case err != nil:
		return nil, false, err
	}
	known := c.record // only change writes it
	if record.ConfigDigest == "" {
		record.ConfigDigest = known.ConfigDigest
	}
	if record.UpdatedAt.IsZero() {
		record.UpdatedAt = known.UpdatedAt
	}
	same := sameConnector(known, record)
	if same && !record.UpdatedAt.After(known.UpdatedAt) {
		return c, false, nil
	}
	stored, err := cs.store.PutConnector(ctx, record)
	if err != nil || !stored {
		return c, false, err
	}
	if same {
		c.mu.Lock()
		c.record = record
		c.mu.Unlock()
		return c, false, nil
	}
	settings := hull.ParseSettings(record.ID, record.Settings, record.PrivateSettings)
	c.mu.Lock()
	c.record, c.settings = record, settings
	c.generation++
	c.mu.Unlock()
	return c, true, nil
}

func sameConnector(a, b store.Connector) bool {
	return a.Organization == b.Organization && a.Secret == b.Secret &&
		bytes.Equal(a.Settings, b.Settings) && bytes.Equal(a.PrivateSettings, b.PrivateSettings) &&
		a.ConfigDigest == b.ConfigDigest
}
