package hull

import (
	"bytes"
	"regexp"
	"strings"
	"time"
)

// maxMessages bounds the messages of one notification, since a body of twenty
// megabytes has room for millions. Hull sends a hundred.
const maxMessages = 10_000

// Notification is a notification with the shape that it must have; whether it
// may be believed is for the caller to find out.
type Notification struct {
	ID            string // never empty
	Channel       string // see ClassifyChannel
	Configuration Configuration
	Connector     *ConnectorState // nil: Hull did not say
	Count         int             // of all messages, on any channel

	// On the channels of ClassUser, Messages has the messages that are of use,
	// and Skipped says why the others are not, both in order.
	Messages []Message
	Skipped  []Skip

	messages     []byte   // the list of all messages
	segmentLists [][]byte // of the organization's segments
}

// Configuration is a connector's access to its organization in Hull. No part
// is empty. The organization is a host name in lower case, with a port or not.
type Configuration struct {
	ID           string
	Organization string
	Secret       string
}

// Skip is a message that is of no use.
type Skip struct {
	Index  int // among all messages
	Reason string
}

// The reasons to skip a message.
const (
	SkipNotAnObject = "not an object"
	SkipNoUserID    = "no user id"
)

// ParseNotification reads the body of a notification whose objects and lists
// are nested maxDepth deep at most; 0 is DefaultDepth. Messages keep parts of
// body, which must not change, or of a copy as large: white space between parts
// is dropped. So is a byte order mark, what is not UTF-8 becomes U+FFFD, and of
// members with the same name the last counts.
//
// Its errors are NotificationErrors, found in this order: ErrMissingNotification,
// ErrInvalidJSON, ErrInvalidNotification, ErrEntityTooLarge (10,000 messages at
// most), ErrMissingConfiguration, ErrInvalidConfiguration and
// ErrMissingNotificationID. Broken messages are none: they are skipped.
func ParseNotification(body []byte, maxDepth int) (*Notification, error) {
	body, err := readEnvelope(body, maxDepth)
	if err != nil {
		return nil, err
	}
	return parseEnvelope(body)
}

// readEnvelope is readJSON for the body of a notification, which is an object.
func readEnvelope(body []byte, maxDepth int) ([]byte, error) {
	body, err := readJSON(body, orDefaultDepth(maxDepth))
	switch {
	case err != nil:
		return nil, ErrInvalidJSON.Because("Invalid JSON: " + err.Error())
	case len(body) == 0 || kindOf(body) == 'n':
		return nil, ErrMissingNotification
	case kindOf(body) != '{':
		return nil, ErrInvalidNotification.Because("Notification is not an object")
	}
	return body, nil
}

var errMessages error = ErrInvalidNotification.Because("messages is not a list")

func parseEnvelope(body []byte) (*Notification, error) {
	var id, configuration, connector, channel []byte
	var lists struct{ segments, usersSegments, accountsSegments, accountSegments []byte }
	n := new(Notification)
	messagesErr := errMessages
	var messages []byte
	for i := 1; body[i] != '}'; i = afterComma(body, i) {
		name, start := nameAt(body, i)
		if string(name) == "messages" {
			i, messagesErr = n.readMessages(body, start)
			messages = body[start:i]
			continue
		}
		i = valueEnd(body, start)
		value := body[start:i]
		switch string(name) {
		case "notification_id":
			id = value
		case "configuration":
			configuration = value
		case "connector":
			connector = value
		case "channel":
			channel = value
		case "segments":
			lists.segments = only('[', value)
		case "users_segments":
			lists.usersSegments = only('[', value)
		case "accounts_segments":
			lists.accountsSegments = only('[', value)
		case "account_segments":
			lists.accountSegments = only('[', value)
		}
	}
	if lists.usersSegments == nil {
		lists.usersSegments = lists.segments
	}
	if lists.accountsSegments == nil {
		lists.accountsSegments = lists.accountSegments
	}
	n.messages, n.segmentLists = messages, [][]byte{lists.usersSegments, lists.accountsSegments}
	switch {
	case kindOf(channel) != '"':
		return nil, ErrInvalidNotification.Because("channel is not a string")
	case messagesErr != nil:
		return nil, messagesErr
	}
	n.ID, n.Channel = textOrNone(id), textOrNone(channel)
	if ClassifyChannel(n.Channel) != ClassUser {
		n.Messages, n.Skipped = nil, nil
	}
	var err error
	if n.Connector, err = parseConnector(connector); err != nil {
		return nil, err
	}
	if n.Configuration, err = parseConfiguration(configuration); err != nil {
		return nil, err
	}
	if n.Connector == nil && ClassifyChannel(n.Channel) == ClassConnector {
		n.Connector = connectorAmong(messages, n.Configuration.ID)
	}
	switch {
	case n.Connector != nil && n.Connector.ID != "" && n.Connector.ID != n.Configuration.ID:
		return nil, ErrInvalidConfiguration.Because("connector.id differs from configuration.id")
	case n.ID == "":
		return nil, ErrMissingNotificationID
	}
	return n, nil
}

