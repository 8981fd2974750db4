package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"hullbeam/stream"
)

// views are the page views that this node has counted, so that one that is told twice
// counts once. It holds two generations of half its bound each: when the younger is
// full the older is forgotten, so it costs the same however many come, and the latest
// are always there. The zero views is empty.
type views struct {
	mu         sync.Mutex
	young, old map[viewKey]struct{}
}

// maxViews bounds them, at some 40 bytes each.
const maxViews = 100_000

// add reports whether a view was not there yet.
func (v *views) add(key viewKey) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, young := v.young[key]
	_, old := v.old[key]
	if young || old {
		return false
	}
	if v.young == nil || len(v.young) >= maxViews/2 {
		v.old, v.young = v.young, make(map[viewKey]struct{})
	}
	v.young[key] = struct{}{}
	return true
}

// viewKey stands for a visitor's view, as a hash: all have one size.
type viewKey [16]byte

// newViewKey is the same on every node, and a new one for a view without an id.
func newViewKey(g stream.Grant, view string) viewKey {
	if view == "" {
		view = "\n" + rand.Text()
	}
	sum := sha256.Sum256([]byte(g.Connector + "\n" + g.Visitor + "\n" + view))
	return viewKey(sum[:16])
}

// eventID is the id of the view as an event. Hull takes one of several with the same,
// so that a view which two nodes hear of counts once there, too.
func (k viewKey) eventID() string { return "view-" + hex.EncodeToString(k[:]) }
