package api

import (
	"encoding/json"
	"slices"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// states are the users of messages as they are to be put, and of says which of them
// each message is in; -1: in none, since it is older than another one of its user.
//
// For a store that is elsewhere the messages of one user become one, the latest, with
// the events of all: written one after the other each would take its own round trips,
// and pages are shown the latest anyway.
func (s *Server) states(messages []hull.Message, accepted time.Time) (users []store.User, of []int) {
	users, of = make([]store.User, 0, len(messages)), make([]int, len(messages))
	last := make(map[string]int, len(messages)) // where a user stands
	for i := range messages {
		m := &messages[i]
		u := s.stored(m)
		u.Accepted = accepted
		if s.cluster == nil {
			of[i] = i
			users = append(users, u)
			continue
		}
		u.News = m.EventNames()
		if at, twice := last[u.ID]; twice {
			before := &users[at]
			if !u.StateAt.IsZero() && u.StateAt.Before(before.StateAt) {
				of[i] = -1
				continue
			}
			if u.StateAt.IsZero() {
				u.StateAt = before.StateAt // as if they had been written one after the other
			}
			u.News = joinEvents(before.News, u.News)
			before.ID = "" // u stands for it
		}
		last[u.ID] = len(users)
		users = append(users, u)
	}
	if s.cluster == nil {
		return users, of
	}
	users = slices.DeleteFunc(users, func(u store.User) bool { return u.ID == "" })
	for at, u := range users {
		last[u.ID] = at
	}
	for i := range of {
		if of[i] >= 0 {
			of[i] = last[messages[i].UserID]
		}
	}
	return users, of
}

// maxEvents bounds the events that messages carry on when they become one: the
// newest (docs/protocol.md, the payload).
const maxEvents = 64

// joinEvents joins two lists of hull.Message.EventNames.
func joinEvents(a, b []byte) []byte {
	var all []json.RawMessage
	for _, list := range [][]byte{a, b} {
		var events []json.RawMessage
		if len(list) > 0 && json.Unmarshal(list, &events) == nil {
			all = append(all, events...)
		}
	}
	if len(all) == 0 {
		return nil
	}
	joined, _ := json.Marshal(all[max(0, len(all)-maxEvents):]) // they have been JSON before
	return joined
}
