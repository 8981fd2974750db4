package store

import (
	"maps"
	"slices"
)

// A transaction that drains takes so many users: a millisecond or two, for
// which a Put that needs the database may have to wait.
const drainUsers = 100

// makeRoom makes sure that a frame of n bytes fits into the journal. When the
// journal is full the other takes its place, as soon as the database has all
// that is in that: writers are held to the speed of the database, and get its
// errors. The caller has the turn, and no transaction.
func (s *SQLite) makeRoom(n int) error {
	j := s.journals
	if j.begun && j.files[j.at].end+int64(n) <= j.bytes {
		return nil
	}
	if err := s.drained(); err != nil {
		return err
	}
	if err := j.next(); err != nil {
		return err
	}
	s.startDraining()
	return nil
}

// startDraining begins to write the frozen states to the database. The caller
// has the turn.
func (s *SQLite) startDraining() {
	states := s.journals.onTheirWay()
	if states == nil {
		return
	}
	done := make(chan error, 1)
	s.journals.draining = done
	s.background.Go(func() { done <- s.drain(states) })
}

// drained waits until no states are frozen, after one more attempt if the one
// that was under way has failed. The caller has the turn.
func (s *SQLite) drained() error {
	s.awaitDraining()
	if s.journals.onTheirWay() == nil {
		return nil
	}
	s.startDraining()
	return s.awaitDraining()
}

func (s *SQLite) awaitDraining() error {
	if s.journals.draining == nil {
		return nil
	}
	err := <-s.journals.draining
	s.journals.draining = nil
	return err
}

// drainAll writes all that the journals hold to the database. The caller has the
// turn.
func (s *SQLite) drainAll() error {
	if err := s.drained(); err != nil {
		return err
	}
	s.journals.freeze()
	return s.drained()
}

// drain writes states to the database, in the order of their rows, so that
// those that share a page are written with it, and forgets them.
func (s *SQLite) drain(states map[int64]pending) error {
	keys := slices.Sorted(maps.Keys(states))
	for len(keys) > 0 {
		chunk := keys[:min(drainUsers, len(keys))]
		keys = keys[len(chunk):]
		// The last transaction syncs the log with what the others have left.
		if err := s.drainSome(states, chunk, len(keys) == 0); err != nil {
			return err
		}
	}
	s.journals.drop()
	return nil
}

func (s *SQLite) drainSome(states map[int64]pending, keys []int64, sync bool) error {
	s.db <- struct{}{}
	defer func() { <-s.db }()
	if !sync {
		if err := s.setSync("NORMAL"); err != nil {
			return err
		}
	}
	err := s.transaction(func(w *conn) error {
		var state []byte
		for _, key := range keys {
			p := states[key]
			var err error
			if state, err = s.journals.read(p, state); err != nil {
				return err
			}
			_, err = w.exec("UPDATE users SET version = ?, state_at = ?, state = ? WHERE key = ? AND version < ?",
				p.version, p.stateAt, state, key, p.version)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && !sync {
		err = s.setSync("FULL")
	}
	return err
}
