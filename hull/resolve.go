package hull

import "slices"

import "strings"

// manyTopics is from where on a set is faster at finding repeats than looking.
const manyTopics = 32

// Topics appends the topics under which streams may wait for the user
// (docs/hull-protocol.md 10.3): anonymous_ids, external_id, id, email and
// contact_email, in this order and without repeats. Only strings with content
// count. The topics of users that were merged into this one are not among them, see
// Merges; an erased user has none.
// The topics share memory: to keep one keeps all.
func (m *Message) Topics(dst []Topic) []Topic {
	if !m.ErasedAt.IsZero() {
		return dst
	}
	u := &m.user
	topics := topicList{all: dst, start: len(dst)}
	topics.texts.Grow(2*len(u.anonymousIDs) + len(u.externalID) + len(u.id) + len(u.email) + len(u.contactEmail) + 32)
	for value := range elements(u.anonymousIDs) {
		topics.add(KindAnonymousID, value)
	}
	topics.add(KindExternalID, u.externalID)
	topics.add(KindID, u.id)
	topics.add(KindEmail, u.email)
	topics.add(KindEmail, u.contactEmail)
	return topics.all
}

// topicList appends to all, without repeats from start on. A user may have any
// number of anonymous ids, so that comparing each with each would not do.
type topicList struct {
	all   []Topic
	start int
	texts strings.Builder // of all topics, one after the other: few allocations
	seen  map[Topic]bool  // once there are many
}

// add does what NewTopic does, for what is known to be UTF-8.
func (l *topicList) add(kind Kind, value []byte) {
	content, _ := text(value)
	if kind == KindEmail && !isNormalEmail(content) {
		content = []byte(normalEmail(string(content)))
	}
	if len(content) == 0 {
		return
	}
	start := l.texts.Len()
	l.texts.WriteString(string(kind))
	l.texts.WriteByte(':')
	l.texts.Write(content)
	topic := Topic{l.texts.String()[start:]}
	if l.has(topic) {
		return
	}
	l.all = append(l.all, topic)
	if l.seen != nil {
		l.seen[topic] = true
	}
}

func (l *topicList) has(topic Topic) bool {
	found := l.all[l.start:]
	if l.seen == nil && len(found) >= manyTopics {
		l.seen = make(map[Topic]bool, 2*len(found))
		for _, t := range found {
			l.seen[t] = true
		}
	}
	if l.seen != nil {
		return l.seen[topic]
	}
	return slices.Contains(found, topic)
}
