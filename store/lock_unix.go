//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lockFile takes the file at path, made if need be, for this process until the
// file is closed. The lock goes with the process however that ends; the file
// stays and holds the id of the process that had it last.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		owner, _ := os.ReadFile(path) // says more, when it can be read
		return nil, fmt.Errorf("%w (process %s holds %s)", ErrInUse, strings.TrimSpace(string(owner)), path)
	}
	// The id is only for the text above: a full disk is no reason not to start.
	if f.Truncate(0) == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return f, nil
}
