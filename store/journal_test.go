package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hullbeam/store"
)

// crash copies the files of a store as they are, which is what is left of it
// after kill -9, and returns the directory of the copy.
func crash(t testing.TB, dir string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}

func journalPath(dir string, n int) string {
	return filepath.Join(dir, fmt.Sprint("hullbeam.journal-", n))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// states returns users with that state each.
func states(list []store.User, state string) []store.User {
	for i := range list {
		list[i].State = []byte(state)
	}
	return list
}

// state returns the state of the only user of users(prefix, 1), "" when it is
// not known.
func state(t testing.TB, s store.Store, prefix string) string {
	t.Helper()
	found, err := s.Snapshots(t.Context(), "c", []string{prefix + "0"})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		return ""
	}
	return string(found[0].State)
}

// begun is the journal that is appended to first.
const begun = 1

// Whatever byte a crash has cut the journal at, each Put is there if all of its
// frame is, and none is there in part. Then the store works on.
func TestJournalCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	put(t, s, states(users("u", 2), "0"))
	ends := []int{} // of the journal, after each Put
	for n := 1; n <= 3; n++ {
		put(t, s, states(users("u", 2), fmt.Sprint(n)))
		ends = append(ends, s.JournalEnd())
	}
	whole := read(t, journalPath(dir, begun))
	for cut := range len(whole) + 1 {
		for _, damage := range []string{"cut", "zeros"} {
			left := bytes.Clone(whole[:cut])
			if damage == "zeros" { // the file had got its size already
				if cut%5 > 0 {
					continue // as telling as all
				}
				left = append(left, make([]byte, len(whole)-cut)...)
				if cut > 0 && cut < store.JournalHead {
					continue // a head is one sector, which is written or not
				}
			}
			copied := crash(t, dir)
			write(t, journalPath(copied, begun), left)
			want := "0"
			for n, end := range ends {
				if end <= cut || bytes.Equal(left, whole) {
					want = fmt.Sprint(n + 1)
				}
			}
			s, err := store.OpenSQLite(t.Context(), config(copied))
			if err != nil {
				t.Fatalf("%s at %d: %v", damage, cut, err)
			}
			found, err := s.Snapshots(t.Context(), "c", []string{"u0", "u1"})
			if err != nil || len(found) != 2 || string(found[0].State) != want || string(found[1].State) != want {
				t.Errorf("%s at %d: %v, %v, want %s", damage, cut, found, err, want)
			}
			put(t, s, states(users("u", 2), "after"))
			s.Close()
		}
	}
}

// A journal that was damaged where good frames follow is not taken for a torn
// one: what was acknowledged would be lost in silence.
func TestJournalDamaged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	put(t, s, users("u", 1))
	put(t, s, states(users("u", 1), "first"))
	middle := s.JournalEnd() - 2
	put(t, s, states(users("u", 1), "second"))
	for _, at := range []int{3, 13, 20, store.JournalHead, store.JournalHead + 9, middle} {
		copied := crash(t, dir)
		data := read(t, journalPath(copied, begun))
		data[at] ^= 1
		write(t, journalPath(copied, begun), data)
		_, err := store.Open(t.Context(), config(copied))
		wantError(t, err, journalPath(copied, begun)+" is damaged at byte", "move it away")

		if err := os.Remove(journalPath(copied, begun)); err != nil {
			t.Fatal(err)
		}
		if got := state(t, open(t, config(copied)), "u"); len(got) != 1000 {
			t.Errorf("without the journal: %q", got)
		}
	}
	copied := crash(t, dir)
	data := read(t, journalPath(copied, begun))
	data[8] = 2
	write(t, journalPath(copied, begun), data)
	if _, err := store.Open(t.Context(), config(copied)); !errors.Is(err, store.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
}

