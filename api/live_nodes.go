package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// What nodes tell each other so that an operator sees the visitors of all of them
// (docs/decisions/0026-presence.md). A node that has a live view asks, now and then; those
// that were asked tell who is there, then what changes, until nobody has asked for a
// while. Page views are told always: the stream of a visitor may be at another node than
// the one that was told of the page.
const (
	opLook     = "look"     // tell me who is there, and what changes from now on
	opPresence = "presence" // who is here, or what has changed
	opPage     = "page"     // a visitor has looked at a page, left it, or said an email
	opNotice   = "notice"   // something about an offer, for operators
)

const (
	lookEach  = 5 * time.Second
	looksLife = 3 // times that, after which who asked, or who told, is not there any more
	// presenceChunk is how many visitors are told of in one message, each in some 30 KB
	// at most: Redis cuts off who has 8 MB waiting for long.
	presenceChunk = 20
)

// toldPresence is who is at a node.
type toldPresence struct {
	Node    string           `json:"node"`
	To      string           `json:"to,omitempty"`    // the node that has asked for all; "": these are changes
	First   bool             `json:"first,omitempty"` // of several messages, for whoever asked
	Last    bool             `json:"last,omitempty"`
	Present []presentVisitor `json:"present,omitempty"`
	Left    []string         `json:"left,omitempty"`
}

// toldPage is a page that a visitor looks at, or with Gone has left.
type toldPage struct {
	Node    string `json:"node"`
	Visitor string `json:"v"`
	Tab     tab    `json:"t"`
	Gone    bool   `json:"gone,omitempty"`
	Stated  bool   `json:"stated,omitempty"` // the visitor said an email instead
}

// tellPage tells the other nodes of a page. What cannot be told is not seen live there.
func (s *Server) tellPage(ctx context.Context, connectorID string, p toldPage) {
	if s.cluster != nil {
		p.Node = s.cluster.node
		_, _ = s.cluster.tell(ctx, connectorID, told{Op: opPage, Page: &p})
	}
}

// takePage is told of a page by another node, or by this one.
func (c *cluster) takePage(connectorID string, p *toldPage) {
	presence := c.server.presence
	switch {
	case p.Node == c.node:
	case p.Gone:
		presence.gone(connectorID, p.Visitor, p.Tab.ID)
	case p.Stated:
		presence.stated(connectorID, p.Visitor)
	default:
		presence.viewed(connectorID, p.Visitor, p.Tab)
	}
}

// isWatched tells whether operators look at a connector's live view, here or elsewhere.
func (s *Server) isWatched(connectorID string) bool {
	return s.live.known(connectorID) != nil || s.cluster != nil && s.cluster.isLookedAt(connectorID)
}

// note tells operators of an offer, at all nodes.
func (s *Server) note(ctx context.Context, connectorID, kind, offerID string, data any) {
	text, err := encode(data)
	if err != nil || !s.isWatched(connectorID) {
		return
	}
	n := notice{Type: kind, Key: kind + " " + offerID, Data: text}
	if s.cluster != nil {
		_, _ = s.cluster.tell(ctx, connectorID, told{Op: opNotice, Notice: &n}) // it comes back
	} else if v := s.live.known(connectorID); v != nil {
		v.note(n)
	}
}

// looks are who looks at a connector's visitors. They are guarded by the cluster's lock.
type looks struct {
	asked   map[string]time.Time // other nodes that look, when they asked last
	answers []string             // nodes to be told of all who are here
	alive   bool                 // some are to be told that this one is there, if nothing else
	lookAt  time.Time            // when this node asks again
	heard   []toldPresence       // not entered yet
	missed  bool                 // something may not have come
}

func (c *cluster) looksLocked(connectorID string) *looks {
	l := c.looks[connectorID]
	if l == nil {
		l = &looks{asked: map[string]time.Time{}}
		c.looks[connectorID] = l
	}
	return l
}

// isLookedAt tells whether another node looks.
func (c *cluster) isLookedAt(connectorID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.looks[connectorID]
	return l != nil && len(l.asked) > 0
}

// lookedAt are the connectors at whose visitors somebody looks, here or elsewhere.
func (c *cluster) lookedAt() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.looks))
}

// missedLocked has all be asked for again after something may not have come.
func (c *cluster) missedLocked(connectorID string) {
	c.server.pending.drop(connectorID)
	c.server.presence.lookAgain(connectorID)
	if l := c.looks[connectorID]; l != nil {
		l.missed = true
	}
}

// takeLook is asked by a node. One that is new is to be told of all.
func (c *cluster) takeLook(connectorID, node string, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if node == c.node {
		return
	}
	l := c.looksLocked(connectorID)
	if _, known := l.asked[node]; whole || !known {
		l.answers = append(l.answers, node)
	} else {
		l.alive = true
	}
	l.asked[node] = time.Now()
	c.server.presence.wakeUp()
}

