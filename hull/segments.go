package hull

import (
	"encoding/json"
	"maps"
	"time"
)

// Segments says what segments are called, users and accounts segments alike, by
// their ids. States have the names of their time; those here are of now. It is
// kept as JSON, and immutable.
type Segments map[string]Segment

// Segment is what Hull said last of a segment.
type Segment struct {
	Name      string    `json:"name,omitempty"`
	UpdatedAt time.Time `json:"updated_at,omitzero"` // zero: unknown
	Deleted   bool      `json:"deleted,omitzero"`
}

// ParseSegments reads what json.Marshal made of Segments; of anything else there
// are none.
func ParseSegments(text []byte) (s Segments) {
	if json.Unmarshal(text, &s) != nil {
		return nil
	}
	return s
}

// Segments returns known with what the notification says of those segments whose
// names s can show, and without the others: all its lists name all segments of the
// organization (docs/hull-protocol.md 2.2), and those of the segments' own channels
// what has happened to one. What is older than what is known does not count.
// changed: the result is another.
func (n *Notification) Segments(known Segments, s *Settings) (segments Segments, changed bool) {
	segments = make(Segments)
	for id, segment := range known {
		if s.showsSegment(id) {
			segments[id] = segment
		}
	}
	for _, list := range n.segmentLists {
		segments.learn(list, s, false)
	}
	switch ClassifyChannel(n.Channel) {
	case ClassSegment:
		segments.learn(n.messages, s, false)
	case ClassSegmentDelete:
		segments.learn(n.messages, s, true)
	}
	return segments, !maps.Equal(segments, known)
}

// learn takes a list of segments in.
func (s Segments) learn(list []byte, settings *Settings, deleted bool) {
	for raw := range elements(list) {
		id := textOrNone(member(raw, "id"))
		if !settings.showsSegment(id) {
			continue
		}
		said := Segment{textOrNone(member(raw, "name")), parseTime(member(raw, "updated_at")), deleted}
		known, ok := s[id]
		switch older := said.UpdatedAt.Before(known.UpdatedAt); {
		case said.Name == "" && !deleted:
		case ok && older && !said.UpdatedAt.IsZero():
		case known.Deleted && !said.UpdatedAt.After(known.UpdatedAt):
		default:
			s[id] = said
		}
	}
}

// showsSegment tells whether a segment's name is in any payload.
func (s *Settings) showsSegment(id string) bool {
	_, signed := s.signed.segments[id]
	_, unsigned := s.unsigned.segments[id]
	_, ofAccounts := s.accountSegments[id]
	return signed || unsigned || ofAccounts
}

// WithSegments is s with the names of segments as they are now.
func (s *Settings) WithSegments(names Segments) *Settings {
	named := *s
	named.accountSegments = s.accountSegments.named(names)
	for _, a := range []**audience{&named.signed, &named.unsigned} {
		of := **a
		of.segments = of.segments.named(names)
		of.digest = named.digest(&of)
		*a = &of
	}
	return &named
}

// segmentSet are the ids of segments whose names may be shown, each with its name
// in JSON; nil: as states say; empty: it is deleted, and not shown.
type segmentSet map[string][]byte

func newSegmentSet(value []byte) segmentSet {
	s := make(segmentSet)
	for _, id := range listOrNone(value) {
		s[id] = nil
	}
	return s
}

func (s segmentSet) named(names Segments) segmentSet {
	named := maps.Clone(s)
	for id := range named {
		switch segment, ok := names[id]; {
		case ok && segment.Deleted:
			named[id] = []byte{}
		case ok:
			named[id] = appendQuoted(nil, segment.Name)
		}
	}
	return named
}

// appendNames appends the names, each with a comma, of those segments in a list
// that are in the set. Entries that are none are left out.
func (s segmentSet) appendNames(dst, list []byte) []byte {
	if len(s) == 0 {
		return dst
	}
	for i := 1; i < len(list)-1; i = afterComma(list, i) {
		var id, label []byte
		id, label, i = pair(list, i, "id", "name")
		content, _ := text(id)
		name, ok := s[string(content)]
		if name == nil {
			name = only('"', label)
		}
		if ok && len(name) > 0 {
			dst = append(append(dst, name...), ',')
		}
	}
	return dst
}
