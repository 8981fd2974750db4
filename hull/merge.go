package hull

import "bytes"

// Merges returns what m's events say of users who were merged into m's user
// (docs/hull-protocol.md 2.8): their ids, and the topics that led to them and lead to
// m's user from now on, without repeats and without those that m names itself.
func (m *Message) Merges() (absorbed []string, topics []Topic) {
	if !bytes.Contains(m.Events, []byte(`user_merged`)) { // as good as always
		return nil, nil
	}
	list := topicList{all: m.Topics(nil)}
	own := len(list.all)
	for event := range elements(m.Events) {
		properties := member(event, "properties")
		id := member(properties, "merged_id")
		switch survivor := textOrNone(member(properties, "user_id")); {
		case textOrNone(member(event, "event_type")) != "user_merged", textOrNone(member(event, "event_source")) != "hull":
			continue // or whoever can track an event could have users merged
		case survivor != "" && survivor != m.UserID, textOrNone(id) == "", textOrNone(id) == m.UserID:
			continue // it is about others, or about nobody
		}
		absorbed = append(absorbed, textOrNone(id))
		list.add(KindID, id)
		list.add(KindExternalID, member(properties, "merged_external_id"))
		list.add(KindEmail, member(properties, "merged_email"))
		for value := range elements(member(properties, "merged_anonymous_ids")) {
			list.add(KindAnonymousID, value)
		}
	}
	return absorbed, list.all[own:]
}
