package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"hullbeam/store"
)

// countWait is how long an operator waits for nodes to say how many persons were sent an offer. One that is late is not counted; the offer has reached it.
const countWait = 500 * time.Millisecond

// takenOffer is what this node has to say of an offer.
type takenOffer struct {
	connector, call string
	live            int
}

// offerCount adds up what the nodes say.
type offerCount struct {
	live, nodes int
	more        chan struct{} // holds one wake-up
}

// offer sends an offer to the streams of all nodes, and returns how many persons it was
// sent to.
func (c *cluster) offer(ctx context.Context, connectorID string, o store.Offer) (live int, err error) {
	count, call := &offerCount{more: make(chan struct{}, 1)}, rand.Text() // the same offer may be sent twice at once
	c.mu.Lock()
	c.counts[call] = count
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.counts, call)
		c.mu.Unlock()
	}()
	nodes, err := c.tell(ctx, connectorID, told{Op: opOffer, Offer: &o, Call: call, Trace: carrier(ctx)})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	wait := time.NewTimer(c.patience)
	defer wait.Stop()
	for {
		c.mu.Lock()
		live = count.live
		said := count.nodes
		c.mu.Unlock()
		if said >= nodes {
			return live, nil
		}
		select {
		case <-count.more:
		case <-wait.C:
			return live, nil
		case <-ctx.Done():
			return live, ctx.Err()
		}
	}
}

// takeOffer hears of another node's offer, or of this one's.
func (c *cluster) takeOffer(connectorID, call, trace string, o store.Offer) {
	c.mu.Lock()
	c.offers = append(c.offers, dueOffer{connectorID, call, trace, o})
	c.mu.Unlock()
	c.server.presence.wakeUp()
}

// sendOffers sends the offers that were heard of to this node's streams.
func (c *cluster) sendOffers(ctx context.Context) {
	c.mu.Lock()
	due := c.offers
	c.offers = nil
	c.mu.Unlock()
	for _, d := range due {
		conn := c.server.connectors.known(d.connector)
		if conn == nil {
			continue // it has no streams here
		}
		_, span := c.server.received(d.trace, "receive offer")
		live, err := c.server.sendStored(trace.ContextWithSpan(ctx, span), conn, d.offer)
		endStep(span, err)
		if err != nil {
			c.server.failed(ctx, err, "doing", "sending an offer of another node", "connector", d.connector)
		}
		c.mu.Lock()
		c.taken = append(c.taken, takenOffer{d.connector, d.call, live})
		c.mu.Unlock()
		c.wakeUp()
	}
}

// sayTaken answers those who have sent offers.
func (c *cluster) sayTaken(ctx context.Context) {
	c.mu.Lock()
	taken := c.taken
	c.taken = nil
	c.mu.Unlock()
	for _, t := range taken {
		if _, err := c.tell(ctx, t.connector, told{Op: opTaken, Call: t.call, Live: t.live}); err != nil {
			return // who asked does not wait for long
		}
	}
}

// count notes what a node says of an offer of this one.
func (c *cluster) count(call string, live int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if count := c.counts[call]; count != nil {
		count.nodes++
		count.live += live
		select {
		case count.more <- struct{}{}:
		default:
		}
	}
}

// dueOffer is an offer of any node that is to be sent to this node's streams.
type dueOffer struct {
	connector, call string
	trace           string // its carrier; empty: it is not traced
	offer           store.Offer
}
