package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// The columns of deliveries and offers for each step.
var stepColumns = [OfferDismissed + 1]string{"sent", "delivered", "seen", "clicked", "dismissed"}

// ClaimOffers implements [Offers].
func (h *history) ClaimOffers(ctx context.Context, connectorID string, claims []Claim) ([]bool, error) {
	ok := make([]bool, len(claims))
	err := h.record(ctx, "claiming offers", len(claims), func(w *conn) error {
		connector, err := w.makeConnectorKey(connectorID)
		if err != nil {
			return err
		}
		for i, claim := range claims {
			if ok[i], err = w.claim(connector, claim); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok, nil
}

func (c *conn) offerKey(connector int64, id string) (int64, error) {
	row, err := c.first(1, "SELECT key FROM offers WHERE connector = ? AND id = ?", connector, id)
	if row == nil || err != nil {
		return 0, err
	}
	return row[0].(int64), nil
}

func (c *conn) claim(connector int64, claim Claim) (ok bool, err error) {
	offer, err := c.offerKey(connector, claim.Offer)
	if offer == 0 || err != nil {
		return false, err
	}
	before, err := c.first(3, "SELECT sent, capped, visitor FROM deliveries WHERE offer = ? AND person = ?", offer, claim.Person)
	if err != nil {
		return false, err
	}
	if before != nil && before[0] != nil {
		return before[2] == claim.Visitor, nil
	}
	full, err := c.full(connector, claim)
	if err != nil {
		return false, err
	}
	if full {
		return false, c.cap(connector, offer, claim, before != nil)
	}
	counts := int64(0)
	if claim.Cap > 0 {
		counts = 1
	}
	_, err = c.exec(`INSERT INTO deliveries (offer, person, connector, visitor, counts, capped, sent) VALUES (?, ?, ?, ?, ?, 0, ?)
		ON CONFLICT DO UPDATE SET visitor = excluded.visitor, counts = excluded.counts, sent = excluded.sent`,
		offer, claim.Person, connector, claim.Visitor, counts, claim.At.UnixMicro())
	if err != nil {
		return false, err
	}
	return true, c.countOffer(offer, "sent")
}

// full tells whether a person was given as many offers that count as may be.
func (c *conn) full(connector int64, claim Claim) (bool, error) {
	if claim.Cap <= 0 {
		return false, nil
	}
	row, err := c.first(1, "SELECT sum(counts) FROM deliveries WHERE connector = ? AND person = ? AND sent > ?",
		connector, claim.Person, claim.At.Add(-claim.Window).UnixMicro())
	if err != nil {
		return false, err
	}
	given, _ := row[0].(int64) // NULL: none
	return given >= int64(claim.Cap), nil
}

// cap notes that an offer was not for a person who has got enough, unless that is known.
func (c *conn) cap(connector, offer int64, claim Claim, known bool) error {
	if known {
		return nil
	}
	_, err := c.exec("INSERT INTO deliveries (offer, person, connector, visitor, counts, capped) VALUES (?, ?, ?, '', 0, 1)",
		offer, claim.Person, connector)
	if err != nil {
		return err
	}
	return c.countOffer(offer, "capped")
}

func (c *conn) countOffer(offer int64, column string) error {
	_, err := c.exec(fmt.Sprintf("UPDATE offers SET %[1]s = %[1]s + 1 WHERE key = ?", column), offer)
	return err
}

// OfferStates implements [Offers].
func (h *history) OfferStates(ctx context.Context, connectorID string, persons, ids []string) (map[string]OfferState, error) {
	states := make(map[string]OfferState)
	err := h.of(ctx, "reading what became of offers", connectorID, func(c *conn, connector int64) error {
		for _, id := range ids {
			offer, err := c.offerKey(connector, id)
			if err != nil {
				return err
			}
			for _, person := range persons {
				state, ok, err := c.offerState(offer, person)
				if err != nil {
					return err
				}
				if known, has := states[id]; ok && (!has || furthest(state) > furthest(known)) {
					states[id] = state
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

// furthest is the furthest step of a state, which has one.
func furthest(s OfferState) (step int) {
	for i, at := range s.At {
		if !at.IsZero() {
			step = i
		}
	}
	return step
}

// offerState returns what became of an offer to a person; ok: it was claimed.
func (c *conn) offerState(offer int64, person string) (state OfferState, ok bool, err error) {
	row, err := c.first(6, `SELECT visitor, sent, delivered, seen, clicked, dismissed FROM deliveries
		WHERE offer = ? AND person = ? AND sent IS NOT NULL`, offer, person)
	if row == nil || err != nil {
		return OfferState{}, false, err
	}
	state.Visitor = row[0].(string)
	for i := range state.At {
		state.At[i] = fromMicroOrNull(row[1+i])
	}
	return state, true, nil
}

// fromMicroOrNull is the zero time for NULL.
func fromMicroOrNull(v driver.Value) time.Time {
	if v == nil {
		return time.Time{}
	}
	return fromMicro(v)
}

// MarkOffers implements [Offers].
func (h *history) MarkOffers(ctx context.Context, connectorID string, marks []OfferMark) ([]bool, error) {
	ok := make([]bool, len(marks))
	err := h.record(ctx, "noting what became of offers", len(marks), func(w *conn) error {
		connector, err := w.makeConnectorKey(connectorID)
		if err != nil {
			return err
		}
		for i, m := range marks {
			if ok[i], err = w.markOffer(connector, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok, nil
}

func (c *conn) markOffer(connector int64, m OfferMark) (ok bool, err error) {
	offer, err := c.offerKey(connector, m.Offer)
	if offer == 0 || err != nil {
		return false, err
	}
	for _, person := range m.Persons {
		state, ok, err := c.offerState(offer, person)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		if !state.At[m.Step].IsZero() {
			return true, nil
		}
		column := stepColumns[m.Step]
		_, err = c.exec("UPDATE deliveries SET "+column+" = ? WHERE offer = ? AND person = ?", m.At.UnixMicro(), offer, person)
		if err != nil {
			return false, err
		}
		return true, c.countOffer(offer, column)
	}
	return false, nil
}
