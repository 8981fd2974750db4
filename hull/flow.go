package hull

import (
	"errors"
	"net/http"
)

// NotificationError is a notification that is not taken, in Hull's words: Code
// and Reason go into the answer. Two of them are the same to errors.Is when
// code and status are, whatever the reason.
type NotificationError struct {
	Code   string
	Status int
	Reason string
}

// Why a notification is not taken, in the order of the checks
// (docs/hull-protocol.md 3.6). ErrKeyUnreachable shares its code with
// ErrInvalidCertificate: the key may be fine, but its host does not answer.
var (
	ErrMissingFlagHeader           = &NotificationError{"MISSING_FLAG_HEADER", http.StatusBadRequest, "Missing flag header"}
	ErrUnsupportedSignatureVersion = &NotificationError{"UNSUPPORTED_SIGNATURE_VERSION", http.StatusBadRequest, "Unsupported signature version"}
	ErrMissingSignatureHeaders     = &NotificationError{"MISSING_SIGNATURE_HEADERS", http.StatusBadRequest, "Missing signature header(s)"}
	ErrUntrustedKeyURL             = &NotificationError{"UNTRUSTED_KEY_URL", http.StatusBadRequest, "Untrusted public key URL"}
	ErrEntityTooLarge              = &NotificationError{"ENTITY_TOO_LARGE", http.StatusRequestEntityTooLarge, "Payload too large"}
	ErrMissingNotification         = &NotificationError{"MISSING_NOTIFICATION", http.StatusBadRequest, "No notification in payload"}
	ErrInvalidJSON                 = &NotificationError{"INVALID_JSON", http.StatusBadRequest, "Payload is not JSON"}
	ErrInvalidNotification         = &NotificationError{"INVALID_NOTIFICATION", http.StatusBadRequest, "Payload is not a notification"}
	ErrMissingConfiguration        = &NotificationError{"MISSING_CONFIGURATION", http.StatusBadRequest, "No configuration in payload"}
	ErrInvalidConfiguration        = &NotificationError{"INVALID_CONFIGURATION", http.StatusBadRequest, "Invalid configuration"}
	ErrMissingNotificationID       = &NotificationError{"MISSING_NOTIFICATION_ID", http.StatusBadRequest, "No notification_id in payload"}
	ErrInvalidCertificate          = &NotificationError{"INVALID_CERTIFICATE", http.StatusBadRequest, "Invalid certificate"}
	ErrKeyUnreachable              = &NotificationError{"INVALID_CERTIFICATE", http.StatusServiceUnavailable, "Public key cannot be fetched"}
	ErrInvalidSignature            = &NotificationError{"INVALID_SIGNATURE", http.StatusBadRequest, "Invalid signature"}
	ErrReplayedNotification        = &NotificationError{"REPLAYED_NOTIFICATION", http.StatusBadRequest, "Notification was answered before with another payload"}
	ErrInProgress                  = &NotificationError{"IN_PROGRESS", http.StatusServiceUnavailable, "Notification is being processed"}
	ErrOverloaded                  = &NotificationError{"OVERLOADED", http.StatusServiceUnavailable, "Too many notifications at once"}
	ErrInvalidExtract              = &NotificationError{"INVALID_EXTRACT", http.StatusBadRequest, "Payload is not the announcement of an extract"}
	ErrUntrustedExtractURL         = &NotificationError{"UNTRUSTED_EXTRACT_URL", http.StatusBadRequest, "Untrusted URL of an extract"}
	ErrExtractUnreachable          = &NotificationError{"EXTRACT_UNREACHABLE", http.StatusBadRequest, "The extract cannot be fetched"}
	ErrUnavailable                 = &NotificationError{"UNAVAILABLE", http.StatusServiceUnavailable, "Temporarily unavailable"}
)

