package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"
)

// client sends requests to one node over one connection, each when the one
// before is answered. It is much cheaper than net/http's, whose work would be
// counted against the server's machine.
type client struct {
	address string
	conn    net.Conn
	buffer  [16 << 10]byte
}

// answer is how a request was answered.
type answer struct {
	status int
	wait   time.Duration // Retry-After
	body   []byte
}

const requestTimeout = 30 * time.Second

func (s *server) client(index int) *client {
	return &client{address: s.address(index).String()}
}

// do sends a request and reads its answer. A request is never sent twice.
func (c *client) do(ctx context.Context, request []byte) (a answer, err error) {
	if c.conn == nil {
		if c.conn, err = (&net.Dialer{Timeout: requestTimeout}).DialContext(ctx, "tcp", c.address); err != nil {
			return a, err
		}
	}
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	r, err := c.exchange(request)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil || r.closes {
		c.close()
	}
	if err != nil {
		return a, err
	}
	return answer{int(r.status), time.Duration(r.wait) * time.Second, r.carry}, nil
}

func (c *client) exchange(request []byte) (r response, err error) {
	c.conn.SetDeadline(time.Now().Add(requestTimeout))
	if _, err := c.conn.Write(request); err != nil {
		return r, err
	}
	for r.phase != complete {
		n, err := c.conn.Read(c.buffer[:])
		if n == 0 && err == io.EOF && r.phase == inBody && r.framing == untilEOF {
			return r, nil
		}
		if n == 0 && err != nil {
			return r, fmt.Errorf("no answer: %w", err)
		}
		if _, err := r.feed(c.buffer[:n], nothing{}); err != nil {
			return r, err
		}
	}
	return r, nil
}

type nothing struct{}

func (nothing) event(event) {}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// member is a text of a JSON object, or nothing.
func member(object []byte, name string) string {
	members := map[string]json.RawMessage{}
	text := ""
	if json.Unmarshal(object, &members) == nil {
		_ = json.Unmarshal(members[name], &text)
	}
	return text
}