// A Put that goes to both journal and database is there whole or not at all,
// whichever of the two a crash has reached.
func TestSharedPutIsWhole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	put(t, s, states(users("known", 1), "before"))
	put(t, s, states(users("known", 1), "in the journal"))
	before := crash(t, dir)
	put(t, s, append(states(users("known", 1), "after"), users("new", 1)...))
	after := crash(t, dir)

	check := func(dir, want string, wantNew int) {
		t.Helper()
		s := open(t, config(dir))
		defer s.Close()
		if got := state(t, s, "known"); got != want {
			t.Errorf("the state is %q, want %q", got, want)
		}
		if got := known(t, s, users("new", 1)); got != wantNew {
			t.Errorf("%d new users, want %d", got, wantNew)
		}
	}
	check(crash(t, after), "after", 1)
	write(t, journalPath(before, begun), read(t, journalPath(after, begun))) // the frame, not the transaction
	check(crash(t, before), "in the journal", 0)

	// Nor does it come back when the database has come to that number.
	s = open(t, config(before))
	put(t, s, append(states(users("known", 1), "later"), users("other", 1)...))
	check(crash(t, before), "later", 0)
}

// breaking makes a journal's writes fail, after they have written half.
func breaking(err error) func(*os.File, []byte, int64) error {
	return func(f *os.File, b []byte, at int64) error {
		f.WriteAt(b[:len(b)/2], at)
		return &os.PathError{Op: "write", Path: "the journal", Err: err}
	}
}

// A disk that is full, or fails, is an error of those Puts that it was to keep,
// and what comes when it works again is kept.
func TestJournalFails(t *testing.T) {
	for _, errno := range []error{syscall.ENOSPC, syscall.EIO} {
		dir := t.TempDir()
		s := open(t, config(dir))
		put(t, s, states(users("u", 1), "0"))
		put(t, s, states(users("u", 1), "1"))
		s.SetJournalWrite(breaking(errno))
		_, err := s.Put(t.Context(), "c", states(users("u", 1), strings.Repeat("lost", 1000)))
		wantUnavailable(t, err, "writing 1 user: write the journal: "+errno.Error())
		_, err = s.Put(t.Context(), "c", append(states(users("u", 1), "lost"), users("new", 1)...))
		wantUnavailable(t, err, "writing 2 users: write the journal: "+errno.Error())
		if err := s.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Ping: %v, want ErrUnavailable", err)
		}
		put(t, s, users("for the database alone", 1))
		if got := state(t, s, "u"); got != "1" || known(t, s, users("new", 1)) != 0 {
			t.Errorf("after failures the state is %q, want 1, or there is a new user", got)
		}
		if got := state(t, open(t, config(crash(t, dir))), "u"); got != "1" {
			t.Errorf("after a crash the state is %q, want 1", got)
		}
		s.SetJournalWrite(nil)
		put(t, s, states(users("u", 1), "2"))
		if got := state(t, open(t, config(crash(t, dir))), "u"); got != "2" {
			t.Errorf("after another crash the state is %q, want 2", got)
		}
	}
}

// A transaction that fails when its frame is on the disk takes that with it.
func TestFrameGoesWithItsTransaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	put(t, s, states(users("known", 1), "0"))
	put(t, s, states(users("known", 1), "1"))
	s.SetJournalWrite(func(f *os.File, b []byte, at int64) error {
		s.BreakWriter() // COMMIT is next
		_, err := f.WriteAt(b, at)
		return err
	})
	_, err := s.Put(t.Context(), "c", append(states(users("known", 1), "lost"), users("new", 1)...))
	if err == nil {
		t.Fatal("the transaction was to fail")
	}
	s.SetJournalWrite(nil)
	check := func(dir, want string) {
		t.Helper()
		s := open(t, config(dir))
		if got := state(t, s, "known"); got != want || known(t, s, users("new", 1)) != 0 {
			t.Errorf("the state is %q, want %q, or there is a new user", got, want)
		}
	}
	check(crash(t, dir), "1")
	put(t, s, states(users("known", 1), "2"))
	check(crash(t, dir), "2")
	put(t, s, append(states(users("known", 1), "3"), users("next", 1)...)) // has the number of the lost one
	check(crash(t, dir), "3")
}

