package hull

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Pace fits Hull's flow control to how fast notifications are really taken. Its zero
// value is that of a node that has all the time in the world. It may be used by many
// goroutines.
type Pace struct {
	perMessage atomic.Int64 // ns, smoothed
}

const (
	fullBatch  = 100                    // messages: what hull-browser asks for
	leastBatch = 10                     // below that a batch costs more than its messages
	fullPause  = 100 * time.Millisecond // what hull-browser leaves between two
	longPause  = 10 * time.Second

	// comfort is how long a full batch may take for all to stay as it is: by then
	// pages are told nearly as fast as Hull knows.
	comfort = time.Second
	// smoothing is what part of a new observation counts, as one in so many.
	smoothing = 8
)

// Took notes that so many messages took that long, from their arrival to the answer.
func (p *Pace) Took(messages int, took time.Duration) {
	if messages == 0 {
		return
	}
	now := int64(took) / int64(messages)
	if messages < leastBatch {
		now = int64(took) / leastBatch // what a notification costs in itself is not a message's
	}
	for {
		before := p.perMessage.Load()
		if p.perMessage.CompareAndSwap(before, before+(now-before)/smoothing) {
			return
		}
	}
}

// batch is how many messages may come next, and after what pause: as many as are
// taken in comfort, and when a full batch takes longer, after as long as it takes.
func (p *Pace) batch() (size int, pause time.Duration) {
	full := time.Duration(p.perMessage.Load() * fullBatch)
	if full <= comfort {
		return fullBatch, fullPause
	}
	return max(leastBatch, int(fullBatch*comfort/full)), min(full, longPause)
}

// Next is the answer, with status 200, to a notification that was taken, or that
// there is no need to take. The numbers are hull-browser's, as long as a node keeps up.
func (p *Pace) Next(channel string) Answer {
	answer := Answer{FlowControl: FlowControl{Type: "next"}, Metrics: []struct{}{}, Errors: []AnswerReason{}}
	flow := &answer.FlowControl
	switch ClassifyChannel(channel) {
	case ClassUser:
		size, pause := p.batch()
		flow.Size, flow.In = size, int(pause.Milliseconds())
	case ClassConnector, ClassSegment:
		flow.Size, flow.In = 50, 1
	default:
		flow.Size, flow.In = 10, 1
	}
	return answer
}

// Retry is the status and the answer to a notification that was not taken because of
// err. An err that is no NotificationError is ErrUnavailable to Hull, which learns
// nothing about it.
func (p *Pace) Retry(err error) (status int, answer Answer) {
	status, answer = retry(err)
	if _, pause := p.batch(); status == http.StatusServiceUnavailable {
		answer.FlowControl.In = max(answer.FlowControl.In, int(pause.Milliseconds()))
	}
	return status, answer
}
