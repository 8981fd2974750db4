package api

import (
	"cmp"
	"slices"
	"time"
)

// presentVisitor is what one node knows of a visitor who is there, at one moment.
type presentVisitor struct {
	Visitor string    `json:"v"`
	Since   time.Time `json:"s"`
	Active  time.Time `json:"a"`
	User    string    `json:"u,omitempty"`
	Version uint64    `json:"n"`
	Streams int       `json:"o"`
	Tabs    []tab     `json:"t,omitempty"`
}

func (a *attendance) present() presentVisitor {
	return presentVisitor{
		Visitor: a.visitor, Since: a.since.time(), Active: a.active.time(), User: a.user, Version: a.version, Streams: len(a.subs),
		Tabs: shownTabs(a.tabs),
	}
}

// shownTabs are the tabs of which operators are told, the first with where it came from:
// other nodes are told of them, too, and pages say what they want.
func shownTabs(tabs []tab) []tab {
	var list []tab
	room := maxItemTabs
	for i, t := range tabs {
		if room -= len(t.URL) + len(t.Title); room < 0 {
			break
		}
		if i > 0 {
			t.Referrer = ""
		}
		list = append(list, t)
	}
	return list
}

// changes is what has changed among a connector's visitors: who is there, as they are
// now, and who is not any more.
type changes struct {
	present []presentVisitor
	left    []string
}

// takeChanges are those since the last call, by connector.
func (p *presence) takeChanges() map[string]changes {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]changes{}
	for id, c := range p.crowds {
		if len(c.changed) == 0 {
			continue
		}
		var ch changes
		for visitor := range c.changed {
			if a := c.visitors[visitor]; a != nil {
				ch.present = append(ch.present, a.present())
			} else {
				ch.left = append(ch.left, visitor)
			}
		}
		c.changed = map[string]struct{}{} // and not cleared: a map keeps the room that it had
		all[id] = ch
		if len(c.visitors) == 0 {
			delete(p.crowds, id)
		}
	}
	return all
}

// all is who is there of a connector.
func (p *presence) all(connectorID string) []presentVisitor {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.crowds[connectorID]
	if c == nil {
		return nil
	}
	list := make([]presentVisitor, 0, len(c.visitors))
	for _, a := range c.visitors {
		list = append(list, a.present())
	}
	slices.SortFunc(list, func(a, b presentVisitor) int { return cmp.Compare(a.Visitor, b.Visitor) })
	return list
}
