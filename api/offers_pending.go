package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hullbeam/store"
	"hullbeam/stream"
)

// pendingOffer is an offer that has not expired, ready to be sent.
type pendingOffer struct {
	id          string
	to          offerTo
	page        glob // of to.Page
	at, expires time.Time
	event       *stream.Event
	sending     atomic.Bool   // to those who are there: who comes meanwhile waits for that
	waited      atomic.Bool   // somebody did
	sentTo      atomic.Uint64 // when it came it was sent to the streams up to this arrival; 0: to none
}

const offerTag = "offer" // of its event's id

// offerData is the data of an offer event.
type offerData struct {
	ID        string          `json:"id"`
	Data      json.RawMessage `json:"data"`
	SentAt    moment          `json:"sent_at"`
	ExpiresAt moment          `json:"expires_at"`
	Tabs      []string        `json:"tabs"` // none: each of the visitor's tabs may show it
}

// newPendingOffer makes what is sent of o. taken is told of each stream that takes it.
func newPendingOffer(o store.Offer, path stream.Path, taken func(*stream.Subscriber)) (*pendingOffer, error) {
	p := &pendingOffer{id: o.ID, at: o.SentAt, expires: o.Expires}
	err := json.Unmarshal(o.To, &p.to)
	if err == nil && p.to.Page != "" {
		p.page, err = parseGlob(p.to.Page)
	}
	if err != nil {
		return nil, fmt.Errorf("whom the offer %s is for: %w", o.ID, err)
	}
	data, err := encode(offerData{o.ID, o.Data, moment{o.SentAt}, moment{o.Expires}, []string{}})
	if err != nil {
		return nil, fmt.Errorf("the offer %s: %w", o.ID, err)
	}
	p.event, err = stream.NewEvent(stream.Fields{
		Type: "offer", Data: data, ID: stream.ID{Version: uint64(o.SentAt.UnixMicro()), Tag: offerTag}, Accepted: o.SentAt, Path: path, Taken: taken,
	})
	return p, err
}

// pendingOffers are those of connectors: as they were read, once, and as others have come
// since.
type pendingOffers struct {
	store   store.Store
	now     func() time.Time
	path    stream.Path // on which offers come
	taken   func(connectorID, offerID string, sub *stream.Subscriber)
	reading sync.Mutex // held while some are read, and taken before mu

	mu    sync.Mutex
	lists map[string]*pendingList // by connector
}

// pendingList is a connector's, in the order in which they were sent.
type pendingList struct {
	offers []*pendingOffer
	read   bool // else it has only what has come meanwhile
}

// of are a connector's offers that have not expired. The list is the caller's.
func (p *pendingOffers) of(ctx context.Context, connectorID string) ([]*pendingOffer, error) {
	if list, known := p.known(connectorID); known {
		return list, nil
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	if list, known := p.known(connectorID); known {
		return list, nil
	}
	p.mu.Lock()
	p.listLocked(connectorID)
	p.mu.Unlock()
	offers, err := p.store.PendingOffers(ctx, connectorID, p.now())
	if err != nil {
		return nil, fmt.Errorf("reading the offers of connector %s: %w", connectorID, err)
	}
	p.mu.Lock()
	list := p.listLocked(connectorID)
	for _, o := range offers {
		p.enterLocked(list, o)
	}
	list.read = true
	p.mu.Unlock()
	result, _ := p.known(connectorID)
	return result, nil
}

// known are a connector's offers, without those that have expired; false: they were not
// read.
func (p *pendingOffers) known(connectorID string) ([]*pendingOffer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.lists[connectorID]
	if list == nil || !list.read {
		return nil, false
	}
	now := p.now()
	list.offers = slices.DeleteFunc(list.offers, func(o *pendingOffer) bool { return !now.Before(o.expires) })
	return slices.Clone(list.offers), true
}

// add enters an offer, and returns it. sending: it is about to be sent to all who are there.
func (p *pendingOffers) add(o store.Offer, sending bool) (*pendingOffer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	made, err := p.enterLocked(p.listLocked(o.ConnectorID), o)
	if err == nil && sending {
		made.sending.Store(true)
	}
	return made, err
}

// drop has a connector's offers read again: some may have been missed, or erased.
func (p *pendingOffers) drop(connectorID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lists, connectorID)
}

func (p *pendingOffers) listLocked(connectorID string) *pendingList {
	list := p.lists[connectorID]
	if list == nil {
		list = &pendingList{}
		p.lists[connectorID] = list
	}
	return list
}

func (p *pendingOffers) enterLocked(list *pendingList, o store.Offer) (*pendingOffer, error) {
	if i := slices.IndexFunc(list.offers, func(other *pendingOffer) bool { return other.id == o.ID }); i >= 0 {
		return list.offers[i], nil
	}
	made, err := newPendingOffer(o, p.path, func(sub *stream.Subscriber) { p.taken(o.ConnectorID, o.ID, sub) })
	if err != nil {
		return nil, err
	}
	list.offers = append(list.offers, made)
	slices.SortStableFunc(list.offers, func(a, b *pendingOffer) int { return a.at.Compare(b.at) })
	return made, nil
}
