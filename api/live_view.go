package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// liveView is who is on a connector's pages, whatever node they are at, joined with what
// is stored of them. It is there while an operator looks at it, and a while longer.
type liveView struct {
	connector *connector

	filling sync.Mutex
	filled  bool // with who was there when it was made; guarded by filling

	hearing sync.Mutex // held while what other nodes have told is entered

	reading sync.Mutex // held while what is stored is read, so that reads come in their order

	mu       sync.Mutex
	people   map[string]*liveVisitor
	unread   []string // visitors of whom what is stored could not be read
	watchers map[*watcher]struct{}
	nodes    map[string]*remoteNode // others
	used     time.Time              // last
}

// liveVisitor is a visitor who is there.
type liveVisitor struct {
	at     []nodePresence
	merged presentVisitor
	person hull.Person // the user, with read the state of that version
	read   uint64
	record store.Visitor
}

// nodePresence is what a node says of a visitor; node is "" for this one.
type nodePresence struct {
	node string
	presentVisitor
}

// liveUnused is how long a view is kept that nobody looks at.
const liveUnused = 30 * time.Second

func newLiveView(conn *connector) *liveView {
	return &liveView{connector: conn, people: map[string]*liveVisitor{}, watchers: map[*watcher]struct{}{}, nodes: map[string]*remoteNode{}}
}

// take enters what a node says, and returns whom it concerns. whole: those whom it does
// not name are not there.
func (v *liveView) take(node string, ch changes, whole bool) (touched []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	named := make(map[string]bool, len(ch.present))
	for _, p := range ch.present {
		named[p.Visitor] = true
		touched = append(touched, p.Visitor)
		v.setLocked(node, p)
	}
	if whole {
		for visitor := range v.people {
			if !named[visitor] {
				ch.left = append(ch.left, visitor)
			}
		}
	}
	for _, visitor := range ch.left {
		if v.removeLocked(node, visitor) {
			touched = append(touched, visitor)
		}
	}
	return touched
}

func (v *liveView) setLocked(node string, p presentVisitor) {
	who := v.people[p.Visitor]
	if who == nil {
		who = &liveVisitor{}
		v.people[p.Visitor] = who
	}
	at := nodePresence{node, p}
	if i := who.indexOf(node); i >= 0 {
		who.at[i] = at
	} else {
		who.at = append(who.at, at)
	}
	who.merge()
}

func (v *liveView) removeLocked(node, visitor string) (was bool) {
	who := v.people[visitor]
	if who == nil {
		return false
	}
	i := who.indexOf(node)
	if i < 0 {
		return false
	}
	if who.at = slices.Delete(who.at, i, i+1); len(who.at) == 0 {
		delete(v.people, visitor)
	} else {
		who.merge()
	}
	return true
}

func (who *liveVisitor) indexOf(node string) int {
	return slices.IndexFunc(who.at, func(at nodePresence) bool { return at.node == node })
}

// merge makes one of what the nodes say: the tabs are those of all, each as it was seen
// last; who the user is says the node at which the visitor was active last and is known.
func (who *liveVisitor) merge() {
	byActivity := slices.SortedFunc(slices.Values(who.at), func(a, b nodePresence) int { return b.Active.Compare(a.Active) })
	m := byActivity[0].presentVisitor
	m.Tabs = slices.Clone(m.Tabs)
	for _, at := range byActivity[1:] {
		if at.Since.Before(m.Since) {
			m.Since = at.Since
		}
		if m.User == "" {
			m.User, m.Version = at.User, at.Version
		}
		m.Streams += at.Streams
		m.Tabs = append(m.Tabs, at.Tabs...)
	}
	if len(byActivity) > 1 {
		m.Tabs = latestTabs(m.Tabs)
	}
	who.merged = m
}

// latestTabs are the tabs, each as it was seen last, the latest first.
func latestTabs(tabs []tab) []tab {
	slices.SortStableFunc(tabs, func(a, b tab) int { return b.At.Compare(a.At) })
	seen := map[string]bool{}
	return slices.DeleteFunc(tabs, func(t tab) bool {
		before := seen[t.ID]
		seen[t.ID] = true
		return before
	})
}

