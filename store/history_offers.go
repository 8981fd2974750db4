package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"time"
)

// pendingOffers is how many offers are pending at most.
const pendingOffers = 1000

// PutOffer implements [Offers].
func (h *history) PutOffer(ctx context.Context, o Offer) (stored Offer, created bool, err error) {
	err = h.record(ctx, "writing an offer", 1, func(w *conn) error {
		connector, err := w.makeConnectorKey(o.ConnectorID)
		if err != nil {
			return err
		}
		if stored, err = w.offer(connector, o.ConnectorID, o.ID); !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := w.insertOffer(connector, o); err != nil {
			return err
		}
		created = true
		stored, err = w.offer(connector, o.ConnectorID, o.ID)
		return err
	})
	return stored, created, err
}

func (c *conn) insertOffer(connector int64, o Offer) error {
	key, err := c.insert(`INSERT INTO offers (connector, id, sent_at, expires, digest, sender, audience, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		connector, o.ID, o.SentAt.UnixMicro(), o.Expires.UnixMicro(), o.Digest, o.Sender, o.To, o.Data)
	if err != nil {
		return err
	}
	for _, about := range o.About {
		if _, err := c.exec("INSERT OR IGNORE INTO abouts (connector, about, offer) VALUES (?, ?, ?)", connector, about, key); err != nil {
			return err
		}
	}
	return nil
}

// The columns of an Offer, in the order in which readOffer reads them.
const (
	offerColumns = `key, id, sent_at, expires, digest, sender, sent, delivered, seen, clicked, dismissed, capped, audience, data`
	offerCount   = 14
)

// readOffer reads an offer without About.
func readOffer(connectorID string, row []driver.Value) Offer {
	o := Offer{
		ConnectorID: connectorID, ID: row[1].(string),
		SentAt: fromMicro(row[2]), Expires: fromMicro(row[3]),
		Digest: row[4].(string), Sender: row[5].(string),
		To: blob(row[12]), Data: blob(row[13]),
	}
	n := &o.Counts
	for i, count := range []*int{&n.Sent, &n.Delivered, &n.Seen, &n.Clicked, &n.Dismissed, &n.Capped} {
		*count = int(row[6+i].(int64))
	}
	return o
}

func (c *conn) abouts(offer int64) (abouts []string, err error) {
	err = c.each(1, func(row []driver.Value) error {
		abouts = append(abouts, row[0].(string))
		return nil
	}, "SELECT about FROM abouts WHERE offer = ? ORDER BY about", offer)
	return abouts, err
}

// offer returns one, or ErrNotFound.
func (c *conn) offer(connector int64, connectorID, id string) (Offer, error) {
	row, err := c.first(offerCount, "SELECT "+offerColumns+" FROM offers WHERE connector = ? AND id = ?", connector, id)
	if err != nil {
		return Offer{}, err
	}
	if row == nil {
		return Offer{}, ErrNotFound
	}
	o := readOffer(connectorID, row)
	o.About, err = c.abouts(row[0].(int64))
	return o, err
}

// Offer implements [Offers].
func (h *history) Offer(ctx context.Context, connectorID, id string) (Offer, error) {
	var o Offer
	err := h.file.read(ctx, "reading an offer", func(c *conn) error {
		return c.reading(func() error {
			connector, ok, err := c.connectorKey(connectorID)
			if err != nil {
				return err
			}
			if !ok {
				return ErrNotFound
			}
			o, err = c.offer(connector, connectorID, id)
			return err
		})
	})
	return o, err
}

var recentOffers = list{letter: 'o', keys: 2, n: offerCount + 2, query: "SELECT " + offerColumns + `, sent_at, key FROM offers
	WHERE connector = ? AND (sent_at, key) < (?, ?) ORDER BY sent_at DESC, key DESC LIMIT ?`}

// Offers implements [Offers].
func (h *history) Offers(ctx context.Context, connectorID, cursor string, limit int) (offers []Offer, next string, err error) {
	at, err := recentOffers.place(cursor)
	if err != nil {
		return nil, "", err
	}
	err = h.of(ctx, "reading offers", connectorID, func(c *conn, connector int64) error {
		var keys []int64
		next, err = recentOffers.read(c, at, limit, func(row []driver.Value) {
			offers, keys = append(offers, readOffer(connectorID, row)), append(keys, row[0].(int64))
		}, connector)
		if err != nil {
			return err
		}
		return c.setAbouts(offers, keys)
	})
	return offers, next, err
}

// setAbouts sets About of offers with these keys.
func (c *conn) setAbouts(offers []Offer, keys []int64) (err error) {
	for i, key := range keys {
		if offers[i].About, err = c.abouts(key); err != nil {
			return err
		}
	}
	return nil
}

// PendingOffers implements [Offers].
func (h *history) PendingOffers(ctx context.Context, connectorID string, now time.Time) (offers []Offer, err error) {
	err = h.of(ctx, "reading pending offers", connectorID, func(c *conn, connector int64) error {
		var keys []int64
		err := c.each(offerCount, func(row []driver.Value) error {
			offers, keys = append(offers, readOffer(connectorID, row)), append(keys, row[0].(int64))
			return nil
		}, "SELECT "+offerColumns+` FROM offers WHERE connector = ? AND expires > ?
			ORDER BY sent_at DESC, key DESC LIMIT ?`, connector, now.UnixMicro(), int64(pendingOffers))
		if err != nil {
			return err
		}
		return c.setAbouts(offers, keys)
	})
	slices.Reverse(offers)
	return offers, err
}
