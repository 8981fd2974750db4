package store

import (
	"encoding/binary"
	"strconv"
	"time"
)

// redisVisitorHead is the length of what stands before the texts of a visitor's record.
const redisVisitorHead = 57

// decodeVisitor reads a visitor's record: format, when it was seen first and last, when it
// said its email, how many views it has had, when the session of the latest began and when
// that was, lengths; user, email, marks of the latest views, the latest view.
func decodeVisitor(id, data string) (Visitor, error) {
	if err := checkFormat(data); err != nil {
		return Visitor{}, err
	}
	if len(data) < redisVisitorHead {
		return Visitor{}, errDamaged
	}
	head, texts := []byte(data[:redisVisitorHead]), data[redisVisitorHead:]
	var parts [3]string // user, email, marks
	for i := range parts {
		size := binary.BigEndian.Uint32(head[45+4*i:])
		if uint64(size) > uint64(len(texts)) {
			return Visitor{}, errDamaged
		}
		parts[i], texts = texts[:size], texts[size:]
	}
	v := Visitor{
		ID: id, UserID: parts[0], Email: parts[1], EmailAt: microTime(head[17:]),
		FirstSeen: microTime(head[1:]), LastSeen: microTime(head[9:]), Views: int(binary.BigEndian.Uint32(head[25:])),
	}
	if texts == "" {
		return v, nil
	}
	var err error
	v.Latest, err = decodeView(id, microTime(head[37:]), texts)
	return v, err
}

// microTime reads a time of 8 bytes in microseconds since 1970; 0: none.
func microTime(b []byte) time.Time { return timeOf(int64(binary.BigEndian.Uint64(b))) }

// timeOf is a time in microseconds since 1970; 0: none.
func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// viewHead is the length of what visitor.lua puts before a view: format, which one of the
// visitor it is, when its session began. The first two tell it from all others.
const (
	viewHead  = 13
	viewWhich = 5
)

func encodeView(v PageView) []byte {
	return encodeTopics([]string{v.ID, v.URL, v.Title, v.Referrer, v.LocalTime})
}

func decodeView(visitor string, at time.Time, data string) (PageView, error) {
	if err := checkFormat(data); err != nil {
		return PageView{}, err
	}
	if len(data) < viewHead {
		return PageView{}, errDamaged
	}
	texts, err := decodeTopics([]byte(data[viewHead:]))
	if err != nil || len(texts) != 5 {
		return PageView{}, errDamaged
	}
	began := sessionOf(data)
	return PageView{
		ID: texts[0], Visitor: visitor, At: at, URL: texts[1], Title: texts[2], Referrer: texts[3], LocalTime: texts[4],
		Session: "s_" + strconv.FormatInt(began, 36) + "_" + visitor, // two visitors may begin one at once
	}, nil
}

// sessionOf is when the session of a view began, in ms.
func sessionOf(view string) int64 { return microTime([]byte(view[viewWhich:])).UnixMilli() }
