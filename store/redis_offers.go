package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// offerKey is of an offer and of what became of it.
func (c RedisConfig) offerKey(connectorID, id string) string { return c.key("f", connectorID, id) }

// offersKey is of a connector's offers by when they were sent, expiryKey by when they
// expire: one slot.
func (c RedisConfig) offersKey(connectorID string) string { return c.key("i", connectorID, "") }
func (c RedisConfig) expiryKey(connectorID string) string { return c.key("x", connectorID, "") }

// givenKey is of the offers that a person was given, as far as they count.
func (c RedisConfig) givenKey(connectorID, person string) string {
	return c.key("q", connectorID, person)
}

// listedHead is the length of what note.lua puts before what it lists.
const listedHead = 5

func (s *Redis) offerCall(connectorID, id string, args ...any) *call {
	return &call{script: offerScript, key: s.cfg.offerKey(connectorID, id), args: args}
}

// PutOffer implements [Offers]. The lists have an offer after it is there, and at the time
// that is stored: so to put it again makes good what an error has left.
func (s *Redis) PutOffer(ctx context.Context, o Offer) (stored Offer, created bool, err error) {
	const doing = "writing an offer"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return Offer{}, false, err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what has begun is not interrupted
	put := s.offerCall(o.ConnectorID, o.ID, "put", encodeOffer(o), s.lifeOf(o).Milliseconds())
	if err := s.run(ctx, doing, []*call{put}); err != nil {
		return Offer{}, false, err
	}
	stored, created, err = put.offer(o.ConnectorID, o.ID)
	if err != nil {
		return Offer{}, false, s.failed(ctx, doing, err)
	}
	list := &call{
		script: noteScript, key: s.cfg.offersKey(o.ConnectorID), also: []string{s.cfg.expiryKey(o.ConnectorID)},
		args: []any{
			stored.SentAt.UnixMicro(), o.ID, s.lifeOf(stored).Milliseconds(), s.oldest(s.cfg.History.Retention), stored.Expires.UnixMicro(),
		},
	}
	if err := s.run(ctx, doing, []*call{list}); err != nil {
		return Offer{}, false, err
	}
	return stored, created, s.replicated(ctx, doing, []string{put.key, list.key})
}

// lifeOf is how long an offer is kept yet.
func (s *Redis) lifeOf(o Offer) time.Duration {
	return max(o.Expires.Add(s.cfg.History.Retention).Sub(s.now()), time.Millisecond)
}

func encodeOffer(o Offer) []byte {
	texts := []string{
		string(o.To), string(o.Data), strconv.FormatInt(o.SentAt.UnixMicro(), 10), strconv.FormatInt(o.Expires.UnixMicro(), 10),
		o.Digest, o.Sender,
	}
	return append([]byte{recordFormat}, encodeTopics(append(texts, o.About...))...)
}

func decodeOffer(connectorID, id, data string) (Offer, error) {
	if err := checkFormat(data); err != nil {
		return Offer{}, err
	}
	texts, err := decodeTopics([]byte(data[1:]))
	const about = 6
	if err != nil || len(texts) < about {
		return Offer{}, errDamaged
	}
	sent, err := strconv.ParseInt(texts[2], 10, 64)
	expires, err2 := strconv.ParseInt(texts[3], 10, 64)
	if err != nil || err2 != nil {
		return Offer{}, errDamaged
	}
	return Offer{
		ConnectorID: connectorID, ID: id, To: []byte(texts[0]), Data: []byte(texts[1]),
		SentAt: timeOf(sent), Expires: timeOf(expires), Digest: texts[4], Sender: texts[5], About: texts[about:],
	}, nil
}

