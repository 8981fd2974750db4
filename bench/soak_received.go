package bench

import "cmp"

// event implements receiver.
func (v *visit) event(e event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(e.id) > 0 {
		v.lastEventID = string(e.id)
		v.came = cmp.Or(v.came, clock()) // from now on it comes back to where it was
	}
	switch string(e.kind) {
	case "user.update":
		v.updatedLocked(e)
	case "offer":
		v.offeredLocked(e)
	case "close":
		v.closed = member(e.data, "message")
	case "user.error", "user.private":
		v.wrongLocked("event " + string(e.kind))
	}
}

func (v *visit) updatedLocked(e event) {
	if version, ok := versionOf(e.id); ok {
		switch {
		case version == v.version && v.anew: // then it is sent again: docs/protocol.md
			v.anew = false
			return
		case version == v.version:
			v.wrongLocked("events came twice")
			return
		case version < v.version:
			v.wrongLocked("events had an older version than one before")
		}
		v.version = version
	}
	m, ok := findMark(e.data)
	switch {
	case !ok || m.epoch != v.session.epoch: // from before: it was introduced so
	case m.topic != uint32(v.user):
		v.wrongLocked("events were somebody else's")
	case m.seq < v.update:
		v.wrongLocked("states were older than one before")
	default:
		v.update = m.seq
		v.counts["delivered"]++
		// What was sent while nobody listened comes with the opening.
		if u := &v.people[v.user].update.latest; u.seq == m.seq && !v.slow && v.reading > 0 && u.at > v.reading {
			v.delivery[v.node].add(clock() - u.at)
		}
	}
}

func (v *visit) offeredLocked(e event) {
	m, ok := findMark(e.data)
	if !ok || m.epoch != v.session.epoch || m.topic != uint32(v.user) || m.seq <= v.offer {
		return // those who come back are sent an offer again
	}
	v.offer = m.seq
	v.people[v.user].offered = max(v.people[v.user].offered, m.seq)
	v.counts["offers_delivered"]++
	select {
	case v.receipts <- receipt{v.token, member(e.data, "id")}:
	default: // there are enough
	}
}
