package hull

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrNoUser is returned for what should describe a user, but has no user with
// an id. A report without one is Hull's way to say that it found nobody.
var ErrNoUser = errors.New("no user id")

// Message is what one update says of a user. UserID is never empty. The raw
// members are valid compact JSON of the right type, or nil: parts of what was
// parsed, which must not change. Only the Parse functions make messages.
type Message struct {
	Index  int // in the notification; of an extract the number of its line
	UserID string

	User            json.RawMessage // object
	Account         json.RawMessage // object
	Segments        json.RawMessage // list: users segments
	AccountSegments json.RawMessage // list
	SegmentIDs      json.RawMessage // list: ids of users segments, only if Segments is nil
	Events          json.RawMessage // list

	IndexedAt time.Time // when Hull computed the user; zero: absent or unreadable
	ErasedAt  time.Time // of a state: when the user was erased; zero: it was not

	user userMembers
}

// userMembers are the raw members of a user that this package needs; nil: none.
type userMembers struct {
	id, externalID, email, contactEmail, anonymousIDs, indexedAt, segmentIDs []byte
}

// timeFormat is how times are written into states.
const timeFormat = "2006-01-02T15:04:05.999999Z07:00"

// parseMessage reads a user message. Without a user that has an id, UserID of
// the result is empty.
func parseMessage(raw []byte) (m Message) {
	if kindOf(raw) == '{' {
		m, _ = readMessage(raw, 0)
	}
	return m
}

// readMessage reads the object that starts at b[i], and returns the index after
// it. It reads the user on the way, so that nothing is walked over twice.
func readMessage(b []byte, i int) (m Message, end int) {
	var userSegments []byte
	for i++; b[i] != '}'; i = afterComma(b, i) {
		name, start := nameAt(b, i)
		if string(name) == "user" {
			m.user, i = readUser(b, start)
			m.User = only('{', b[start:i])
			continue
		}
		i = valueEnd(b, start)
		value := b[start:i]
		switch string(name) {
		case "account":
			m.Account = only('{', value)
		case "segments":
			m.Segments = only('[', value)
		case "user_segments":
			userSegments = only('[', value)
		case "account_segments":
			m.AccountSegments = only('[', value)
		case "segment_ids":
			m.SegmentIDs = only('[', value)
		case "events":
			m.Events = only('[', value)
		}
	}
	if m.Segments == nil {
		m.Segments = userSegments
	}
	m.useUser()
	return m, i + 1
}

// readUser reads the value that starts at b[i] as a user, and returns the index
// after it.
func readUser(b []byte, i int) (u userMembers, end int) {
	if b[i] != '{' {
		return u, valueEnd(b, i)
	}
	for i++; b[i] != '}'; i = afterComma(b, i) {
		name, start := nameAt(b, i)
		i = valueEnd(b, start)
		value := b[start:i]
		switch string(name) {
		case "id":
			u.id = value
		case "external_id":
			u.externalID = value
		case "email":
			u.email = value
		case "contact_email":
			u.contactEmail = value
		case "anonymous_ids":
			u.anonymousIDs = value
		case "indexed_at":
			u.indexedAt = value
		case "segment_ids":
			u.segmentIDs = only('[', value)
		}
	}
	return u, i + 1
}

// useUser takes from the user what the message needs.
func (m *Message) useUser() {
	m.UserID = textOrNone(m.user.id)
	m.IndexedAt = parseTime(m.user.indexedAt)
	if m.Segments != nil {
		m.SegmentIDs = nil
	} else if m.SegmentIDs == nil {
		m.SegmentIDs = m.user.segmentIDs
	}
}

// only is value if it is of that kind, else nil.
func only(kind byte, value []byte) []byte {
	if kindOf(value) != kind {
		return nil
	}
	return value
}

// ParseMessages reads user messages that do not come in a notification: a list
// of them, or a single one. What is of no use is skipped. The error is one of
// ParseNotification's.
func ParseMessages(body []byte, maxDepth int) ([]Message, []Skip, error) {
	body, err := readJSON(body, orDefaultDepth(maxDepth))
	if err != nil {
		return nil, nil, ErrInvalidJSON.Because("Invalid JSON: " + err.Error())
	}
	switch kindOf(body) {
	case '[':
	case '{':
		body = append(append([]byte{'['}, body...), ']')
	default:
		return nil, nil, errMessages
	}
	var n Notification
	if _, err := n.readMessages(body, 0); err != nil {
		return nil, nil, err
	}
	return n.Messages, n.Skipped, nil
}

