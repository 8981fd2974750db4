package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// journal is a file to which frames of states are appended, each synced before
// its users are acknowledged. When all that it holds is in the database it is
// begun again from the start, over what was there: a sync of what needs no new
// blocks of the file system costs up to half less.
//
// A journal begins with its head, which is synced before the first frame:
//
//	"hullbeam"  format uint32  crc uint32  id uint64
//
// and goes on with frames:
//
//	size uint32  crc uint32  id uint64  batch uint64  records [size]byte
//
// Numbers are little-endian, CRCs Castagnoli's over all of the head or frame
// but the CRC itself. The id is random, and another each time that the journal
// is begun: what is behind the last frame, from before, is told apart by it. A
// frame whose batch is not 0 counts if the database's is at least as high, see
// commit. Records are those of frame.go.
type journal struct {
	f   *os.File
	id  uint64
	end int64 // where the next frame goes

	dirty bool // something that was not accepted may be behind end

	// write writes b and syncs it.
	write func(f *os.File, b []byte, at int64) error
}

const (
	journalName   = "hullbeam.journal-" // and 0 or 1
	journalFormat = 1
	headSize      = 24
	frameHead     = 24
)

// openJournal opens the file at path, which is made for its owner only when it
// is not there.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unavailable{err}
	}
	// The file's name has to last as long as what will be in it.
	dir, err := os.Open(filepath.Dir(path))
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		f.Close()
		return nil, unavailable{err}
	}
	return &journal{f: f, write: writeSynced}, nil
}

// begin starts over. Nothing that the journal held is needed any more.
func (j *journal) begin() error {
	var id [8]byte
	rand.Read(id[:])
	j.id, j.end, j.dirty = binary.LittleEndian.Uint64(id[:]), headSize, false
	return j.put(headOf(j.id), 0)
}

func headOf(id uint64) []byte {
	b := append([]byte("hullbeam"), make([]byte, headSize-8)...)
	binary.LittleEndian.PutUint32(b[8:], journalFormat)
	binary.LittleEndian.PutUint64(b[16:], id)
	binary.LittleEndian.PutUint32(b[12:], checksum(b[:12], b[16:]))
	return b
}

func (j *journal) put(b []byte, at int64) error {
	if err := j.write(j.f, b, at); err != nil {
		return unavailable{err}
	}
	return nil
}

// append writes f, synced, behind what is there. It counts when it is accepted;
// else the next goes over it.
func (j *journal) append(f *frame) error {
	j.dirty = true
	return j.put(f.seal(j.id), j.end)
}

// accept makes f, which was appended, part of the journal and returns where it
// begins.
func (j *journal) accept(f *frame) (at int64) {
	at = j.end
	j.end, j.dirty = j.end+int64(len(f.buf)), false
	return at
}

// void makes sure that nothing which was not accepted is behind the last frame,
// where it might count when the journal is replayed.
func (j *journal) void() error {
	if !j.dirty {
		return nil
	}
	f := newFrame()
	if err := j.append(f); err != nil {
		return err
	}
	j.accept(f)
	return nil
}

// empty cuts the file to nothing. A nil journal is empty.
func (j *journal) empty() error {
	if j == nil {
		return nil
	}
	if err := errors.Join(j.f.Truncate(0), j.f.Sync()); err != nil {
		return unavailable{err}
	}
	return nil
}

// replay calls visit with each good frame, until visit returns an error. What
// was being written when the process or the machine stopped is left out, as it
// was not acknowledged: everything from the first frame that is not whole.
// If good frames follow such a one then the file was damaged afterwards, which
// is an error.
func (j *journal) replay(visit func(at int64, batch uint64, records []byte) error) error {
	info, err := j.f.Stat()
	if err != nil {
		return unavailable{err}
	}
	size := info.Size()
	id, err := j.readHead(size)
	if err != nil || id == 0 {
		return err
	}
	for at := int64(headSize); ; {
		head, records, err := j.readFrame(at, size, id)
		if err != nil {
			return err
		}
		if head == nil {
			return j.checkTail(at, size, id)
		}
		if err := visit(at, binary.LittleEndian.Uint64(head[16:]), records); err != nil {
			return err
		}
		at += frameHead + int64(len(records))
	}
}

// readHead returns the journal's id, 0 when it has not been begun.
func (j *journal) readHead(size int64) (id uint64, err error) {
	if size < headSize {
		return 0, nil
	}
	b := make([]byte, headSize)
	if _, err := j.f.ReadAt(b, 0); err != nil {
		return 0, unavailable{err}
	}
	id = binary.LittleEndian.Uint64(b[16:])
	format := binary.LittleEndian.Uint32(b[8:])
	switch {
	case string(b) == string(make([]byte, headSize)):
		return 0, nil // the file has got its size, but not yet what was written
	case string(b[:8]) == "hullbeam" && format > journalFormat:
		return 0, fmt.Errorf("%s was %w (format %d, this one knows %d)", j.f.Name(), ErrNewer, format, journalFormat)
	case string(b) != string(headOf(id)):
		return 0, j.damaged(0)
	}
	return id, nil
}

// readFrame returns the frame at that place, nil when none is there.
func (j *journal) readFrame(at, size int64, id uint64) (head, records []byte, err error) {
	if size-at < frameHead {
		return nil, nil, nil
	}
	head = make([]byte, frameHead)
	if _, err := j.f.ReadAt(head, at); err != nil {
		return nil, nil, unavailable{err}
	}
	n := int64(binary.LittleEndian.Uint32(head))
	if binary.LittleEndian.Uint64(head[8:]) != id || n > size-at-frameHead {
		return nil, nil, nil
	}
	records = make([]byte, n)
	if _, err := j.f.ReadAt(records, at+frameHead); err != nil {
		return nil, nil, unavailable{err}
	}
	if binary.LittleEndian.Uint32(head[4:]) != checksum(head[:4], head[8:], records) {
		return nil, nil, nil
	}
	return head, records, nil
}

// checkTail returns an error when a frame is behind at.
func (j *journal) checkTail(at, size int64, id uint64) error {
	tail := make([]byte, size-at)
	if _, err := j.f.ReadAt(tail, at); err != nil {
		return unavailable{err}
	}
	for i := range idsIn(tail, id) {
		head, _, err := j.readFrame(at+int64(i)-8, size, id)
		if err != nil {
			return err
		}
		if head != nil {
			return j.damaged(at)
		}
	}
	return nil
}

func (j *journal) damaged(at int64) error {
	return fmt.Errorf("%s is damaged at byte %d: to start without the latest states of some users, move it away", j.f.Name(), at)
}
