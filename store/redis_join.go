package store

import (
	"context"
	"fmt"
)

// Join implements [Visitors]. A user's list has the visitor before the visitor is the user:
// so a node that dies in between leaves a hint too many, and none that is missed.
func (s *Redis) Join(ctx context.Context, joins []Join) error {
	doing := fmt.Sprintf("joining %d visitors", len(joins))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what has begun is not interrupted
	persons, recent := make(sightings), make(sightings)
	for _, j := range joins {
		persons.add(s.cfg.personKey(j.ConnectorID, j.UserID), j.Visitor, s.now()) // it may have been seen after j.At
	}
	if err := s.sighted(ctx, doing, nil, persons); err != nil {
		return err
	}
	for len(joins) > 0 {
		wave := joins[:eachOnce(joins)]
		joins = joins[len(wave):]
		if err := s.joinWave(ctx, doing, wave, recent); err != nil {
			return err
		}
	}
	return s.sighted(ctx, doing, nil, recent)
}

// eachOnce returns how many of the joins have visitors of their own.
func eachOnce(joins []Join) int {
	type visitor struct{ connectorID, id string }
	seen := make(map[visitor]bool)
	for i, j := range joins {
		v := visitor{j.ConnectorID, j.Visitor}
		if seen[v] {
			return i
		}
		seen[v] = true
	}
	return len(joins)
}

// joinWave joins visitors, and again those that turn out to be somebody else: their keys
// are known then. It adds those that are there to recent.
func (s *Redis) joinWave(ctx context.Context, doing string, joins []Join, recent sightings) error {
	former := make([]string, len(joins))
	todo := make([]int, len(joins))
	for i := range todo {
		todo[i] = i
	}
	for len(todo) > 0 {
		calls := make([]*call, len(todo))
		for n, i := range todo {
			calls[n] = s.joinCall(joins[i], former[i])
		}
		if err := s.run(ctx, doing, calls); err != nil {
			return err
		}
		var again []int
		for n, i := range todo {
			done, err := calls[n].visited()
			switch {
			case err != nil:
				return s.failed(ctx, doing, err)
			case done.status == visitedFormer:
				former[i] = done.user
				again = append(again, i)
			case done.known:
				recent.add(s.cfg.recentOf(joins[i].ConnectorID, joins[i].Visitor), joins[i].Visitor, joins[i].At)
			}
		}
		todo = again
		if err := s.replicated(ctx, doing, keysOfCalls(calls)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Redis) joinCall(j Join, former string) *call {
	c := s.visitorCall("join", j.ConnectorID, j.Visitor, j.UserID, j.At, j.UserID, former)
	c.also = append(c.also, s.cfg.formerViewsKey(j.ConnectorID, j.Visitor, former))
	return c
}
