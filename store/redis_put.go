package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// topicOp is the change of one topic's key.
type topicOp struct {
	kind, topic string
	call        *call
	refused     bool // it stays another's, and its user is relieved of it
	relieve     []*relief
	confirm     *call
}

// took tells whether op is a claim of what was somebody else's.
func (op *topicOp) took() bool {
	return op.kind != "drop" && !op.refused && len(op.relieve) > 0
}

// relief takes a topic from a user that it does not lead to any more.
type relief struct {
	topic, from string
	call        *call
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

// done notes with users and topics that nothing is left half done. It fails when
// Redis has lost a user meanwhile: nobody may have heard of it.
func (s *Redis) done(ctx context.Context, doing, connectorID string, changed []*putting) error {
	var calls, users []*call
	for _, p := range changed {
		for _, op := range p.ops {
			if op.took() {
				calls = append(calls, s.topicCall(connectorID, "settle", op.topic, p))
			}
		}
		if !p.guest {
			users = append(users, s.userCall(connectorID, p, "done"))
		}
	}
	if err := s.run(ctx, doing, append(calls, users...)); err != nil {
		return err
	}
	for _, c := range users {
		if there, err := c.cmd.Int(); err == nil && there < 0 {
			return unavailable{fmt.Errorf("%s: Redis has lost what was written", doing)}
		}
	}
	return nil
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

// claimTopics makes the topics lead to the users that name them, and those that
// they name no more lead to nobody.
func (s *Redis) claimTopics(ctx context.Context, doing, connectorID string, changed []*putting) error {
	var calls []*call
	for _, p := range changed {
		op := func(kind, topic string) {
			c := s.topicCall(connectorID, kind, topic, p)
			p.ops = append(p.ops, &topicOp{kind: kind, topic: topic, call: c})
			calls = append(calls, c)
		}
		for _, topic := range p.lost {
			op("drop", topic)
		}
		claim := "claim"
		if p.exact != nil {
			claim = "restore"
		}
		for _, topic := range p.topics {
			op(claim, topic)
		}
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return err
	}
	for _, p := range changed {
		p.lost = nil
		for _, op := range p.ops {
			if err := p.moves(op); err != nil {
				return s.failed(ctx, doing, err)
			}
		}
	}
	return nil
}

func (s *Redis) topicCall(connectorID, kind, topic string, p *putting) *call {
	return &call{script: topicScript, key: s.cfg.topicKey(connectorID, topic), args: []any{
		kind, p.user.ID, p.packed, 2 * s.cfg.UserTTL.Milliseconds(), s.publish, s.cfg.TopicChannel(connectorID, topic),
		encodeTime(p.user.Accepted), p.user.News, traceOf(p.user.Trace),
	}}
}

// traceOf is what stands before the kind of a message that is traced.
func traceOf(trace string) string {
	if trace == "" {
		return ""
	}
	return "T" + string(binary.BigEndian.AppendUint32(nil, uint32(len(trace)))) + trace // #nosec G115 -- it is short
}

// moves reads what a change of a topic's key has found there.
func (p *putting) moves(op *topicOp) error {
	answer, err := op.call.cmd.Slice()
	if err != nil {
		return err
	}
	if len(answer) > 0 {
		switch answer[0] {
		case int64(-1):
			return fmt.Errorf("a topic in Redis was %w", ErrNewer)
		case int64(1):
			p.lost = append(p.lost, op.topic)
		case int64(2):
			op.refused = true
			to, _ := answer[1].(string)
			if !p.guest {
				op.relieve = []*relief{newRelief(op.topic, p.user.ID, string(p.packed), to)}
			}
			return nil
		}
	}
	if len(answer)%2 == 1 {
		answer = answer[1:]
	}
	for ; len(answer) >= 2; answer = answer[2:] {
		from, _ := answer[0].(string)
		claimed, _ := answer[1].(string)
		op.relieve = append(op.relieve, newRelief(op.topic, from, claimed, p.user.ID))
	}
	return nil
}

// newRelief is that of a user who claimed the topic with that version.
func newRelief(topic, from, claimed, to string) *relief {
	return &relief{topic, from, &call{script: topicsScript, args: []any{claimed, "lose", topic, to}}}
}

// relieveUsers takes the topics that have moved from those they led to before.
// It asks first whether their new user still names them: a newer write of that
// user, of another node, may have overtaken this one and gone back on them, or
// another user have taken them.
func (s *Redis) relieveUsers(ctx context.Context, doing, connectorID string, changed []*putting) error {
	var calls []*call
	for _, p := range changed {
		for _, op := range p.ops {
			if op.took() {
				op.confirm = s.userCall(connectorID, p, "confirm", op.topic)
				calls = append(calls, op.confirm)
			}
		}
	}
	if err := s.run(ctx, doing, calls); err != nil {
		return err
	}
	calls = nil
	for _, p := range changed {
		for _, op := range p.ops {
			if op.took() {
				holds, err := op.confirm.cmd.Int()
				if err != nil {
					return s.failed(ctx, doing, err)
				}
				if holds == 0 {
					calls = append(calls, s.topicCall(connectorID, "undo", op.topic, p))
					op.relieve = nil
				}
			}
			for _, r := range op.relieve {
				r.call.key = s.cfg.userKey(connectorID, r.from)
				r.call.args = append(r.call.args, s.publish, s.cfg.UserChannel(connectorID, r.from))
				calls = append(calls, r.call)
			}
		}
	}
	return s.run(ctx, doing, calls)
}

// userCall is a step on p's record.
func (s *Redis) userCall(connectorID string, p *putting, step ...any) *call {
	return &call{script: topicsScript, key: s.cfg.userKey(connectorID, p.user.ID), args: append([]any{p.packed}, step...)}
}

// settle says what became of p's topics.
func (p *putting) settle(wave []*putting) {
	p.result.Gone = p.lost
	for _, op := range p.ops {
		if !op.took() {
			continue
		}
		r := op.relieve[0] // whom it led to; of another, an earlier Put has told
		if had, _ := r.call.cmd.Int(); had == 1 || gaveUp(wave, p, r) {
			p.result.Taken = append(p.result.Taken, Taken{r.topic, r.from})
		}
	}
	slices.SortFunc(p.result.Taken, func(a, b Taken) int { return strings.Compare(a.Topic, b.Topic) })
}

// gaveUp tells whether r's user stands in the wave after p, and does not name the
// topic: its record had lost it before p could take it.
func gaveUp(wave []*putting, p *putting, r *relief) bool {
	i := slices.Index(wave, p)
	return slices.ContainsFunc(wave[i+1:], func(later *putting) bool {
		return later.user.ID == r.from &&
			slices.ContainsFunc(later.ops, func(op *topicOp) bool { return op.kind == "drop" && op.topic == r.topic })
	})
}
