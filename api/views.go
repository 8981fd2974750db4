package api

import (
	"context"
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
	underway   map[viewKey]chan struct{} // being counted; closed when that has ended
}

// maxViews bounds them, at some 40 bytes each.
const maxViews = 100_000

// once has count called for a view that was not counted yet, and returns what it says;
// of others it is no news. While the same view is being counted it waits: only then is
// it durable, and if it was not counted after all, it is now.
func (v *views) once(ctx context.Context, key viewKey, count func() (news bool, err error)) (news bool, err error) {
	for {
		first, underway := v.begin(key)
		switch {
		case first:
			counted := false // also if count panics
			defer func() { v.end(key, counted) }()
			news, err = count()
			counted = err == nil
			return news, err
		case underway == nil:
			return false, nil
		}
		select {
		case <-underway:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// begin reports whether a view is neither counted nor being counted: the caller is to do
// that, and then calls end. underway is nil when it has been counted.
func (v *views) begin(key viewKey) (first bool, underway chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, young := v.young[key]
	_, old := v.old[key]
	if underway = v.underway[key]; young || old || underway != nil {
		return false, underway
	}
	if v.underway == nil {
		v.underway = make(map[viewKey]chan struct{})
	}
	v.underway[key] = make(chan struct{})
	return true, nil
}

func (v *views) end(key viewKey, counted bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.underway[key])
	delete(v.underway, key)
	if !counted {
		return
	}
	if v.young == nil || len(v.young) >= maxViews/2 {
		v.old, v.young = v.young, make(map[viewKey]struct{})
	}
	v.young[key] = struct{}{}
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
