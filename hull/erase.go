package hull

import "time"

// ErasureLife is how long who was erased is not looked up in Hull, which may have
// them for a while yet (docs/protocol.md).
const ErasureLife = 30 * 24 * time.Hour

// Erased is the message that takes the place of all that is known of a user: what
// is kept of it is the id and when it was, so that what is older does not bring the
// user back. No topic leads to it, and no page is shown it.
func Erased(userID string, at time.Time) Message {
	m := Message{UserID: userID, IndexedAt: at, ErasedAt: at}
	m.User = closeWith(appendQuoted([]byte(`{"id":`), userID), '}')
	m.user, _ = readUser(m.User, 0)
	return m
}

// IsErased tells whether m says that its user was erased less than ErasureLife ago.
func (m *Message) IsErased(now time.Time) bool {
	return !m.ErasedAt.IsZero() && now.Sub(m.ErasedAt) < ErasureLife
}

// Deleted returns the ids of the users whom a notification of ClassUserDelete names.
// Their shape is known from no source: the ids are taken where those of updates are,
// and from the messages themselves. skipped counts messages that name nobody.
func (n *Notification) Deleted() (ids []string, skipped int) {
	for raw := range elements(n.messages) {
		id := textOrNone(member(member(raw, "user"), "id"))
		if id == "" {
			id = textOrNone(member(raw, "id"))
		}
		if id == "" {
			skipped++
			continue
		}
		ids = append(ids, id)
	}
	return ids, skipped
}
