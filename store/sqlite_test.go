package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		recordUntilKilled(dir)
		return
	}
	if dir := os.Getenv(foreignDir); dir != "" {
		useForeign(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opts storetest.Options) store.Store {
		cfg := config(opts.Dir)
		cfg.Now, cfg.Sealer, cfg.History = opts.Now, opts.Sealer, opts.History
		return open(t, cfg)
	})
}

func config(dir string) store.Config {
	cfg := store.DefaultConfig()
	cfg.DataDir = dir
	cfg.BusyTimeout = 10 * time.Millisecond
	cfg.Sealer = storetest.NewSealer("secret")
	return cfg
}

func open(t *testing.T, cfg store.Config) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// other is another program's connection to the database.
func other(t *testing.T, dir string) *sql.DB { return otherFile(t, filepath.Join(dir, "hullbeam.db")) }

func otherFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// users returns n users named prefix0, prefix1, … with a topic each and a state
// of about 1 KB.
func users(prefix string, n int) []store.User {
	list := make([]store.User, n)
	for i := range list {
		id := fmt.Sprint(prefix, i)
		list[i] = store.User{ID: id, Topics: []string{"id:" + id}, State: bytes.Repeat([]byte("x"), 1000)}
	}
	return list
}

func put(t *testing.T, s store.Store, list []store.User) {
	t.Helper()
	if _, err := s.Put(t.Context(), "c", list); err != nil {
		t.Fatal(err)
	}
}

// known returns how many of the users s knows.
func known(t *testing.T, s store.Store, list []store.User) int {
	t.Helper()
	ids := make([]string, len(list))
	for i, u := range list {
		ids[i] = u.ID
	}
	found, err := s.Snapshots(t.Context(), "c", ids)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// wantUnavailable checks that err is an ErrUnavailable with that text.
func wantUnavailable(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) || err.Error() != text {
		t.Errorf("got %v, want an ErrUnavailable %q", err, text)
	}
}

// wantError checks that err's text has all the parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want an error that says %q", err, part)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hullbeam.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		s := open(t, config(dir))
		if got := known(t, s, users("u", 3)); got != 3*n {
			t.Errorf("opened %d times before: %d users, want %d", n, got, 3*n)
		}
		put(t, s, users("u", 3))
		s.Close()
	}
}

func TestNewerFile(t *testing.T) {
	dir := t.TempDir()
	open(t, config(dir)).Close()
	exec(t, other(t, dir), "PRAGMA user_version = 8")

	_, err := store.Open(t.Context(), config(dir))
	if !errors.Is(err, store.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
	wantError(t, err, filepath.Join(dir, "hullbeam.db")+" was made by a newer hullbeam (schema 8, this one knows 7)")

	exec(t, other(t, dir), "PRAGMA user_version = 7")
	open(t, config(dir)) // the refusal has left nothing behind
}

func TestCannotOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), config(filepath.Join(file, "data")))
	wantError(t, err, "data_dir", file, "not a directory")

	garbage := filepath.Join(t.TempDir(), "hullbeam.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("garbage "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), config(filepath.Dir(garbage)))
	wantError(t, err, "opening "+garbage, "file is not a database (26)")
	if errors.Is(err, store.ErrUnavailable) {
		t.Errorf("to try again does not help: %v", err)
	}

	directory := filepath.Join(t.TempDir(), "hullbeam.db")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), config(filepath.Dir(directory)))
	wantError(t, err, "opening "+directory, "is a directory")
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	_, err := store.Open(t.Context(), config(dir))
	if !errors.Is(err, store.ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	wantError(t, err, "data_dir", fmt.Sprintf("in use by another hullbeam (process %d", os.Getpid()))
	put(t, s, users("u", 1))
	s.Close()
	open(t, config(dir))
}

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, config(dir))
	put(t, s, users("u", 1))
	check := func(path string, want os.FileMode) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	check(dir, 0o700)
	for _, name := range []string{"hullbeam.db", "hullbeam.db-wal", "hullbeam.db-shm", "hullbeam.lock", "hullbeam.journal-0", "hullbeam.journal-1",
		"history.db", "history.db-wal", "history.db-shm"} {
		check(filepath.Join(dir, name), 0o600)
	}
}

