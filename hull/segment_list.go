package hull

import (
	"errors"
	"fmt"
)

// SegmentList is what is known of an organization's users segments, or of its accounts
// segments. With it the ids of segments, which are all that a line of an extract has,
// become the segments that a message has. It is immutable; nil is one that knows none.
type SegmentList struct {
	segments map[string][]byte // objects, by their ids; empty: deleted
	whole    bool              // what is not in it does not exist
}

// segmentMembers are those that a segment has in a message (docs/hull-protocol.md 2.2).
var segmentMembers = []string{"id", "name", "type", "created_at", "updated_at"}

// newSegmentList takes at most so many segments of a list, which is whole if it has no
// more of them. What is no segment is left out.
func newSegmentList(list []byte, most int) *SegmentList {
	l := &SegmentList{segments: make(map[string][]byte), whole: true}
	for raw := range elements(list) {
		id := textOrNone(member(raw, "id"))
		if id == "" {
			continue
		}
		if len(l.segments) == most {
			l.whole = false
			break
		}
		l.segments[id] = messageSegment(raw)
	}
	return l
}

const (
	// segmentsOfHull is how many segments Hull's REST API tells of at most
	// (docs/hull-protocol.md 8.3).
	segmentsOfHull = 200
	// maxSegments bounds those that a request tells of.
	maxSegments = 10_000
)

// ParseSegmentList reads what Client.Segments returns. If these are as many as Hull
// tells of, there may be more.
func ParseSegmentList(list []byte) (*SegmentList, error) {
	list, err := readJSON(list, DefaultDepth)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading a list of segments: %w", err)
	case kindOf(list) != '[':
		return nil, errors.New("reading a list of segments: not a list")
	}
	l := newSegmentList(list, segmentsOfHull)
	l.whole = l.whole && len(l.segments) < segmentsOfHull
	return l, nil
}

// messageSegment is a segment with the members that it has in a message.
func messageSegment(segment []byte) []byte {
	reduced := []byte{'{'}
	for _, name := range segmentMembers {
		reduced = appendMember(reduced, `"`+name+`":`, member(segment, name))
	}
	return closeWith(reduced, '}')
}

// List is what s knows, which is not all that there is.
func (s Segments) List() *SegmentList {
	l := &SegmentList{segments: make(map[string][]byte, len(s))}
	for id, segment := range s {
		if segment.Deleted {
			l.segments[id] = nil
			continue
		}
		l.segments[id] = append(appendQuoted(append(appendQuoted([]byte(`{"id":`), id), `,"name":`...), segment.Name), '}')
	}
	return l
}

// of are the segments with these ids, first those in a list in JSON, each once, as a
// list in JSON. A segment that does not exist is left out; one that may exist, and of
// which no more is known, has its id alone, by which users can be told apart all the same.
func (l *SegmentList) of(ids []byte, more []string) []byte {
	list, seen := []byte{'['}, make(map[string]bool)
	add := func(id string) {
		if id == "" || seen[id] {
			return
		}
		seen[id] = true
		segment, known := l.look(id)
		switch {
		case len(segment) > 0:
			list = append(append(list, segment...), ',')
		case !known:
			list = append(appendQuoted(append(list, `{"id":`...), id), '}', ',')
		}
	}
	for id := range elements(ids) {
		add(textOrNone(id))
	}
	for _, id := range more {
		add(id)
	}
	return closeWith(list, ']')
}

// look returns a segment, empty when it does not exist; known is false when nobody
// knows whether it does.
func (l *SegmentList) look(id string) (segment []byte, known bool) {
	if l == nil {
		return nil, false
	}
	segment, known = l.segments[id]
	return segment, known || l.whole
}
