//go:build unix

package compose

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

type node struct {
	addr string
	cmd  *exec.Cmd
	done chan struct{} // closed at its end
}

// startNodes builds hullbeam and starts so many nodes on a Redis of their own.
func startNodes(t *testing.T, n int) []*node {
	t.Helper()
	dir := t.TempDir()
	if err := proctest.Build(dir, "hullbeam"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	redis := storetest.Redis(t, "--include", shippedRedis(t))
	for field, want := range map[string]string{"maxmemory_policy": "volatile-lru", "aof_enabled": "1"} {
		if got := redis.Info(field); got != want {
			t.Errorf("Redis says %s %q, want %q", field, got, want)
		}
	}
	var nodes []*node
	for range n {
		addr := proctest.FreeAddr(t)
		cmd := exec.Command(filepath.Join(dir, "hullbeam"), "serve", "--listen", addr)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "SECRET=a secret of more than thirty-two characters", "ADMIN_KEY="+adminKey,
			"REDIS_URL="+redis.URL(), "HULLBEAM_TRUSTED_PROXIES=127.0.0.1", "PORT=")
		nodes = append(nodes, &node{addr, cmd, start(t, cmd, os.Kill)})
	}
	for _, n := range nodes {
		awaitReady(t, "http://"+n.addr)
	}
	return nodes
}

// shippedRedis is the path of the shipped configuration.
func shippedRedis(t *testing.T) string {
	path, err := filepath.Abs("redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const configuration = `
connectors:
  - id: c
    private_settings:
      whitelisted_domains: [page.test]
      public_traits: [plan]
      identity_verification: possession
stream: {heartbeat: 1s, drain: 10s}
`

// startNginx starts nginx with the shipped configuration before nodes. Addresses
// alone are replaced.
func startNginx(t *testing.T, nodes ...string) *site {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Fatalf("%v: ci/install.sh installs it", err)
	}
	dir, addr := t.TempDir(), proctest.FreeAddr(t)
	conf := read(t, "nginx.conf")
	for old, to := range map[string]string{
		"listen 80 ":         "listen " + addr + " ",
		"172.30.83.11:8082 ": nodes[0] + " ", "172.30.83.12:8082 ": nodes[1] + " ", "172.30.83.13:8082 ": nodes[2] + " ",
	} {
		if !strings.Contains(conf, old) {
			t.Fatalf("nginx.conf has no %q", old)
		}
		conf = strings.ReplaceAll(conf, old, to)
	}
	file, log := filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "log")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", file, "-g", "daemon off; pid "+filepath.Join(dir, "pid")+";")
	if out, err := os.Create(log); err != nil {
		t.Fatal(err)
	} else {
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
	}
	start(t, cmd, os.Interrupt) // with its workers
	if !proctest.Within(soon, func() bool { c, err := net.Dial("tcp", addr); return err == nil && c.Close() == nil }) {
		t.Fatalf("nginx does not listen: %s", read(t, log))
	}
	return &site{"http://" + addr, log}
}

// start starts a process that is ended with the test. done is closed at its end.
func start(t *testing.T, cmd *exec.Cmd, end os.Signal) (done chan struct{}) {
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

// awaitReady waits until a node is.
func awaitReady(t *testing.T, base string) {
	t.Helper()
	if !proctest.Within(soon, func() bool {
		res, err := http.Get(base + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}) {
		t.Fatalf("%s is not ready", base)
	}
}