// readChunk is of how many visitors or users something is read at once.
const readChunk = 500

// refresh reads what is stored of visitors. What cannot be read stays as it was.
func (v *liveView) refresh(ctx context.Context, s store.Store, visitors []string) error {
	v.reading.Lock()
	defer v.reading.Unlock()
	for chunk := range slices.Chunk(visitors, readChunk) {
		records, err := s.Visitors(ctx, v.connector.id, chunk)
		if err != nil {
			return fmt.Errorf("reading %d visitors: %w", len(chunk), err)
		}
		stored := make(map[string]store.Visitor, len(records))
		for _, record := range records {
			stored[record.ID] = record
		}
		v.mu.Lock()
		for _, visitor := range chunk {
			if who := v.people[visitor]; who != nil {
				who.record = stored[visitor] // of one who was erased there is none any more
			}
		}
		wanted := v.wantedLocked(chunk)
		v.mu.Unlock()
		if err := v.refreshUsers(ctx, s, wanted); err != nil {
			return err
		}
	}
	return nil
}

// withUnread are visitors and those who are to be read again, each once.
func (v *liveView) withUnread(visitors []string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.unread) == 0 {
		return visitors
	}
	all := append(v.unread, visitors...)
	v.unread = nil
	slices.Sort(all)
	return slices.Compact(all)
}

// wantedLocked are the users of visitors whose states are to be read, with the versions
// that they have by then.
func (v *liveView) wantedLocked(visitors []string) map[string]bool {
	wanted := map[string]bool{}
	for _, visitor := range visitors {
		who := v.people[visitor]
		if who == nil {
			continue
		}
		if user := who.merged.User; user == "" {
			who.person, who.read = hull.Person{}, 0
		} else if who.person.ID != user || who.read != who.merged.Version {
			wanted[user] = true
		}
	}
	return wanted
}

func (v *liveView) refreshUsers(ctx context.Context, s store.Store, users map[string]bool) error {
	if len(users) == 0 {
		return nil
	}
	v.mu.Lock()
	versions := map[string]uint64{}
	for visitor, who := range v.people {
		if users[who.merged.User] {
			versions[visitor] = who.merged.Version
		}
	}
	v.mu.Unlock()
	people, err := readPeople(ctx, s, v.connector, slices.Collect(maps.Keys(users)))
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for visitor, version := range versions {
		if who := v.people[visitor]; who != nil && users[who.merged.User] {
			who.person, who.read = people[who.merged.User], version
			who.person.ID = who.merged.User // of whom nothing may be stored
		}
	}
	return nil
}

// readPeople reads who users are. Of one who is not stored, or was erased, nothing is known.
func readPeople(ctx context.Context, s store.Store, conn *connector, users []string) (map[string]hull.Person, error) {
	people := map[string]hull.Person{}
	for chunk := range slices.Chunk(users, readChunk) {
		snapshots, err := s.Snapshots(ctx, conn.id, chunk)
		if err != nil {
			return nil, fmt.Errorf("reading %d users: %w", len(chunk), err)
		}
		names := conn.known().segments
		for _, snap := range snapshots {
			if m, err := hull.ParseState(snap.State); err == nil {
				people[snap.UserID] = m.Person(names)
			}
		}
	}
	return people, nil
}

// items are those who are there, those who came last first.
func (v *liveView) items() []visitorItem {
	v.mu.Lock()
	defer v.mu.Unlock()
	items := make([]visitorItem, 0, len(v.people))
	for _, who := range v.people {
		items = append(items, who.item())
	}
	slices.SortFunc(items, func(a, b visitorItem) int {
		return cmp.Or(b.Since.Compare(*a.Since), cmp.Compare(a.Visitor, b.Visitor))
	})
	return items
}

// find is a visitor, if there.
func (v *liveView) find(visitor string) (item visitorItem, live bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if who := v.people[visitor]; who != nil {
		return who.item(), true
	}
	return visitorItem{}, false
}
