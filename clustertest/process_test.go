package clustertest

import (
	"bufio"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

// binaries is the directory of hullbeam and the balancer, built once: without the
// race detector, since the processor is for the load.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "clustertest")
		if err != nil {
			log.Fatal(err)
		}
		defer os.RemoveAll(dir)
		binaries = dir
		if err := proctest.Build(dir, "hullbeam", "hullbeam/clustertest/balancer"); err != nil {
			log.Print(err)
			return 1
		}
		lookAtSources()
		return m.Run()
	}())
}

// lookAtSources has go test know that it must run again when a source changes:
// it remembers the files that a test has looked at.
func lookAtSources() {
	filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir():
			os.Stat(path)
		}
		return nil
	})
}

// node is a hullbeam process, which may be killed and started again.
type node struct {
	*watch
	t    *testing.T
	addr string
	dir  string
	env  []string
	log  string // a file: what all its lives have said
	cmd  *exec.Cmd
	done chan error // what the process ended with
}

// launch starts the process, and does not wait.
func (n *node) launch() {
	n.t.Helper()
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	n.cmd = exec.Command(filepath.Join(binaries, "hullbeam"), "serve", "--config", "config.yaml", "--listen", n.addr)
	n.cmd.Dir, n.cmd.Env = n.dir, append(os.Environ(), n.env...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	cmd, done := n.cmd, make(chan error, 1)
	n.done = done
	go func() { done <- cmd.Wait() }()
}

// start launches the process and waits until it answers.
func (n *node) start() {
	n.t.Helper()
	n.launch()
	n.answer()
}

// answer waits until the process answers /healthz, and expects it to do so from
// now on.
func (n *node) answer() {
	n.t.Helper()
	since := time.Now()
	alive := func() bool { return n.aliveSince(since) }
	if !proctest.Within(20*time.Second, func() bool { return alive() || len(n.done) > 0 }) || !alive() {
		n.kill()
		n.t.Fatalf("%s does not answer:\n%s", n.name, n.lastWords())
	}
	n.mustLive.Store(true)
}

// kill ends the process as kill -9 does.
func (n *node) kill() {
	n.mustLive.Store(false)
	n.expect(anything)
	n.cmd.Process.Kill()
	n.done <- <-n.done // it has ended, and whoever asks again is told so too
}

// terminate asks the process to stop.
func (n *node) terminate() {
	n.mustLive.Store(false)
	n.expect(anything)
	n.cmd.Process.Signal(syscall.SIGTERM)
}

// ended waits for the end of the process and returns what it ended with.
func (n *node) ended(limit time.Duration) error {
	select {
	case err := <-n.done:
		n.done <- err
		return err
	case <-time.After(limit):
		return fmt.Errorf("it has not ended in %v", limit)
	}
}

// lastWords are the last lines of the process.
func (n *node) lastWords() string {
	text, _ := os.ReadFile(n.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = lines[max(0, len(lines)-15):]
	for i, line := range lines {
		lines[i] = fmt.Sprintf("%.300s", line)
	}
	return n.name + " (all of it with -artifacts):\n" + strings.Join(lines, "\n")
}

// startBalancer starts the balancer before addrs, and returns its address.
func startBalancer(t *testing.T, addrs []string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "balancer"), addrs...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(addr)
}
