package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// EraseVisitors implements [Visitors]. What leads to a person goes last, so that to do it
// again finds what an error has left.
func (s *Redis) EraseVisitors(ctx context.Context, connectorID string, of []Person) error {
	doing := fmt.Sprintf("erasing %d persons", len(of))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what has begun is not interrupted
	for _, person := range of {
		if err := s.erase(ctx, doing, connectorID, person); err != nil {
			return err
		}
	}
	return nil
}

func (s *Redis) erase(ctx context.Context, doing, connectorID string, of Person) error {
	of, err := s.person(ctx, doing, connectorID, of)
	if err != nil {
		return err
	}
	var names, visitors []string // names are those in offers
	if of.Visitor != "" {
		visitors = append(visitors, of.Visitor)
	}
	if of.UserID != "" {
		const all = 1 << 30
		listed, err := s.visitorsOf(ctx, doing, connectorID, of.UserID, all)
		if err != nil {
			return err
		}
		names = append(names, of.UserID)
		visitors = append(visitors, slices.DeleteFunc(listed, func(id string) bool { return id == of.Visitor })...)
	}
	calls := make([]*call, len(visitors))
	for i, id := range visitors {
		calls[i] = s.visitorCall("erase", connectorID, id, of.UserID, s.now(), of.UserID, erasedLife.Milliseconds())
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return err
	}
	var erased []string // and not only what they looked at as the user: they are somebody else now
	for i, id := range visitors {
		done, err := calls[i].visited()
		if err != nil {
			return s.failed(ctx, doing, err)
		}
		if done.status == visitedDone {
			erased = append(erased, id)
		}
	}
	if err := s.eraseOffers(ctx, doing, connectorID, append(names, erased...)); err != nil {
		return err
	}
	if err := s.unlist(ctx, doing, connectorID, of.UserID, visitors, erased); err != nil {
		return err
	}
	return s.replicated(ctx, doing, keysOfCalls(calls))
}

// unlist takes visitors from the list of their user, and those that were erased from the
// list of the recent ones.
func (s *Redis) unlist(ctx context.Context, doing, connectorID, userID string, visitors, erased []string) error {
	return s.batch(ctx, doing, func(p redis.Pipeliner) {
		for _, id := range visitors {
			p.ZRem(ctx, s.cfg.personKey(connectorID, userID), id)
		}
		for _, id := range erased {
			p.ZRem(ctx, s.cfg.recentOf(connectorID, id), id)
		}
	})
}

// eraseOffers forgets the offers about somebody, and what became of others to them.
func (s *Redis) eraseOffers(ctx context.Context, doing, connectorID string, names []string) error {
	listed, err := s.listedOffers(ctx, doing, s.cfg.offersKey(connectorID), 0)
	if err != nil {
		return err
	}
	forget := []any{"forget"}
	var gone []string
	for _, name := range names {
		forget = append(forget, name)
		gone = append(gone, s.cfg.givenKey(connectorID, name))
	}
	for chunk := range slices.Chunk(listed, readAtOnce) {
		offers, err := s.readOffers(ctx, doing, connectorID, chunk)
		if err != nil {
			return err
		}
		var calls []*call
		for _, o := range offers {
			calls = append(calls, s.offerCall(connectorID, o.ID, forget...))
			if slices.ContainsFunc(o.About, func(about string) bool { return slices.Contains(names, about) }) {
				gone = append(gone, s.cfg.offerKey(connectorID, o.ID))
			}
		}
		if err := s.run(ctx, doing, calls); err != nil {
			return err
		}
	}
	return s.unlink(ctx, doing, gone)
}

// unlink deletes keys, wherever they are.
func (s *Redis) unlink(ctx context.Context, doing string, keys []string) error {
	return s.batch(ctx, doing, func(p redis.Pipeliner) {
		for _, key := range keys {
			p.Unlink(ctx, key)
		}
	})
}

// Sweep implements [Visitors]: Redis forgets by itself.
func (s *Redis) Sweep(ctx context.Context) (forgotten int, more bool, err error) {
	leave, err := s.enter(ctx, "sweeping")
	if err != nil {
		return 0, false, err
	}
	leave()
	return 0, false, nil
}
