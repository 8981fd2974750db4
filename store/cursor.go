package store

import (
	"math"
	"strconv"
	"strings"
)

// cursor names a place in a list, that after the row with these keys.
func (l list) cursor(keys []int64) string {
	b := []byte{l.letter}
	for _, k := range keys {
		b = strconv.AppendInt(append(b, '.'), k, 36)
	}
	return string(b)
}

// place returns the keys that a cursor names, the largest for "", the beginning.
func (l list) place(cursor string) ([]int64, error) {
	keys := make([]int64, l.keys)
	if cursor == "" {
		for i := range keys {
			keys[i] = math.MaxInt64
		}
		return keys, nil
	}
	parts := strings.Split(cursor, ".")
	if len(parts) != l.keys+1 || parts[0] != string(l.letter) {
		return nil, ErrCursor
	}
	for i, part := range parts[1:] {
		k, err := strconv.ParseInt(part, 36, 64)
		if err != nil {
			return nil, ErrCursor
		}
		keys[i] = k
	}
	return keys, nil
}
