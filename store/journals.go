package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// journals are the two files that hold states until they are in the database,
// with the index of what they hold. One is appended to, while what is in the
// other is written to the database. Whoever has the turn may call the methods.
type journals struct {
	overlay
	bytes int64       // the size at which a file is full
	files [2]*journal // nil until they are opened
	at    int         // the one that is appended to
	begun bool        // it may be

	// draining receives how the writing of the frozen states ended; nil when
	// there are none, or nobody writes them.
	draining chan error
}

// openJournals opens the files in dir, each full at that many bytes.
func openJournals(dir string, bytes int64) (*journals, error) {
	j := &journals{bytes: bytes}
	for file := range j.files {
		var err error
		if j.files[file], err = openJournal(filepath.Join(dir, journalName+strconv.Itoa(file))); err != nil {
			return nil, errors.Join(err, j.close(true))
		}
	}
	return j, nil
}

// largestFrame is how many bytes a frame can have.
func (j *journals) largestFrame() int { return int(j.bytes / 2) }

// replay reads what an earlier process left. batch is the last that the
// database has. What is found is frozen.
func (j *journals) replay(batch uint64) error {
	found := make(map[int64]pending)
	for file := range j.files {
		err := j.files[file].replay(func(at int64, b uint64, records []byte) error {
			if b > batch {
				return nil
			}
			return decodeRecords(records, func(r keyed) {
				if old, ok := found[r.key]; !ok || r.version > old.version {
					r.file, r.at = uint8(file), at+frameHead+r.at
					found[r.key] = r.pending
				}
			})
		})
		if err != nil {
			return err
		}
	}
	if len(found) > 0 {
		j.frozen = found
	}
	return nil
}

// next begins the file that is not appended to and freezes what is in the
// other. Nothing is frozen before.
func (j *journals) next() error {
	next := 1 - j.at
	if j.begun {
		if err := j.files[j.at].void(); err != nil {
			return err
		}
	} else {
		// A frame that did not count must not count later, when the database
		// has come to its batch.
		for _, file := range j.files {
			if err := file.empty(); err != nil {
				return err
			}
		}
	}
	if err := j.files[next].begin(); err != nil {
		return err
	}
	j.freeze()
	j.at, j.begun = next, true
	return nil
}

// append makes f durable in the journal.
func (j *journals) append(f *frame) error { return j.files[j.at].append(f) }

// accept makes the states of f, which was appended, visible.
func (j *journals) accept(f *frame) {
	j.add(f.states, uint8(j.at), j.files[j.at].accept(f))
}

// refresh puts what a journal has in place of an older state in user, which was
// read from the row with that key after the epoch before was seen. again: the
// row is outdated, and has to be read again. The lock is held over the reading
// of the file, for else the file might be begun again meanwhile.
func (j *journals) refresh(user *Snapshot, key int64, before epoch) (again bool, err error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.seen.drops != before.drops {
		return true, nil
	}
	p, ok := j.findLocked(key)
	if !ok || uint64(p.version) <= user.Version {
		return false, nil
	}
	if j.seen.commits != before.commits {
		return true, nil // whose topics are those of the row?
	}
	state, err := j.read(p, nil)
	if err != nil {
		return false, err
	}
	user.Version, user.StateAt, user.State = uint64(p.version), time.UnixMicro(p.stateAt).UTC(), state
	return false, nil
}

// read returns the state at p, in buf if it has room.
func (j *journals) read(p pending, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], int(p.size))[:p.size]
	if _, err := j.files[p.file].f.ReadAt(buf, p.at); err != nil {
		return nil, unavailable{err}
	}
	return buf, nil
}

// close closes the files, and deletes them unless something in them is needed.
func (j *journals) close(needed bool) error {
	var errs []error
	for _, file := range j.files {
		if file == nil {
			continue
		}
		errs = append(errs, file.f.Close())
		if !needed {
			errs = append(errs, os.Remove(file.f.Name()))
		}
	}
	return errors.Join(errs...)
}
