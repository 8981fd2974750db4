package bench

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// others are the visitors beside a siege: each asks for a token, opens a stream, tells of
// a page view, is sent an update, and leaves.
type others struct {
	Siege
	s     *session
	first int // the number of the first

	mu                   sync.Mutex
	open, view, delivery hist
	done, failed         int
}

func (w Siege) newOthers(s *session, half int) *others {
	return &others{Siege: w, s: s, first: 1 + half*1_000_000}
}

// run has them come at the rate.
func (o *others) run(ctx context.Context) error {
	count := max(1, int(o.Rate*o.Duration.Seconds()))
	interval, began := time.Duration(1e9/o.Rate), clock()
	var visits sync.WaitGroup
	defer visits.Wait()
	for i := range count {
		due := pace(began, i, interval)
		if err := sleep(ctx, time.Duration(due-clock())); err != nil {
			return err
		}
		visits.Go(func() {
			err := o.visit(ctx, o.first+i, due)
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.done++; err != nil && ctx.Err() == nil {
				o.failed++
				o.s.engine.note("a visitor: " + err.Error())
			}
			o.s.progress.say("%d of %d visitors were there", o.done, count)
		})
	}
	return nil
}

func (o *others) visit(ctx context.Context, i int, due int64) error {
	c, err := o.s.clientOf(ctx, i)
	if err != nil {
		return err
	}
	defer c.close()
	conn, token, err := o.s.openStream(ctx, c, i, o.s.visitor(i), 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	page := &reader{conn: conn}
	if err := page.until("room.joined"); err != nil {
		return err
	}
	o.add(&o.open, due)
	began := clock()
	view := &told{token: token, view: fmt.Sprintf("%s-%d", o.s.run, i), tab: "t1", path: "/", localTime: time.Now().Format(time.RFC3339)}
	if taken, err := o.s.tell(ctx, c, view); err != nil || !taken {
		return fmt.Errorf("a page view was not taken: %w", err)
	}
	o.add(&o.view, began)
	began = clock()
	if err := o.s.update(ctx, c, i, uint32(i), markLength); err != nil {
		return err
	}
	if err := page.until("user.update"); err != nil {
		return err
	}
	o.add(&o.delivery, began)
	return nil
}

func (o *others) add(to *hist, from int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to.add(clock() - from)
}

func (o *others) report(prefix string) {
	o.s.result.addLatency(prefix+"open", &o.open)
	o.s.result.addLatency(prefix+"view", &o.view)
	o.s.result.addLatency(prefix+"delivery", &o.delivery)
	if o.failed > 0 {
		o.s.result.fail("%d of %d visitors were not served", o.failed, o.done)
	}
}

// dial opens a connection as one of many addresses.
func (s *session) dial(ctx context.Context, i int) (net.Conn, error) {
	d := &net.Dialer{Timeout: requestTimeout}
	if from := s.server.source(i); from.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	return d.DialContext(ctx, "tcp", s.server.address(0).String())
}

// clientOf is a client at one of many addresses.
func (s *session) clientOf(ctx context.Context, i int) (*client, error) {
	conn, err := s.dial(ctx, i)
	if err != nil {
		return nil, err
	}
	return &client{address: s.server.address(0).String(), conn: conn}, nil
}

// openStream asks for a token, and for a stream over a connection of its own, of which
// nothing is read.
func (s *session) openStream(ctx context.Context, c *client, i int, visitor string, receiveBuffer int) (conn net.Conn, token string, err error) {
	a, err := c.do(ctx, s.server.tokenRequest(0, visitor))
	if err != nil {
		return nil, "", err
	}
	if token = member(a.body, "token"); token == "" {
		if a.status == 429 {
			s.engine.limit(limitKeys("token", a.status))
		}
		return nil, "", fmt.Errorf("token: %d %s", a.status, member(a.body, "code"))
	}
	if conn, err = s.dial(ctx, i); err != nil {
		return nil, "", err
	}
	if receiveBuffer > 0 {
		err = conn.(*net.TCPConn).SetReadBuffer(receiveBuffer)
	}
	if err == nil {
		_, err = conn.Write(s.server.streamRequest(0, token, ""))
	}
	if err != nil {
		conn.Close()
		return nil, "", err
	}
	return conn, token, nil
}

// update sends a new state of the user that the i-th visitor is.
func (s *session) update(ctx context.Context, c *client, i int, seq uint32, size int) error {
	body := []byte(`[{"user":{"id":"` + s.user(i) + `","anonymous_ids":["` + s.visitor(i) + `"],"` + s.cfg.Trait + `":"`)
	body = mark{s.epoch, uint32(i), seq}.appendPadded(body, size)
	body = append(body, `"},"account":{},"segments":[],"account_segments":[],"events":[]}]`...)
	a, err := c.do(ctx, s.server.post(0, "/api/v1/connectors/"+s.server.connector+"/users", "Authorization: Bearer "+s.cfg.AdminKey+"\r\n", body))
	if err == nil && a.status != 202 {
		err = fmt.Errorf("an update: %d %s", a.status, member(a.body, "code"))
	}
	return err
}

// reader reads a stream until an event comes.
type reader struct {
	conn   net.Conn
	answer response
	seen   map[string]bool
	buffer [4 << 10]byte
}

func (r *reader) event(e event) { r.seen[string(e.kind)] = true }

func (r *reader) until(kind string) error {
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.conn.SetReadDeadline(time.Now().Add(requestTimeout))
	for !r.seen[kind] {
		n, err := r.conn.Read(r.buffer[:])
		if err != nil {
			return fmt.Errorf("no %s: %w", kind, err)
		}
		if _, err := r.answer.feed(r.buffer[:n], r); err != nil {
			return err
		}
		if r.answer.phase == complete {
			return fmt.Errorf("no %s: the stream was answered %d", kind, r.answer.status)
		}
	}
	return nil
}
