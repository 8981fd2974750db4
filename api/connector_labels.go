package api

import (
	"maps"
	"slices"
	"sync"
)

// labelledConnectors is how many connectors have a label of their own in this node's
// metrics: those that it reads first. The others are otherConnectors together, so that
// series stay as few as docs/metrics.md says.
const (
	labelledConnectors = 50
	otherConnectors    = "other"
)

// connectorLabels are the values of the label connector.
type connectorLabels struct {
	mu    sync.Mutex
	taken map[string]bool
}

func newConnectorLabels() *connectorLabels { return &connectorLabels{taken: map[string]bool{}} }

// of is the label of a connector that the store has.
func (l *connectorLabels) of(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.taken[id] && len(l.taken) >= labelledConnectors {
		return otherConnectors
	}
	l.taken[id] = true
	return id
}

// all are the labels that were given, and that of the others.
func (l *connectorLabels) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(slices.Collect(maps.Keys(l.taken)), otherConnectors)
}
