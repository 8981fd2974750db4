package storetest

import (
	"sync"
	"time"

	"hullbeam/store"
)

const (
	onceHold = time.Minute
	onceKeep = time.Hour
)

// begin begins key of connector c and compares what came of it.
func (s *suite) begin(connectorID, key string, digest byte, want store.TurnState) store.Turn {
	s.Helper()
	turn, err := s.Begin(s.Context(), connectorID, key, store.Digest{digest}, onceHold)
	if err != nil {
		s.Fatal(err)
	}
	if turn.State != want {
		s.Errorf("Begin of %q with digest %d: state %d, want %d", key, digest, turn.State, want)
	}
	return turn
}

func (s *suite) done(turn store.Turn) {
	s.Helper()
	if err := s.Done(s.Context(), turn, onceKeep); err != nil {
		s.Fatal(err)
	}
}

// onceDone: what was done is not done again, and something else not under its key.
func (s *suite) onceDone() {
	turn := s.begin("c", "n", 1, store.Yours)
	s.begin("c", "n", 1, store.Running)
	s.begin("c", "n", 2, store.Running)
	s.begin("d", "n", 1, store.Yours) // another connector's
	s.begin("c", "m", 1, store.Yours)
	s.done(turn)
	s.begin("c", "n", 1, store.Same)
	s.begin("c", "n", 2, store.Other)
	s.again()
	s.begin("c", "n", 1, store.Same)
	s.begin("c", "n", 2, store.Other)
}

// onceUndone: what was not done may be tried again, with another digest too.
func (s *suite) onceUndone() {
	turn := s.begin("c", "n", 1, store.Yours)
	if err := s.Undone(s.Context(), turn); err != nil {
		s.Fatal(err)
	}
	s.done(s.begin("c", "n", 2, store.Yours))
	if err := s.Undone(s.Context(), turn); err != nil { // too late: it is another's turn
		s.Fatal(err)
	}
	s.begin("c", "n", 2, store.Same)
}

// onceRace: of many who begin at once one has the turn.
func (s *suite) onceRace() {
	states := make([]store.TurnState, 20)
	var all sync.WaitGroup
	for i := range states {
		all.Go(func() {
			turn, err := s.Begin(s.Context(), "c", "n", store.Digest{1}, onceHold)
			if err != nil {
				s.Error(err)
			}
			states[i] = turn.State
		})
	}
	all.Wait()
	counts := map[store.TurnState]int{}
	for _, state := range states {
		counts[state]++
	}
	s.diff("turns", counts, map[store.TurnState]int{store.Yours: 1, store.Running: len(states) - 1})
}
