package api

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hullbeam/store"
	"hullbeam/stream"
)

// deliveries are offers that streams have taken, and of which that is not stored yet. The
// zero deliveries has none.
type deliveries struct {
	mu   sync.Mutex
	list []delivery
}

type delivery struct {
	connector, offer, visitor string
	at                        time.Time
}

// mark is what is stored of it.
func (d delivery) mark(persons []string) store.OfferMark {
	return store.OfferMark{Offer: d.offer, Persons: persons, Step: store.OfferDelivered, At: d.at}
}

// maxDeliveries bounds those that wait while the store is away.
const maxDeliveries = 100_000

func (d *deliveries) add(one delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) < maxDeliveries {
		d.list = append(d.list, one)
	}
}

func (d *deliveries) take() []delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.list
	d.list = nil
	return list
}

// tookOffer notes that a stream takes an offer to write it. It is called with the
// stream's lock held.
func (s *Server) tookOffer(connectorID, offerID string, sub *stream.Subscriber) {
	s.metrics.offers.WithLabelValues("delivered").Inc()
	s.deliveries.add(delivery{connectorID, offerID, sub.Visitor(), s.now()})
}

// storeDeliveries stores which offers were taken, and tells operators.
func (s *Server) storeDeliveries(ctx context.Context) (err error) {
	marks, visitors := map[string][]store.OfferMark{}, map[string][]string{}
	list := s.deliveries.take()
	for _, d := range list {
		marks[d.connector] = append(marks[d.connector], d.mark(s.presence.keys(d.connector, d.visitor)))
		visitors[d.connector] = append(visitors[d.connector], d.visitor)
	}
	for connectorID, due := range marks {
		if err == nil {
			_, err = s.markOffers(ctx, connectorID, due, visitors[connectorID])
		}
		if err != nil {
			for _, d := range list {
				if d.connector == connectorID {
					s.deliveries.add(d)
				}
			}
			continue
		}
		s.noteDelivered(ctx, connectorID, due)
	}
	return err
}

// markOffers stores what became of offers to visitors. Those that it does not find it looks
// for under whom the store knows the visitors as: this node may know them as somebody
// else, or as nobody.
func (s *Server) markOffers(ctx context.Context, connectorID string, marks []store.OfferMark, visitors []string) (ok []bool, err error) {
	if ok, err = s.store.MarkOffers(ctx, connectorID, marks); err != nil {
		return nil, fmt.Errorf("marking %d offers: %w", len(marks), err)
	}
	var missed []int
	var unknown []string
	for i := range marks {
		if !ok[i] {
			missed, unknown = append(missed, i), append(unknown, visitors[i])
		}
	}
	users, err := s.usersOf(ctx, connectorID, unknown)
	if err != nil {
		return nil, err
	}
	var again []store.OfferMark
	missed = slices.DeleteFunc(missed, func(i int) bool {
		user := users[visitors[i]]
		if user == "" {
			return true
		}
		m := marks[i]
		m.Persons = []string{user}
		again = append(again, m)
		return false
	})
	if len(again) == 0 {
		return ok, nil
	}
	found, err := s.store.MarkOffers(ctx, connectorID, again)
	if err != nil {
		return nil, fmt.Errorf("marking %d offers: %w", len(again), err)
	}
	for n, i := range missed {
		ok[i] = found[n]
	}
	return ok, nil
}

// noteDelivered tells operators how many were delivered of offers.
func (s *Server) noteDelivered(ctx context.Context, connectorID string, marks []store.OfferMark) {
	told := map[string]bool{}
	for _, m := range marks {
		if told[m.Offer] || !s.isWatched(connectorID) {
			continue
		}
		told[m.Offer] = true
		if o, err := s.store.Offer(ctx, connectorID, m.Offer); err == nil {
			s.note(ctx, connectorID, "offer.delivered", o.ID, struct {
				ID        string `json:"id"`
				Delivered int    `json:"delivered"`
			}{o.ID, o.Counts.Delivered})
		}
	}
}

// receiptEvent tells operators what became of an offer.
type receiptEvent struct {
	ID        string `json:"id"`
	Visitor   string `json:"visitor"`
	Event     string `json:"event"`
	Seen      int    `json:"seen"`
	Clicked   int    `json:"clicked"`
	Dismissed int    `json:"dismissed"`
}

// noteReceipt tells operators of a receipt.
func (s *Server) noteReceipt(ctx context.Context, connectorID, offerID, visitor, event string) {
	if !s.isWatched(connectorID) {
		return
	}
	if o, err := s.store.Offer(ctx, connectorID, offerID); err == nil {
		s.note(ctx, connectorID, "offer.receipt", o.ID, receiptEvent{o.ID, visitor, event, o.Counts.Seen, o.Counts.Clicked, o.Counts.Dismissed})
	}
}

// markReceipt stores what became of an offer to a visitor. The problem not_found: it was
// not for the visitor.
func (s *Server) markReceipt(ctx context.Context, g stream.Grant, offerID string, step store.OfferStep) error {
	mark := store.OfferMark{Offer: offerID, Persons: s.presence.keys(g.Connector, g.Visitor), Step: step, At: s.now()}
	ok, err := s.markOffers(ctx, g.Connector, []store.OfferMark{mark}, []string{g.Visitor})
	if err != nil {
		return fmt.Errorf("storing a receipt: %w", err)
	}
	if !ok[0] {
		return newProblem("not_found", "This visitor was sent no such offer.")
	}
	return nil
}
