package api

import (
	"slices"
	"sync"
	"time"

	"hullbeam/store"
	"hullbeam/stream"
)

// presence is who is on the pages of connectors, as this node knows it: whoever has a
// stream here, and for Visitors.Grace longer; with other nodes also who has told any of
// them of a page within that time. Nothing of it is stored: what a crash takes was not
// there any more.
//
// Its lock is the last that is taken: streams tell it of themselves with theirs held.
type presence struct {
	grace time.Duration
	now   func() time.Time

	mu     sync.Mutex
	crowds map[string]*crowd               // by connector
	joins  []store.Join                    // not stored yet
	opens  uint64                          // streams that were opened so far
	wake   chan struct{}                   // holds one wake-up of Server.runPresence
	due    map[string]map[string][]arrival // whose offers are to be looked for, by connector and visitor
	idle   []departure                     // in the order of their times
}

// crowd is who is on a connector's pages.
type crowd struct {
	visitors map[string]*attendance
	users    map[string][]*attendance // by the user whom their streams follow
	changed  map[string]struct{}      // visitors, since they were looked at last
}

// attendance is a visitor who is there.
type attendance struct {
	visitor string
	since   instant
	active  instant // when a page was looked at or a stream opened last
	subs    []*stream.Subscriber
	tabs    []tab               // the latest first
	user    string              // "": nobody knows
	version uint64              // grows when the user's state may be another
	left    instant             // 0: something of the visitor is open
	settled map[string]struct{} // offers that the visitor is not sent any more; nil: none are known
}

// instant is a moment in nanoseconds since 1970: there are some for each visitor, at a
// third of what a time.Time takes.
type instant int64

func instantOf(t time.Time) instant { return instant(t.UnixNano()) }

func (i instant) time() time.Time { return time.Unix(0, int64(i)).UTC() }

// tab is a page that is open.
type tab struct {
	ID        string    `json:"tab"`
	URL       string    `json:"url"`
	Title     string    `json:"title"`
	Referrer  string    `json:"referrer,omitempty"`
	LocalTime string    `json:"local_time,omitempty"`
	At        time.Time `json:"at"`
}

// departure is when a visitor had nothing open any more.
type departure struct {
	connector string
	who       *attendance
	at        instant
}

const (
	maxTabs = 20 // of a visitor; the longest unused are forgotten
	// maxTabBytes bounds their addresses and titles: two of the longest fit.
	maxTabBytes = 24 << 10
	// maxJoins bounds the joins that wait while the store is away. What is lost of them
	// comes again with the visitor's next stream.
	maxJoins = 100_000
)

func newPresence(grace time.Duration, now func() time.Time) *presence {
	return &presence{grace: grace, now: now, wake: make(chan struct{}, 1), crowds: map[string]*crowd{}, due: map[string]map[string][]arrival{}}
}

// wakeUp has what other nodes wait for done at once.
func (p *presence) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// enterLocked is the attendance of a visitor, who is there from now on at the latest.
func (p *presence) enterLocked(connectorID, visitor string) (*crowd, *attendance) {
	c := p.crowds[connectorID]
	if c == nil {
		c = &crowd{visitors: map[string]*attendance{}, users: map[string][]*attendance{}, changed: map[string]struct{}{}}
		p.crowds[connectorID] = c
	}
	a := c.visitors[visitor]
	if a == nil {
		a = &attendance{visitor: visitor, since: instantOf(p.now())}
		c.visitors[visitor] = a
	}
	a.active = instantOf(p.now())
	c.changed[visitor] = struct{}{}
	return c, a
}

// restLocked notes that nothing of the visitor is open, if so.
func (p *presence) restLocked(connectorID string, a *attendance) {
	if len(a.subs) == 0 {
		a.left = instantOf(p.now())
		p.idle = append(p.idle, departure{connectorID, a, a.left})
	}
}

// opened: a stream was, whose page saw last before.
func (p *presence) opened(connectorID string, sub *stream.Subscriber, last stream.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, a := p.enterLocked(connectorID, sub.Visitor())
	a.subs, a.left = append(a.subs, sub), 0
	p.opens++
	p.dueLocked(connectorID, a, arrival{sub, last, p.opens})
}

// closed: it was.
func (p *presence) closed(connectorID string, sub *stream.Subscriber) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.crowds[connectorID]
	if c == nil {
		return
	}
	a := c.visitors[sub.Visitor()]
	if a == nil {
		return
	}
	if i := slices.Index(a.subs, sub); i >= 0 {
		a.subs = slices.Delete(a.subs, i, i+1)
		c.changed[a.visitor] = struct{}{}
		p.restLocked(connectorID, a)
	}
}

