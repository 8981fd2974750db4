package store

import (
	"context"
	"encoding/binary"
	"fmt"
)

// What offer.lua answers to look: the offer may be sent if the person has not got enough.
const claimUnlessCapped = 2

// ClaimOffers implements [Offers]. A claim that counts takes three round trips: whether
// there was one before, whether the person has got enough, and the claim itself, which
// decides; what it counts for the person twice has the same name, and is one.
func (s *Redis) ClaimOffers(ctx context.Context, connectorID string, claims []Claim) (ok []bool, err error) {
	doing := fmt.Sprintf("claiming %d offers", len(claims))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what has begun is not interrupted
	calls := make([]*call, len(claims))
	for i, c := range claims {
		op := "claim"
		if c.Cap > 0 {
			op = "look"
		}
		calls[i] = s.claimCall(connectorID, op, c)
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return nil, err
	}
	if err := s.claimCounted(ctx, doing, connectorID, claims, calls); err != nil {
		return nil, err
	}
	if ok, err = answers(calls); err != nil {
		return nil, s.failed(ctx, doing, err)
	}
	return ok, s.replicated(ctx, doing, keysOfCalls(calls))
}

func (s *Redis) claimCall(connectorID, op string, c Claim) *call {
	return s.offerCall(connectorID, c.Offer, op, c.Person, c.Visitor, c.At.UnixMicro())
}

// claimCounted replaces those of calls that have found a claim that counts by the claim, or
// by noting that the person has got enough.
func (s *Redis) claimCounted(ctx context.Context, doing, connectorID string, claims []Claim, calls []*call) error {
	var counted []int
	var counts []*call
	for i, c := range claims {
		if n, err := calls[i].cmd.Int(); err == nil && n == claimUnlessCapped {
			counted = append(counted, i)
			counts = append(counts, &call{script: capScript, key: s.cfg.givenKey(connectorID, c.Person), args: []any{
				c.Offer, c.At.UnixMicro(), c.At.Add(-c.Window).UnixMicro(), c.Cap, max(c.Window.Milliseconds(), 1),
			}})
		}
	}
	if err := s.run(ctx, doing, counts); err != nil {
		return err
	}
	var decided []*call
	for n, i := range counted {
		op := "claim"
		if free, err := counts[n].cmd.Int(); err != nil {
			return s.failed(ctx, doing, err)
		} else if free == 0 {
			op = "cap"
		}
		calls[i] = s.claimCall(connectorID, op, claims[i])
		decided = append(decided, calls[i])
	}
	return s.run(ctx, doing, decided)
}

// answers are those of calls that answer 1 or 0.
func answers(calls []*call) ([]bool, error) {
	ok := make([]bool, len(calls))
	for i, c := range calls {
		if err := c.offerNewer(); err != nil {
			return nil, err
		}
		n, err := c.cmd.Int()
		if err != nil {
			return nil, err
		}
		ok[i] = n == 1
	}
	return ok, nil
}

// MarkOffers implements [Offers].
func (s *Redis) MarkOffers(ctx context.Context, connectorID string, marks []OfferMark) (ok []bool, err error) {
	doing := fmt.Sprintf("marking %d offers", len(marks))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what has begun is not interrupted
	calls := make([]*call, len(marks))
	for i, m := range marks {
		args := []any{"mark", int(m.Step), m.At.UnixMicro()}
		for _, person := range m.Persons {
			args = append(args, person)
		}
		calls[i] = s.offerCall(connectorID, m.Offer, args...)
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return nil, err
	}
	if ok, err = answers(calls); err != nil {
		return nil, s.failed(ctx, doing, err)
	}
	return ok, s.replicated(ctx, doing, keysOfCalls(calls))
}

// OfferStates implements [Offers].
func (s *Redis) OfferStates(ctx context.Context, connectorID string, persons, ids []string) (map[string]OfferState, error) {
	const doing = "reading what became of offers"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	args := []any{"states"}
	for _, person := range persons {
		args = append(args, person)
	}
	calls := make([]*call, len(ids))
	for i, id := range ids {
		calls[i] = s.offerCall(connectorID, id, args...)
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return nil, err
	}
	states := make(map[string]OfferState)
	for i, c := range calls {
		state, there, err := c.furthest()
		if err != nil {
			return nil, s.failed(ctx, doing, err)
		}
		if there {
			states[ids[i]] = state
		}
	}
	return states, nil
}

// furthest is the furthest of the states that offer.lua has answered.
func (c *call) furthest() (state OfferState, there bool, err error) {
	if err := c.offerNewer(); err != nil {
		return OfferState{}, false, err
	}
	answer, err := c.cmd.StringSlice()
	if err != nil {
		return OfferState{}, false, err
	}
	for _, data := range answer {
		if data == "" {
			continue
		}
		s, err := decodeOfferState(data)
		if err != nil {
			return OfferState{}, false, err
		}
		if !there || furthest(s) > furthest(state) {
			state, there = s, true
		}
	}
	return state, there, nil
}

func decodeOfferState(data string) (s OfferState, err error) {
	const size = 8
	if len(data) < size*len(s.At) {
		return OfferState{}, errDamaged
	}
	for i := range s.At {
		s.At[i] = timeOf(int64(binary.BigEndian.Uint64([]byte(data[size*i:]))))
	}
	s.Visitor = data[size*len(s.At):]
	return s, nil
}
