package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Find implements [Store]. The user's record is the truth: a topic leads to the
// user that its key names if that user's record names the topic. When it does
// not the topic may just have moved, which a second look tells.
func (s *Redis) Find(ctx context.Context, connectorID string, topics []string) (Snapshot, int, error) {
	const doing = "looking for a user"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return Snapshot{}, -1, err
	}
	defer leave()
	var before []string
	for {
		led, err := s.leads(ctx, doing, connectorID, topics)
		if err != nil {
			return Snapshot{}, -1, err
		}
		found, index, err := s.firstOf(ctx, doing, connectorID, topics, led)
		if err == nil || !errors.Is(err, ErrNotFound) || slices.Equal(led, before) || !slices.ContainsFunc(led, isSomebody) {
			return found, index, err
		}
		before = led
	}
}

func isSomebody(data string) bool { return data != "" }

// leads returns the topics' keys, empty for those that lead to nobody.
func (s *Redis) leads(ctx context.Context, doing, connectorID string, topics []string) ([]string, error) {
	return s.get(ctx, doing, keysOfTopics(s.cfg.topicKey, connectorID, topics))
}

// Leads returns for each of topics, in the same order, the id of the user that
// the topic's key names, empty when there is no key. A key is a hint: a topic
// leads to that user only if the user's record names it too, which the caller
// finds in [Snapshot].Topics. It asks for 500 topics in a round trip, and does
// not count as use. [ErrNewer]: one of the keys is of a newer hullbeam.
func (s *Redis) Leads(ctx context.Context, connectorID string, topics []string) ([]string, error) {
	doing := fmt.Sprintf("reading whom %d topics lead to", len(topics))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	led, err := s.leads(ctx, doing, connectorID, topics)
	if err != nil {
		return nil, err
	}
	return decodeLeads(doing, led)
}

// decodeLeads returns the users that the topics' keys name, empty for empty ones.
func decodeLeads(doing string, led []string) ([]string, error) {
	users := make([]string, len(led))
	for i, data := range led {
		if data == "" {
			continue
		}
		var err error
		if users[i], err = decodeTopicUser(data); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return users, nil
}

// firstOf returns the user of the first topic that leads to one.
func (s *Redis) firstOf(ctx context.Context, doing, connectorID string, topics, led []string) (Snapshot, int, error) {
	users, err := decodeLeads(doing, led)
	if err != nil {
		return Snapshot{}, -1, err
	}
	var ids []string
	for i, id := range users {
		if led[i] != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	snapshots, err := s.users(ctx, doing, connectorID, ids)
	if err != nil {
		return Snapshot{}, -1, err
	}
	for i, data := range led {
		if data == "" {
			continue
		}
		for _, snap := range snapshots {
			if _, names := slices.BinarySearch(snap.Topics, topics[i]); names && snap.UserID == users[i] {
				s.renew(ctx, connectorID, snap, s.cfg.topicKey(connectorID, topics[i]))
				return snap.Snapshot, i, nil
			}
		}
	}
	return Snapshot{}, -1, fmt.Errorf("%s: %w", doing, ErrNotFound)
}

// Snapshots implements [Store].
func (s *Redis) Snapshots(ctx context.Context, connectorID string, userIDs []string) ([]Snapshot, error) {
	doing := fmt.Sprintf("reading %d users", len(userIDs))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	found, err := s.users(ctx, doing, connectorID, userIDs)
	if err != nil {
		return nil, err
	}
	snapshots := make([]Snapshot, len(found))
	for i, f := range found {
		snapshots[i] = f.Snapshot
		s.renew(ctx, connectorID, f)
	}
	return snapshots, nil
}

// known is a user that was read, with what is left of its record's life.
type known struct {
	Snapshot
	left time.Duration // below 0: it has no end
}

func (s *Redis) users(ctx context.Context, doing, connectorID string, ids []string) ([]known, error) {
	var users []known
	for chunk := range slices.Chunk(ids, readAtOnce) {
		values := make([]*redis.StringCmd, len(chunk))
		lives := make([]*redis.DurationCmd, len(chunk))
		err := s.do(ctx, doing, func(ctx context.Context) error {
			_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
				for i, id := range chunk {
					key := s.cfg.userKey(connectorID, id)
					values[i], lives[i] = p.Get(ctx, key), p.PTTL(ctx, key)
				}
				return nil
			})
			return firstError(err, values)
		})
		if err != nil {
			return nil, err
		}
		for i, id := range chunk {
			if errors.Is(values[i].Err(), redis.Nil) {
				continue
			}
			snapshot, err := decodeUser(id, values[i].Val())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
			users = append(users, known{snapshot, lives[i].Val()})
		}
	}
	return users, nil
}
