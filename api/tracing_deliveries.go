package api

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"hullbeam/stream"
)

// deliveryPatience is how long a delivery waits for its slowest streams: those that have
// not been written to by then do not count.
const deliveryPatience = 5 * time.Second

// beginDelivery begins the span of what publishes a state and writes it to this node's
// streams: one, however many they are. nil: ctx is not traced.
func beginDelivery(ctx context.Context, connectorID string, topics []string) *tracedDelivery {
	_, span := step(ctx, "deliver")
	if !span.IsRecording() {
		return nil
	}
	id, _ := ctx.Value(requestIDContext{}).(string)
	span.SetAttributes(attrConnector.String(connectorID), attrRequestID.String(id), attrTopicKinds.StringSlice(kindsOf(topics)))
	d := &tracedDelivery{span: span}
	d.Delivery = stream.NewDelivery(d.end)
	return d
}

// tracedDelivery is the span of a publication, which ends when it is written.
type tracedDelivery struct {
	*stream.Delivery
	span trace.Span
}

// published says with which result a publication was given to how many streams that are to
// be written to.
func (d *tracedDelivery) published(result string, taken int) {
	if d != nil {
		d.span.SetAttributes(attrResult.String(result), attrTaken.Int(taken))
		d.Expect(taken, deliveryPatience)
	}
}

// counter is what the events of a publication are counted by; nil: by nothing.
func (d *tracedDelivery) counter() *stream.Delivery {
	if d == nil {
		return nil
	}
	return d.Delivery
}

func (d *tracedDelivery) end(written int, last time.Time) {
	d.span.SetAttributes(attrWritten.Int(written))
	if last.IsZero() {
		last = time.Now()
	}
	d.span.End(trace.WithTimestamp(last))
}

// kindsOf are the kinds of topics, each once, in the order in which they come.
func kindsOf(topics []string) (kinds []string) {
	for _, t := range topics {
		kind, _, _ := strings.Cut(t, ":")
		if len(kinds) == 0 || kinds[len(kinds)-1] != kind { // topics are sorted by their kinds
			kinds = append(kinds, kind)
		}
	}
	return kinds
}