// follows: a stream of the visitor leads to user. What leads nowhere changes nothing: who
// somebody was is known.
func (p *presence) follows(connectorID, visitor, user string) {
	if user == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, a := p.enterLocked(connectorID, visitor)
	if a.user == user {
		return
	}
	c.setUserLocked(a, user)
	p.dueLocked(connectorID, a)
	p.restLocked(connectorID, a) // of a stream that is just being opened
	if len(p.joins) < maxJoins {
		p.joins = append(p.joins, store.Join{ConnectorID: connectorID, Visitor: visitor, UserID: user, At: a.active.time()})
	}
}

// setUserLocked files a under the user.
func (c *crowd) setUserLocked(a *attendance, user string) {
	if a.user != "" {
		rest := slices.DeleteFunc(c.users[a.user], func(other *attendance) bool { return other == a })
		if c.users[a.user] = rest; len(rest) == 0 {
			delete(c.users, a.user)
		}
	}
	a.user, a.settled = user, nil
	a.version++
	if user != "" {
		c.users[user] = append(c.users[user], a)
	}
}

// viewed: a tab shows a page. A tab without an id is one of its own.
func (p *presence) viewed(connectorID, visitor string, t tab) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, a := p.enterLocked(connectorID, visitor)
	a.tabs = slices.DeleteFunc(a.tabs, func(other tab) bool { return other.ID == t.ID })
	a.tabs = slices.Insert(a.tabs, 0, t)
	a.tabs = a.tabs[:min(len(a.tabs), maxTabs)]
	for room, i := maxTabBytes, 0; i < len(a.tabs); i++ {
		t := &a.tabs[i]
		if room -= len(t.URL) + len(t.Title) + len(t.Referrer); room < 0 {
			a.tabs = a.tabs[:i]
		}
	}
	p.dueLocked(connectorID, a)
	p.restLocked(connectorID, a)
}

// gone: a tab does not show its page any more.
func (p *presence) gone(connectorID, visitor, tabID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.crowds[connectorID]
	if c == nil {
		return
	}
	a := c.visitors[visitor]
	if a == nil || len(a.tabs) == 0 {
		return
	}
	// The page stays until there is a next one: between two pages a visitor is on neither.
	// Nor does who says so stay any longer for it.
	rest := slices.DeleteFunc(slices.Clone(a.tabs), func(t tab) bool { return t.ID == tabID })
	if len(rest) > 0 && len(rest) < len(a.tabs) {
		a.tabs = rest
		c.changed[visitor] = struct{}{}
	}
}

// stated: what is stored of the visitor is more than it was.
func (p *presence) stated(connectorID, visitor string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, a := p.enterLocked(connectorID, visitor)
	p.restLocked(connectorID, a)
}

// updated: a user's state may be another.
func (p *presence) updated(connectorID, user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.crowds[connectorID]
	if c == nil {
		return
	}
	for _, a := range c.users[user] {
		a.version++
		c.changed[a.visitor] = struct{}{}
		p.dueLocked(connectorID, a)
	}
}

// forget drops what is known of those who are the user, or have the visitor's id; what
// is open of them is there as somebody of whom nothing is known.
func (p *presence) forget(connectorID, user, visitor string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.crowds[connectorID]
	if c == nil {
		return
	}
	found := slices.Clone(c.users[user])
	if a := c.visitors[visitor]; a != nil {
		found = append(found, a)
	}
	p.joins = slices.DeleteFunc(p.joins, func(j store.Join) bool {
		return j.ConnectorID == connectorID && (j.UserID == user && user != "" || j.Visitor == visitor && visitor != "")
	})
	for _, a := range found {
		c.setUserLocked(a, "")
		a.tabs = nil
		c.changed[a.visitor] = struct{}{}
	}
}

// sweep lets those go who have had nothing open for as long as the grace period.
func (p *presence) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	late := instantOf(p.now().Add(-p.grace))
	for len(p.idle) > 0 && p.idle[0].at <= late {
		d := p.idle[0]
		p.idle = p.idle[1:]
		if c := p.crowds[d.connector]; len(d.who.subs) == 0 && d.who.left == d.at && c != nil {
			c.setUserLocked(d.who, "")
			delete(c.visitors, d.who.visitor)
			c.changed[d.who.visitor] = struct{}{}
		}
	}
}

func (p *presence) findLocked(connectorID, visitor string) *attendance {
	if c := p.crowds[connectorID]; c != nil {
		return c.visitors[visitor]
	}
	return nil
}

// takeJoins are the joins that are not stored yet. They are the caller's.
func (p *presence) takeJoins() []store.Join {
	p.mu.Lock()
	defer p.mu.Unlock()
	joins := p.joins
	p.joins = nil
	return joins
}

// returnJoins are some that could not be stored.
func (p *presence) returnJoins(joins []store.Join) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.joins = append(joins, p.joins...)
	p.joins = p.joins[:min(len(p.joins), maxJoins)]
}

// count is how many visitors are there.
func (p *presence) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.crowds {
		n += len(c.visitors)
	}
	return n
}
