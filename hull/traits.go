package hull

import (
	"slices"
	"strings"
)

// notOfUser are the names that are never taken from a user: reports have there
// what is not the user's own (docs/hull-protocol.md 10.4, rule 3).
var notOfUser = map[string]bool{
	"segments": true, "account": true, "account_segments": true, "events": true, "changes": true,
}

// maxParts bounds the depth of a tree. Hull's own names have two parts.
const maxParts = 64

const (
	traitsPrefix  = "traits_"
	accountPrefix = "account."
)

// whitelist is a compiled list of names of attributes. It is immutable.
//
// The attributes form a tree, in which clearbit/name is below clearbit. A walk
// over an object finds the values of those that are listed, then a walk over
// the tree writes them in their groups.
type whitelist struct {
	names    []string       // sorted
	nodes    map[string]int // name → index of its node
	root     node
	lengths  uint64 // bit n%64 says that a name has n bytes
	size     int    // of the tree: indexes are below it
	prefixed bool   // attributes may have the prefix traits_
}

// node is a part of a name. It is an attribute, a group, or both.
type node struct {
	index    int
	key      []byte // `"part":`
	children []*node
	byPart   map[string]*node
}

// PublicTraits are the attributes of users and of accounts that entries of public_traits
// list, by their names in payloads before they are grouped: sorted, each once, without the
// id, which users always have.
func PublicTraits(publicTraits []string) (ofUser, ofAccount []string) {
	return slices.Compact(userWhitelist(publicTraits).names), slices.Compact(accountWhitelist(publicTraits).names)
}

// userWhitelist takes from public_traits the attributes of users (rules 2, 3
// and 4). The id is not among them, as it is always public.
func userWhitelist(publicTraits []string) *whitelist {
	w := &whitelist{nodes: make(map[string]int), prefixed: true}
	for _, name := range publicTraits {
		if strings.HasPrefix(name, accountPrefix) {
			continue
		}
		name = strings.TrimPrefix(name, traitsPrefix)
		if !notOfUser[name] && isPublicPath(strings.Split(name, "/")) {
			w.names = append(w.names, name)
		}
	}
	slices.Sort(w.names)
	for _, name := range w.names {
		w.add(name, strings.Split(name, "/"))
	}
	return w
}

// isPublicPath refuses what would overwrite the id, and names that mean
// something else to JavaScript.
func isPublicPath(parts []string) bool {
	return parts[0] != "id" && len(parts) <= maxParts &&
		!slices.Contains(parts, "__proto__") &&
		!slices.Contains(parts, "constructor") &&
		!slices.Contains(parts, "prototype")
}

// accountWhitelist takes from public_traits the attributes of accounts (rule 6),
// which are not grouped.
func accountWhitelist(publicTraits []string) *whitelist {
	w := &whitelist{nodes: make(map[string]int)}
	for _, name := range publicTraits {
		if name, ok := strings.CutPrefix(name, accountPrefix); ok {
			w.names = append(w.names, strings.TrimPrefix(name, traitsPrefix))
		}
	}
	slices.Sort(w.names)
	for _, name := range w.names {
		w.add(name, []string{name})
	}
	return w
}

func (w *whitelist) add(name string, path []string) {
	n := &w.root
	for _, part := range path {
		n = w.child(n, part)
	}
	w.nodes[name] = n.index
	w.lengths |= 1 << (len(name) % 64)
}

func (w *whitelist) child(parent *node, part string) *node {
	if n := parent.byPart[part]; n != nil {
		return n
	}
	n := &node{index: w.size, key: append(appendQuoted(nil, part), ':')}
	w.size++
	parent.children = append(parent.children, n)
	if parent.byPart == nil {
		parent.byPart = make(map[string]*node)
	}
	parent.byPart[part] = n
	return n
}

// value is what was found for a node of a whitelist.
type value struct {
	raw  []byte // nil: nothing
	rank rank
}

// rank says where a value is from. The higher wins, and of equals the last.
type rank uint8

const (
	inParent  rank = iota + 1 // a member of the object that its group is merged with
	byOldName                 // an attribute with the prefix
	byName                    // an attribute without it
)

// appendMembers appends the listed attributes of object as members, each
// followed by a comma.
func (w *whitelist) appendMembers(dst, object []byte) []byte {
	if w.size == 0 {
		return dst
	}
	var few [32]value // usually enough, and not on the heap
	values := few[:]
	if w.size > len(few) {
		values = make([]value, w.size)
	}
	w.find(values, object)
	for _, child := range w.root.children {
		dst = child.append(dst, values)
	}
	return dst
}

func (w *whitelist) find(values []value, object []byte) {
	if kindOf(object) != '{' {
		return
	}
	for i := 1; object[i] != '}'; i = afterComma(object, i) {
		name, start := nameAt(object, i)
		i = valueEnd(object, start)
		from := byName
		if w.prefixed && len(name) >= len(traitsPrefix) && string(name[:len(traitsPrefix)]) == traitsPrefix {
			name, from = name[len(traitsPrefix):], byOldName
		}
		if w.lengths>>(len(name)%64)&1 == 0 { // most attributes are not listed
			continue
		}
		if n, ok := w.nodes[string(name)]; ok && from >= values[n].rank {
			values[n] = value{object[start:i], from}
		}
	}
}

// append appends the node as a member and a comma, or nothing when neither it
// nor anything below has a value (rule 4).
func (n *node) append(dst []byte, values []value) []byte {
	raw := values[n.index].raw
	kind := kindOf(raw)
	if isGroup := kind == 0 || kind == 'n' || kind == '{'; len(n.children) == 0 || !isGroup {
		return appendMember(dst, n.key, raw)
	}
	start := len(dst)
	dst = append(append(dst, n.key...), '{')
	empty := len(dst)
	dst = n.appendOwn(dst, raw, values)
	for _, child := range n.children {
		dst = child.append(dst, values)
	}
	if len(dst) == empty { // no group: null stays null, and nothing nothing
		return appendMember(dst[:start], n.key, raw)
	}
	return append(closeWith(dst, '}'), ',')
}

// appendOwn appends the members that only the object has, and puts the others
// where its group will find them, unless an attribute of that name was found.
func (n *node) appendOwn(dst, object []byte, values []value) []byte {
	for name, raw := range members(object) {
		child := n.byPart[string(name)]
		switch {
		case child == nil:
			dst = append(appendQuoted(dst, name), ':')
			dst = append(append(dst, raw...), ',')
		case values[child.index].rank <= inParent:
			values[child.index] = value{raw, inParent}
		}
	}
	return dst
}
