package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// putting is one user's way through a Put or a Restore.
type putting struct {
	user   User
	exact  []byte   // of a Restore: the version of the state, as scripts have it
	topics []string // sorted, each once
	packed []byte   // the version with which the topics are claimed, as scripts have it
	claim  bool     // the topics are to be claimed
	guest  bool     // for a Put of another that may be under way, and does the rest
	lost   []string // named before, and not now
	call   *call
	ops    []*topicOp
	result *Written
}

func newPutting(u User, result *Written) *putting {
	topics := slices.Concat(u.Topics, u.Merged)
	slices.Sort(topics)
	topics = slices.Compact(topics)
	result.Merged = without(u.Merged, u.Topics)
	return &putting{user: u, topics: topics, result: result}
}

// Put implements [Store], but that users are written one by one, each with its
// topics at once: after an error some may have been written and others not, and
// a user that was may have topics that lead to it not yet. To put them again
// mends it.
//
// The users take the same few round trips, whether they are one or a thousand;
// a user that occurs again, or a topic that two name, begins anew.
func (s *Redis) Put(ctx context.Context, connectorID string, users []User) ([]Written, error) {
	doing := "writing " + countUsers(len(users))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	written := make([]Written, len(users))
	all := make([]*putting, len(users))
	for i, u := range users {
		all[i] = newPutting(u, &written[i])
	}
	began := context.WithoutCancel(ctx) // what has begun is not interrupted
	if err := s.putAll(began, doing, connectorID, all); err != nil {
		return nil, err
	}
	return written, s.bound(began, connectorID, users)
}

func countUsers(n int) string {
	if n == 1 {
		return "1 user"
	}
	return fmt.Sprintf("%d users", n)
}

// putAll writes users, wave by wave.
func (s *Redis) putAll(ctx context.Context, doing, connectorID string, all []*putting) error {
	var keys []string
	for len(all) > 0 {
		wave := all[:nextWave(all)]
		all = all[len(wave):]
		if err := s.putWave(ctx, doing, connectorID, wave); err != nil {
			return err
		}
		if s.cfg.WaitReplicas > 0 {
			keys = append(keys, s.keysOf(connectorID, wave)...)
		}
	}
	return s.replicated(ctx, doing, keys)
}

// nextWave returns how many of the users can be written side by side: each once,
// and no topic named by two.
func nextWave(all []*putting) int {
	const most = 1000
	ids, named := make(map[string]bool), make(map[string]bool)
	for i, p := range all {
		if i == most || ids[p.user.ID] || slices.ContainsFunc(p.topics, func(t string) bool { return named[t] }) {
			return i
		}
		ids[p.user.ID] = true
		for _, t := range p.topics {
			named[t] = true
		}
	}
	return len(all)
}

// putWave writes users, and then what their topics take:
// docs/decisions/0012-redis-layout.md says why in these steps.
func (s *Redis) putWave(ctx context.Context, doing, connectorID string, wave []*putting) error {
	if err := s.putRecords(ctx, doing, connectorID, wave); err != nil {
		return err
	}
	changed := slices.DeleteFunc(slices.Clone(wave), func(p *putting) bool { return !p.claim })
	if len(changed) == 0 {
		return nil
	}
	if err := s.claimTopics(ctx, doing, connectorID, changed); err != nil {
		return err
	}
	if err := s.relieveUsers(ctx, doing, connectorID, changed); err != nil {
		return err
	}
	for _, p := range changed {
		p.settle(wave)
	}
	return s.done(ctx, doing, connectorID, changed)
}

// keysOf returns those that putWave has written.
func (s *Redis) keysOf(connectorID string, wave []*putting) []string {
	var keys []string
	for _, p := range wave {
		keys = append(keys, s.cfg.userKey(connectorID, p.user.ID))
		for _, op := range p.ops {
			keys = append(keys, op.call.key)
			for _, r := range op.relieve {
				keys = append(keys, r.call.key)
			}
		}
	}
	return keys
}

// putRecords writes the records and publishes them.
func (s *Redis) putRecords(ctx context.Context, doing, connectorID string, wave []*putting) error {
	refresh := s.cfg.UserTTL.Microseconds() / 2
	var calls []*call
	for _, p := range wave {
		most := strconv.Itoa(MaxMerged)
		if p.user.Erased {
			most = ""
		}
		p.call = &call{script: putScript, key: s.cfg.userKey(connectorID, p.user.ID), also: []string{s.cfg.mergedKey(connectorID, p.user.ID)}, args: []any{
			encodeTime(p.user.StateAt), encodeTopics(p.topics), p.user.State,
			s.cfg.life(&p.user).Milliseconds(), refresh, s.clock(),
			s.publish, s.cfg.UserChannel(connectorID, p.user.ID), encodeTime(p.user.Accepted), p.user.News,
			p.exact, encodeTopics(p.user.Merged), most, traceOf(p.user.Trace),
		}}
		calls = append(calls, p.call)
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return err
	}
	for _, p := range wave {
		if err := p.written(); err != nil {
			return s.failed(ctx, doing, err)
		}
	}
	return nil
}

// life is how long a user's record is kept; 0: for ever.
func (c RedisConfig) life(u *User) time.Duration {
	if u.Erased {
		return ErasureLife
	}
	return c.UserTTL
}

// written reads what the script has answered.
func (p *putting) written() error {
	answer, err := p.call.cmd.Slice()
	if err != nil {
		return err
	}
	status, _ := answer[0].(int64)
	packed, _ := answer[1].(string)
	claim, _ := answer[2].(int64)
	if status == 2 {
		return fmt.Errorf("a user in Redis was %w", ErrNewer)
	}
	p.packed = []byte(packed)
	p.result.Version = binary.BigEndian.Uint64(p.packed)
	if p.result.Stale = status == 0; p.result.Stale {
		p.result.Merged = nil
	}
	if len(answer) > 5 {
		list, _ := answer[5].(string)
		topics, err := decodeTopics([]byte(list))
		if err != nil {
			return err
		}
		p.result.Merged, p.topics = without(topics, p.user.Topics), topics
	}
	p.result.NewTopics = status == 1 && claim != 0
	if p.claim = claim != 0; !p.claim {
		return nil
	}
	before, _ := answer[3].(string)
	named, err := decodeTopics([]byte(before))
	if p.result.Stale { // it is there, but its topics' keys may be lost
		since, _ := answer[4].(string)
		p.topics, p.packed, p.guest = named, []byte(since), claim == 2
		return err
	}
	for _, topic := range named {
		if _, ok := slices.BinarySearch(p.topics, topic); !ok {
			p.lost = append(p.lost, topic)
		}
	}
	return err
}

// traceOf is what stands before the kind of a message that is traced.
func traceOf(trace string) string {
	if trace == "" {
		return ""
	}
	return "T" + string(binary.BigEndian.AppendUint32(nil, uint32(len(trace)))) + trace // #nosec G115 -- it is short
}
