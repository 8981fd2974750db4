package api

import (
	"maps"
	"slices"
	"strings"
	"time"

	"hullbeam/stream"
)

// watcher is an operator who looks at a live view. Its fields are guarded by the view's
// lock.
type watcher struct {
	view    *liveView
	due     []string // visitors of whom there is something to tell, in the order of that
	queued  map[string]bool
	told    map[string]toldVisitor // who the operator knows to be there
	left    map[string]time.Time   // when the operator was told of who is not, lately
	notices []notice
	first   int  // how many of due were there at the beginning: they stand before all others
	ready   bool // the operator was told of those

	wake  chan struct{} // holds one wake-up: there may be something to take
	taken time.Time     // when room was counted last
	room  float64       // how many visitors may be told of now
}

// toldVisitor is what an operator knows of a visitor.
type toldVisitor struct {
	at             time.Time
	identity, page string
}

// notice is something about an offer. Of those with one key the last counts.
type notice struct {
	Type string `json:"type"`
	Key  string `json:"key"`
	Data []byte `json:"data"` // JSON
}

const (
	// visitorEach is how often an operator is told of one visitor at most: a second, less
	// what one step may be late and another one early. It must not be a step more, for
	// then what was told would be older than a second.
	visitorEach = time.Second - presenceStep/4
	maxNotices  = 1000 // that wait for an operator; the oldest are dropped
)

// watch enters an operator, who is told of all who are there.
func (v *liveView) watch() *watcher {
	v.mu.Lock()
	defer v.mu.Unlock()
	w := &watcher{
		view: v, queued: map[string]bool{}, told: map[string]toldVisitor{}, left: map[string]time.Time{}, wake: make(chan struct{}, 1),
	}
	for visitor := range v.people {
		w.touchLocked(visitor)
	}
	w.first = len(w.due)
	v.watchers[w] = struct{}{}
	return w
}

func (w *watcher) leave() {
	w.view.mu.Lock()
	defer w.view.mu.Unlock()
	delete(w.view.watchers, w)
	w.view.used = time.Now()
}

// notify has operators told of visitors.
func (v *liveView) notify(visitors []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for w := range v.watchers {
		for _, visitor := range visitors {
			w.touchLocked(visitor)
		}
		w.wakeUp()
	}
}

func (w *watcher) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) touchLocked(visitor string) {
	if !w.queued[visitor] {
		w.queued[visitor] = true
		w.due = append(w.due, visitor)
	}
}

// note has operators told of an offer.
func (v *liveView) note(n notice) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for w := range v.watchers {
		w.notices = slices.DeleteFunc(w.notices, func(other notice) bool { return other.Key == n.Key })
		if w.notices = append(w.notices, n); len(w.notices) > maxNotices {
			w.notices = w.notices[1:]
		}
		w.wakeUp()
	}
}

// take returns what the operator is to be told now, of at most rate visitors a second. One
// of whom something was told within visitorEach waits.
func (w *watcher) take(now time.Time, rate int) (events []*stream.Event) {
	w.view.mu.Lock()
	defer w.view.mu.Unlock()
	most := w.roomLocked(now, rate)
	maps.DeleteFunc(w.left, func(_ string, at time.Time) bool { return now.Sub(at) >= visitorEach })
	var later []string
	for i, visitor := range w.due {
		if len(events) >= most {
			later = append(later, w.due[i:]...)
			break
		}
		if now.Sub(w.toldAt(visitor)) < visitorEach {
			later = append(later, visitor)
			continue
		}
		delete(w.queued, visitor)
		w.first--
		if e := w.tellLocked(visitor, now); e != nil {
			events = append(events, e)
		}
	}
	w.due = later
	w.room -= float64(len(events))
	if !w.ready && w.first <= 0 {
		w.ready = true
		events = append(events, liveEvent("live.ready", struct {
			Live int `json:"live"`
		}{len(w.view.people)}))
	}
	for _, n := range w.notices {
		events = append(events, mustEvent(stream.Fields{Type: n.Type, Data: n.Data}))
	}
	w.notices = nil
	return events
}

// roomLocked is how many visitors may be told of now: what a step may have is not more
// after a silence.
func (w *watcher) roomLocked(now time.Time, rate int) int {
	w.room = min(w.room+float64(rate)*now.Sub(w.taken).Seconds(), float64(rate)*presenceStep.Seconds())
	w.taken = now
	return int(w.room)
}

// toldAt is when the operator was told of a visitor last; zero: not lately, or never.
func (w *watcher) toldAt(visitor string) time.Time {
	if told, known := w.told[visitor]; known {
		return told.at
	}
	return w.left[visitor]
}

// tellLocked is what the operator does not know of a visitor; nil: nothing.
func (w *watcher) tellLocked(visitor string, now time.Time) *stream.Event {
	told, known := w.told[visitor]
	who := w.view.people[visitor]
	if who == nil {
		if !known {
			return nil
		}
		delete(w.told, visitor)
		w.left[visitor] = now
		return liveEvent("visitor.left", struct {
			Visitor string `json:"visitor"`
			At      moment `json:"at"`
		}{visitor, moment{now}})
	}
	item := who.item()
	is := toldVisitor{now, identityOf(item), pagesOf(item)}
	w.told[visitor] = is
	switch {
	case !known:
		return liveEvent("visitor.joined", item)
	case is.identity != told.identity:
		return liveEvent("visitor.identified", identifiedEvent{pageEvent{item.Visitor, item.Page, item.Tabs, item.Views}, item.User, item.Segments, item.StatedEmail})
	case is.page != told.page:
		return liveEvent("visitor.page", pageEvent{item.Visitor, item.Page, item.Tabs, item.Views})
	}
	w.told[visitor] = told // nothing was told
	return nil
}

// pageEvent tells where a visitor is.
type pageEvent struct {
	Visitor string    `json:"visitor"`
	Page    *pageItem `json:"page"`
	Tabs    []tabItem `json:"tabs"`
	Views   int       `json:"views"`
}

// identifiedEvent tells who a visitor is, and where.
type identifiedEvent struct {
	pageEvent
	User        *userItem    `json:"user"`
	Segments    []string     `json:"segments"`
	StatedEmail *statedEmail `json:"stated_email,omitempty"`
}

// identityOf and pagesOf tell apart what is told of a visitor.
func identityOf(item visitorItem) string {
	var b strings.Builder
	if u := item.User; u != nil {
		b.WriteString(u.ID + "\x00" + u.Name + "\x00" + u.Email + "\x00" + u.ExternalID)
	}
	b.WriteString("\x01" + strings.Join(item.Segments, "\x00"))
	if item.StatedEmail != nil {
		b.WriteString("\x01" + item.StatedEmail.Email)
	}
	return b.String()
}

func pagesOf(item visitorItem) string {
	var b strings.Builder
	for _, t := range item.Tabs {
		b.WriteString(t.Tab + "\x00" + t.URL + "\x00" + t.Title + "\x00" + t.At.Format(time.RFC3339Nano) + "\x01")
	}
	return b.String()
}

// liveEvent encodes an event of the live view. What goes into an item is bounded so that
// it fits (visitor_item.go).
func liveEvent(kind string, data any) *stream.Event {
	text, err := encode(data)
	if err != nil {
		panic(err) // of texts, numbers and lists of them
	}
	return mustEvent(stream.Fields{Type: kind, Data: text})
}
