//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// ownDir makes the directory for its owner only, and takes from others what they may do
// there and with the files of it that are ours. A directory of somebody else's, such as a
// volume that a platform gives, is only warned about: the files in it are for us alone. A
// file that is a link, or somebody else's and open to others, is refused.
func ownDir(dir string, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(dir, 0o700); errors.Is(err, fs.ErrPermission) { // #nosec G302 -- a directory
			log.Warn("data_dir is somebody else's, and others may use it: its files are for this user alone, but others may take them away", "path", dir, "mode", info.Mode().String())
		} else if err != nil {
			return err
		} else {
			log.Warn("data_dir was open to others: now it is for its owner only", "path", dir, "mode", info.Mode().String())
		}
	}
	for _, name := range []string{lockName, databaseFile, historyFile} {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := ownFile(filepath.Join(dir, name+suffix)); err != nil {
				return err
			}
		}
	}
	return errors.Join(ownFile(filepath.Join(dir, journalName+"0")), ownFile(filepath.Join(dir, journalName+"1")))
}

// ownFile takes a file from others, if it is there.
func ownFile(name string) error {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		return fmt.Errorf("%s is a link: what it leads to would be changed", name)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(name, 0o600)
	}
	return nil
}
