package hull

import "strings"

// HeaderSNSType marks a message of Amazon SNS: so Hull notifies connectors that do
// not have the smart-notifier (docs/hull-protocol.md 5). Its value says nothing that the
// message does not say itself.
const HeaderSNSType = "X-Amz-Sns-Message-Type"

// The types of messages of Amazon SNS.
const (
	SNSNotification  = "Notification"
	SNSConfirmation  = "SubscriptionConfirmation"
	SNSUnsubscribing = "UnsubscribeConfirmation"
)

// SNSMessage is a message of Amazon SNS, taken apart. Whether it may be believed is for
// Verifier.VerifySNS to find out.
type SNSMessage struct {
	Type    string // never empty
	ID      string // empty only in a message that is not signed
	Subject string // of a notification: its channel, by the names of that time
	Message string // of a notification: JSON

	texts map[string]string // all members that are strings, by name
}

// ParseSNS reads the body of a message, which is nested maxDepth deep at most; 0 is
// DefaultDepth. Its errors are NotificationErrors: ErrMissingNotification,
// ErrInvalidJSON, and ErrInvalidNotification when it is not an object with a Type and a
// Message. It keeps no part of body.
func ParseSNS(body []byte, maxDepth int) (*SNSMessage, error) {
	body, err := readEnvelope(body, maxDepth)
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string)
	for name, value := range members(body) {
		delete(texts, string(name)) // of members with the same name the last counts
		if content, ok := text(value); ok {
			texts[string(name)] = string(content)
		}
	}
	if _, ok := texts["Message"]; !ok || texts["Type"] == "" {
		return nil, ErrInvalidNotification.Because("Not a message of Amazon SNS: Type and Message are texts")
	}
	return &SNSMessage{texts["Type"], texts["MessageId"], texts["Subject"], texts["Message"], texts}, nil
}

// stringToSign is what Amazon SNS signs: names and values of the members that a type
// has, in the order of their names, each with a line break (docs/hull-protocol.md 5.3).
func (m *SNSMessage) stringToSign() string {
	names := []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	if m.Type == SNSNotification {
		names = []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	}
	var b strings.Builder
	for _, name := range names {
		if value, ok := m.texts[name]; ok {
			b.WriteString(name + "\n" + value + "\n")
		}
	}
	return b.String()
}

// Notification is what a message of type Notification says, in the smart-notifier's
// terms: it is for the connector of c, has one message, and brings neither settings nor
// the organization's segments. Of channels that say nothing themselves, as ship:update,
// which only tells to ask, Message is not read. Errors are those of ParseSNS, when Message
// is not an object.
func (m *SNSMessage) Notification(c Configuration, maxDepth int) (*Notification, error) {
	n := &Notification{ID: m.ID, Channel: channelOfSubject(m.Subject), Configuration: c, Count: 1}
	class := ClassifyChannel(n.Channel)
	if class == ClassUnsupported || class == ClassConnector {
		return n, nil
	}
	message, err := readEnvelope([]byte(m.Message), maxDepth)
	if err != nil {
		return nil, err
	}
	n.messages = append(append([]byte{'['}, message...), ']')
	if class == ClassUser {
		n.Count = 0
		_, err = n.readMessages(n.messages, 0)
	}
	return n, err
}

// channelOfSubject is the channel that a subject is called today
// (docs/hull-protocol.md 5.1). The others have their names still.
func channelOfSubject(subject string) string {
	switch subject {
	case "user_report:update":
		return "user:update"
	case "account_report:update":
		return "account:update"
	}
	return subject
}
