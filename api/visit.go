package api

import (
	"context"
	"sync/atomic"

	"hullbeam/stream"
)

// visit is what ends with a stream: the places that it takes, what the node
// follows for it, and its look-up.
type visit struct {
	server             *Server
	address, connector string
	visitor            string
	served             served
	sub                *stream.Subscriber                 // nil: it could not be opened
	watched            bool                               // somebody looks at the page: it is no program
	lookup             atomic.Pointer[context.CancelFunc] // nil: none is under way
}

// Follows implements stream.Owner.
func (v *visit) Follows(sub *stream.Subscriber, user string, rank int) {
	if v.watched {
		v.server.presence.follows(v.connector, sub.Visitor(), user)
	}
	if c := v.server.cluster; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.serveLocked(v.connector, &v.served, sub, user, rank, true)
	}
}

// Ended implements stream.Owner.
func (v *visit) Ended(stream.Reason) {
	v.server.giveBack(v)
	if v.watched && v.sub != nil {
		v.server.presence.closed(v.connector, v.sub)
	}
	if c := v.server.cluster; c != nil {
		c.leave(v.connector, &v.served)
	}
	if cancel := v.lookup.Load(); cancel != nil {
		(*cancel)()
	}
}

// takePlaces takes the places of a stream, all or none.
func (s *Server) takePlaces(v *visit) error {
	all := s.placesOf(v)
	for i, p := range all {
		if p.of.take(p.key) {
			continue
		}
		for _, taken := range all[:i] {
			taken.of.giveBack(taken.key)
		}
		return s.over(p.limit, "unavailable", "Too many streams of this "+p.whose+".").shed()
	}
	return nil
}

func (s *Server) giveBack(v *visit) {
	for _, p := range s.placesOf(v) {
		p.of.giveBack(p.key)
	}
}

// place is one of those that a stream takes.
type place struct {
	of         *places
	key, whose string
	limit      limit
}

func (s *Server) placesOf(v *visit) [3]place {
	return [3]place{
		{s.addressStreams, v.address, "address", limitStreamsPerAddress},
		{s.visitorPlaces, v.visitor, "visitor", limitStreamsPerVisitor},
		{s.connectorStreams, v.connector, "connector", limitStreamsPerConn},
	}
}
