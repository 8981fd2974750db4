package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

// eventSource is a connection over which events come. It is of one goroutine, which may let
// what comes lie.
type eventSource struct {
	conn     *net.TCPConn
	response response
	buffer   []byte
}

// open sends a request and reads the head of its answer; when that is no event stream, all
// of it, and refusal has it. Events that come with the head are told to the receiver.
func (e *eventSource) open(ctx context.Context, s *server, index int, request []byte, to receiver) error {
	d := net.Dialer{Timeout: requestTimeout}
	if from := s.source(rand.IntN(1 << 20)); from.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	conn, err := d.DialContext(ctx, "tcp", s.address(index).String())
	if err != nil {
		return errors.New(reason(err))
	}
	e.conn, e.response = conn.(*net.TCPConn), response{}
	conn.SetDeadline(time.Now().Add(requestTimeout))
	defer e.interruptible(ctx)()
	if _, err = conn.Write(request); err == nil {
		for err == nil && (e.response.phase == inHead || !e.streaming() && e.response.phase != complete) {
			err = e.once(to)
		}
	}
	if err != nil || !e.streaming() {
		e.close()
	}
	if err != nil {
		return errors.New(reason(err))
	}
	return nil
}

func (e *eventSource) streaming() bool { return e.response.status == 200 && e.response.sse }

// refusal is the answer that was no event stream; without a status: it is one.
func (e *eventSource) refusal() answer {
	if e.streaming() || e.response.phase != complete {
		return answer{}
	}
	return answer{status: int(e.response.status), body: e.response.carry}
}

// read reads events until a time of clock, which ends it with os.ErrDeadlineExceeded, as
// the end of ctx does, or until the other end ends them.
func (e *eventSource) read(ctx context.Context, until int64, to receiver) error {
	e.conn.SetReadDeadline(time.Now().Add(time.Duration(until - clock())))
	defer e.interruptible(ctx)()
	for {
		if err := e.once(to); err != nil {
			return err
		}
		if e.response.phase == complete {
			return errors.New("end of the response")
		}
	}
}

func (e *eventSource) once(to receiver) error {
	n, err := e.conn.Read(e.buffer)
	if n > 0 {
		_, err = e.response.feed(e.buffer[:n], to)
	}
	return err
}

// interruptible has the end of ctx end what waits for the connection, until the func that
// it returns is called.
func (e *eventSource) interruptible(ctx context.Context) (stop func() bool) {
	conn := e.conn
	return context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
}

// cut has the next close tell the other end that the connection is broken.
func (e *eventSource) cut() { _ = e.conn.SetLinger(0) }

func (e *eventSource) close() { _ = e.conn.Close() }
