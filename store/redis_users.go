package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// readAtOnce bounds a pipeline of reads; states have a kilobyte or a few.
const readAtOnce = 500

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
	keys := make([]string, len(topics))
	for i, topic := range topics {
		keys[i] = s.cfg.topicKey(connectorID, topic)
	}
	return s.get(ctx, doing, keys)
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

// get returns the values of keys, empty for those that are not there: with one command
// where all keys are on one server.
func (s *Redis) get(ctx context.Context, doing string, keys []string) ([]string, error) {
	getSome := s.getAtOnce
	if _, cluster := s.client.(*redis.ClusterClient); cluster {
		getSome = s.getEach
	}
	values := make([]string, 0, len(keys))
	for chunk := range slices.Chunk(keys, readAtOnce) {
		err := s.do(ctx, doing, func(ctx context.Context) error {
			some, err := getSome(ctx, chunk)
			values = append(values, some...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (s *Redis) getAtOnce(ctx context.Context, keys []string) ([]string, error) {
	found, err := s.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, err
	}
	values := make([]string, len(keys))
	for i, value := range found {
		values[i], _ = value.(string)
	}
	return values, nil
}

func (s *Redis) getEach(ctx context.Context, keys []string) ([]string, error) {
	cmds := make([]*redis.StringCmd, len(keys))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			cmds[i] = p.Get(ctx, key)
		}
		return nil
	})
	if err := firstError(err, cmds); err != nil {
		return nil, err
	}
	values := make([]string, len(keys))
	for i, cmd := range cmds {
		values[i] = cmd.Val()
	}
	return values, nil
}

// firstError is that of a pipeline of reads, in which a key that is not there is
// none, though it is what the pipeline returns.
func firstError(err error, cmds []*redis.StringCmd) error {
	if err == nil || !errors.Is(err, redis.Nil) {
		return err
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// renewAfter is how much of a record's life may be gone before a read renews it:
// so one read an hour does, and not each.
const renewAfter = time.Hour

// renew prolongs the life of a user that was read, and of the key that led there.
// The read is good without it, and the next one tries again. Whom no topic leads to
// nobody uses: the memory of an erasure ends in its time.
func (s *Redis) renew(ctx context.Context, connectorID string, user known, topicKeys ...string) {
	if s.cfg.UserTTL == 0 || len(user.Topics) == 0 || user.left < 0 || s.cfg.UserTTL-user.left < renewAfter {
		return
	}
	err := s.do(ctx, "renewing a user", func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			s.prolong(ctx, p, connectorID, user.UserID)
			for _, key := range topicKeys {
				p.PExpire(ctx, key, 2*s.cfg.UserTTL)
			}
			return nil
		})
		return err
	})
	if err == nil {
		s.bound(ctx, connectorID, []User{{ID: user.UserID}})
	}
}

// prolong gives what is kept of a user its whole life again.
func (s *Redis) prolong(ctx context.Context, p redis.Pipeliner, connectorID, userID string) {
	p.PExpire(ctx, s.cfg.userKey(connectorID, userID), s.cfg.UserTTL)
	p.PExpire(ctx, s.cfg.mergedKey(connectorID, userID), s.cfg.UserTTL)
}

// Renew prolongs the lives of users that are in use without being read, each with
// the topics by which it is: it counts as use of them. Users that are not there
// stay so.
func (s *Redis) Renew(ctx context.Context, connectorID string, users []Snapshot) error {
	doing := fmt.Sprintf("renewing %d users", len(users))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	for chunk := range slices.Chunk(users, readAtOnce) {
		used := make([]User, len(chunk))
		err := s.do(ctx, doing, func(ctx context.Context) error {
			_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
				for i, u := range chunk {
					used[i].ID = u.UserID
					if s.cfg.UserTTL == 0 {
						continue
					}
					s.prolong(ctx, p, connectorID, u.UserID)
					for _, topic := range u.Topics {
						p.PExpire(ctx, s.cfg.topicKey(connectorID, topic), 2*s.cfg.UserTTL)
					}
				}
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
		if err := s.bound(ctx, connectorID, used); err != nil {
			return err
		}
	}
	return nil
}
