//go:build unix

package main

import (
	"math"
	"syscall"
)

// descriptorLimit is how many file descriptors the process may have. Go has raised the
// limit to the highest that it may set itself.
func descriptorLimit() (limit int, known bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return int(min(uint64(l.Cur), math.MaxInt32)), true
}