// When the journal is full the other takes its place. What both hold is found,
// by those who read and after a crash.
func TestJournalRotation(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.JournalBytes = 1 << 20
	s := open(t, cfg)
	list := users("u", 50)
	put(t, s, list)
	for n := range 200 { // ten times round
		want := strings.Repeat(fmt.Sprint(n%10), 2000)
		put(t, s, states(list, want))
		if got := state(t, s, "u"); got != want {
			t.Fatalf("round %d: the state is %.10q, want %.10q", n, got, want)
		}
		if n%40 == 7 {
			if got := state(t, open(t, config(crash(t, cfg.DataDir))), "u"); got != want {
				t.Fatalf("round %d, after a crash: the state is %.10q, want %.10q", n, got, want)
			}
		}
	}
	for n := range 2 {
		if size := len(read(t, journalPath(cfg.DataDir, n))); size > 1<<20 {
			t.Errorf("journal %d has %d bytes, more than it may have", n, size)
		}
	}
	large := states(users("u", 1), strings.Repeat("x", 2<<20)) // goes to the database at once
	put(t, s, large)
	if got := state(t, s, "u"); got != string(large[0].State) {
		t.Error("the state that is larger than a journal is not there")
	}
}

// While the database cannot be written the journals take what they can, then
// Puts fail. Close leaves what is not in the database to the next time.
func TestJournalsFull(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.JournalBytes = 1 << 20
	s := open(t, cfg)
	put(t, s, users("u", 50))
	db := other(t, cfg.DataDir)
	exec(t, db, "BEGIN IMMEDIATE")
	kept := ""
	for n := 0; ; n++ {
		next := strings.Repeat(fmt.Sprint(n%10), 3000)
		if _, err := s.Put(t.Context(), "c", states(users("u", 50), next)); err != nil {
			wantUnavailable(t, err, "writing 50 users: database is locked (5) (SQLITE_BUSY)")
			break
		}
		kept = next
	}
	if kept == "" {
		t.Error("nothing was kept")
	}
	if got := state(t, s, "u"); got != kept {
		t.Errorf("the state is %.10q, want %.10q", got, kept)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = open(t, cfg)
	if got := state(t, s, "u"); got != kept {
		t.Errorf("after opening again the state is %.10q, want %.10q", got, kept)
	}
	exec(t, db, "ROLLBACK")
	put(t, s, states(users("u", 50), "new"))
	s.Close()
	for n := range 2 {
		if _, err := os.Stat(journalPath(cfg.DataDir, n)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("journal %d is left after Close: %v", n, err)
		}
	}
	if got := state(t, open(t, cfg), "u"); got != "new" {
		t.Errorf("the state is %.10q, want that of the last Put", got)
	}
}

// Version and time of a state in the journal count for the next one when the
// cache has lost them.
func TestJournalAfterReopening(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := config(dir)
	cfg.Now = func() time.Time { return now }
	s := open(t, cfg)
	list := users("u", 1)
	put(t, s, list)
	list[0].StateAt = now
	put(t, s, list)

	cfg.DataDir = crash(t, dir)
	cfg.BusyTimeout = time.Minute
	s = open(t, cfg)
	list[0].StateAt = now.Add(-time.Second)
	written, err := s.Put(t.Context(), "c", list)
	if err != nil || !written[0].Stale {
		t.Errorf("an older state: %+v, %v, want it to be stale", written, err)
	}
	list[0].StateAt = time.Time{}
	written, err = s.Put(t.Context(), "c", list)
	if want := uint64(now.UnixMicro() + 2); err != nil || written[0].Version != want {
		t.Errorf("the third write: %+v, %v, want version %d", written, err, want)
	}
}

// FuzzJournal: of a journal that is damaged in any way nothing comes but what
// was written, in the order in which it was, or an error.
func FuzzJournal(f *testing.F) {
	f.Add([]byte{}, uint16(0), byte(0), uint16(0))
	f.Add([]byte("garbage"), uint16(30), byte(1), uint16(100))
	good := store.NewJournal(f, "one", "two", "three")
	f.Add(good, uint16(50), byte(255), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, flip byte, cut uint16) {
		store.ReplayJournal(t, data) // no panic, and no more memory than the file has

		damaged := bytes.Clone(good)
		damaged = damaged[:len(damaged)-int(cut)%len(damaged)]
		damaged[int(at)%len(damaged)] ^= flip
		damaged = append(damaged, data...)
		states, err := store.ReplayJournal(t, damaged)
		want := []string{"one", "two", "three"}
		if err == nil && len(states) > len(want) && len(data) == 0 {
			t.Errorf("got %q", states)
		}
		for i, state := range states {
			if i < len(want) && state != want[i] {
				t.Errorf("state %d is %q, want %q", i, state, want[i])
			}
		}
	})
}