// offer reads what offer.lua has answered. [ErrNotFound]: there is none.
func (c *call) offer(connectorID, id string) (o Offer, made bool, err error) {
	if err := c.offerNewer(); err != nil {
		return Offer{}, false, err
	}
	answer, err := c.cmd.Slice()
	if err != nil {
		return Offer{}, false, err
	}
	data, _ := answer[1].(string)
	if data == "" {
		return Offer{}, false, ErrNotFound
	}
	if o, err = decodeOffer(connectorID, id, data); err != nil {
		return Offer{}, false, err
	}
	n := &o.Counts
	for i, count := range []*int{&n.Sent, &n.Delivered, &n.Seen, &n.Clicked, &n.Dismissed, &n.Capped} {
		value, _ := answer[2+i].(int64)
		*count = int(value)
	}
	return o, answer[0] == int64(1), nil
}

// offerNewer tells whether the offer is of a newer format.
func (c *call) offerNewer() error {
	if c.cmd.Val() == int64(-1) {
		return fmt.Errorf("an offer in Redis was %w", ErrNewer)
	}
	return nil
}

// Offer implements [Offers].
func (s *Redis) Offer(ctx context.Context, connectorID, id string) (Offer, error) {
	const doing = "reading an offer"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return Offer{}, err
	}
	defer leave()
	offers, err := s.readOffers(ctx, doing, connectorID, []string{id})
	if err != nil {
		return Offer{}, err
	}
	if len(offers) == 0 {
		return Offer{}, fmt.Errorf("%s: %w", doing, ErrNotFound)
	}
	return offers[0], nil
}

// readOffers returns those that are there yet, in their order.
func (s *Redis) readOffers(ctx context.Context, doing, connectorID string, ids []string) ([]Offer, error) {
	calls := make([]*call, len(ids))
	for i, id := range ids {
		calls[i] = s.offerCall(connectorID, id, "get")
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return nil, err
	}
	oldest := timeOf(s.oldest(s.cfg.History.Retention))
	var offers []Offer
	for i, c := range calls {
		o, _, err := c.offer(connectorID, ids[i])
		switch {
		case errors.Is(err, ErrNotFound) || err == nil && o.Expires.Before(oldest):
		case err != nil:
			return nil, s.failed(ctx, doing, err)
		default:
			offers = append(offers, o)
		}
	}
	return offers, nil
}

// Offers implements [store.Offers].
func (s *Redis) Offers(ctx context.Context, connectorID, cursor string, limit int) ([]Offer, string, error) {
	const doing = "reading offers"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	lines := []timeline{{key: s.cfg.offersKey(connectorID)}}
	entries, next, err := s.list(ctx, doing, "offers", cursor, lines, 0, listedHead, limit)
	if err != nil {
		return nil, "", err
	}
	offers, err := s.readOffers(ctx, doing, connectorID, listed(entries))
	return offers, next, err
}

// listed are what note.lua has listed.
func listed(entries []entry) []string {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.member[min(listedHead, len(e.member)):]
	}
	return list
}

// listedOffers returns the offers in one of the lists whose time there is not older, the
// latest first.
func (s *Redis) listedOffers(ctx context.Context, doing, key string, oldest int64) ([]string, error) {
	const all = 1 << 30
	entries, err := s.latest(ctx, doing, []timeline{{key: key}}, nil, oldest, all)
	return listed(entries), err
}

// pendingMost is how many offers are pending at most.
const pendingMost = 1000

// PendingOffers implements [Offers].
func (s *Redis) PendingOffers(ctx context.Context, connectorID string, now time.Time) ([]Offer, error) {
	const doing = "reading pending offers"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	pending, err := s.listedOffers(ctx, doing, s.cfg.expiryKey(connectorID), now.UnixMicro()+1)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	sent, err := s.listedOffers(ctx, doing, s.cfg.offersKey(connectorID), 0)
	if err != nil {
		return nil, err
	}
	is := make(map[string]bool)
	for _, id := range pending {
		is[id] = true
	}
	sent = slices.DeleteFunc(sent, func(id string) bool { return !is[id] })
	offers, err := s.readOffers(ctx, doing, connectorID, sent[:min(pendingMost, len(sent))])
	slices.Reverse(offers)
	return offers, err
}
