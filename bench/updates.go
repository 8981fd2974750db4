package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The ways in which the updates of users are sent.
const (
	ViaNotifications = "notifications" // signed, as Hull sends them
	ViaUsers         = "users"         // the operators' route
)

// via tells whether cfg has what this way needs.
func (c Config) via(way string) error {
	switch {
	case way == ViaNotifications && (c.Sign == nil || c.Configuration == nil):
		return errors.New("notifications need the connector's secret and a key that signs")
	case way == ViaUsers && c.AdminKey == "":
		return errors.New("the route for users needs an admin key")
	case way != ViaNotifications && way != ViaUsers:
		return fmt.Errorf("via: %q is neither %s nor %s", way, ViaNotifications, ViaUsers)
	}
	return nil
}

// updates sends the updates of users, each request with those of several, and
// knows when each was due.
//
// A connection has users of its own, and sends the next request when the one
// before was answered: so a user's updates arrive in their order. Users take
// turns, so that all of a request are different.
type updates struct {
	session *session
	via     string
	batch   int // messages of a request
	size    int // bytes of what a message carries
	epoch   uint32
	users   int
	lanes   []*lane
	began   int64    // clock
	period  int64    // nanoseconds between two requests, over all lanes; 0: when answered
	retry   bool     // send again what the server asks to be sent again
	latest  []uint32 // by user: the last sequence number that was taken

	refused, repeated, accepted, unsent atomic.Int64
}

// lane is one connection with its users.
type lane struct {
	number, lanes int
	users         int // those whose number modulo lanes is this lane's
	requests      int
	due           []atomic.Int64 // of each request, clock
	headers       []string
	ids           []string
	answers       hist
}

// newUpdates prepares so many requests over at most conns connections. Signatures
// are made here: they take a millisecond each, which would be of the measurement.
func newUpdates(ctx context.Context, s *session, via string, users, conns, batch, size, requests int, rate float64) (*updates, error) {
	s.epoch++
	u := &updates{session: s, via: via, batch: batch, size: size, epoch: s.epoch, users: users, latest: make([]uint32, users)}
	if rate > 0 {
		u.period = int64(float64(batch) / rate * 1e9)
	}
	conns = min(conns, max(1, users/batch), requests)
	for i := range conns {
		l := &lane{number: i, lanes: conns, users: share(users, conns, i), requests: share(requests, conns, i)}
		l.due = make([]atomic.Int64, l.requests)
		u.lanes = append(u.lanes, l)
	}
	return u, u.sign(ctx, requests)
}

// introduce sends each user once, as fast as it is answered.
func (s *session) introduce(ctx context.Context, present **updates, via string, users, conns, batch, size int) error {
	conns = min(conns, max(1, users/batch))
	lane := (users + conns - 1) / conns // users of the longest
	u, err := newUpdates(ctx, s, via, users, conns, batch, size, conns*((lane+batch-1)/batch), 0)
	if err != nil {
		return err
	}
	u.retry = true
	s.engine.locked(func() { *present = u })
	s.progress.say("%d users are introduced", users)
	o, err := u.measure(ctx)
	if err == nil && !o.sound() {
		o.failures(s.result)
		err = errors.New("users could not be introduced")
	}
	return err
}

// share is the part of the i-th of so many.
func share(n, of, i int) int {
	part := n / of
	if i < n%of {
		part++
	}
	return part
}

