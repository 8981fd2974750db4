//go:build !linux

package store

import "os"

// writeSynced writes b and waits until it is on the disk.
func writeSynced(f *os.File, b []byte, at int64) error {
	if _, err := f.WriteAt(b, at); err != nil {
		return err
	}
	return f.Sync()
}
