package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"hullbeam/store"
)

// closeWhilePutting: a Put is either done and kept, or has failed.
func (s *suite) closeWhilePutting() {
	var wg sync.WaitGroup
	kept := make([]int, 32) // what each user was last told is stored
	var started sync.WaitGroup
	started.Add(len(kept))
	for i := range kept {
		wg.Go(func() {
			for n := 1; ; n++ {
				_, err := s.Put(s.Context(), "c", []store.User{user(fmt.Sprint(i), n)})
				if n == 1 {
					started.Done()
				}
				if err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						s.Errorf("Put while closing: %v", err)
					}
					return
				}
				kept[i] = n
			}
		})
	}
	started.Wait()
	closing := s.Store
	if err := closing.Close(); err != nil {
		s.Fatal(err)
	}
	wg.Wait()
	s.Store = s.open(s.T, s.opts)
	for i, n := range kept {
		id := fmt.Sprint(i)
		s.diff("user "+id, string(s.snapshot(id).State), string(user(id, n).State))
	}
}

// concurrent: whatever the order, each user's versions grow strictly, no write
// is lost, and a reader never sees a version go back.
func (s *suite) concurrent() {
	const writers, readers, rounds, users = 16, 2, 15, 10
	type last struct {
		version uint64
		state   string
	}
	var mu sync.Mutex
	seen := make(map[string]map[uint64]string) // user, version, state
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range rounds {
				var batch []store.User
				for i := range 1 + (w+n)%7 {
					id := fmt.Sprint("u", (w*3+n+i)%users)
					batch = append(batch, store.User{
						ID: id, Topics: []string{"id:" + id, fmt.Sprint("email:", (w+n)%5)},
						State: fmt.Appendf(nil, "%d/%d/%d", w, n, i),
					})
				}
				written, err := s.Put(s.Context(), "c", batch)
				if err != nil {
					s.Error(err)
					return
				}
				mu.Lock()
				for i, got := range written {
					id := batch[i].ID
					if seen[id] == nil {
						seen[id] = make(map[uint64]string)
					}
					if other, ok := seen[id][got.Version]; ok {
						s.Errorf("%s: version %d given to %s and %s", id, got.Version, other, batch[i].State)
					}
					seen[id][got.Version] = string(batch[i].State)
				}
				mu.Unlock()
				s.clock.advance(3 * time.Microsecond)
			}
		})
	}
	for range readers {
		wg.Go(func() {
			versions := make(map[string]uint64)
			for n := range 200 {
				id := fmt.Sprint("u", n%users)
				got, _, err := s.Find(s.Context(), "c", []string{"id:" + id})
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					s.Error(err)
					return
				}
				if got.Version < versions[id] {
					s.Errorf("%s: version %d after %d", id, got.Version, versions[id])
				}
				versions[id] = got.Version
			}
		})
	}
	wg.Wait()

	for id, versions := range seen {
		var want last
		for version, state := range versions {
			if version > want.version {
				want = last{version, state}
			}
		}
		got := s.snapshot(id)
		if got.Version != want.version || string(got.State) != want.state {
			s.Errorf("%s: stored %d %s, want %d %s", id, got.Version, got.State, want.version, want.state)
		}
	}
	// An email is in the snapshot of the user it leads to, and in no other.
	for n := range 5 {
		topic := fmt.Sprint("email:", n)
		found, _, err := s.Find(s.Context(), "c", []string{topic})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			s.Fatal(err)
		}
		for u := range users {
			id := fmt.Sprint("u", u)
			if has := slices.Contains(s.snapshot(id).Topics, topic); has != (id == found.UserID) {
				s.Errorf("%s leads to %q; in the topics of %s: %v", topic, found.UserID, id, has)
			}
		}
	}
}