func (u *updates) sign(ctx context.Context, requests int) error {
	s, done := u.session, 0
	for _, l := range u.lanes {
		for i := range l.requests {
			if u.via == ViaUsers {
				l.headers = append(l.headers, s.operatorHeader())
				continue
			}
			id := fmt.Sprintf("bench-%s-%08x-%d-%d", s.run, u.epoch, l.number, i)
			l.headers, l.ids = append(l.headers, s.notificationHeaders(id)), append(l.ids, id)
			if done++; done%100 == 0 {
				s.progress.say("%d of %d notifications are signed", done, requests)
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
		}
	}
	return nil
}

// message is the user of the i-th message of a lane, and its sequence number.
func (l *lane) message(i int) (user int, seq uint32) {
	return i%l.users*l.lanes + l.number, uint32(i/l.users + 1)
}

// dueAt is when this update of a user was due, or 0.
func (u *updates) dueAt(user int, seq uint32) int64 {
	l := u.lanes[user%len(u.lanes)]
	request := ((int(seq)-1)*l.users + user/len(u.lanes)) / u.batch
	if request >= l.requests {
		return 0
	}
	return l.due[request].Load()
}

// send sends everything and returns when all was answered, or when what is due
// could not be sent within five seconds of its end.
func (u *updates) send(ctx context.Context) error {
	u.began = clock() + int64(20*time.Millisecond)
	if u.period > 0 {
		for _, l := range u.lanes {
			for i := range l.due {
				l.due[i].Store(u.began + int64(i*l.lanes+l.number)*u.period)
			}
		}
	}
	errs := make([]error, len(u.lanes))
	var sending sync.WaitGroup
	for i, l := range u.lanes {
		sending.Go(func() { errs[i] = u.sendLane(ctx, l) })
	}
	sending.Wait()
	return errors.Join(errs...)
}

func (u *updates) sendLane(ctx context.Context, l *lane) error {
	c := u.session.server.client(l.number)
	defer c.close()
	for i := range l.requests {
		if u.period > 0 {
			due := l.due[i].Load()
			if err := sleep(ctx, time.Duration(due-clock())); err != nil {
				return err
			}
			if late := u.began + int64(l.requests*l.lanes)*u.period + int64(5*time.Second); clock() > late {
				u.unsent.Add(int64((l.requests - i) * u.batch))
				return nil
			}
		} else {
			l.due[i].Store(clock())
		}
		if err := u.sendOne(ctx, c, l, i); err != nil {
			return err
		}
		u.session.progress.say("%d messages were taken, %d were not", u.accepted.Load(), u.refused.Load())
	}
	return nil
}

// maxRepeats is how many times a notification is sent again when flow control
// asks for it: longer than a server needs to recover from anything but its end.
const maxRepeats = 20

func (u *updates) sendOne(ctx context.Context, c *client, l *lane, i int) error {
	request := u.request(l, i)
	for try := 0; ; try++ {
		sent := clock()
		a, err := c.do(ctx, request)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		taken := a.status == 200 || a.status == 202
		if taken {
			l.answers.add(clock() - sent)
			u.accepted.Add(int64(u.batch))
			for j := range u.batch {
				user, seq := l.message(i*u.batch + j)
				u.latest[user] = seq
			}
			return nil
		}
		u.noteRefusal(a, err)
		if !u.retry || err != nil || try == maxRepeats || a.status < 500 && a.status != 429 {
			u.refused.Add(int64(u.batch))
			if a.status == 401 || a.status == 403 || a.status == 404 {
				return fmt.Errorf("the server answers %d to what is sent via %s", a.status, u.via)
			}
			return nil
		}
		u.repeated.Add(1)
		if err := sleep(ctx, max(a.wait, time.Second)); err != nil { // Hull: "in" of a retry is a second
			return err
		}
	}
}

func (u *updates) noteRefusal(a answer, err error) {
	e := u.session.engine
	switch {
	case err != nil:
		e.note("sending: " + err.Error())
		return
	case a.status == 429:
		e.limit(limitKeys(u.via, a.status))
	}
	e.note(strings.TrimSpace(fmt.Sprintf("%s %d %s", u.via, a.status, member(a.body, "code"))))
}

// request is the i-th of a lane.
func (u *updates) request(l *lane, i int) []byte {
	messages := make([]byte, 0, u.batch*(220+u.size))
	for j := range u.batch {
		user, seq := l.message(i*u.batch + j)
		messages = u.session.appendMessage(messages, mark{u.epoch, uint32(user), seq}, u.size)
	}
	id := ""
	if u.via == ViaNotifications {
		id = l.ids[i]
	}
	return u.session.updateRequest(l.number, id, l.headers[i], messages)
}

// appendMessage appends a user:update of the mark's user, which carries the mark.
func (s *session) appendMessage(messages []byte, m mark, size int) []byte {
	if len(messages) > 0 {
		messages = append(messages, ',')
	}
	user := int(m.topic)
	messages = append(messages, `{"user":{"id":"`+s.user(user)+`","anonymous_ids":["`+s.visitor(user)+`"],"`+s.cfg.Trait+`":"`...)
	messages = m.appendPadded(messages, size)
	return append(messages, `"},"account":{},"segments":[],"account_segments":[],"events":[]}`...)
}

// updateRequest sends messages to a node as the notification of this id; without
// one, by the operators' route.
func (s *session) updateRequest(index int, id, headers string, messages []byte) []byte {
	if id == "" {
		return s.server.post(index, "/api/v1/connectors/"+s.server.connector+"/users", headers, fmt.Appendf(nil, "[%s]", messages))
	}
	return s.server.post(index, "/smart-notifier", headers, fmt.Appendf(nil,
		`{"notification_id":"%s","channel":"user:update","configuration":%s,"messages":[%s]}`, id, s.cfg.Configuration, messages))
}

// notificationHeaders are the lines that sign the notification of this id.
func (s *session) notificationHeaders(id string) string {
	var lines strings.Builder
	for name, values := range s.cfg.Sign(id) {
		if name != "Content-Type" {
			fmt.Fprintf(&lines, "%s: %s\r\n", name, values[0])
		}
	}
	return lines.String()
}

// operatorHeader is the line that an operator is let in by.
func (s *session) operatorHeader() string { return "Authorization: Bearer " + s.cfg.AdminKey + "\r\n" }
