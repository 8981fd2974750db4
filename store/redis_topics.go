package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

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

// newRelief is that of a user who claimed the topic with that version.
func newRelief(topic, from, claimed, to string) *relief {
	return &relief{topic, from, &call{script: topicsScript, args: []any{claimed, "lose", topic, to}}}
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

func (s *Redis) topicCall(connectorID, kind, topic string, p *putting) *call {
	return &call{script: topicScript, key: s.cfg.topicKey(connectorID, topic), args: []any{
		kind, p.user.ID, p.packed, 2 * s.cfg.UserTTL.Milliseconds(), s.publish, s.cfg.TopicChannel(connectorID, topic),
		encodeTime(p.user.Accepted), p.user.News, traceOf(p.user.Trace),
	}}
}

// userCall is a step on p's record.
func (s *Redis) userCall(connectorID string, p *putting, step ...any) *call {
	return &call{script: topicsScript, key: s.cfg.userKey(connectorID, p.user.ID), args: append([]any{p.packed}, step...)}
}
