package store_test

import (
	"errors"
	"testing"

	"hullbeam/store"
)

// FuzzRedisRecords: whatever is in Redis, reading it neither panics nor takes
// more than it is long.
func FuzzRedisRecords(f *testing.F) {
	f.Add("")
	f.Add("\x01")
	f.Add("\x02 newer")
	f.Add("\x01\x00\x00\x06\x55\x00\x00\x00\x00\x00\x80\x06\x55\x00\x00\x00\x00\x00\x00\x06\x55\x00\x00\x00\x00\x00\x00\x00\x00\x03\x02ab{}")
	f.Add("\x01\x00\x06\x55\x00\x00\x00\x00\x00\x00\x00\x00\x01u")
	f.Fuzz(func(t *testing.T, data string) {
		if snapshot, err := store.DecodeUser("u", data); err == nil {
			size := len(snapshot.State)
			for _, topic := range snapshot.Topics {
				size += len(topic)
			}
			if size > len(data) {
				t.Errorf("%d bytes out of %d", size, len(data))
			}
		}
		if user, err := store.DecodeTopicUser(data); err == nil && len(user) > len(data) {
			t.Errorf("%d bytes out of %d", len(user), len(data))
		}
		store.DecodeConnector(data)
		store.DecodeHistory(data)
		if v, err := store.DecodeVisitor("v", data); err == nil && len(v.UserID)+len(v.Email)+len(v.Latest.URL) > len(data) {
			t.Errorf("%+v out of %d bytes", v, len(data))
		}
	})
}

// FuzzRedisCursor: a cursor comes from outside. One that is read is that which was given.
func FuzzRedisCursor(f *testing.F) {
	f.Add("")
	f.Add("BXBhZ2VzBDFzMnkBMwF2BQEAAAAB")
	f.Add("!")
	f.Fuzz(func(t *testing.T, cursor string) {
		again, err := store.ReadCursor("pages", cursor)
		switch {
		case err != nil:
			if !errors.Is(err, store.ErrCursor) {
				t.Error(err)
			}
		default:
			if third, err := store.ReadCursor("pages", again); err != nil || third != again {
				t.Errorf("%q is read as %q, and that as %q, %v", cursor, again, third, err)
			}
		}
	})
}
