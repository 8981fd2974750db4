//go:build unix

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hullbeam/store/storetest"
)

// What no file and no value of Redis may hold, as it is or as JSON writes bytes.
var atRest = []string{
	"the secret of the connector", "the identity secret", oldSecret, nextSecret,
	base64.StdEncoding.EncodeToString([]byte("the secret of the connector")), base64.StdEncoding.EncodeToString([]byte("the identity secret")),
}

const (
	oldSecret  = "the old secret of thirty-two characters"
	nextSecret = "the new secret of thirty-two characters"
)

// rotating makes a directory with a connector that has secrets, and a configuration
// without it: nothing but the store knows it once it has been put in.
func rotating(t *testing.T) (dir string, putIn []string) {
	t.Helper()
	dir = t.TempDir()
	text := `
connectors:
  - id: demo-1
    secret: the secret of the connector
    settings: {shown: the settings of the connector}
    private_settings: {whitelisted_domains: [one.example], identity_verification: possession, identity_secret: the identity secret}
`
	name := filepath.Join(dir, "connectors.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, []string{"--config", name}
}

// becomes restarts the process with other secrets and waits until it is ready.
func (p *process) becomes(dir string, args ...string) *process {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
	return ready(startProcess(p.t, dir, args...))
}

func ready(p *process) *process {
	p.t.Helper()
	storetest.Eventually(p.t, "it is ready", func() bool { status, _ := p.ask("GET", "/readyz", "", ""); return status == 200 })
	return p
}

// takes tells how a page view is answered whose token another node has made.
func (p *process) takes(of *process) (status int) {
	p.t.Helper()
	status, text := of.token("one.example")
	if status != 201 {
		p.t.Fatalf("a token: got %d %s", status, text)
	}
	var got struct{ Token string }
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		p.t.Fatal(err)
	}
	status, _ = p.ask("POST", "/api/v1/pages", "https://one.example", `{"token":"`+got.Token+`","url":"https://one.example/","view":"v1","tab":"t1"}`)
	return status
}

// Nothing is done but to give the nodes their secrets, one after the other: first what is
// to come behind what is, then before it, then alone.
func TestRotateSecretOfNodes(t *testing.T) {
	redis := storetest.Redis(t)
	t.Setenv("REDIS_URL", redis.URL())
	dir, putIn := rotating(t)
	a := ready(startProcess(t, dir, append(putIn, "--secret", oldSecret)...))
	b := ready(startProcess(t, dir, "--secret", oldSecret))
	serves := func(secrets string) {
		t.Helper()
		for _, p := range []*process{a, b} {
			for _, of := range []*process{a, b} {
				if status := p.takes(of); status != 202 {
					t.Errorf("with %s: a page view with a token of another node: got %d", secrets, status)
				}
			}
		}
	}
	for _, secrets := range []string{oldSecret + "," + nextSecret, nextSecret + "," + oldSecret, nextSecret} {
		a = a.becomes(dir, "--secret", secrets)
		serves("the first at " + secrets)
		b = b.becomes(dir, "--secret", secrets)
		serves("both at " + secrets)
	}
	redis.Do("CONFIG", "SET", "rdbcompression", "no")
	redis.Do("SAVE")
	wantSealed(t, redis.Do("CONFIG", "GET", "dir").(map[any]any)["dir"].(string))
}

func TestRotateSecretOfOne(t *testing.T) {
	dir, putIn := rotating(t)
	p := startProcess(t, dir, append(putIn, "--secret", oldSecret)...)
	wantSealed(t, filepath.Join(dir, "data"))
	p = p.becomes(dir, "--secret", nextSecret+","+oldSecret)
	if said := "sealed with the first secret\" resealed=1"; !strings.Contains(p.err.String(), said) {
		t.Errorf("it does not say %q:\n%s", said, p.err)
	}
	wantSealed(t, filepath.Join(dir, "data"))
	p = p.becomes(dir, "--secret", nextSecret)
	if status := p.takes(p); status != 202 {
		t.Errorf("with the new secret alone: got %d", status)
	}
	wantSealed(t, filepath.Join(dir, "data"))
}

// wantSealed looks through all files of a directory, logs and journals too.
func wantSealed(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	shown := false // the settings, which are not secret
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, settings := range []string{`{"shown":`, base64.StdEncoding.EncodeToString([]byte(`{"shown":`))} {
			shown = shown || bytes.Contains(text, []byte(settings))
		}
		for _, secret := range atRest {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s can be read in %s", secret, name)
			}
		}
	}
	if !shown {
		t.Errorf("the settings are in no file of %s: this test looks in the wrong place", dir)
	}
}

// Whoever gives a node the new secret before the others know it has those fail where they
// cannot read, and start no more; with both secrets they are well again.
func TestRotateTooEarly(t *testing.T) {
	t.Setenv("REDIS_URL", storetest.Redis(t).URL())
	dir, putIn := rotating(t)
	late := ready(startProcess(t, dir, append(putIn, "--secret", oldSecret)...))
	early := ready(startProcess(t, dir, "--secret", nextSecret+","+oldSecret))
	if status, text := late.token("one.example"); status != 503 {
		t.Errorf("a token of the node with the old secret: got %d %s", status, text)
	}
	if status := late.takes(early); status != 401 {
		t.Errorf("a token of the new secret at the node with the old one: got %d", status)
	}
	late.kill()
	if said := refusesToStart(t, dir, "--secret", oldSecret); !strings.Contains(said, "secret: it opens no connector in the store") {
		t.Errorf("with the old secret alone it says %s", said)
	}
	late = ready(startProcess(t, dir, "--secret", oldSecret+","+nextSecret))
	for _, p := range []*process{late, early} {
		for _, of := range []*process{late, early} {
			if status := p.takes(of); status != 202 {
				t.Errorf("with both secrets: got %d", status)
			}
		}
	}
}

// Whatever umask it is started with, what it makes is for its owner.
func TestUmask(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	dir := t.TempDir()
	p := ready(startProcess(t, dir))
	p.tail(t).until("room.joined")
	made := 0
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		made++
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", name, info.Mode())
		}
		return err
	})
	if err != nil || made < 8 {
		t.Errorf("%d files: %v", made, err)
	}
}