// takePresence hears who is at another node.
func (c *cluster) takePresence(connectorID string, p *toldPresence) {
	if p.Node == c.node || p.To != "" && p.To != c.node || c.server.live.known(connectorID) == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.looksLocked(connectorID)
	l.heard = append(l.heard, *p)
	c.server.presence.wakeUp()
}

// look asks the other nodes who is there, and returns how many they are. whole: tell me of
// all, and not of what changes alone.
func (c *cluster) look(ctx context.Context, connectorID string, whole bool) (nodes int, err error) {
	c.mu.Lock()
	c.looksLocked(connectorID).lookAt = time.Now().Add(c.looksEach)
	c.mu.Unlock()
	nodes, err = c.tell(ctx, connectorID, told{Op: opLook, Node: c.node, Whole: whole})
	return nodes - 1, err // this one hears it, too
}

// stepLive tells those who look what has changed here, enters what other nodes tell, and
// asks again when it is time. changed is nil when nothing has.
func (s *Server) stepLive(ctx context.Context, connectorID string, changed *changes) {
	v := s.live.known(connectorID)
	if s.cluster != nil {
		s.cluster.answer(ctx, connectorID, changed)
	}
	if v == nil {
		return
	}
	var touched []string
	if changed != nil {
		touched = v.take("", *changed, false)
	}
	if s.cluster != nil {
		touched = append(touched, s.cluster.hear(v)...)
		s.cluster.lookAgain(ctx, v)
	}
	s.show(ctx, v, touched)
}

// answer tells nodes that look what they are to know.
func (c *cluster) answer(ctx context.Context, connectorID string, changed *changes) {
	c.mu.Lock()
	l := c.looks[connectorID]
	if l == nil {
		c.mu.Unlock()
		return
	}
	for node, at := range l.asked {
		if time.Since(at) > looksLife*c.looksEach {
			delete(l.asked, node)
		}
	}
	looked, alive, answers := len(l.asked) > 0, l.alive, l.answers
	l.alive, l.answers = false, nil
	c.mu.Unlock()
	if looked && (changed != nil || alive) {
		c.tellPresence(ctx, connectorID, toldPresence{Node: c.node}, cmp.Or(changed, &changes{}))
	}
	for _, node := range answers {
		all := changes{present: c.server.presence.all(connectorID)}
		c.tellPresence(ctx, connectorID, toldPresence{Node: c.node, To: node, First: true, Last: true}, &all)
	}
}

// tellPresence tells of visitors, in messages that are not too long.
func (c *cluster) tellPresence(ctx context.Context, connectorID string, p toldPresence, ch *changes) {
	chunks := slices.Collect(slices.Chunk(ch.present, presenceChunk))
	if len(chunks) == 0 {
		chunks = append(chunks, nil)
	}
	for i, chunk := range chunks {
		part := toldPresence{Node: p.Node, To: p.To, First: p.First && i == 0, Last: p.Last && i == len(chunks)-1, Present: chunk}
		if i == 0 {
			part.Left = ch.left
		}
		if _, err := c.tell(ctx, connectorID, told{Op: opPresence, Presence: &part}); err != nil {
			return // whoever looks asks for all again when the bus is back
		}
	}
}

// hear enters what other nodes have told into a view. A node of which nothing was heard
// for a while is gone, with its visitors.
func (c *cluster) hear(v *liveView) (touched []string) {
	v.hearing.Lock()
	defer v.hearing.Unlock()
	c.mu.Lock()
	l := c.looksLocked(v.connector.id)
	heard := l.heard
	l.heard = nil
	for _, p := range heard {
		l.missed = l.missed || p.To == "" && !v.knows(p.Node) // of the others who are there, it told before
	}
	c.mu.Unlock()
	for _, p := range heard {
		touched = append(touched, v.hear(p)...)
	}
	return append(touched, v.dropSilent(looksLife*c.looksEach)...)
}

// lookAgain asks the other nodes again when it is time.
func (c *cluster) lookAgain(ctx context.Context, v *liveView) {
	c.mu.Lock()
	l := c.looksLocked(v.connector.id)
	due, missed := time.Now().After(l.lookAt), l.missed
	l.missed = false
	c.mu.Unlock()
	if !due && !missed {
		return
	}
	if _, err := c.look(ctx, v.connector.id, missed); err != nil && missed {
		c.mu.Lock()
		l.missed = true
		c.mu.Unlock()
	}
}

// lookAround asks the other nodes who is there, waits until they have answered, but not
// for long, and returns whom it concerns.
func (c *cluster) lookAround(ctx context.Context, v *liveView) (touched []string) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	channel := c.hold(connectorChannel(v.connector.id))
	defer c.letGo(channel)
	if err := c.listened(ctx, channel); err != nil { // else their answers would be missed
		return nil
	}
	nodes, err := c.look(ctx, v.connector.id, true)
	if err != nil {
		return nil // what this node knows is better than nothing
	}
	for v.answers() < nodes {
		select {
		case <-ctx.Done():
			return append(touched, c.hear(v)...)
		case <-time.After(clusterTick / 10):
			touched = append(touched, c.hear(v)...)
		}
	}
	return touched
}
