package bench

import (
	"bytes"
	"errors"
	"strconv"
)

// event is one server-sent event. Its fields are good until the receiver returns.
type event struct{ kind, id, data []byte }

// receiver takes the events of a response as they are complete.
type receiver interface{ event(event) }

// response reads one HTTP/1.1 response, cut anywhere, and the events in it. The
// zero value is ready; it keeps no buffer but for what was cut. Lines of an event
// stream end in LF or CRLF: no server is known that sends the bare CR which the
// HTML standard also allows.
type response struct {
	phase   phase
	framing framing
	chunk   chunkPhase
	digits  uint8 // of the chunk's size, or bytes of a trailer's line
	sse     bool
	closes  bool // the server will close the connection behind it
	status  int16
	wait    int32 // Retry-After, seconds
	scanned int32 // of carry: no event ends before it
	left    int64 // bytes of the body, or of the chunk
	carry   []byte
}

type (
	phase      uint8
	framing    uint8
	chunkPhase uint8
)

const (
	inHead phase = iota
	inBody
	complete
)

const (
	untilEOF framing = iota
	chunked
	sized
)

const (
	chunkSize chunkPhase = iota
	chunkExtension
	chunkData
	chunkEnd
	chunkTrailer
)

const (
	maxHead  = 64 << 10
	maxEvent = 1 << 20 // also of a body that is no event stream
)

var (
	errHead  = errors.New("no HTTP/1.1 response")
	errChunk = errors.New("a malformed chunk")
	errLarge = errors.New("an event above 1 MiB")
)

// feed takes the next bytes. What it returns is behind the end of the response.
func (r *response) feed(b []byte, to receiver) (rest []byte, err error) {
	if r.phase == inHead {
		if b, err = r.head(b); err != nil || r.phase == inHead {
			return nil, err
		}
	}
	if r.phase == inBody {
		switch r.framing {
		case untilEOF:
			return nil, r.body(b, to)
		case sized:
			n := min(int64(len(b)), r.left)
			r.left -= n
			err = r.body(b[:n], to)
			b = b[n:]
			if r.left == 0 {
				r.phase = complete
			}
		case chunked:
			b, err = r.chunks(b, to)
		}
	}
	return b, err
}

func (r *response) head(b []byte) (body []byte, err error) {
	before := len(r.carry)
	r.carry = append(r.carry, b...)
	from := max(0, before-3)
	i := bytes.Index(r.carry[from:], []byte("\r\n\r\n"))
	if i < 0 && len(r.carry) < maxHead {
		return nil, nil
	}
	end := from + i + 4
	if i < 0 || end > maxHead {
		return nil, errHead
	}
	if err := r.headLines(r.carry[:end-2]); err != nil {
		return nil, err
	}
	r.carry = nil
	r.phase = inBody
	if r.status == 204 || r.status == 304 || r.framing == sized && r.left == 0 {
		r.phase = complete
	}
	return b[end-before:], nil
}

func (r *response) headLines(head []byte) error {
	line, head, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return errHead
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 100 {
		return errHead
	}
	r.status = int16(status)
	r.closes = line[7] == '0'
	for len(head) > 0 {
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(bytes.ToLower(name)) {
		case "content-type":
			r.sse = bytes.HasPrefix(bytes.ToLower(value), []byte("text/event-stream"))
		case "transfer-encoding":
			if bytes.EqualFold(value, []byte("chunked")) {
				r.framing = chunked
			}
		case "content-length":
			n, err := strconv.ParseInt(string(value), 10, 63)
			if err != nil || n < 0 {
				return errHead
			}
			if r.framing != chunked { // RFC 9112, 6.3: the chunks win
				r.framing, r.left = sized, n
			}
		case "connection":
			r.closes = r.closes || bytes.EqualFold(value, []byte("close"))
		case "retry-after":
			n, _ := strconv.Atoi(string(value))
			r.wait = int32(min(max(n, 0), 3600))
		}
	}
	if r.framing == chunked {
		r.left = 0
	}
	return nil
}

func (r *response) chunks(b []byte, to receiver) (rest []byte, err error) {
	for len(b) > 0 && r.phase == inBody {
		if r.chunk == chunkData {
			n := min(int64(len(b)), r.left)
			if err := r.body(b[:n], to); err != nil {
				return nil, err
			}
			b = b[n:]
			if r.left -= n; r.left == 0 {
				r.chunk = chunkEnd
			}
			continue
		}
		if err := r.chunkByte(b[0]); err != nil {
			return nil, err
		}
		b = b[1:]
	}
	return b, nil
}

// chunkByte takes one byte of what stands between the chunks.
func (r *response) chunkByte(c byte) error {
	switch {
	case r.chunk == chunkEnd && c == '\n':
		r.chunk, r.left, r.digits = chunkSize, 0, 0
	case r.chunk == chunkEnd && c != '\r':
		return errChunk
	case r.chunk == chunkEnd:
	case r.chunk == chunkTrailer && c == '\n':
		if r.digits == 0 {
			r.phase = complete
		}
		r.digits = 0
	case r.chunk == chunkTrailer:
		if c != '\r' {
			r.digits = 1
		}
	case c == '\n':
		if r.digits == 0 {
			return errChunk
		}
		r.chunk = chunkData
		if r.left == 0 {
			r.chunk = chunkTrailer
		}
		r.digits = 0
	case r.chunk == chunkExtension:
	case c == '\r' || c == ';' || c == ' ':
		r.chunk = chunkExtension
	default:
		d := unhex(c)
		if r.digits++; d < 0 || r.digits > 15 {
			return errChunk
		}
		r.left = r.left<<4 | int64(d)
	}
	return nil
}

// body takes decoded bytes.
func (r *response) body(b []byte, to receiver) error {
	if !r.sse {
		if len(r.carry)+len(b) > maxEvent {
			return errLarge
		}
		r.carry = append(r.carry, b...)
		return nil
	}
	if len(r.carry) > 0 {
		r.carry = append(r.carry, b...)
		b = r.carry
	}
	from := int(r.scanned)
	for {
		end, scanned := eventEnd(b, from)
		if end < 0 {
			if len(b) > maxEvent {
				return errLarge
			}
			r.keep(b, scanned)
			return nil
		}
		if end > maxEvent {
			return errLarge
		}
		if e := parseEvent(b[:end]); e.data != nil { // HTML standard, 9.2.6: without data it is none
			to.event(e)
		}
		b, from = b[end:], 0
	}
}

// keep holds the start of an event that was cut.
func (r *response) keep(b []byte, scanned int) {
	switch {
	case len(b) == 0:
		r.carry = nil
	case len(r.carry) > 0:
		r.carry = append(r.carry[:0], b...)
	default:
		r.carry = append([]byte(nil), b...)
	}
	r.scanned = int32(scanned)
}

// eventEnd returns the index behind the blank line that ends the first event, or
// -1 and where the line that is not complete starts.
func eventEnd(b []byte, from int) (end, scanned int) {
	for at := from; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1, at
		}
		if i == 0 || i == 1 && b[at] == '\r' {
			return at + i + 1, 0
		}
		at += i + 1
	}
}

func parseEvent(raw []byte) (e event) {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\n')
		line := raw[:i]
		raw = raw[i+1:]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		switch string(name) {
		case "event":
			e.kind = value
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				e.id = value
			}
		case "data":
			if e.data == nil {
				e.data = value[:len(value):len(value)]
				if value == nil {
					e.data = []byte{}
				}
			} else {
				e.data = append(append(e.data, '\n'), value...)
			}
		}
	}
	return e
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
