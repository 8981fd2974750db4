package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"slices"
)

// frame is what one group commit appends to the journal: the states of known
// users whose topics stay. A record is the key of the user, its version, the
// time of the state (a signed varint), the size of the state, each a varint,
// and the state.
type frame struct {
	buf    []byte
	batch  uint64
	states []keyed // places in buf
}

// pending is a state in a journal.
type pending struct {
	version, stateAt int64
	at               int64 // in the file; in a frame that is not written: in the frame
	size             uint32
	file             uint8
}

type keyed struct {
	key int64
	pending
}

const recordHead = 3*binary.MaxVarintLen64 + binary.MaxVarintLen32 // at most

func newFrame() *frame { return &frame{buf: make([]byte, frameHead)} }

// keptFrame is how large a buffer is kept for the next frame: a thousand users
// of 2 KiB.
const keptFrame = 2 << 20

// reset empties f and makes room for n bytes.
func (f *frame) reset(n int) {
	if cap(f.buf) > keptFrame {
		f.buf = nil
	}
	f.buf, f.batch, f.states = slices.Grow(f.buf[:0], n)[:frameHead], 0, f.states[:0]
}

func (f *frame) add(key, version, stateAt int64, state []byte) {
	f.buf = binary.AppendUvarint(f.buf, uint64(key))
	f.buf = binary.AppendUvarint(f.buf, uint64(version))
	f.buf = binary.AppendVarint(f.buf, stateAt)
	f.buf = binary.AppendUvarint(f.buf, uint64(len(state)))
	f.states = append(f.states, keyed{key, pending{version, stateAt, int64(len(f.buf)), uint32(len(state)), 0}})
	f.buf = append(f.buf, state...)
}

// seal returns the frame as it is written to a journal with that id.
func (f *frame) seal(id uint64) []byte {
	binary.LittleEndian.PutUint32(f.buf, uint32(len(f.buf)-frameHead))
	binary.LittleEndian.PutUint64(f.buf[8:], id)
	binary.LittleEndian.PutUint64(f.buf[16:], f.batch)
	binary.LittleEndian.PutUint32(f.buf[4:], checksum(f.buf[:4], f.buf[8:]))
	return f.buf
}

// decodeRecords calls visit with each record and where its state begins in
// records.
func decodeRecords(records []byte, visit func(keyed)) error {
	rest := records
	for len(rest) > 0 {
		var r keyed
		key, a := binary.Uvarint(rest)
		version, b := binary.Uvarint(rest[max(a, 0):])
		stateAt, c := binary.Varint(rest[max(a, 0)+max(b, 0):])
		size, d := binary.Uvarint(rest[max(a, 0)+max(b, 0)+max(c, 0):])
		if a <= 0 || b <= 0 || c <= 0 || d <= 0 || size > uint64(len(rest)-a-b-c-d) {
			return errors.New("a record is damaged")
		}
		r.key, r.version, r.stateAt, r.size = int64(key), int64(version), stateAt, uint32(size)
		rest = rest[a+b+c+d:]
		r.at = int64(len(records) - len(rest))
		rest = rest[size:]
		visit(r)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(parts ...[]byte) uint32 {
	var crc uint32
	for _, p := range parts {
		crc = crc32.Update(crc, castagnoli, p)
	}
	return crc
}

// idsIn yields where id is in b, as a frame's head has it.
func idsIn(b []byte, id uint64) iter.Seq[int] {
	return func(yield func(int) bool) {
		pattern := binary.LittleEndian.AppendUint64(nil, id)
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], pattern)
			if i < 0 || !yield(at+i) {
				return
			}
			at += i
		}
	}
}
