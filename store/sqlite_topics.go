package store

import "slices"

// setTopics makes topics, sorted and each once, those that lead to the user
// with that key, and no others.
func (c *commit) setTopics(connector, key int64, topics []string) (gone []string, taken []Taken, err error) {
	found, err := c.w.first(1, "SELECT topics FROM users WHERE key = ?", key)
	if err != nil {
		return nil, nil, err
	}
	before, err := decodeTopics(blob(found[0]))
	if err != nil {
		return nil, nil, err
	}
	for _, topic := range before {
		if _, ok := slices.BinarySearch(topics, topic); ok {
			continue
		}
		if _, err := c.w.exec("DELETE FROM topics WHERE connector = ? AND topic = ?", connector, topic); err != nil {
			return nil, nil, err
		}
		gone = append(gone, topic)
	}
	for _, topic := range topics {
		if _, ok := slices.BinarySearch(before, topic); ok {
			continue
		}
		result, err := c.w.exec(`INSERT INTO topics (connector, topic, user) VALUES (?, ?, ?)
			ON CONFLICT DO NOTHING`, connector, topic, key)
		if err != nil {
			return nil, nil, err
		}
		if n, err := result.RowsAffected(); err != nil {
			return nil, nil, err
		} else if n == 1 {
			continue
		}
		from, err := c.takeTopic(connector, key, topic)
		if err != nil {
			return nil, nil, err
		}
		taken = append(taken, Taken{topic, from})
	}
	return gone, taken, c.writeTopics(key, topics)
}

// takeTopic makes topic, which leads to somebody else, lead to the user with
// that key, and returns the id of who has lost it.
func (c *commit) takeTopic(connector, key int64, topic string) (from string, err error) {
	found, err := c.w.first(3, `SELECT users.key, users.id, users.topics FROM topics
		JOIN users ON users.key = topics.user WHERE topics.connector = ? AND topic = ?`, connector, topic)
	if err != nil {
		return "", err
	}
	if found == nil {
		return "", errForeign
	}
	other, from := found[0].(int64), found[1].(string)
	topics, err := decodeTopics(blob(found[2]))
	if err != nil {
		return "", err
	}
	topics = slices.DeleteFunc(topics, func(t string) bool { return t == topic })
	if err := c.writeTopics(other, topics); err != nil {
		return "", err
	}
	if r := c.rows.get(userKey{connector, from}); r != nil {
		r.topics = hashTopics(c.seed, topics)
	}
	_, err = c.w.exec("UPDATE topics SET user = ? WHERE connector = ? AND topic = ?", key, connector, topic)
	return from, err
}

func (c *commit) writeTopics(key int64, topics []string) error {
	_, err := c.w.exec("UPDATE users SET topics = ? WHERE key = ?", encodeTopics(topics), key)
	return err
}
