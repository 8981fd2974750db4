package bench

import (
	"context"
	"time"
)

// operator looks at the live view, and counts what it is told.
type operator struct {
	*soaking
	events eventSource
	closed string // what the last close event said
}

// operate is one operator of a node who looks at the live view for a while, at who is
// there and at where they were, leaves and comes again.
func (y *soaking) operate(ctx context.Context, node int) {
	o := &operator{soaking: y, events: eventSource{buffer: make([]byte, 16<<10)}}
	for ; ctx.Err() == nil; _ = sleep(ctx, time.Second) {
		for _, path := range []string{"/visitors?live=true&limit=50", "/visitors?limit=20", "/audit?limit=20"} {
			a, err := y.once(ctx, node, y.session.operatorRequest(node, path, ""))
			switch {
			case ctx.Err() != nil:
				return
			case err != nil || a.status != 200:
				y.refused("operators", a, err)
			}
		}
		o.look(ctx, node)
	}
}

func (o *operator) look(ctx context.Context, node int) {
	err := o.events.open(ctx, o.session.server, node, o.session.operatorRequest(node, "/live", "Accept: text/event-stream\r\n"), o)
	if a := o.events.refusal(); err != nil || a.status != 0 {
		if ctx.Err() == nil {
			o.refused("live view", a, err)
		}
		return
	}
	o.count("looks")
	o.closed = ""
	err = o.events.read(ctx, clock()+int64(about(30*time.Second)), o)
	o.events.close()
	switch {
	case ctx.Err() != nil || isTimeout(err):
	case o.closed != "":
		o.count("looks_closed_" + o.closed)
	default:
		o.refused("live view", answer{}, err)
	}
}

// event implements receiver.
func (o *operator) event(e event) {
	o.count("live_events")
	if string(e.kind) == "close" {
		o.closed = member(e.data, "message")
	}
}
