package bench

import (
	"errors"
	"strconv"
	"strings"
)

func (l *loop) read(s *stream) {
	for s.state < stalled {
		n, err := receive(s.fd, l.buffer[:])
		if errors.Is(err, errAgain) {
			return
		}
		if err != nil || n == 0 {
			l.broken(s, err)
			return
		}
		l.current = s
		if _, err := s.feed(l.buffer[:n], l); err != nil {
			l.fail(s, err.Error())
			return
		}
		l.step(s)
		if n < len(l.buffer) {
			return
		}
	}
}

// broken ends a stream that the server has ended.
func (l *loop) broken(s *stream, err error) {
	why := "end of the connection"
	if err != nil {
		why = err.Error()
	}
	switch {
	case s.state < open:
		l.fail(s, "no answer: "+why)
	default:
		l.fail(s, "the server ended the stream: "+why)
	}
}

// step goes on with the opening of s after what was read.
func (l *loop) step(s *stream) {
	switch {
	case s.state == ended: // by its first event
	case s.state == asking && s.phase == complete:
		token := member(s.carry, "token")
		if s.status != 201 || token == "" {
			l.refused(s, "token")
			return
		}
		if s.watch != nil {
			s.watch.token = token
		}
		s.request = l.engine.server.streamRequest(int(s.index), token, "")
		s.response = response{}
		if l.engine.direct {
			s.state = waiting
			l.write(s)
			return
		}
		s.state = connecting
		if err := l.reconnect(s); err != nil {
			l.fail(s, "connect: "+err.Error())
		}
	case s.state == waiting && s.phase != inHead && (s.status != 200 || !s.sse):
		if s.phase == complete || s.status == 200 {
			l.refused(s, "stream")
		}
	case s.state == waiting && s.phase != inHead:
		s.state = open
		l.opening--
		if s.watch != nil {
			s.watch.local = localAddress(s.fd)
		}
		l.engine.ready.Add(1)
		if plain := l.engine.server.streamPath != ""; plain || !l.engine.churn {
			l.tally.opened.add(l.now - s.due)
			l.tally.lastArrival = l.now
			if l.engine.churn { // other servers have no first event
				l.end(s)
			}
		}
	case s.phase == complete:
		l.fail(s, "the server ended the stream")
	}
}

// refused gives up an opening that was answered with an error.
func (l *loop) refused(s *stream, what string) {
	status := strconv.Itoa(int(s.status))
	code := member(s.carry, "code")
	if s.status == 429 || s.status == 503 {
		l.engine.limit(limitKeys(what, int(s.status)))
	}
	l.fail(s, strings.TrimSpace(what+" "+status+" "+code))
}

// limitKeys are the settings whose limits answer so.
func limitKeys(what string, status int) string {
	switch {
	case status == 429 && what == "token":
		return "limits.tokens_per_address"
	case what == "stream":
		return "limits.streams_per_address, limits.streams_per_visitor, limits.streams_per_connector or stream.max_streams"
	}
	return ""
}

// event implements receiver for the stream that is read.
func (l *loop) event(e event) {
	s := l.current
	if s.state == ended {
		return
	}
	if s.watch != nil {
		s.watch.kinds[string(e.kind)]++
		if len(e.id) > 0 {
			s.watch.lastEventID = string(e.id)
		}
	}
	if string(e.kind) == "close" {
		l.engine.note("close: " + member(e.data, "message"))
	}
	if l.engine.churn {
		if s.state < open { // the head came with it, and step has not seen it
			l.opening--
			l.engine.ready.Add(1)
		}
		l.tally.opened.add(l.now - s.due)
		l.tally.lastArrival = l.now
		l.end(s)
		return
	}
	if l.engine.sink != nil {
		l.engine.sink(&l.tally, s, e, l.now)
	}
}
