package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

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
	err := s.batch(ctx, "renewing a user", func(p redis.Pipeliner) {
		s.prolong(ctx, p, connectorID, user.UserID)
		for _, key := range topicKeys {
			p.PExpire(ctx, key, 2*s.cfg.UserTTL)
		}
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
		err := s.batch(ctx, doing, func(p redis.Pipeliner) {
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
