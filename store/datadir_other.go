//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package store

import (
	"log/slog"
	"os"
)

// ownDir makes the directory. Who may use it is for this system to say.
func ownDir(dir string, _ *slog.Logger) error { return os.MkdirAll(dir, 0o700) }
