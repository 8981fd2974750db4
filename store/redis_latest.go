package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// timeline is a sorted set by time, or what one of two has, as latest.lua chooses.
type timeline struct {
	owner string // among those of a time, the timelines of a later owner come first
	key   string
	also  []string
	args  []any
}

// entry is what stands in a timeline.
type entry struct {
	at     int64 // in us
	owner  string
	member string
}

// compare orders entries as lists have them: the latest first.
func (e entry) compare(other entry) int {
	return -cmp.Or(cmp.Compare(e.at, other.at), strings.Compare(e.owner, other.owner), strings.Compare(e.member, other.member))
}

// place is where a list is continued: after an entry, of which the member is as much as
// tells it from others.
type place struct {
	after entry
	given int // entries before it
}

// cursor is the place in a list of that name, as text.
func (p place) cursor(list string) string {
	texts := []string{list, strconv.FormatInt(p.after.at, 36), strconv.Itoa(p.given), p.after.owner, p.after.member}
	return base64.RawURLEncoding.EncodeToString(encodeTopics(texts))
}

// placeOf reads a cursor of that list; "" is the beginning, which is nil.
func placeOf(list, cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	packed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, ErrCursor
	}
	texts, err := decodeTopics(packed)
	if err != nil || len(texts) != 5 || texts[0] != list {
		return nil, ErrCursor
	}
	at, err := strconv.ParseInt(texts[1], 36, 64)
	given, err2 := strconv.Atoi(texts[2])
	if err != nil || err2 != nil || given < 0 {
		return nil, ErrCursor
	}
	return &place{entry{at, texts[3], texts[4]}, given}, nil
}

// list reads a page of a list whose entries are in timelines, and the cursor of the next. An
// entry is told from others by the first which bytes of its member; 0: by all.
func (s *Redis) list(ctx context.Context, doing, name, cursor string, lines []timeline, oldest int64, which, limit int) ([]entry, string, error) {
	from, err := placeOf(name, cursor)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", doing, err)
	}
	entries, err := s.latest(ctx, doing, lines, from, oldest, limit+1)
	if err != nil || len(entries) <= limit {
		return entries, "", err
	}
	entries = entries[:limit]
	return entries, placeAfter(from, entries, which).cursor(name), nil
}

// placeAfter is the place after the entries, which follow from.
func placeAfter(from *place, entries []entry, which int) place {
	next := place{after: entries[len(entries)-1], given: len(entries)}
	if from != nil {
		next.given += from.given
	}
	if which > 0 {
		next.after.member = next.after.member[:min(which, len(next.after.member))]
	}
	return next
}

// latest reads the latest entries of timelines that are not older, those after from: at most
// limit, in one round trip.
func (s *Redis) latest(ctx context.Context, doing string, lines []timeline, from *place, oldest int64, limit int) ([]entry, error) {
	calls := make([]*call, len(lines))
	for i, l := range lines {
		at, before := from.bounds(l.owner)
		calls[i] = &call{script: latestScript, key: l.key, also: l.also, args: append([]any{limit, at, oldest, before}, l.args...)}
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return nil, err
	}
	var entries []entry
	for i, c := range calls {
		found, err := c.entries(lines[i].owner)
		if err != nil {
			return nil, s.failed(ctx, doing, err)
		}
		entries = append(entries, found...)
	}
	slices.SortFunc(entries, entry.compare)
	return entries[:min(limit, len(entries))], nil
}

// bounds are the latest time, as ZRANGE has it, of what comes after p in the timeline of
// owner, and the member that those of that time are before; "": all are.
func (p *place) bounds(owner string) (at any, before string) {
	switch {
	case p == nil:
		return "+inf", ""
	case owner < p.after.owner:
		return p.after.at, ""
	case owner == p.after.owner:
		return p.after.at, p.after.member
	default:
		return "(" + strconv.FormatInt(p.after.at, 10), ""
	}
}

// entries reads what latest.lua has answered.
func (c *call) entries(owner string) ([]entry, error) {
	answer, err := c.cmd.Slice()
	if err != nil {
		return nil, err
	}
	if len(answer)%2 == 1 {
		return nil, fmt.Errorf("a visitor in Redis was %w", ErrNewer)
	}
	entries := make([]entry, 0, len(answer)/2)
	for ; len(answer) >= 2; answer = answer[2:] {
		member, _ := answer[0].(string)
		score, _ := answer[1].(string)
		at, err := strconv.ParseFloat(score, 64)
		if err != nil {
			return nil, errDamaged
		}
		entries = append(entries, entry{int64(at), owner, member})
	}
	return entries, nil
}
