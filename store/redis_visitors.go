package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

// Keys of visitors. All of one have its tag, so that what it does is one step; what leads
// to it, from its user or its connector, is elsewhere, and a hint: its record is the truth.

// visitorKey is of its record.
func (c RedisConfig) visitorKey(connectorID, visitor string) string {
	return c.key("v", connectorID, visitor)
}

// erasedKey says when it was erased.
func (c RedisConfig) erasedKey(connectorID, visitor string) string {
	return c.key("z", connectorID, visitor)
}

// viewsKey is of what it has looked at as the person that it is.
func (c RedisConfig) viewsKey(connectorID, visitor string) string {
	return c.key("w", connectorID, visitor)
}

// formerViewsKey is of what it has looked at as a user, while it is somebody else.
func (c RedisConfig) formerViewsKey(connectorID, visitor, userID string) string {
	return c.viewsKey(connectorID, visitor) + ":" + userID
}

// personKey is of a user's visitors, by when they were seen last.
func (c RedisConfig) personKey(connectorID, userID string) string {
	return c.key("p", connectorID, userID)
}

// recentKey is of a part of a connector's visitors, by when they were seen last.
func (c RedisConfig) recentKey(connectorID string, part int) string {
	return c.key("r", connectorID, strconv.Itoa(part))
}

const (
	// recentParts is over how many keys a connector's visitors are spread, so that they
	// take no one shard.
	recentParts = 16
	// personVisitors is of how many visitors of a person, the last seen, what they have
	// looked at is read.
	personVisitors = 100
	// erasedLife is how long it is known that a visitor was erased.
	erasedLife = 30 * 24 * time.Hour
)

// now is the node's clock, by which history is kept: times in it are those of nodes too.
func (s *Redis) now() time.Time {
	if s.cfg.Now == nil {
		return time.Now()
	}
	return s.cfg.Now()
}

// oldest is the time, in us, before which what was so is to be forgotten.
func (s *Redis) oldest(kept time.Duration) int64 { return s.now().Add(-kept).UnixMicro() }

// visitorCall is a step on a visitor's record, for what has user with somebody else.
func (s *Redis) visitorCall(op, connectorID, visitor, user string, at time.Time, args ...any) *call {
	c := s.cfg
	return &call{
		script: visitorScript,
		key:    c.visitorKey(connectorID, visitor),
		also: []string{
			c.erasedKey(connectorID, visitor), c.viewsKey(connectorID, visitor), c.formerViewsKey(connectorID, visitor, user),
		},
		args: append([]any{op, at.UnixMicro(), c.History.Retention.Milliseconds(), s.oldest(c.History.Retention)}, args...),
	}
}

// visited is what a step on a visitor's record has answered.
type visited struct {
	status int64
	user   string
	known  bool // the visitor is there: it is not to be forgotten
}

const (
	visitedDone   = 1
	visitedNewer  = 2
	visitedFormer = 3 // the visitor is the user so far
)

func (c *call) visited() (visited, error) {
	answer, err := c.cmd.Slice()
	if err != nil {
		return visited{}, err
	}
	var v visited
	v.status, _ = answer[0].(int64)
	if v.status == visitedNewer {
		return visited{}, fmt.Errorf("a visitor in Redis was %w", ErrNewer)
	}
	if len(answer) > 1 {
		v.user, v.known = answer[1].(string)
	}
	return v, nil
}

// Record implements [Visitors]. The visits take two round trips: one to their visitors, each
// a step of its own, which says what was news and who the visitor is; one to the lists of
// who was seen. The lists are written for what is no news too, since whoever wrote it
// before may have got no further than the first.
func (s *Redis) Record(ctx context.Context, visits []Visit) (news []bool, err error) {
	const doing = "writing visits"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what has begun is not interrupted
	calls := make([]*call, len(visits))
	for i, v := range visits {
		calls[i] = s.visitCall(v)
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return nil, err
	}
	news = make([]bool, len(visits))
	sightings := make(sightings)
	for i, v := range visits {
		done, err := calls[i].visited()
		if err != nil {
			return nil, s.failed(ctx, doing, err)
		}
		news[i] = done.status == visitedDone
		if done.known {
			sightings.add(s.cfg.recentOf(v.ConnectorID, v.Visitor), v.Visitor, v.At)
		}
		if done.user != "" {
			sightings.add(s.cfg.personKey(v.ConnectorID, done.user), v.Visitor, v.At)
		}
	}
	return news, s.sighted(ctx, doing, calls, sightings)
}

func (s *Redis) visitCall(v Visit) *call {
	var id, view []byte
	if v.View != nil {
		id, view = viewMark(v.View.ID), encodeView(*v.View)
	}
	h := s.cfg.History
	return s.visitorCall("visit", v.ConnectorID, v.Visitor, "", v.At,
		id, view, v.At.Truncate(time.Millisecond).UnixMicro(), h.Session.Microseconds(), h.ViewsPerVisitor, v.Email)
}

// viewMark stands for a view's id among the latest of its visitor: another one has the same
// but for a chance of one in 2^42.
func viewMark(id string) []byte {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum(nil)[2:]
}

// sightings are who was seen and when, in us, by the key of the list to note it in.
type sightings map[string]map[string]int64

func (s sightings) add(key, visitor string, at time.Time) {
	if s[key] == nil {
		s[key] = make(map[string]int64)
	}
	s[key][visitor] = max(s[key][visitor], at.UnixMicro())
}

// sighted notes sightings, and waits until replicas have them, and what calls have written.
func (s *Redis) sighted(ctx context.Context, doing string, calls []*call, sightings sightings) error {
	kept := s.cfg.History.Retention
	var notes []*call
	for key, seen := range sightings {
		c := &call{script: seenScript, key: key, args: []any{kept.Milliseconds(), s.oldest(kept)}}
		for visitor, at := range seen {
			c.args = append(c.args, at, visitor)
		}
		notes = append(notes, c)
	}
	if err := s.run(ctx, doing, notes); err != nil {
		return err
	}
	return s.replicated(ctx, doing, keysOfCalls(slices.Concat(calls, notes)))
}

func keysOfCalls(calls []*call) []string {
	keys := make([]string, len(calls))
	for i, c := range calls {
		keys[i] = c.key
	}
	return keys
}

func (c RedisConfig) recentOf(connectorID, visitor string) string {
	h := fnv.New32a()
	h.Write([]byte(visitor))
	return c.recentKey(connectorID, int(h.Sum32()%recentParts))
}
