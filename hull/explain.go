package hull

import (
	"maps"
	"slices"
	"strings"
)

// Synchronizes tells whether pages may be shown a user at all, and, unless everyone is,
// the segments of which the user must be in one, sorted.
func (s *Settings) Synchronizes(m *Message) (ok bool, segments []string) {
	if !s.synchronized.everyone {
		segments = slices.Sorted(maps.Keys(s.synchronized.segments))
	}
	return s.synchronized.passes(m), segments
}

// InSegments are the ids of the segments that a user is in.
func (m *Message) InSegments() (ids []string) {
	for element := range elements(m.Segments) {
		ids = append(ids, textOrNone(member(element, "id")))
	}
	if m.Segments == nil {
		for element := range elements(m.SegmentIDs) {
			ids = append(ids, textOrNone(element))
		}
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// Listing is what a connector's lists show to one kind of streams: attributes by their
// names in payloads before they are grouped, those of accounts with their prefix, and
// segments by their ids. Sorted.
type Listing struct {
	Traits, Segments []string
	Lacking          []string // those of Traits of which the user has no value
	Outside          []string // those of Segments that the user is not in
}

// Listing says what of a user the lists for signed or unsigned streams show.
func (s *Settings) Listing(m *Message, signed bool) Listing {
	a := s.audience(signed)
	l := Listing{Segments: slices.Sorted(maps.Keys(a.segments))}
	for prefix, list := range map[string]struct {
		names  *whitelist
		object []byte
	}{"": {a.user, m.User}, accountPrefix: {a.account, m.Account}} {
		for name, has := range list.names.values(list.object) {
			l.Traits = append(l.Traits, prefix+name)
			if !has {
				l.Lacking = append(l.Lacking, prefix+name)
			}
		}
	}
	slices.SortFunc(l.Traits, strings.Compare)
	slices.SortFunc(l.Lacking, strings.Compare)
	in := m.InSegments()
	for _, id := range l.Segments {
		if !slices.Contains(in, id) {
			l.Outside = append(l.Outside, id)
		}
	}
	return l
}

// values tells of each name whether an object has anything that appendMembers writes
// for it.
func (w *whitelist) values(object []byte) map[string]bool {
	found := make([]value, w.size)
	w.find(found, object)
	for _, child := range w.root.children {
		child.append(nil, found) // which looks into values that are objects
	}
	has := make([]bool, w.size)
	w.root.mark(found, has)
	byName := make(map[string]bool, len(w.nodes))
	for name, index := range w.nodes {
		byName[name] = has[index]
	}
	return byName
}

// mark notes which of the nodes below n have a value, or are above one.
func (n *node) mark(values []value, has []bool) (any bool) {
	for _, child := range n.children {
		has[child.index] = child.mark(values, has) || values[child.index].raw != nil
		any = any || has[child.index]
	}
	return any
}
