package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
)

// offerRequest is what an operator posts to send an offer.
type offerRequest struct {
	To        offerTo         `json:"to"`
	Data      json.RawMessage `json:"data"`
	ExpiresIn string          `json:"expires_in"`
	ID        string          `json:"id"`
}

const (
	maxOfferData     = 32 << 10
	maxOfferLife     = 30 * 24 * time.Hour
	defaultOfferLife = 24 * time.Hour
	maxOfferBody     = 2 * maxOfferData // its data may be indented
	// maxPending bounds the offers of a connector that have not expired: those are looked
	// at for each page that is opened.
	maxPending = 1000
)

// postOffer keeps an offer, and sends it to those whom it is for and who are there.
func (s *Server) postOffer(c *gin.Context) {
	id, live, err := s.offer(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusAccepted, gin.H{"id": id, "live": live})
}

func (s *Server) offer(c *gin.Context) (id string, live int, err error) {
	note(c, "offer.send", "")
	if wait, ok := s.offerRates.allow(operatorOf(c).label, s.now()); !ok {
		return "", 0, s.over(limitOffersPerOperator, "rate_limited", "Too many offers of this operator within a minute.").after(wait)
	}
	ctx := c.Request.Context()
	conn, err := s.connectors.get(ctx, c.Param("connector"))
	if err != nil {
		return "", 0, err
	}
	body, err := readText(c, maxOfferBody)
	if err != nil {
		return "", 0, err
	}
	req := &offerRequest{}
	if err := decode(body, "invalid_request", req); err != nil {
		return "", 0, err
	}
	offer, err := req.offer(s.now())
	if err != nil {
		return "", 0, err
	}
	offer.ConnectorID, offer.Sender = conn.id, operatorOf(c).label
	note(c, "offer.send", offer.ID+" to "+s.auditOf(req.To))
	return s.send(ctx, conn, offer)
}

// send keeps an offer and sends it, unless it was before.
func (s *Server) send(ctx context.Context, conn *connector, offer store.Offer) (id string, live int, err error) {
	pending, err := s.pending.of(ctx, conn.id)
	if err != nil {
		return "", 0, err
	}
	if len(pending) >= maxPending && !slices.ContainsFunc(pending, func(o *pendingOffer) bool { return o.id == offer.ID }) {
		return "", 0, s.over(limitOffers, "rate_limited", fmt.Sprintf("%d offers of this connector have not expired.", len(pending))).after(time.Minute)
	}
	stored, created, err := s.store.PutOffer(ctx, offer)
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("keeping an offer: %w", err)
	case stored.Digest != offer.Digest:
		return "", 0, newProblem("conflict", "Another offer has this id.")
	case !created:
		return stored.ID, stored.Counts.Sent, s.sendAgain(ctx, stored)
	}
	if s.cluster != nil {
		live, err = s.cluster.offer(ctx, conn.id, stored)
	} else {
		live, err = s.sendStored(ctx, conn, stored)
	}
	s.note(ctx, conn.id, "offer.sent", stored.ID, offerSentEvent{stored.ID, stored.To, live})
	return stored.ID, live, err
}

