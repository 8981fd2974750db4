package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// usedParts is over how many keys a connector's list of users is spread, so that
// it takes no one shard. Each part has its share of the bound.
const usedParts = 16

// bound notes that users were used, and forgets the longest unused of those
// above RedisConfig.MaxUsers.
func (s *Redis) bound(ctx context.Context, connectorID string, users []User) error {
	if s.cfg.MaxUsers == 0 || len(users) == 0 {
		return nil
	}
	now := time.Now()
	if s.cfg.Now != nil {
		now = s.cfg.Now()
	}
	var parts [usedParts]*call
	var calls []*call
	for _, u := range users {
		h := fnv.New32a()
		h.Write([]byte(u.ID))
		n := int(h.Sum32() % usedParts)
		if parts[n] == nil {
			parts[n] = &call{script: touchScript, key: s.cfg.usedKey(connectorID, n), args: []any{
				(s.cfg.MaxUsers + usedParts - 1) / usedParts, 2 * s.cfg.UserTTL.Milliseconds(), now.UnixMicro(),
			}}
			calls = append(calls, parts[n])
		}
		parts[n].args = append(parts[n].args, u.ID)
	}
	const doing = "bounding the number of users"
	if err := s.run(ctx, doing, calls); err != nil {
		return err
	}
	var forget []*call
	for _, c := range calls {
		list, err := c.cmd.StringSlice()
		if err != nil {
			return s.failed(ctx, doing, err)
		}
		for ; len(list) >= 2; list = list[2:] {
			used, err := strconv.ParseFloat(list[1], 64)
			if err != nil {
				return fmt.Errorf("%s: %w", doing, err)
			}
			forget = append(forget, &call{
				script: forgetScript, key: s.cfg.userKey(connectorID, list[0]), also: []string{s.cfg.mergedKey(connectorID, list[0])}, args: []any{int64(used)},
			})
		}
	}
	return s.run(ctx, doing, forget)
}
