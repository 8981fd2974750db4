package api

import (
	"bytes"
	"regexp"
	"sync"
	"sync/atomic"

	"hullbeam/hull"
	"hullbeam/store"
)

// connector is a connector as this node uses it.
type connector struct {
	id    string
	label string // in metrics

	// mu is held for reading from the look at the settings to the publication
	// of what was projected under them, so that once a change of settings has
	// been made nothing is published under the old ones.
	mu         sync.RWMutex
	profile    // changes with both locks held
	generation uint32

	marks     marks
	rotations rotations

	revoked revocations

	changing sync.Mutex // held while it changes, so that store and node agree

	asking questions // to Hull, about its settings

	gone atomic.Bool // it was deleted; whoever still has it changes nothing and opens no stream
}

// profile is what is known of a connector: its record, and what is made of that to be
// looked at for each update.
type profile struct {
	record   store.Connector
	settings *hull.Settings
	segments hull.Segments
}

func newProfile(record store.Connector) profile {
	segments := hull.ParseSegments(record.Segments)
	settings := hull.ParseSettings(record.ID, record.Settings, record.PrivateSettings).WithSegments(segments)
	return profile{record, settings, segments}
}

// known is what is known of it now.
func (c *connector) known() profile {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.profile
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

// use has c be as record says from now on. changed is false when that is what it
// was, but for the time of the update.
func (c *connector) use(record store.Connector) (changed bool) {
	if sameConnector(c.record, record) {
		c.mu.Lock()
		c.record = record
		c.mu.Unlock()
		return false
	}
	made := newProfile(record)
	c.mu.Lock()
	c.profile = made
	c.generation++
	c.mu.Unlock()
	return true
}

// connectorID is what a connector's id looks like (docs/protocol.md).
var connectorID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidConnectorID tells whether a connector can have this id.
func ValidConnectorID(id string) bool { return connectorID.MatchString(id) }

// isNews tells whether a record says something that the known one does not.
func isNews(known, record store.Connector) bool {
	return !sameConnector(known, record) || record.UpdatedAt.After(known.UpdatedAt)
}

func sameConnector(a, b store.Connector) bool {
	return a.Organization == b.Organization && a.Secret == b.Secret &&
		bytes.Equal(a.Settings, b.Settings) && bytes.Equal(a.PrivateSettings, b.PrivateSettings) &&
		bytes.Equal(a.Segments, b.Segments) && a.ConfigDigest == b.ConfigDigest
}
