// Package streamtest tests event streams: a reader of them that shares no code
// with what writes them, and the suite that every transport of package stream
// passes.
package streamtest

import (
	"bufio"
	"io"
	"iter"
	"strconv"
	"strings"
)

// Event is an event as a page gets it.
type Event struct {
	Type  string // message when the stream names none
	Data  string
	ID    string // the last event ID, which an event without one inherits
	Retry int    // reconnection time set since the event before, in ms; -1: none
}

// Read reads an event stream as the HTML standard says, 9.2.6, but for one
// thing: bytes that are not UTF-8 stay as they are. It ends at the end of r, and
// an unfinished event is dropped; an error of r is the last thing that it yields.
func Read(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var (
			eventType, data, id string
			hasData             bool
			retry               = -1
		)
		for line, err := range lines(r) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case line == "" && hasData:
				if eventType == "" {
					eventType = "message"
				}
				if !yield(Event{Type: eventType, Data: strings.TrimSuffix(data, "\n"), ID: id, Retry: retry}, nil) {
					return
				}
				eventType, data, hasData, retry = "", "", false, -1
			case line == "":
				eventType = ""
			case name == "event":
				eventType = value
			case name == "data":
				data, hasData = data+value+"\n", true
			case name == "id" && !strings.Contains(value, "\x00"):
				id = value
			case name == "retry" && strings.Trim(value, "0123456789") == "":
				if ms, err := strconv.Atoi(value); err == nil {
					retry = ms
				}
			}
		}
	}
}

// lines are the finished lines of r, without their ends and without a byte order
// mark at the start. A line is there when its CR is, though a LF may follow.
func lines(r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in := bufio.NewReader(r)
		if mark, err := in.Peek(1); err == nil && mark[0] == 0xEF { // only then wait for two more
			if mark, err := in.Peek(3); err == nil && string(mark) == "\uFEFF" {
				in.Discard(3)
			}
		}
		var line []byte
		afterCR := false
		for {
			c, err := in.ReadByte()
			switch {
			case err == io.EOF:
				return
			case err != nil:
				yield("", err)
				return
			case c == '\n' && afterCR:
				afterCR = false
			case c == '\n' || c == '\r':
				if !yield(string(line), nil) {
					return
				}
				line, afterCR = line[:0], c == '\r'
			default:
				line, afterCR = append(line, c), false
			}
		}
	}
}
