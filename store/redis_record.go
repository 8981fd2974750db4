package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// recordFormat is the first byte of whatever is stored in Redis. A later format
// has a higher one, and its node reads this one too.
const recordFormat = 1

// redisRecordHead is the length of what stands before the topics of a user's record.
const redisRecordHead = 30

var errDamaged = errors.New("a record in Redis is damaged")

// checkFormat tells whether a record can be read.
func checkFormat(data string) error {
	switch {
	case data == "" || data[0] == 0:
		return errDamaged
	case data[0] > recordFormat:
		return fmt.Errorf("a record in Redis was %w (format %d, this one knows %d)", ErrNewer, data[0], recordFormat)
	}
	return nil
}

// decodeUser reads a user's record: format, whether a change of topics is under
// way, version, time of the state, version with which the topics were claimed,
// length of the topics; topics; state.
func decodeUser(userID, data string) (Snapshot, error) {
	if err := checkFormat(data); err != nil {
		return Snapshot{}, err
	}
	if len(data) < redisRecordHead {
		return Snapshot{}, errDamaged
	}
	size := binary.BigEndian.Uint32([]byte(data[26:redisRecordHead]))
	rest := data[redisRecordHead:]
	if uint64(size) > uint64(len(rest)) {
		return Snapshot{}, errDamaged
	}
	topics, err := decodeTopics([]byte(rest[:size]))
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{
		UserID:  userID,
		Version: decodeVersion(data[2:10]),
		Topics:  topics,
		StateAt: decodeTime(data[10:18]),
		State:   []byte(rest[size:]),
	}, nil
}

// decodeTopicUser reads whom a topic's key leads to: format, and of who claimed
// it, the last one first, version with which, length of the id, and the id.
func decodeTopicUser(data string) (userID string, err error) {
	if err := checkFormat(data); err != nil {
		return "", err
	}
	const head = 13
	if len(data) < head {
		return "", errDamaged
	}
	size := binary.BigEndian.Uint32([]byte(data[9:head]))
	if uint64(size) > uint64(len(data)-head) {
		return "", errDamaged
	}
	return data[head : head+int(size)], nil
}

func decodeVersion(b string) uint64 { return binary.BigEndian.Uint64([]byte(b)) }

// A time is stored in microseconds since 1970, with the sign bit flipped so that
// an earlier one is a smaller number. All zero is the zero time, which means
// unknown.
func encodeTime(t time.Time) []byte {
	b := make([]byte, 8)
	if !t.IsZero() {
		binary.BigEndian.PutUint64(b, uint64(t.UnixMicro())^1<<63)
	}
	return b
}

func decodeTime(b string) time.Time {
	n := decodeVersion(b)
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(n ^ 1<<63)).UTC()
}
