//go:build unix

// Package fronttest is what tests of the programs in front of Hullbeam have in common:
// nodes that share a Redis, as processes, and pages that watch through what stands before
// them.
package fronttest

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

// Soon is for what comes at once, and not at all when it is held back.
const Soon = 20 * time.Second

// A Node is one hullbeam.
type Node struct {
	Addr string
	Cmd  *exec.Cmd
	Done chan struct{} // closed at its end
}

// StartNodes starts so many nodes, of a hullbeam that was built, on the Redis of that URL.
// Their one connector is c, and stream are settings of theirs: "{heartbeat: 1s}". They
// believe the proxies of this machine.
func StartNodes(t *testing.T, hullbeam string, n int, redis, stream string) []*Node {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), fmt.Appendf(nil, configuration, stream), 0o600); err != nil {
		t.Fatal(err)
	}
	var nodes []*Node
	for range n {
		addr := proctest.FreeAddr(t)
		cmd := exec.Command(hullbeam, "serve", "--listen", addr)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "SECRET=a secret of more than thirty-two characters", "ADMIN_KEY="+adminKey,
			"REDIS_URL="+redis, "HULLBEAM_TRUSTED_PROXIES=127.0.0.1", "PORT=")
		nodes = append(nodes, &Node{addr, cmd, Start(t, cmd, os.Kill)})
	}
	for _, n := range nodes {
		n.awaitReady(t)
	}
	return nodes
}

const configuration = `
connectors:
  - id: c
    private_settings:
      whitelisted_domains: [page.test, 127.0.0.1]
      public_traits: [plan]
      identity_verification: possession
stream: %s
`

// Kill ends a node as a machine that loses its power does.
func (n *Node) Kill() {
	n.Cmd.Process.Kill()
	<-n.Done
}

// StartAgain starts a node that has ended, where it was.
func (n *Node) StartAgain(t *testing.T) {
	t.Helper()
	cmd := exec.Command(n.Cmd.Path, n.Cmd.Args[1:]...)
	cmd.Dir, cmd.Env = n.Cmd.Dir, n.Cmd.Env
	n.Cmd, n.Done = cmd, Start(t, cmd, os.Kill)
	n.awaitReady(t)
}

func (n *Node) awaitReady(t *testing.T) {
	t.Helper()
	if !proctest.Within(Soon, func() bool {
		res, err := http.Get("http://" + n.Addr + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}) {
		t.Fatalf("%s is not ready", n.Addr)
	}
}

// Start starts a process that is ended with the test. done is closed at its end.
func Start(t *testing.T, cmd *exec.Cmd, end os.Signal) (done chan struct{}) {
	t.Helper()
	words := &bytes.Buffer{}
	if cmd.Stderr == nil {
		cmd.Stderr = words
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		cmd.Process.Signal(end)
		<-done
		if t.Failed() {
			t.Logf("%v:\n%s", cmd.Args, words)
		}
	})
	return done
}
