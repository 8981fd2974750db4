package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

// minihull is the npm package of that name, a mock of Hull that others wrote, played by
// testdata/minihull/play.js.
type minihull struct {
	t    *testing.T
	port string
	in   io.Writer
	out  *json.Decoder
}

func startMinihull(t *testing.T) *minihull {
	t.Helper()
	dir := filepath.Join("testdata", "minihull")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("minihull is not installed: run ci/install.sh (%v)", err)
	}
	_, port, err := net.SplitHostPort(proctest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "--no-warnings", "play.js", port)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	m := &minihull{t, port, in, json.NewDecoder(bufio.NewReader(out))}
	if listening, err := m.read(); err != nil || listening.text() != `"listening"` {
		t.Fatalf("minihull: %s, %v", listening.text(), err)
	}
	return m
}

// played is what came of a call: its result, or the status and text of what refused it.
type played struct {
	Result json.RawMessage
	Error  string
	Status int
	Text   string
}

func (p played) text() string { return string(p.Result) }

func (m *minihull) read() (p played, err error) {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		err = m.out.Decode(&p)
	}()
	select {
	case <-answered:
		return p, err
	case <-time.After(60 * time.Second):
		m.t.Fatal("minihull does not answer")
		return p, nil
	}
}

// play calls a method.
func (m *minihull) play(method string, args ...any) played {
	m.t.Helper()
	line, err := json.Marshal(append([]any{method}, args...))
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(m.in, "%s\n", line); err != nil {
		m.t.Fatal(err)
	}
	p, err := m.read()
	if err != nil {
		m.t.Fatal(err)
	}
	return p
}

// do is play of what must be taken.
func (m *minihull) do(method string, args ...any) played {
	m.t.Helper()
	p := m.play(method, args...)
	if p.Error != "" {
		m.t.Fatalf("%s: %s %d %s", method, p.Error, p.Status, p.Text)
	}
	return p
}

// settings are those of a hullbeam that this mock may notify.
func (m *minihull) settings() []string {
	return []string{
		"--secret", strings.Repeat("s", 32), "--hull.verify-signatures=false",
		"--hull.organizations", "localhost:" + m.port, "--hull.api-url", "http://localhost:" + m.port,
	}
}

const (
	minihullVisitor   = "minihull-visitor-0001"
	minihullSegment   = "5c0fa1fbe6e53d5e4b1a2c01"
	minihullUser      = "5c0fa1fbe6e53d5e4b1a2c02"
	minihullConnector = "5c0fa1fbe6e53d5e4b1a2c03"
)

// As a new user would try it: installed from the manifest, told of its settings, of users
// and of segments, all unsigned. What is told is in the open stream.
func TestMinihull(t *testing.T) {
	m := startMinihull(t)
	p := startProcess(t, t.TempDir(), m.settings()...)
	m.do("segment", map[string]any{"id": minihullSegment, "name": "Deals"})
	m.do("user", map[string]any{"id": minihullUser, "email": "ada@example.com", "anonymous_ids": []string{minihullVisitor}})
	if got := m.do("mimicInstall", p.URL).text(); !strings.Contains(got, `"status":200`) {
		t.Fatalf("install: %s", got)
	}
	m.do("mimicUpdateConnector", map[string]any{
		"whitelisted_domains": []string{"127.0.0.1"}, "public_traits": []string{"plan"}, "public_segments": []string{minihullSegment},
	})
	var connector struct {
		ID       string
		Manifest struct{ Name string }
	}
	if err := json.Unmarshal(m.do("connector").Result, &connector); err != nil || len(connector.ID) != 24 || connector.Manifest.Name == "" {
		t.Fatalf("installed: %+v, %v", connector, err)
	}

	s := p.tail(t, "--connector", connector.ID, "--anonymous-id", minihullVisitor)
	s.until("room.joined")
	m.do("mimicUpdateUser", map[string]any{"id": minihullUser}, map[string]any{"plan": "free"})
	s.until("user.update", `"plan":"free"`)
	m.do("mimicUserEntersSegment", map[string]any{"id": minihullUser}, minihullSegment)
	s.until("user.update", `"segments":["Deals"]`)
	m.do("mimicUpdateSegment", "Great deals", minihullSegment)
	s.until("user.update", `"segments":["Great deals"]`)
	m.do("mimicUserExitsSegment", map[string]any{"id": minihullUser}, minihullSegment)
	s.until("user.update", `"segments":[]`)
	m.do("mimicUpdateConnector", map[string]any{"public_traits": []string{"plan", "email"}})
	s.until("user.update", `"email":"ada@example.com"`)
	m.do("smartNotify", "user:update", []any{map[string]any{"user": map[string]any{
		"id": minihullUser, "email": "ada@example.com", "anonymous_ids": []string{minihullVisitor}, "plan": "pro",
	}, "segments": []any{}}})
	s.until("user.update", `"plan":"pro"`)
	m.do("mimicBatchCall") // its users, of whom smartNotify has changed none
	s.until("user.update", `"plan":"free"`)
}

// All that is unsigned is refused unless hull.verify_signatures is false and the mock's
// organization is listed.
func TestMinihullIsRefused(t *testing.T) {
	secret := []string{"--secret", strings.Repeat("s", 32)}
	for name, settings := range map[string][]string{
		"with signatures verified": {},
		"from elsewhere":           {"--hull.verify-signatures=false"},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMinihull(t)
			p := startProcess(t, t.TempDir(), slices.Concat(secret, settings, []string{"--hull.api-url", "http://localhost:" + m.port})...)
			if got := m.play("mimicInstall", p.URL); got.Status < 400 || got.Status >= 500 {
				t.Errorf("install: %+v", got)
			}
			connector := map[string]any{"id": minihullConnector}
			if got := m.play("smartNotifyConnector", connector, p.URL+"/smart-notifier", "user:update", []any{}); got.Status < 400 || got.Status >= 500 {
				t.Errorf("notification: %+v", got)
			}
			token := `{"claims":{"anonymous_id":"` + minihullVisitor + `"}}`
			res, err := http.Post(p.URL+"/api/v1/connectors/"+minihullConnector+"/token", "application/json", strings.NewReader(token))
			if err != nil {
				t.Fatal(err)
			}
			if res.Body.Close(); res.StatusCode < 400 {
				t.Errorf("a connector was learnt: %s", res.Status)
			}
		})
	}
	t.Run("an organization with a port is not for production", func(t *testing.T) {
		var said strings.Builder
		args := append(secret, "--hull.organizations", "localhost:8083")
		if code := run(t.Context(), args, stdio{nil, io.Discard, &said}); code == exitOK || !strings.Contains(said.String(), "hull.organizations") {
			t.Errorf("got %d %s", code, said.String())
		}
	})
}
