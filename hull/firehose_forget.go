package hull

import "slices"

// Forget drops what waits for Hull of a connector and is about somebody whom one of
// topics leads to; nil: all of the connector. Of a request that is on its way Hull may
// have taken it; if not, it is not tried again. What is told later is sent.
func (f *Firehose) Forget(connectorID string, topics []Topic) {
	meets := func(e firehoseEntry) bool {
		return topics == nil || slices.ContainsFunc(e.about.Claims.Topics(), func(t Topic) bool { return slices.Contains(topics, t) })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for credentials, l := range f.lanes {
		if credentials.ConnectorID != connectorID {
			continue
		}
		before := len(l.waiting)
		l.waiting = slices.DeleteFunc(l.waiting, meets)
		f.forgotLocked(before - len(l.waiting))
		for b := range l.sending {
			b.left = slices.DeleteFunc(slices.Clone(b.left), meets) // entries is being read
		}
		f.leaveLocked(credentials, l)
	}
}

// next has a batch be what was not forgotten of it since its last try, and tells
// whether that is anything.
func (f *Firehose) next(b *firehoseBatch) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgotLocked(len(b.entries) - len(b.left))
	b.entries = b.left
	return len(b.entries) > 0
}

func (f *Firehose) forgotLocked(entries int) {
	f.held -= entries
	f.count(droppedForgotten, entries)
}
