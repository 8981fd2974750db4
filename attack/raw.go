package attack

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// conversation is what came of bytes that were sent as they are.
type conversation struct {
	x       *try
	answers []*answer
	closed  bool // by the server
}

// address is where the server listens.
func (t *Target) address() string {
	u, err := url.Parse(t.URL)
	if err != nil {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}

func (x *try) dial() net.Conn {
	conn, err := dialerFrom(x.from).DialContext(x.ctx, "tcp", x.address())
	if err != nil {
		x.stop("no connection: %v", err)
	}
	return conn
}

// silence is how long a connection that is open says nothing before it is taken to have
// said all.
const silence = 2 * time.Second

// raw sends bytes as they are and reads answers until the server closes the connection
// or is silent. In the text {host} is the server's address.
func (x *try) raw(text string) *conversation {
	conn := x.dial()
	defer conn.Close()
	go io.WriteString(conn, strings.ReplaceAll(text, "{host}", x.address()))
	return x.listen(conn, silence)
}

// listen reads what the server says, until it has closed the connection or has said
// nothing for so long; for the first of it a busy machine has five times that.
func (x *try) listen(conn net.Conn, quiet time.Duration) *conversation {
	c := &conversation{x: x}
	var text bytes.Buffer
	buffer := make([]byte, 64<<10)
	for text.Len() < 1<<20 {
		wait := quiet
		if text.Len() == 0 {
			wait = 5 * quiet
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		n, err := conn.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			c.closed = !errors.Is(err, os.ErrDeadlineExceeded)
			break
		}
	}
	r := bufio.NewReader(&text)
	for {
		if _, err := r.Peek(1); err != nil {
			return c
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			x.fault("what the server says is no answer: %v", err)
			return c
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		a := &answer{x, response.StatusCode, response.Header, body}
		a.keepsSecrets()
		c.answers = append(c.answers, a)
	}
}

// refused asks for one answer alone, with one of these statuses, and that nothing behind
// it was taken for a request.
func (c *conversation) refused(statuses ...int) *conversation {
	if len(c.answers) != 1 {
		c.x.say("%d answers", len(c.answers))
		c.x.fault("there are %d answers, want one", len(c.answers))
		return c
	}
	c.answers[0].refusedAs(statuses...)
	return c
}

// ends asks that the server has closed the connection.
func (c *conversation) ends() *conversation {
	if !c.closed {
		c.x.fault("the connection stays open")
	}
	return c
}

// only asks that all answers have one of these statuses.
func (c *conversation) only(statuses ...int) *conversation {
	for _, a := range c.answers {
		if c.x.say("%d", a.status); !slices.Contains(statuses, a.status) {
			c.x.fault("one answer is %d, want only %v", a.status, statuses)
		}
	}
	return c
}

// lines joins the lines of a head.
func lines(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }
