package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Head is what tells one state of a user's record from another. The zero Head is
// that of a user who is not there.
type Head struct {
	Version uint64
	topics  uint32 // length of the topics as they are stored
}

// Of tells whether snap is what the record has: its version, and its topics,
// which a user may lose to another one under the same version.
func (h Head) Of(snap *Snapshot) bool {
	size := 0
	for _, t := range snap.Topics {
		size += uvarintLen(len(t)) + len(t)
	}
	return h.Version == snap.Version && int(h.topics) == size
}

func uvarintLen(n int) int { return len(binary.AppendUvarint(nil, uint64(n))) }

// Heads returns the heads of the users' records, in the same order. It reads 30
// bytes of each, and does not count as use.
func (s *Redis) Heads(ctx context.Context, connectorID string, userIDs []string) ([]Head, error) {
	doing := fmt.Sprintf("comparing %d users", len(userIDs))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	heads := make([]Head, 0, len(userIDs))
	for ids := range slices.Chunk(userIDs, 10*readAtOnce) {
		cmds := make([]*redis.StringCmd, len(ids))
		err := s.batch(ctx, doing, func(p redis.Pipeliner) {
			for i, id := range ids {
				cmds[i] = p.GetRange(ctx, s.cfg.userKey(connectorID, id), 0, redisRecordHead-1)
			}
		})
		if err != nil {
			return nil, err
		}
		for _, cmd := range cmds {
			head, err := decodeHead(cmd.Val())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
			heads = append(heads, head)
		}
	}
	return heads, nil
}

// decodeHead reads the beginning of a user's record; empty: there is none.
func decodeHead(data string) (Head, error) {
	if data == "" {
		return Head{}, nil
	}
	if err := checkFormat(data); err != nil {
		return Head{}, err
	}
	if len(data) < redisRecordHead {
		return Head{}, errDamaged
	}
	return Head{decodeVersion(data[2:10]), binary.BigEndian.Uint32([]byte(data[26:redisRecordHead]))}, nil
}
