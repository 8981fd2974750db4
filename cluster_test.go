//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hullbeam/store/storetest"
)

// configured makes a directory with a configuration: a connector that pages of a
// domain may use, and a secret.
func configured(t *testing.T, secret, domain string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := fmt.Sprintf(`
secret: [%s of more than thirty-two characters]
connectors:
  - id: demo-1
    private_settings: {whitelisted_domains: [%s], identity_verification: possession}
`, secret, domain)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ask is the answer's status, and its body.
func (p *process) ask(method, path, origin, body string) (status int, text string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(said)
}

func (p *process) token(domain string) (status int, text string) {
	p.t.Helper()
	return p.ask("POST", "/api/v1/connectors/demo-1/token", "https://"+domain, `{"claims":{"anonymous_id":"anon-0123456789abcdef"}}`)
}

// A node starts without Redis, says so and is not ready; when Redis comes it puts its
// connectors in, and is. What it puts in anew the nodes that run are told of.
func TestStartWithoutRedis(t *testing.T) {
	redis := storetest.Redis(t)
	redis.Kill()
	t.Setenv("REDIS_URL", redis.URL())
	p := startProcess(t, configured(t, "a secret", "one.example"))
	storetest.Eventually(t, "it says that it waits", func() bool { return strings.Contains(p.err.String(), "waiting for Redis") })
	if status, text := p.ask("GET", "/readyz", "", ""); status != 503 {
		t.Errorf("/readyz without Redis: got %d %s", status, text)
	}
	if status, text := p.ask("GET", "/healthz", "", ""); status != 200 {
		t.Errorf("/healthz without Redis: got %d %s", status, text)
	}
	if status, text := p.token("one.example"); status != 503 || !strings.Contains(text, `"unavailable"`) {
		t.Errorf("a token without Redis: got %d %s", status, text)
	}
	redis.Start()
	storetest.Eventually(t, "it is ready", func() bool { status, _ := p.ask("GET", "/readyz", "", ""); return status == 200 })
	if status, text := p.token("one.example"); status != 201 {
		t.Errorf("a token: got %d %s", status, text)
	}
	other := startProcess(t, configured(t, "a secret", "two.example"))
	storetest.Eventually(t, "the other one is ready", func() bool { status, _ := other.ask("GET", "/readyz", "", ""); return status == 200 })
	for _, q := range []*process{other, p} {
		storetest.Eventually(t, "the new configuration holds", func() bool {
			before, _ := q.token("one.example")
			now, _ := q.token("two.example")
			return before == 403 && now == 201
		})
	}
}

// A secret that opens nothing is refused as soon as Redis can be asked, and takes
// over nobody's connectors.
func TestStartWithAnotherSecret(t *testing.T) {
	redis := storetest.Redis(t)
	t.Setenv("REDIS_URL", redis.URL())
	p := startProcess(t, configured(t, "a secret", "one.example"))
	storetest.Eventually(t, "it is ready", func() bool { status, _ := p.ask("GET", "/readyz", "", ""); return status == 200 })
	redis.Freeze()
	t.Cleanup(redis.Thaw)
	q := startProcess(t, configured(t, "another secret", "two.example"))
	storetest.Eventually(t, "it says that it waits", func() bool { return strings.Contains(q.err.String(), "waiting for Redis") })
	redis.Thaw()
	ended := make(chan error, 1)
	go func() { ended <- q.cmd.Wait() }()
	select {
	case err := <-ended:
		if code, ok := err.(*exec.ExitError); !ok || code.ExitCode() != exitFailed {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	storetest.Eventually(t, "it says why", func() bool { return strings.Contains(q.err.String(), "put the old one back") })
	if status, text := p.token("one.example"); status != 201 {
		t.Errorf("a token of the node with the right secret: got %d %s", status, text)
	}
}
