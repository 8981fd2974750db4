package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"
)

// visit is one visitor while they are there: one page, with one stream at a time.
type visit struct {
	*soaking
	user, node int
	slow       bool
	leaves     int64 // clock
	events     eventSource

	// Under soaking's lock.
	token         string
	lastEventID   string
	came, reading int64 // when it was first told of its user, and since when it reads the present stream; 0: not
	version       int64 // of the last id
	update, offer uint32
	closed        string // what the last close event said
	anew          bool   // the stream was opened with an offer for its last event
}

// place is taken by one visitor after the other.
func (y *soaking) place(ctx context.Context, slow bool) {
	buffer := make([]byte, 16<<10)
	// They do not all come at once.
	for wait := time.Duration(rand.Int64N(int64(y.Stay/4) + 1)); sleep(ctx, wait) == nil; wait = about(y.Stay / 20) {
		v := &visit{soaking: y, user: rand.IntN(y.Users), slow: slow, leaves: clock() + int64(y.stays())}
		v.events.buffer = buffer
		if slow {
			v.user, v.leaves = y.Users, clock()+int64(10*y.Stay)
		}
		y.mu.Lock()
		y.counts["visits"]++
		y.visits[v] = true
		y.mu.Unlock()
		v.run(ctx)
		y.mu.Lock()
		delete(y.visits, v)
		y.mu.Unlock()
	}
}

func (y *soaking) stays() time.Duration {
	if rand.IntN(10) == 0 {
		return about(10 * y.Stay)
	}
	return about(y.Stay)
}

// run is a visit from its first request to its end.
func (v *visit) run(ctx context.Context) {
	for ctx.Err() == nil && clock() < v.leaves {
		if !v.open(ctx) {
			_ = sleep(ctx, time.Second+about(time.Second))
			continue
		}
		v.listen(ctx)
		if clock() < v.leaves {
			v.count("reconnections")
			_ = sleep(ctx, 100*time.Millisecond+about(time.Second)) // as after retry:
		}
	}
}

// open opens a stream at some node, with a new token when there is none that is good.
func (v *visit) open(ctx context.Context) bool {
	v.node = rand.IntN(len(v.session.server.nodes))
	if v.token == "" && !v.ask(ctx) {
		return false
	}
	v.anew = strings.HasSuffix(v.lastEventID, "-offer")
	err := v.events.open(ctx, v.session.server, v.node, v.session.server.streamRequest(v.node, v.token, v.lastEventID), v)
	if a := v.events.refusal(); err == nil && a.status != 0 {
		if a.status == 401 && member(a.body, "code") == "token_expired" {
			v.count("tokens_expired")
			v.setToken("")
			return false
		}
		v.refused("stream", a, nil)
		return false
	}
	if err != nil {
		if ctx.Err() == nil {
			v.refused("stream", answer{}, err)
		}
		return false
	}
	if v.slow {
		v.events.conn.SetReadBuffer(4096)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.counts["opened"]++
	v.reading = clock()
	return true
}

// ask asks for a token, as somebody who was there before if the user was.
func (v *visit) ask(ctx context.Context) bool {
	v.mu.Lock()
	key := v.people[v.user].key
	v.mu.Unlock()
	s := v.session.server
	a, err := v.once(ctx, v.node, s.post(v.node, "/api/v1/connectors/"+s.connector+"/token", "Origin: "+s.origin+"\r\n",
		[]byte(`{"claims":{"anonymous_id":"`+v.session.visitor(v.user)+`"},"visitor_key":"`+key+`"}`)))
	token := member(a.body, "token")
	if err != nil || a.status != 201 || token == "" {
		if ctx.Err() == nil {
			v.refused("token", a, err)
		}
		return false
	}
	v.setToken(token)
	if rand.IntN(2) == 0 { // the next one may be somebody else
		v.mu.Lock()
		v.people[v.user].key = member(a.body, "visitor_key")
		v.mu.Unlock()
	}
	return true
}

func (v *visit) setToken(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.token = token
}

// listen reads the stream until the visitor leaves, the connection breaks, or the server
// ends it. The slow stop to read meanwhile.
func (v *visit) listen(ctx context.Context) {
	err := v.events.read(ctx, min(v.leaves, clock()+int64(about(v.Stay))), v)
	if v.slow && isTimeout(err) {
		v.setReading(0)
		_ = sleep(ctx, 5*time.Second+about(15*time.Second))
		v.setReading(clock())
		err = v.events.read(ctx, min(v.leaves, clock()+int64(v.Stay)), v)
	}
	v.setReading(0)
	if rand.IntN(2) == 0 {
		v.events.cut()
	}
	v.events.close()
	v.mu.Lock()
	defer v.mu.Unlock()
	switch closed := v.closed; {
	case ctx.Err() != nil || isTimeout(err):
		v.counts["left"]++
	case closed != "":
		v.counts["closed_"+closed]++
	case v.slow:
		v.counts["slow_ended"]++
	default:
		v.wrongLocked("a stream ended without a word: " + reason(err))
	}
	v.closed = ""
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func (v *visit) setReading(since int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reading = since
}

// once sends a request over a connection of its own, as a page does that another site's
// is on.
func (y *soaking) once(ctx context.Context, node int, request []byte) (answer, error) {
	c := y.session.server.client(node)
	defer c.close()
	a, err := c.do(ctx, request)
	if err != nil {
		err = errors.New(reason(err))
	}
	return a, err
}

// reason is what was wrong with a connection, without its addresses.
func reason(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + op.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "no answer: ")
}
