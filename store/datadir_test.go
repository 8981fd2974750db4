//go:build unix

package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hullbeam/store"
)

// What others could use, made with no umask or by hand, is for the owner only once the
// store has been opened.
func TestOpenDirectoryIsTightened(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	real := filepath.Join(t.TempDir(), "data")
	s := open(t, config(real))
	s.Close()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(real, "*"))
	for _, name := range append(files, real) {
		if err := os.Chmod(name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cfg := config(link)
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	put(t, open(t, cfg), users("u", 1))
	if !strings.Contains(log.String(), "open to others") {
		t.Errorf("nothing is said of it: %s", &log)
	}
	files, _ = filepath.Glob(filepath.Join(real, "*"))
	for _, name := range append(files, real) {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// A link in the place of a file is not followed.
func TestLinkedFileIsRefused(t *testing.T) {
	for _, name := range []string{"hullbeam.db", "history.db-wal", "hullbeam.journal-0", "hullbeam.lock"} {
		dir, target := t.TempDir(), filepath.Join(t.TempDir(), "of somebody else")
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if s, err := store.OpenSQLite(t.Context(), config(dir)); err == nil {
			s.Close()
			t.Errorf("%s is followed", name)
		}
		if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: what it leads to was changed: %v, %v", name, info.Mode(), err)
		}
	}
}

// foreignDir has, in the process of TestDirectoryOfSomebodyElse, the directory that it uses.
const foreignDir = "HULLBEAM_TEST_FOREIGN_DIR"

// useForeign uses a directory and prints the log.
func useForeign(dir string) {
	cfg := config(dir)
	cfg.Log = slog.New(slog.NewTextHandler(os.Stdout, nil))
	s, err := store.OpenSQLite(context.Background(), cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Put(context.Background(), "c", users("u", 1))
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range files {
		info, serr := os.Stat(name)
		err = errors.Join(err, serr)
		if serr == nil && info.Mode().Perm() != 0o600 {
			fmt.Println(info.Name(), "is", info.Mode())
		}
	}
	fmt.Println("used:", len(files), "files,", errors.Join(err, s.Close()))
}

// A directory of somebody else's that all may use is used, with a warning; what is in it
// is for us alone. The process that does is nobody's, the directory ours.
func TestDirectoryOfSomebodyElse(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	data := filepath.Join(dir, "data")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	err = errors.Join(err, os.WriteFile(program, text, 0o755), os.Mkdir(data, 0o700), os.Chmod(data, 0o777),
		os.Chmod(program, 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	child := osexec.Command(program)
	child.Dir, child.Env = data, append(os.Environ(), foreignDir+"="+data)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	said, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s; it is started as nobody, which only root can", err, said)
	}
	for _, want := range []string{"data_dir is somebody else's", "used: 9 files, <nil>"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("no %q in: %s", want, said)
		}
	}
	if strings.Contains(string(said), " is -") {
		t.Errorf("others may use a file: %s", said)
	}
	if info, err := os.Stat(data); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
}
