package stream

import (
	"encoding/json"
	"time"
)

// Reason is why a stream ended. The set is closed: it is a metric's label.
type Reason string

// The reasons, with what the page is told in its close event; of the last three
// it is told nothing, since nobody is there to hear it.
const (
	ReasonMaxAge   Reason = "max_age"            // the page opens a new one
	ReasonDrain    Reason = "shutting_down"      // the node stops
	ReasonOrigin   Reason = "origin_not_allowed" // the connector's domains changed
	ReasonIdentity Reason = "identity_changed"   // its topics lead elsewhere now
	ReasonRevoked  Reason = "revoked"            // it must not go on with its token
	ReasonBehind   Reason = "behind"             // more offers waited for it than may
	ReasonGone     Reason = "client_gone"
	ReasonSlow     Reason = "write_timeout"
	ReasonError    Reason = "write_error"
)

// Reasons lists them all.
var Reasons = []Reason{ReasonMaxAge, ReasonDrain, ReasonOrigin, ReasonIdentity, ReasonRevoked, ReasonBehind, ReasonGone, ReasonSlow, ReasonError}

// CloseEvent tells who reads an event stream why it ends, and when to come back.
func CloseEvent(reason Reason, reconnectIn time.Duration) *Event {
	data, _ := json.Marshal(struct {
		Message     Reason `json:"message"`
		ReconnectIn int64  `json:"reconnect_in_ms"`
	}{reason, reconnectIn.Milliseconds()})
	e, _ := NewEvent(Fields{Type: "close", Data: data}) // a constant type and compact JSON
	return e
}
