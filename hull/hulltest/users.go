package hulltest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// User is what Hull knows of a person. Its maps are not changed once it is kept.
type User struct {
	Traits   map[string]any `json:"user"` // with id, email, external_id and anonymous_ids
	Account  map[string]any `json:"account"`
	Segments []string       `json:"segments"` // ids, of both kinds
}

// Segment is one of the organization's.
type Segment struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// The types of segments.
const (
	usersSegment    = "users_segment"
	accountsSegment = "accounts_segment"
)

// Change is what happens to a user: members of User and Account are set, or removed by
// a null; segments are entered and left.
type Change struct {
	User    map[string]any `json:"user"`
	Account map[string]any `json:"account"`
	Enter   []string       `json:"enter"`
	Leave   []string       `json:"leave"`
	Events  []Event        `json:"events"`
}

// Event is something that a user did.
type Event struct {
	Name       string         `json:"event"`
	Properties map[string]any `json:"properties"`
}

// change returns u as the change makes it.
func (u User) change(c Change) User {
	u.Traits, u.Account = set(u.Traits, c.User), set(u.Account, c.Account)
	u.Segments = slices.DeleteFunc(slices.Concat(u.Segments, c.Enter), func(id string) bool { return slices.Contains(c.Leave, id) })
	slices.Sort(u.Segments)
	u.Segments = slices.Compact(u.Segments)
	return u
}

func set(members, changes map[string]any) map[string]any {
	after := make(map[string]any, len(members)+len(changes))
	maps.Copy(after, members)
	maps.Copy(after, changes)
	maps.DeleteFunc(after, func(_ string, value any) bool { return value == nil })
	return after
}

// report is the user as me/user_report has it.
func (u User) report(known map[string]Segment) json.RawMessage {
	report := set(u.Traits, map[string]any{
		"account": u.Account, "segments": u.in(known, usersSegment), "segment_ids": ids(u.in(known, usersSegment)),
	})
	text, _ := json.Marshal(report) // of what came as JSON
	return text
}

// in lists the user's segments of a type.
func (u User) in(known map[string]Segment, kind string) []Segment {
	in := []Segment{}
	for _, id := range u.Segments {
		if segment, ok := known[id]; ok && segment.Type == kind {
			in = append(in, segment)
		}
	}
	return in
}

func ids(segments []Segment) []string {
	ids := make([]string, 0, len(segments))
	for _, segment := range segments {
		ids = append(ids, segment.ID)
	}
	return ids
}

// segmentsLocked lists the organization's segments of a type.
func (s *Server) segmentsLocked(kind string) []Segment {
	list := []Segment{}
	for _, segment := range s.segments {
		if segment.Type == kind {
			list = append(list, segment)
		}
	}
	slices.SortFunc(list, func(a, b Segment) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// message is what a notification says of a user that became after
// (docs/hull-protocol.md 2.5). known are the segments.
func message(before, after User, events []Event, known map[string]Segment, now time.Time) map[string]any {
	m := plainMessage(after, known)
	m["changes"] = map[string]any{
		"is_new":           before.Traits == nil,
		"user":             differences(before.Traits, after.Traits),
		"account":          differences(before.Account, after.Account),
		"segments":         moves(before.in(known, usersSegment), after.in(known, usersSegment)),
		"account_segments": moves(before.in(known, accountsSegment), after.in(known, accountsSegment)),
	}
	list := []any{}
	for i, e := range events {
		list = append(list, map[string]any{
			"event": e.Name, "event_id": fmt.Sprintf("%d-%d", now.UnixNano(), i), "event_type": "track", "event_source": "hulltest",
			"created_at": now.UTC().Format(time.RFC3339), "properties": orEmpty(e.Properties), "context": map[string]any{},
		})
	}
	m["events"] = list
	return m
}

// plainMessage has what a replay tells, which knows of no change.
func plainMessage(u User, known map[string]Segment) map[string]any {
	return map[string]any{
		"user": u.Traits, "account": orEmpty(u.Account),
		"segments": u.in(known, usersSegment), "account_segments": u.in(known, accountsSegment),
	}
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// moves says which segments were entered and left.
func moves(before, after []Segment) map[string]any {
	moves := map[string]any{}
	for name, lists := range map[string][2][]Segment{"entered": {after, before}, "left": {before, after}} {
		moved := slices.DeleteFunc(slices.Clone(lists[0]), func(s Segment) bool { return slices.Contains(lists[1], s) })
		if len(moved) > 0 {
			moves[name] = moved
		}
	}
	return moves
}

// differences has [before, after] of each attribute that changed, null when it is not
// there; of lists each element by itself, as name[index].
func differences(before, after map[string]any) map[string][2]any {
	changed := map[string][2]any{}
	for name := range set(before, after) {
		was, is := before[name], after[name]
		wasList, _ := was.([]any)
		isList, _ := is.([]any)
		if wasList == nil && isList == nil {
			if !reflect.DeepEqual(was, is) {
				changed[name] = [2]any{was, is}
			}
			continue
		}
		for i := range max(len(wasList), len(isList)) {
			if was, is := at(wasList, i), at(isList, i); !reflect.DeepEqual(was, is) {
				changed[fmt.Sprintf("%s[%d]", name, i)] = [2]any{was, is}
			}
		}
	}
	return changed
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}
