package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// offers sends offers to one topic, one after the other, and knows when each was
// due. They are not conflated: every stream is to get each of them.
type offers struct {
	session *session
	epoch   uint32
	size    int
	due     []atomic.Int64 // by sequence number, clock
	client  *client
	answers hist

	taken, refused int64
}

func newOffers(s *session, count, size int) (*offers, error) {
	switch {
	case s.server.streamPath != "" && s.server.publishPath == "":
		return nil, errors.New("it is not known where to publish")
	case s.server.streamPath == "" && s.cfg.AdminKey == "":
		return nil, errors.New("offers need an admin key")
	}
	s.epoch++
	return &offers{session: s, epoch: s.epoch, size: size, due: make([]atomic.Int64, count), client: s.server.client(0)}, nil
}

// send sends the offer of this number, which was due at this time of the clock.
func (o *offers) send(ctx context.Context, seq int, due int64) error {
	s := o.session
	o.due[seq].Store(due)
	request := o.request(mark{o.epoch, 0, uint32(seq)})
	sent := clock()
	a, err := o.client.do(ctx, request)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && a.status/100 == 2:
		o.answers.add(clock() - sent)
		o.taken++
		return nil
	case err != nil:
		s.engine.note("sending: " + err.Error())
	default:
		if a.status == 429 {
			s.engine.limit(limitKeys("offers", a.status))
		}
		s.engine.note(strings.TrimSpace(fmt.Sprintf("offers %d %s", a.status, member(a.body, "code"))))
	}
	o.refused++
	if a.status == 401 || a.status == 403 || a.status == 404 {
		return fmt.Errorf("the server answers %d to an offer", a.status)
	}
	return nil
}

// request sends an offer, or what another server has in its place.
func (o *offers) request(m mark) []byte {
	s, body := o.session, make([]byte, 0, 256+o.size)
	if s.server.streamPath != "" {
		return s.server.post(0, strings.ReplaceAll(s.server.publishPath, "{topic}", s.visitor(0)), "", m.appendPadded(body, o.size))
	}
	body = append(body, `{"to":{"topic":"anonymous_id:`+s.visitor(0)+`"},"data":{"bench":"`...)
	body = m.appendPadded(body, o.size)
	body = append(body, `"},"expires_in":"10m"}`...)
	return s.server.post(0, "/api/v1/connectors/"+s.server.connector+"/offers", s.operatorHeader(), body)
}

// sink counts the offers that arrive.
func (o *offers) sink(t *tally, s *stream, e event, now int64) {
	if string(e.kind) != "offer" && o.session.server.streamPath == "" {
		return
	}
	m, ok := findMark(e.data)
	if !ok || m.epoch != o.epoch || int(m.seq) >= len(o.due) {
		t.stale++
		return
	}
	if s.seen == nil {
		s.seen = make([]uint64, (len(o.due)+63)/64)
	}
	word, bit := m.seq/64, uint64(1)<<(m.seq%64)
	if s.seen[word]&bit != 0 {
		t.duplicated++
		return
	}
	s.seen[word] |= bit
	s.last = max(s.last, m.seq)
	t.latency.add(now - o.due[m.seq].Load())
	t.delivered++
	t.lastArrival = now
}

// arrived is how many deliveries have been counted since the last take.
func (s *session) arrived() int64 { return s.engine.peek().delivered }

// pace is when the i-th of what is sent at an interval is due.
func pace(began int64, i int, interval time.Duration) int64 { return began + int64(i)*int64(interval) }
