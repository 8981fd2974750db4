package hull

// Payload is what a browser gets of a user: one line of compact JSON
// (docs/hull-protocol.md 10.4). JSON[EventsStart:EventsEnd] is the inside of the list of
// events, names with commas between them, so that the lists of several payloads
// can be joined.
type Payload struct {
	JSON                   []byte
	EventsStart, EventsEnd int
}

// Project makes the payload of m for streams with a signed claim or for those
// without, and appends it to dst: JSON is the new part. It is false, and there
// is no payload, when the user is private: nothing of this user but the id may
// reach any page.
func (s *Settings) Project(dst []byte, m *Message, signed bool) (Payload, bool) {
	if !m.ErasedAt.IsZero() || !s.synchronized.passes(m) {
		return Payload{}, false
	}
	a := s.audience(signed)
	start := len(dst)
	dst = append(dst, `{"message":"ok","user":{"id":`...)
	dst = append(appendQuoted(dst, m.UserID), ',')
	dst = closeWith(a.user.appendMembers(dst, m.User), '}')
	dst = append(dst, `,"segments":[`...)
	dst = closeWith(a.segments.appendNames(dst, m.Segments), ']')
	dst = append(dst, `,"account":{`...)
	dst = closeWith(a.account.appendMembers(dst, m.Account), '}')
	dst = append(dst, `,"account_segments":[`...)
	dst = closeWith(s.accountSegments.appendNames(dst, m.AccountSegments), ']')
	dst = append(dst, `,"events":[`...)
	p := Payload{EventsStart: len(dst) - start}
	dst = closeWith(s.events.appendNames(dst, m.Events, "event"), ']')
	p.EventsEnd = len(dst) - start - len(`]`)
	if s.scriptURL != "" {
		dst = append(dst, `,"script_url":`...)
		dst = appendQuoted(dst, s.scriptURL)
	}
	dst = append(dst, '}')
	p.JSON = dst[start:]
	return p, true
}

// PrivatePayload tells pages that the user is private, or is no more.
func PrivatePayload(userID string) []byte {
	return append(appendQuoted([]byte(`{"user":{"id":`), userID), `}}`...)
}
