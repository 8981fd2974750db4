package api

import (
	"slices"

	"hullbeam/stream"
)

// arrival is a stream that was just opened, with what its page saw last before.
type arrival struct {
	sub    *stream.Subscriber
	last   stream.ID
	number uint64 // counts them
}

// dueLocked has offers looked for that wait for what the visitor is now, or for its new
// streams.
func (p *presence) dueLocked(connectorID string, a *attendance, arrivals ...arrival) {
	if len(a.subs) == 0 {
		return
	}
	due := p.due[connectorID]
	if due == nil {
		due = map[string][]arrival{}
		p.due[connectorID] = due
	}
	due[a.visitor] = append(due[a.visitor], arrivals...)
}

// takeDue are those whose offers are to be looked for, by connector: new streams on their
// own, and the others of their visitors together.
func (p *presence) takeDue() map[string][]*addressee {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string][]*addressee{}
	for connectorID, due := range p.due {
		for visitor, arrivals := range due {
			if a := p.findLocked(connectorID, visitor); a != nil {
				all[connectorID] = append(all[connectorID], a.due(arrivals)...)
			}
		}
	}
	clear(p.due)
	return all
}

// returnDue has offers looked for again that could not be.
func (p *presence) returnDue(connectorID string, list []*addressee) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range list {
		a := p.findLocked(connectorID, one.visitor)
		switch {
		case a == nil:
		case one.arrival > 0:
			p.dueLocked(connectorID, a, arrival{one.subs[0], one.last, one.arrival})
		default:
			p.dueLocked(connectorID, a)
		}
	}
}

// lookAgain has offers looked for that any of a connector's visitors was not sent.
func (p *presence) lookAgain(connectorID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.crowds[connectorID]; c != nil {
		for _, a := range c.visitors {
			p.dueLocked(connectorID, a)
		}
	}
}

// due is the visitor once with each of the arrivals, and once with the other streams.
func (a *attendance) due(arrivals []arrival) (list []*addressee) {
	rest := a.addressee()
	for _, one := range arrivals {
		i := slices.Index(rest.subs, one.sub)
		if i < 0 {
			continue // it has ended
		}
		rest.subs = slices.Delete(rest.subs, i, i+1)
		came := a.addressee()
		came.subs, came.last, came.arrival = []*stream.Subscriber{one.sub}, one.last, one.number
		list = append(list, came)
	}
	if len(rest.subs) > 0 {
		list = append(list, rest)
	}
	return list
}

// addressee is the visitor with all streams.
func (a *attendance) addressee() *addressee {
	return &addressee{visitor: a.visitor, user: a.user, active: a.active.time(), tabs: slices.Clone(a.tabs), subs: slices.Clone(a.subs)}
}

// addressees are a connector's visitors who have streams here, and the number of the
// latest arrival.
func (p *presence) addressees(connectorID string) (list []*addressee, latest uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.crowds[connectorID]; c != nil {
		for _, a := range c.visitors {
			if len(a.subs) > 0 {
				list = append(list, a.addressee())
			}
		}
	}
	return list, p.opens
}

// keys are under what offers to a visitor are known: the user, if that is known, and the
// visitor.
func (p *presence) keys(connectorID, visitor string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.findLocked(connectorID, visitor); a != nil && a.user != "" {
		return []string{a.user, visitor}
	}
	return []string{visitor}
}

// settle notes that nothing of an offer is to be sent to a visitor, unless another stream
// is opened.
func (p *presence) settle(connectorID, visitor, offerID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.findLocked(connectorID, visitor); a != nil {
		if a.settled == nil {
			a.settled = map[string]struct{}{}
		}
		a.settled[offerID] = struct{}{}
	}
}

func (p *presence) isSettled(connectorID, visitor, offerID string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.findLocked(connectorID, visitor)
	if a == nil {
		return false
	}
	_, settled := a.settled[offerID]
	return settled
}
