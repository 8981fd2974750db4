package stream

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxEvent bounds one event on the wire, in bytes: common clients give up on
// lines of 64 KiB and more.
const MaxEvent = 64<<10 - 1

// maxNames bounds the names that conflated events carry on.
const maxNames = 64

var (
	// ErrField is returned for a field that would break the framing.
	ErrField = errors.New("field breaks the event's framing")
	// ErrTooLarge is returned for an event above MaxEvent.
	ErrTooLarge = errors.New("event is too large")
)

// Fields are the fields of an event (HTML standard, 9.2.6).
type Fields struct {
	Type string // event type; empty: message
	Data []byte // may hold line ends of all three kinds, which arrive as LF
	ID   ID     // zero: none
	// Retry is the reconnection time; zero: none.
	Retry time.Duration
	// NamesStart and NamesEnd are where in Data the inside of a compact JSON list
	// of strings stands, whose elements are carried on when events are conflated.
	// Equal: the list is empty here, and takes what is carried on. Both zero:
	// there is no list.
	NamesStart, NamesEnd int
	// Effect is what the event does to what the page shows of the user.
	Effect Effect
	// Accepted is when what the event tells was accepted by a node, from
	// which the delivery latency counts; zero: not counted.
	Accepted time.Time
	// Path is how the event came to this node's streams.
	Path Path
	// Exemplar says in the metrics where one delivery came from, such as
	// request_id and its value; nil: nothing does.
	Exemplar prometheus.Labels
	// Delivery is told when the event is written; nil: nobody is.
	Delivery *Delivery
	// Taken is told of each stream that takes the event to write it, if it is one that
	// is not conflated. It is called with locks held, and must neither wait, nor call
	// the broker, nor lock the subscriber. nil: nobody is told.
	Taken func(*Subscriber)
}

// Path is how an event came to the streams of a node.
type Path uint8

const (
	PathLocal Path = iota // from the node itself
	PathBus               // over the bus, also when the node has published it there
)

// Effect is what an event does to what the page shows of the followed user.
type Effect uint8

const (
	Keeps Effect = iota // nothing
	Shows               // the page shows the user from now on
	Hides               // the page does not show the user any more
)

// Event is encoded once and shared, unchanged, by all its receivers.
type Event struct {
	frame      []byte
	id         ID
	start, end int // of the names in frame
	hasNames   bool
	effect     Effect
	path       Path
	print      uint64 // of an event that Shows: of its data without the names
	accepted   time.Time
	taken      func(*Subscriber)
	delivery   *Delivery
	exemplar   atomic.Pointer[prometheus.Labels] // nil when it has been told
}

// NewEvent encodes f. ErrField: Type has a line end or a NUL, ID is not one that
// ParseID reads, or names are given outside of data or in data that has line
// ends. ErrTooLarge: the event is above MaxEvent.
func NewEvent(f Fields) (*Event, error) {
	if strings.ContainsAny(f.Type, "\r\n\x00") {
		return nil, fmt.Errorf("%w: event type", ErrField)
	}
	if !f.ID.IsZero() && !f.ID.valid() {
		return nil, fmt.Errorf("%w: id", ErrField)
	}
	e := &Event{id: f.ID, effect: f.Effect, path: f.Path, accepted: f.Accepted, taken: f.Taken, delivery: f.Delivery}
	if f.Exemplar != nil {
		e.exemplar.Store(&f.Exemplar)
	}
	b := make([]byte, 0, len(f.Type)+len(f.Data)+64)
	if f.Retry > 0 {
		b = append(strconv.AppendInt(append(b, "retry: "...), f.Retry.Milliseconds(), 10), '\n')
	}
	if f.Type != "" {
		b = append(append(append(b, "event: "...), f.Type...), '\n')
	}
	start := len(b) + len("data: ")
	b = appendData(b, f.Data)
	if f.NamesStart != 0 || f.NamesEnd != 0 {
		oneLine := len(b) == start+len(f.Data)+len("\n")
		if !oneLine || f.NamesStart < 0 || f.NamesStart > f.NamesEnd || f.NamesEnd > len(f.Data) {
			return nil, fmt.Errorf("%w: names", ErrField)
		}
		e.hasNames, e.start, e.end = true, start+f.NamesStart, start+f.NamesEnd
	}
	if f.Effect == Shows {
		e.print = printOf(f.Data[:f.NamesStart], f.Data[f.NamesEnd:])
	}
	if !f.ID.IsZero() {
		// The id comes last: a client that takes it as soon as it reads the line
		// would lose an event that is cut after it (docs/sse-facts.md).
		b = append(f.ID.append(append(b, "id: "...)), '\n')
	}
	e.frame = append(b, '\n')
	if len(e.frame) > MaxEvent {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(e.frame), MaxEvent)
	}
	return e, nil
}

