package store

import (
	"os"
	"path/filepath"
	"testing"
)

// Queued returns how many Puts wait to be taken into a transaction.
func (s *SQLite) Queued() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.waiting)
}

// Settle waits until no checkpoint is under way, and nothing goes from a journal
// to the database.
func (s *SQLite) Settle() { s.background.Wait() }

// Writing tells whether somebody writes to the database.
func (s *SQLite) Writing() bool { return len(s.db) > 0 }

// JournalHead is where a journal's first frame begins.
const JournalHead = headSize

// JournalEnd returns where the next frame goes.
func (s *SQLite) JournalEnd() int { return int(s.journals.files[s.journals.at].end) }

// SetJournalWrite has write called to write and sync what goes to the journals;
// nil: that which does.
func (s *SQLite) SetJournalWrite(write func(*os.File, []byte, int64) error) {
	if write == nil {
		write = writeSynced
	}
	for _, file := range s.journals.files {
		file.write = write
	}
}

// BreakWriter ends the transaction that is under way, so that COMMIT fails.
func (s *SQLite) BreakWriter() { s.writer.exec("ROLLBACK") }

// NewJournal returns the bytes of a journal with a frame for each state.
func NewJournal(t testing.TB, states ...string) []byte {
	j, err := openJournal(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.f.Close()
	if err := j.begin(); err != nil {
		t.Fatal(err)
	}
	for i, state := range states {
		f := newFrame()
		f.add(int64(i), 1, 2, []byte(state))
		if err := j.append(f); err != nil {
			t.Fatal(err)
		}
		j.accept(f)
	}
	data, err := os.ReadFile(j.f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ReplayJournal returns the states in a journal of these bytes.
func ReplayJournal(t testing.TB, data []byte) (states []string, err error) {
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	j := journal{f: f}
	err = j.replay(func(at int64, batch uint64, records []byte) error {
		return decodeRecords(records, func(r keyed) {
			states = append(states, string(records[r.at:r.at+int64(r.size)]))
		})
	})
	return states, err
}
