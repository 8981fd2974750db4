package store

import "slices"

// merge returns the topics that lead to a known user because of merges, u's among them,
// and keeps those.
func (c *commit) merge(r *row, u User) (merged []string, err error) {
	if !r.merged && len(u.Merged) == 0 {
		return nil, nil
	}
	found, err := c.conn().first(2, "SELECT merged, topics FROM users WHERE key = ?", r.key)
	if err != nil {
		return nil, err
	}
	known, err := decodeTopics(blob(found[0]))
	if err != nil {
		return nil, err
	}
	before, err := decodeTopics(blob(found[1]))
	if err != nil {
		return nil, err
	}
	if u.Erased {
		return nil, c.writeMerged(r, nil)
	}
	merged = stillMerged(known, before, u.Merged)
	if all := addMerged(known, u.Merged); !slices.Equal(all, known) {
		err = c.writeMerged(r, all)
	}
	return merged, err
}

func (c *commit) writeMerged(r *row, merged []string) error {
	if err := c.begin(); err != nil {
		return err
	}
	list := encodeTopics(merged) // nil, which is NULL, when there are none
	r.merged = len(list) > 0
	_, err := c.w.exec("UPDATE users SET merged = ? WHERE key = ?", list, r.key)
	return err
}

// stillMerged are the topics that lead to a user because of merges: those known that led
// there before, and the new ones. Sorted.
func stillMerged(known, before, merged []string) []string {
	lead := slices.Clone(merged)
	for _, topic := range known {
		if _, led := slices.BinarySearch(before, topic); led {
			lead = append(lead, topic)
		}
	}
	slices.Sort(lead)
	return slices.Compact(lead)
}

// addMerged adds topics behind those known, and keeps the latest.
func addMerged(known, merged []string) []string {
	all := append(without(known, merged), merged...)
	return all[max(0, len(all)-MaxMerged):]
}

// without is list without what is in other. nil when nothing is left.
func without(list, other []string) (left []string) {
	if len(list) == 0 {
		return nil
	}
	in := make(map[string]bool, len(other))
	for _, topic := range other {
		in[topic] = true
	}
	for _, topic := range list {
		if !in[topic] {
			left = append(left, topic)
		}
	}
	return left
}
