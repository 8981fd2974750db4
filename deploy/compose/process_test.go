//go:build unix

package compose

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hullbeam/internal/fronttest"
	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

// startNodes builds hullbeam and starts so many nodes on a Redis of their own.
func startNodes(t *testing.T, n int) []*fronttest.Node {
	t.Helper()
	dir := t.TempDir()
	if err := proctest.Build(dir, "hullbeam"); err != nil {
		t.Fatal(err)
	}
	redis := storetest.Redis(t, "--include", shippedRedis(t))
	for field, want := range map[string]string{"maxmemory_policy": "volatile-lru", "aof_enabled": "1"} {
		if got := redis.Info(field); got != want {
			t.Errorf("Redis says %s %q, want %q", field, got, want)
		}
	}
	return fronttest.StartNodes(t, filepath.Join(dir, "hullbeam"), n, redis.URL(), "{heartbeat: 1s, drain: 10s}")
}

// shippedRedis is the path of the shipped configuration.
func shippedRedis(t *testing.T) string {
	path, err := filepath.Abs("redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startNginx starts nginx with the shipped configuration before nodes. Addresses
// alone are replaced.
func startNginx(t *testing.T, nodes ...string) *fronttest.Site {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Fatalf("%v: ci/install.sh installs it", err)
	}
	dir, addr := t.TempDir(), proctest.FreeAddr(t)
	conf := proctest.ReadFile(t, "nginx.conf")
	for old, to := range map[string]string{
		"listen 80 ":         "listen " + addr + " ",
		"172.30.83.11:8082 ": nodes[0] + " ", "172.30.83.12:8082 ": nodes[1] + " ",
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
	fronttest.Start(t, cmd, os.Interrupt) // with its workers
	if !proctest.Within(fronttest.Soon, func() bool { c, err := net.Dial("tcp", addr); return err == nil && c.Close() == nil }) {
		t.Fatalf("nginx does not listen: %s", proctest.ReadFile(t, log))
	}
	return &fronttest.Site{URL: "http://" + addr, Client: fronttest.Apart, Log: log}
}