var printSeed = maphash.MakeSeed()

// printOf is a number that two texts have in common only if they are the same, as good as
// certainly; never 0.
func printOf(text ...[]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(printSeed)
	for _, part := range text {
		h.Write(part)
	}
	return max(1, h.Sum64())
}

// appendData writes one data line for each line of data.
func appendData(b, data []byte) []byte {
	for more := true; more; {
		var line []byte
		if line, data, more = bytes.Cut(data, lf); more {
			line = bytes.TrimSuffix(line, cr) // CRLF is one line end
		}
		for before, after, found := bytes.Cut(line, cr); found; before, after, found = bytes.Cut(line, cr) {
			b = append(append(append(b, "data: "...), before...), '\n')
			line = after
		}
		b = append(append(append(b, "data: "...), line...), '\n')
	}
	return b
}

var cr, lf = []byte("\r"), []byte("\n")

// Uncounted is the same event for streams to which it comes late since they were opened
// late, so that its latency says nothing.
func (e *Event) Uncounted() *Event {
	return &Event{frame: e.frame, id: e.id, start: e.start, end: e.end, hasNames: e.hasNames, effect: e.effect, print: e.print, taken: e.taken}
}

// Frame is the whole event as it is written. It must not be changed.
func (e *Event) Frame() []byte { return e.frame }

func (e *Event) names() []byte { return e.frame[e.start:e.end] }

// withNames is the event's frame with names before its own.
func (e *Event) withNames(names []byte) []byte {
	names = newestNames(joinNames(names, e.names()), maxNames)
	for len(names) > len(e.names()) && len(e.frame)-len(e.names())+len(names) > MaxEvent {
		names = dropName(names)
	}
	b := make([]byte, 0, len(e.frame)-len(e.names())+len(names))
	return append(append(append(b, e.frame[:e.start]...), names...), e.frame[e.end:]...)
}

// joinNames joins the insides of two JSON lists of strings.
func joinNames(a, b []byte) []byte {
	if len(a) == 0 || len(b) == 0 {
		return append(a[:len(a):len(a)], b...)
	}
	return append(append(a[:len(a):len(a)], ','), b...)
}

// newestNames drops the oldest names until at most n are left.
func newestNames(names []byte, n int) []byte {
	count := 0
	for rest := names; len(rest) > 0; rest = dropName(rest) {
		count++
	}
	for ; count > n; count-- {
		names = dropName(names)
	}
	return names
}

// dropName cuts the first string and the comma behind it off the inside of a
// compact JSON list of strings.
func dropName(names []byte) []byte {
	for i := 1; i < len(names); i++ {
		switch names[i] {
		case '\\':
			i++
		case '"':
			return names[min(i+2, len(names)):]
		}
	}
	return nil
}

// ID is an event's id: which state of which user it showed. On the wire it is
// version-tag, of digits, a dash, and up to 16 of A-Za-z0-9_-.
type ID struct {
	Version uint64 // Unix microseconds, or a little more: store.Put
	// Tag tells one user's states under one connector's settings from all
	// others, so that a version is only ever compared with its own kind.
	Tag string
}

const maxTag = 16

// IsZero tells that there is no id.
func (id ID) IsZero() bool { return id == ID{} }

func (id ID) append(b []byte) []byte {
	return append(append(strconv.AppendUint(b, id.Version, 10), '-'), id.Tag...)
}

func (id ID) String() string { return string(id.append(nil)) }

// ParseID reads what a client sends as Last-Event-ID. The client may send
// anything: ok is false for what is not an id of ours.
func ParseID(s string) (id ID, ok bool) {
	version, tag, ok := strings.Cut(s, "-")
	if !ok || strings.Trim(version, "0123456789") != "" || strings.HasPrefix(version, "0") {
		return ID{}, false
	}
	v, err := strconv.ParseUint(version, 10, 64)
	if id = (ID{v, tag}); err != nil || !id.valid() {
		return ID{}, false
	}
	return id, true
}

func (id ID) valid() bool {
	for _, c := range []byte(id.Tag) {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_') {
			return false
		}
	}
	return id.Version > 0 && len(id.Tag) > 0 && len(id.Tag) <= maxTag
}