// State is what is stored of a user: compact JSON with the members of a message,
// those that are nil left out. Events are left out too, since they happened and
// are not a state. The result belongs to the caller.
func (m *Message) State() []byte {
	size := len(`{"user":,"account":,"segments":,"segment_ids":,"account_segments":}`) +
		len(m.User) + len(m.Account) + len(m.Segments) + len(m.SegmentIDs) + len(m.AccountSegments)
	state := append(make([]byte, 0, size), '{')
	state = appendMember(state, `"user":`, m.User)
	state = appendMember(state, `"account":`, m.Account)
	state = appendMember(state, `"segments":`, m.Segments)
	state = appendMember(state, `"segment_ids":`, m.SegmentIDs)
	state = appendMember(state, `"account_segments":`, m.AccountSegments)
	if !m.ErasedAt.IsZero() {
		state = appendMember(state, `"erased_at":`, []byte(m.ErasedAt.UTC().Format(`"`+timeFormat+`"`)))
	}
	return closeWith(state, '}')
}

// EventNames are m's events without all but their names, as ParseUpdate takes
// them; nil: there are none. The result belongs to the caller.
func (m *Message) EventNames() []byte {
	names := []byte{'['}
	for i := 1; i < len(m.Events)-1; i = afterComma(m.Events, i) {
		var name []byte
		if name, _, i = pair(m.Events, i, "event", "event"); kindOf(name) == '"' {
			names = append(append(append(names, `{"event":`...), name...), '}', ',')
		}
	}
	if len(names) == 1 {
		return nil
	}
	return closeWith(names, ']')
}

// ParseUpdate reads what State and EventNames wrote. ErrNoUser: it is not a state.
func ParseUpdate(state, events []byte) (Message, error) {
	m, err := ParseState(state)
	if err != nil || len(events) == 0 {
		return m, err
	}
	if events, err = readJSON(events, maxDepth); err != nil {
		return m, fmt.Errorf("reading the events of an update: %w", err)
	}
	m.Events = only('[', events)
	return m, nil
}

// ParseState reads what State wrote. ErrNoUser: it is not a state.
func ParseState(state []byte) (Message, error) {
	state, err := readJSON(state, maxDepth)
	if err != nil {
		return Message{}, fmt.Errorf("reading a state: %w", err)
	}
	m := parseMessage(state)
	m.Events = nil
	if m.UserID == "" {
		return Message{}, fmt.Errorf("reading a state: %w", ErrNoUser)
	}
	if bytes.HasSuffix(state, []byte(`Z"}`)) { // else erased_at, which stands last, is not there
		if erased := parseTime(member(state, "erased_at")); !erased.IsZero() {
			m.IndexedAt, m.ErasedAt = erased, erased
		}
	}
	return m, nil
}

// ParseReport reads a user report of Hull's REST API: a flat user, whose
// account and segments are among its attributes. ErrNoUser: Hull found nobody.
func ParseReport(report []byte) (Message, error) {
	report, err := readJSON(report, DefaultDepth)
	if err != nil {
		return Message{}, fmt.Errorf("reading a user report: %w", err)
	}
	m := readReport(report)
	if m.UserID == "" {
		return Message{}, fmt.Errorf("reading a user report: %w", ErrNoUser)
	}
	return m, nil
}

// readReport reads a report that is compact JSON. Without an id, UserID of the result
// is empty.
func readReport(report []byte) Message {
	m := parseMessage(report)
	m.Events = nil
	m.User = reportedUser(report)
	m.user, _ = readUser(m.User, 0)
	m.useUser()
	return m
}

// reportedUser is a report without what is not the user's own.
func reportedUser(report []byte) []byte {
	user := append(make([]byte, 0, len(report)), '{')
	for name, value := range members(report) {
		if notOfUser[string(name)] {
			continue
		}
		user = append(appendQuoted(user, name), ':')
		user = append(append(user, value...), ',')
	}
	return closeWith(user, '}')
}

// appendMember appends a member and a comma. key is quoted and has its colon. A
// value of nil is no member.
func appendMember[K string | []byte](dst []byte, key K, value []byte) []byte {
	if value == nil {
		return dst
	}
	dst = append(dst, key...)
	return append(append(dst, value...), ',')
}

// closeWith ends an object or a list of which each part was followed by a comma.
func closeWith(dst []byte, bracket byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst = dst[:last]
	}
	return append(dst, bracket)
}