// readMessages reads the value that starts at b[i] as the messages, instead of
// those read before, and returns the index after it. It takes them for messages
// of users: the channel may only come after them, and to walk them twice would
// cost more than to read those of other channels for nothing.
func (n *Notification) readMessages(b []byte, i int) (end int, err error) {
	n.Count, n.Messages, n.Skipped = 0, n.Messages[:0], n.Skipped[:0]
	if b[i] != '[' {
		return valueEnd(b, i), errMessages
	}
	start := i
	for i++; b[i] != ']'; i = afterComma(b, i) {
		if n.Count == maxMessages {
			return valueEnd(b, start), ErrEntityTooLarge.Because("Too many messages")
		}
		i = n.addMessage(b, i)
		n.Count++
	}
	return i + 1, nil
}

func (n *Notification) addMessage(b []byte, i int) (end int) {
	if b[i] != '{' {
		n.Skipped = append(n.Skipped, Skip{n.Count, SkipNotAnObject})
		return valueEnd(b, i)
	}
	m, end := readMessage(b, i)
	m.Index = n.Count
	if m.UserID == "" {
		n.Skipped = append(n.Skipped, Skip{n.Count, SkipNoUserID})
		return end
	}
	if n.Messages == nil { // room for as many as may follow, if they are about alike
		n.Messages = make([]Message, 0, min(1+(len(b)-i)*5/4/(end-i), 100))
	}
	n.Messages = append(n.Messages, m)
	return end
}

var connectorID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func parseConfiguration(raw []byte) (Configuration, error) {
	if isNone(raw) {
		return Configuration{}, ErrMissingConfiguration
	}
	c := Configuration{
		ID:           textOrNone(member(raw, "id")),
		Organization: strings.ToLower(textOrNone(member(raw, "organization"))),
		Secret:       textOrNone(member(raw, "secret")),
	}
	if fault := c.check(); fault != "" {
		return c, ErrInvalidConfiguration.Because("configuration." + fault)
	}
	return c, nil
}

// check says what of c is not as Configuration says; "": nothing.
func (c Configuration) check() (fault string) {
	switch {
	case !connectorID.MatchString(c.ID):
		return "id is not the id of a connector"
	case c.Secret == "":
		return "secret is not a string with content"
	case !isHostPort(c.Organization):
		return "organization is not a host name"
	}
	return ""
}

// isNone tells that a member is absent or null.
func isNone(value []byte) bool { return len(value) == 0 || value[0] == 'n' }

// parseTime reads the spellings of time in Hull's data: RFC 3339, which allows
// lower case and a space, and "2018-10-08 16:33:15 UTC". Anything else is the
// zero time.
func parseTime(value []byte) (t time.Time) {
	content, ok := text(value)
	if !ok || len(content) > len("2006-01-02T15:04:05.999999999999+00:00") {
		return time.Time{}
	}
	if t.UnmarshalText(content) == nil {
		return t.UTC()
	}
	content = bytes.ToUpper(content)
	content = bytes.Replace(content, []byte(" UTC"), []byte("Z"), 1)
	content = bytes.Replace(content, []byte(" "), []byte("T"), 1)
	if t.UnmarshalText(content) != nil {
		return time.Time{}
	}
	return t.UTC()
}