// sendAgain sends an offer that was kept before to those who were not sent it then: the
// first time may have failed half-way.
func (s *Server) sendAgain(ctx context.Context, stored store.Offer) error {
	if s.cluster == nil {
		return s.resend(stored)
	}
	if _, err := s.cluster.tell(ctx, stored.ConnectorID, told{Op: opOffer, Offer: &stored, Whole: true}); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// resend is sendAgain on this node, with the next step.
func (s *Server) resend(stored store.Offer) error {
	_, err := s.pending.add(stored, false)
	if err == nil {
		s.presence.lookAgain(stored.ConnectorID)
	}
	return err
}

// sendStored sends an offer that is kept to those of this node whom it is for.
func (s *Server) sendStored(ctx context.Context, conn *connector, stored store.Offer) (live int, err error) {
	ctx, span := step(ctx, "send offer")
	defer func() {
		span.SetAttributes(attrConnector.String(conn.id), attrPersons.Int(live))
		endStep(span, err)
	}()
	o, err := s.pending.add(stored, true)
	if err != nil {
		return 0, err
	}
	return s.sendPending(ctx, conn, o)
}

// offerSentEvent tells operators that another one has sent an offer.
type offerSentEvent struct {
	ID   string          `json:"id"`
	To   json.RawMessage `json:"to"`
	Live int             `json:"live"`
}

// offer is what is kept of the request, with an id when it has none.
func (r *offerRequest) offer(now time.Time) (store.Offer, error) {
	to, err := r.To.canonical()
	if err != nil {
		return store.Offer{}, err
	}
	wrong := newProblem("invalid_request", "The offer cannot be sent as it is.")
	life := defaultOfferLife
	if r.ExpiresIn != "" {
		if life, err = time.ParseDuration(r.ExpiresIn); err != nil || life <= 0 || life > maxOfferLife {
			return store.Offer{}, wrong.at("/expires_in", fmt.Sprintf("is a time such as 10m, at most %v", maxOfferLife))
		}
	}
	if len(r.Data) == 0 || string(r.Data) == "null" {
		return store.Offer{}, wrong.at("/data", "is missing")
	}
	var data bytes.Buffer
	if err := json.Compact(&data, r.Data); err != nil || data.Len() > maxOfferData {
		return store.Offer{}, wrong.at("/data", fmt.Sprintf("is JSON of at most %d bytes", maxOfferData))
	}
	if r.ID == "" {
		r.ID = "o_" + rand.Text()
	} else if !saneID(r.ID) {
		return store.Offer{}, wrong.at("/id", "is at most 64 of A-Za-z0-9._-")
	}
	target, err := encode(to)
	if err != nil {
		return store.Offer{}, err
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%v", target, data.Bytes(), life))
	return store.Offer{
		ID: r.ID, To: target, Data: data.Bytes(), SentAt: now.UTC(), Expires: now.Add(life).UTC(),
		Digest: hex.EncodeToString(digest[:]), About: to.about(),
	}, nil
}

// encode is json.Marshal without escapes for HTML, which would make more of an
// offer's data than an event may have.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSpace(text.Bytes()), err
}

// offerItem is an offer as operators are told of one: how far it has come, in persons.
type offerItem struct {
	ID        string          `json:"id"`
	To        json.RawMessage `json:"to"`
	Data      json.RawMessage `json:"data"`
	SentAt    moment          `json:"sent_at"`
	ExpiresAt moment          `json:"expires_at"`
	Operator  string          `json:"operator,omitempty"`
	offerCounts
}

// offerCounts is a store.OfferCounts.
type offerCounts struct {
	Sent      int `json:"sent"`
	Delivered int `json:"delivered"`
	Seen      int `json:"seen"`
	Clicked   int `json:"clicked"`
	Dismissed int `json:"dismissed"`
	Capped    int `json:"capped"`
}

func newOfferItem(o store.Offer) offerItem {
	return offerItem{o.ID, o.To, o.Data, moment{o.SentAt}, moment{o.Expires}, o.Sender, offerCounts(o.Counts)}
}

// getOffers lists a connector's offers.
func (s *Server) getOffers(c *gin.Context) {
	s.list(c, func(ctx context.Context, conn *connector, cursor string, limit int) (any, string, error) {
		offers, next, err := s.store.Offers(ctx, conn.id, cursor, limit)
		items := make([]offerItem, len(offers))
		for i, o := range offers {
			items[i] = newOfferItem(o)
		}
		return items, next, err
	})
}

// getOffer answers one.
func (s *Server) getOffer(c *gin.Context) {
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		s.fail(c, err)
		return
	}
	o, err := s.store.Offer(c.Request.Context(), conn.id, c.Param("offer"))
	if err != nil {
		s.fail(c, orNotFound(err, "There is no such offer."))
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, newOfferItem(o))
}