func TestA15SealedAtRest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	_, err := s.PutConnector(t.Context(), store.Connector{
		ID: "c", Secret: "the-secret", Settings: []byte(`{"a":"the-settings"}`),
		PrivateSettings: []byte(`{"identity_secret":"the-private-settings"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		paths, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		if !bytes.Contains(all, []byte("the-settings")) {
			t.Error("the settings are not in the files; this test looks in the wrong place")
		}
		for _, secret := range []string{"the-secret", "the-private-settings", "identity_secret"} {
			if bytes.Contains(all, []byte(secret)) {
				t.Errorf("%s can be read in the files", secret)
			}
		}
	}
	check() // the log
	s.Close()
	check() // the database
}

// A database that is full fails writes, keeps what it has, and works again once
// there is room.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir)
	cfg.MaxBytes = 1 << 20
	s := open(t, cfg)
	before := users("before", 10)
	put(t, s, before)
	exec(t, other(t, dir), "CREATE TABLE filler AS SELECT zeroblob(900000)")

	more := users("more", 200)
	for range 3 {
		_, err := s.Put(t.Context(), "c", more)
		wantUnavailable(t, err, "writing 200 users: database or disk is full (13)")
	}
	if got := known(t, s, more); got != 0 {
		t.Errorf("%d users of a Put that failed are kept", got)
	}
	if got := known(t, s, before); got != len(before) {
		t.Errorf("%d users from before, want %d", got, len(before))
	}
	put(t, s, before) // needs no room

	exec(t, other(t, dir), "DROP TABLE filler")
	put(t, s, more)
	if got := known(t, s, more); got != len(more) {
		t.Errorf("%d users, want %d", got, len(more))
	}

	// To the brim: what was acknowledged is there after a restart.
	var acknowledged []store.User
	for n := 0; ; n++ {
		batch := users(fmt.Sprint("brim", n, "-"), 10)
		if _, err := s.Put(t.Context(), "c", batch); err != nil {
			wantUnavailable(t, err, "writing 10 users: database or disk is full (13)")
			break
		}
		acknowledged = append(acknowledged, batch...)
	}
	s.Close()
	cfg.MaxBytes = 0
	s = open(t, cfg)
	if got := known(t, s, acknowledged); got != len(acknowledged) {
		t.Errorf("%d of %d users that were acknowledged", got, len(acknowledged))
	}
	put(t, s, users("more than fitted", 200))
}

// While another program has locked the database, reads work and so do updates of
// known users, which wait in the journal; other writes fail. Afterwards all is
// well.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	put(t, s, users("u", 1))
	db := other(t, dir)
	exec(t, db, "BEGIN IMMEDIATE")

	put(t, s, users("u", 1))
	_, err := s.Put(t.Context(), "c", append(users("u", 1), users("new", 1)...))
	wantUnavailable(t, err, "writing 2 users: database is locked (5) (SQLITE_BUSY)")
	_, err = s.PutConnector(t.Context(), store.Connector{ID: "c"})
	wantUnavailable(t, err, "writing connector c: database is locked (5) (SQLITE_BUSY)")
	wantUnavailable(t, s.Ping(t.Context()), "writing: database is locked (5) (SQLITE_BUSY)")
	if got := known(t, s, append(users("u", 1), users("new", 1)...)); got != 1 {
		t.Errorf("%d users can be read, want 1", got)
	}

	exec(t, db, "ROLLBACK")
	put(t, s, users("u", 1))
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A write waits as long as BusyTimeout for another program.
func TestBusyTimeout(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.BusyTimeout = time.Minute
	s := open(t, cfg)
	db := other(t, cfg.DataDir)
	exec(t, db, "BEGIN IMMEDIATE")
	done := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), "c", users("u", 1))
		done <- err
	}()
	for !s.Writing() {
		runtime.Gosched()
	}
	exec(t, db, "COMMIT")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What is remembered of users that another program has deleted, which it must
// not, costs a Put that has to write to the database, which says so.
func TestDeletedByOther(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	put(t, s, users("u", 2))
	exec(t, other(t, dir), "DELETE FROM users")
	changed := users("u", 2)
	changed[1].Topics = append(changed[1].Topics, "email:new")
	_, err := s.Put(t.Context(), "c", changed)
	wantUnavailable(t, err, "writing 2 users: another program has deleted users")
	exec(t, other(t, dir), "DELETE FROM topics")
	put(t, s, users("u", 2))
	if got := known(t, s, users("u", 2)); got != 2 {
		t.Errorf("%d users, want 2", got)
	}
}

// The log goes into the database without waiting for Close, and starts over.
func TestCheckpoint(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	size := func(name string) int64 {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	large := []store.User{{ID: "u", State: make([]byte, 34<<20)}}
	put(t, s, large)
	s.Settle()
	log := size("hullbeam.db-wal")
	if got := size("hullbeam.db"); got < int64(len(large[0].State)) {
		t.Errorf("the database has %d bytes, want all that was written", got)
	}
	put(t, s, large)
	s.Settle()
	if got := size("hullbeam.db-wal"); got > log+log/10 {
		t.Errorf("the log has grown from %d to %d bytes", log, got)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := store.DefaultConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for _, test := range []struct {
		change func(*store.Config)
		want   string // in the error; "": none
	}{
		{func(c *store.Config) { c.DataDir = "" }, "data_dir: must name a directory"},
		{func(c *store.Config) { c.MaxBytes = -1 }, "store.max_bytes: -1 is neither 0 (no bound) nor at least 1048576"},
		{func(c *store.Config) { c.MaxBytes = 1<<20 - 1 }, "store.max_bytes: 1048575"},
		{func(c *store.Config) { c.MaxBytes = 1 << 20 }, ""},
		{func(c *store.Config) { c.BusyTimeout = -1 }, "store.busy_timeout: -1ns is not between 0s and 1m"},
		{func(c *store.Config) { c.BusyTimeout = time.Minute + 1 }, "store.busy_timeout"},
		{func(c *store.Config) { c.BusyTimeout = time.Minute }, ""},
	} {
		cfg := store.DefaultConfig()
		test.change(&cfg)
		err := cfg.Validate()
		if test.want == "" && err != nil {
			t.Errorf("%+v: %v", cfg, err)
		} else if test.want != "" {
			wantError(t, err, test.want)
		}
	}
	cfg := config("")
	_, err := store.Open(t.Context(), cfg)
	wantError(t, err, "data_dir")
	cfg = config(t.TempDir())
	cfg.Sealer = nil
	_, err = store.Open(t.Context(), cfg)
	wantError(t, err, "Sealer")
}