// Why a request of Hull's that is no notification, and carries the connector's
// credentials itself, is not taken. The first says what Hull's libraries say.
var (
	ErrMissingCredentials = &NotificationError{"MISSING_CREDENTIALS", http.StatusForbidden, "Missing credentials. Set one of token or hullToken or set of ship, organization, secret"}
	ErrInvalidCredentials = &NotificationError{"INVALID_CREDENTIALS", http.StatusForbidden, "The credentials are not those of a connector that is known here"}
	ErrTooManyTries       = &NotificationError{"TOO_MANY_TRIES", http.StatusTooManyRequests, "Too many wrong credentials have come from this address"}
)

// Because is the same error with a reason of its own. The reason is sent to
// whoever asks: nothing secret belongs in it.
func (e *NotificationError) Because(reason string) *NotificationError {
	return &NotificationError{e.Code, e.Status, reason}
}

func (e *NotificationError) Error() string { return e.Code + ": " + e.Reason }

// Is compares code and status.
func (e *NotificationError) Is(target error) bool {
	other, ok := target.(*NotificationError)
	return ok && other.Code == e.Code && other.Status == e.Status
}

// ChannelClass sorts the channels by what is done about them.
type ChannelClass string

// The classes. Every notification, also of channels that are not supported, brings
// the connector's settings and the segments' names.
const (
	ClassUser          ChannelClass = "user"
	ClassUserDelete    ChannelClass = "user_delete"
	ClassConnector     ChannelClass = "connector"
	ClassSegment       ChannelClass = "segment"
	ClassSegmentDelete ChannelClass = "segment_delete"
	ClassUnsupported   ChannelClass = "unsupported"
)

// ClassifyChannel sorts a channel. Segments have an old and two new names
// (docs/hull-protocol.md 2.4). Of accounts nothing can be told to pages: what follows
// for users comes as updates of them.
func ClassifyChannel(channel string) ChannelClass {
	switch channel {
	case "user:update":
		return ClassUser
	case "user:delete":
		return ClassUserDelete
	case "ship:update":
		return ClassConnector
	case "segment:update", "users_segment:update", "accounts_segment:update":
		return ClassSegment
	case "segment:delete", "users_segment:delete", "accounts_segment:delete":
		return ClassSegmentDelete
	}
	return ClassUnsupported
}

// FlowControl tells Hull how to go on: "next" asks for further messages,
// "retry" for the same ones again. Size is the number of messages in the next
// notification, In the milliseconds until then. What InTime means nobody knows
// (docs/hull-protocol.md 4.1).
type FlowControl struct {
	Type   string `json:"type"`
	Size   int    `json:"size,omitzero"`
	In     int    `json:"in,omitzero"`
	InTime int    `json:"in_time,omitzero"`
}

// Answer is the body of an answer to a notification. Error repeats the first
// of Errors: Hull's older libraries write the list, newer ones the object.
type Answer struct {
	FlowControl FlowControl    `json:"flow_control"`
	Metrics     []struct{}     `json:"metrics"` // nobody fills it, readers expect it
	Errors      []AnswerReason `json:"errors"`
	Error       *AnswerError   `json:"error,omitempty"`
}

// AnswerReason is an error as Hull's older libraries write it.
type AnswerReason struct {
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// AnswerError is an error as Hull's newer libraries write it.
type AnswerError struct {
	Code    string `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
}

// retry is what Pace.Retry answers when there is no hurry.
func retry(err error) (status int, answer Answer) {
	e, ok := errors.AsType[*NotificationError](err)
	if !ok {
		e = ErrUnavailable
	}
	flow := FlowControl{Type: "retry", Size: 10, In: 1000, InTime: 10}
	if e.Status == http.StatusRequestEntityTooLarge {
		flow = FlowControl{Type: "retry", Size: 1}
	}
	name := "NotificationValidationError"
	if e.Status >= http.StatusInternalServerError {
		name = "TransientError"
	}
	return e.Status, Answer{
		FlowControl: flow,
		Metrics:     []struct{}{},
		Errors:      []AnswerReason{{e.Code, e.Reason}},
		Error:       &AnswerError{e.Code, name, e.Reason},
	}
}
