//go:build unix

package heroku

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

const (
	project = "../.."
	soon    = 30 * time.Second
	killed  = 30 * time.Second // by Heroku, after it was told to stop
)

// The Procfile's command serves on the port that it is given, with the Redis and the
// secrets that app.json asks for, and stops before it would be killed.
func TestProcfile(t *testing.T) {
	dir, addr := t.TempDir(), proctest.FreeAddr(t)
	if err := proctest.Build(filepath.Join(dir, "bin"), "hullbeam"); err != nil {
		t.Fatal(err)
	}
	command, ok := strings.CutPrefix(strings.TrimSpace(read(t, "Procfile")), "web: ")
	if !ok {
		t.Fatal("the Procfile has no web")
	}
	_, port, _ := strings.Cut(addr, ":")
	node := exec.Command("sh", "-c", "exec "+command)
	node.Dir = dir
	node.Env = append(appVariables(t), "PATH="+os.Getenv("PATH"), "DYNO=web.1", "PORT="+port, "REDIS_URL="+herokuRedis(t))
	var log bytes.Buffer
	node.Stderr = &log
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- node.Wait() }()
	t.Cleanup(func() { node.Process.Kill() })
	if !proctest.Within(soon, func() bool {
		res, err := http.Get("http://" + addr + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}) {
		node.Process.Kill()
		<-ended
		t.Fatalf("it is not ready:\n%s", &log)
	}
	node.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("told to stop, it ends with %v:\n%s", err, &log)
		}
	case <-time.After(killed):
		t.Error("it does not stop")
	}
}

// herokuRedis is the URL of a Redis as Heroku has them: over TLS, with a certificate that signs itself.
func herokuRedis(t *testing.T) string {
	t.Helper()
	dir, addr := t.TempDir(), proctest.FreeAddr(t)
	proctest.Certificate(t, dir, time.Now().Add(time.Hour))
	_, port, _ := strings.Cut(addr, ":")
	storetest.Redis(t, "--tls-port", port, "--tls-auth-clients", "no", "--tls-cert-file", filepath.Join(dir, "cert.pem"), "--tls-key-file", filepath.Join(dir, "key.pem"))
	return "rediss://" + addr
}

// appVariables are those that app.json sets or has made.
func appVariables(t *testing.T) (variables []string) {
	t.Helper()
	var app struct {
		Env map[string]struct{ Value, Generator string }
	}
	if err := json.Unmarshal([]byte(read(t, "app.json")), &app); err != nil {
		t.Fatal(err)
	}
	for name, v := range app.Env {
		if v.Generator == "secret" {
			v.Value = strings.Repeat("0123456789abcdef", 4) // 64 hex digits, as Heroku makes them
		}
		variables = append(variables, name+"="+v.Value)
	}
	return variables
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(project, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
