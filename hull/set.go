package hull

import "slices"

// set is a set of ids or names.
type set map[string]struct{}

func newSet(value []byte) set {
	s := make(set)
	for _, text := range listOrNone(value) {
		s[text] = struct{}{}
	}
	return s
}

func (s set) has(text []byte) bool {
	_, ok := s[string(text)]
	return ok
}

// appendNames appends those names of the objects in a list that are in the set,
// each with a comma. Entries that are not such objects are left out.
func (s set) appendNames(dst, list []byte, nameMember string) []byte {
	if len(s) == 0 {
		return dst
	}
	for i := 1; i < len(list)-1; i = afterComma(list, i) {
		var name []byte
		name, _, i = pair(list, i, nameMember, nameMember)
		if content, ok := text(name); ok && s.has(content) {
			dst = append(append(dst, name...), ',')
		}
	}
	return dst
}

// pair returns two members of the value that starts at b[i], which may be the
// same, and the index after the value. Nil: absent, or the value is no object.
func pair(b []byte, i int, firstName, secondName string) (first, second []byte, end int) {
	if b[i] != '{' {
		return nil, nil, valueEnd(b, i)
	}
	for i++; b[i] != '}'; i = afterComma(b, i) {
		name, start := nameAt(b, i)
		i = valueEnd(b, start)
		if string(name) == firstName {
			first = b[start:i]
		}
		if string(name) == secondName {
			second = b[start:i]
		}
	}
	return first, second, i + 1
}

// filter is the setting synchronized_segments: which users are not private.
type filter struct {
	everyone bool
	segments set
}

func parseFilter(value []byte) filter {
	list, ok := texts(value)
	everyone := value == nil || ok && (len(list) == 0 || slices.Contains(list, "ALL"))
	return filter{everyone, newSet(value)}
}

// passes is rule 7: the user must be in one of the segments, if there are any.
func (f filter) passes(m *Message) bool {
	switch {
	case f.everyone:
		return true
	case m.Segments == nil:
		return f.hasAny(m.SegmentIDs)
	}
	for i := 1; i < len(m.Segments)-1; i = afterComma(m.Segments, i) {
		var id []byte
		id, _, i = pair(m.Segments, i, "id", "id")
		if content, ok := text(id); ok && f.segments.has(content) {
			return true
		}
	}
	return false
}

func (f filter) hasAny(ids []byte) bool {
	for element := range elements(ids) {
		if id, ok := text(element); ok && f.segments.has(id) {
			return true
		}
	}
	return false
}
