package bench

import (
	"net/netip"
)

// opening says how a stream is to be opened.
type opening struct {
	topic         int32
	anonymousID   string
	token         string // taken in place of one that is asked for
	lastEventID   string
	receiveBuffer int // bytes; 0: the system's
	watched       bool
}

type streamState uint8

const (
	connecting streamState = iota
	asking                 // for the token
	waiting                // for the head of the event stream
	open
	stalled // open, and not read
	ended
)

// stream is one page that listens, at its end of the connection.
type stream struct {
	response
	fd            int32
	slot          int32
	index         int32 // in the order of opening
	topic         int32 // whose marks it is to get
	state         streamState
	watched       bool // its last event id and token are kept
	receiveBuffer int
	last          uint32   // newest sequence number that arrived
	version       int64    // of the last id
	due           int64    // when it was to be opened
	seen          []uint64 // one bit for each sequence number that arrived
	request       []byte   // not sent yet
	watch         *watch
}

// watch is what is kept of a stream that will come back.
type watch struct {
	token, lastEventID string
	local              netip.AddrPort
	kinds              map[string]int
}

// tally is what a loop has counted since the last take.
type tally struct {
	latency, opened                             hist
	delivered, duplicated, backwards, conflated int64
	stale, misrouted                            int64
	lastArrival                                 int64
}

func (t *tally) merge(o *tally) {
	t.latency.merge(&o.latency)
	t.opened.merge(&o.opened)
	t.delivered += o.delivered
	t.duplicated += o.duplicated
	t.backwards += o.backwards
	t.conflated += o.conflated
	t.stale += o.stale
	t.misrouted += o.misrouted
	t.lastArrival = max(t.lastArrival, o.lastArrival)
}

// token tells whether the request that is to be sent opens the stream.
func (s *stream) token() bool { return len(s.request) > 0 && s.request[0] == 'G' }
