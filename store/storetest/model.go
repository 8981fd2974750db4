package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"hullbeam/store"
)

// model is the contract of users in the plainest form: a map, and a search
// through all of it.
type model struct {
	users map[[2]string]store.Snapshot // by connector and id
}

func (m *model) put(connectorID string, u store.User, now time.Time) store.Written {
	k := [2]string{connectorID, u.ID}
	old := m.users[k]
	stateAt := u.StateAt
	if stateAt.After(now.Add(time.Hour)) {
		stateAt = now
	}
	if stateAt.IsZero() {
		stateAt = old.StateAt
	}
	if stateAt.Before(old.StateAt) {
		return store.Written{Version: old.Version, Stale: true}
	}
	topics := slices.Compact(slices.Sorted(slices.Values(u.Topics)))
	written := store.Written{Version: max(old.Version+1, uint64(now.UnixMicro()))}
	for _, topic := range old.Topics {
		if !slices.Contains(topics, topic) {
			written.Gone = append(written.Gone, topic)
		}
	}
	for other, snapshot := range m.users {
		if other == k || other[0] != connectorID {
			continue
		}
		snapshot.Topics = slices.DeleteFunc(slices.Clone(snapshot.Topics), func(topic string) bool {
			taken := slices.Contains(topics, topic)
			if taken {
				written.Taken = append(written.Taken, store.Taken{Topic: topic, From: other[1]})
			}
			return taken
		})
		m.users[other] = snapshot
	}
	slices.SortFunc(written.Taken, func(a, b store.Taken) int { return strings.Compare(a.Topic, b.Topic) })
	m.users[k] = store.Snapshot{UserID: u.ID, Version: written.Version, Topics: topics, StateAt: stateAt, State: u.State}
	return written
}

func (m *model) find(connectorID string, topics []string) (store.Snapshot, int) {
	for i, topic := range topics {
		for k, snapshot := range m.users {
			if k[0] == connectorID && slices.Contains(snapshot.Topics, topic) {
				return snapshot, i
			}
		}
	}
	return store.Snapshot{}, -1
}

// model compares the store with a model after each of many random operations.
// The seed is in the log.
func (s *suite) model() {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	m := &model{make(map[[2]string]store.Snapshot)}
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	topics := func() []string {
		list := make([]string, r.IntN(5))
		for i := range list {
			list[i] = fmt.Sprint(pick("id:", "email:"), r.IntN(6))
		}
		return list
	}
	for n := range 600 {
		if s.Failed() {
			return
		}
		connectorID := pick("c", "d")
		switch r.IntN(10) {
		case 0:
			s.clock.advance(time.Duration(r.IntN(100)-20) * time.Minute)
		case 1:
			if n%10 == 0 {
				s.again()
			}
		case 2, 3:
			list := topics()
			got, i, err := s.Find(s.Context(), connectorID, list)
			want, wantIndex := m.find(connectorID, list)
			if wantIndex < 0 {
				if !errors.Is(err, store.ErrNotFound) {
					s.Errorf("%d: Find(%q): %v, want ErrNotFound", n, list, err)
				}
				continue
			}
			if err != nil || i != wantIndex {
				s.Errorf("%d: Find(%q): topic %d, %v, want %d", n, list, i, err, wantIndex)
			}
			s.diff(fmt.Sprintf("%d: Find(%q)", n, list), got, want)
		case 4:
			var want []store.Snapshot
			ids := []string{"a", "b", "e", "f", "unknown"}
			for _, k := range slices.SortedFunc(maps.Keys(m.users), func(a, b [2]string) int { return strings.Compare(a[1], b[1]) }) {
				if k[0] == connectorID {
					want = append(want, m.users[k])
				}
			}
			got, err := s.Snapshots(s.Context(), connectorID, ids)
			if err != nil {
				s.Fatal(err)
			}
			slices.SortFunc(got, func(a, b store.Snapshot) int { return strings.Compare(a.UserID, b.UserID) })
			s.diff(fmt.Sprintf("%d: Snapshots", n), got, want)
		default:
			users := make([]store.User, r.IntN(4))
			want := make([]store.Written, len(users))
			for i := range users {
				users[i] = user(pick("a", "b", "e", "f"), n, topics()...)
				if r.IntN(3) > 0 {
					users[i].StateAt = s.clock.Now().Add(time.Duration(r.IntN(300)-200) * time.Minute)
				}
				want[i] = m.put(connectorID, users[i], s.clock.Now())
			}
			got, err := s.Put(s.Context(), connectorID, users)
			if err != nil {
				s.Fatal(err)
			}
			s.diff(fmt.Sprintf("%d: Put(%+v)", n, users), got, want)
		}
	}
}
