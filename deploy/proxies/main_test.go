//go:build unix

package proxies

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hullbeam/internal/proctest"
)

// hullbeam is the program that is built for these tests.
var hullbeam string

// Tests here wait, and do not compute: all at once is as long as the longest, on any
// machine.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "32")
	dir, err := os.MkdirTemp("", "proxies")
	if err == nil {
		hullbeam = filepath.Join(dir, "hullbeam")
		err = proctest.Build(dir, "hullbeam")
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}
