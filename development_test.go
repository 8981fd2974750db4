package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tailed is an open stream, printed line by line.
type tailed struct {
	t     *testing.T
	lines chan string
}

// tail opens a stream as hullbeam tail does, until the test ends.
func (p *process) tail(t *testing.T, args ...string) *tailed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	s := &tailed{t, make(chan string, 1000)}
	ended := make(chan struct{})
	go func() {
		run(ctx, append([]string{"tail", "--url", p.URL}, args...), stdio{nil, out, os.Stderr})
		out.Close()
	}()
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(printed); lines.Scan(); {
			s.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// until reads events up to one that has all these texts.
func (s *tailed) until(texts ...string) {
	s.t.Helper()
	var seen []string
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line := <-s.lines:
			seen = append(seen, line)
			if containsAll(line, texts) {
				return
			}
		case <-timeout:
			s.t.Fatalf("no event with %q in:\n%s", texts, strings.Join(seen, "\n"))
		}
	}
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// hull plays the pretend Hull of development mode.
func (p *process) hull(method, path, body string) (status int, answer string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.URL+"/demo/hull"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// What is changed in the pretend Hull of development mode is in the open stream, and
// each notification was taken.
func TestDevelopmentModePlaysHull(t *testing.T) {
	p := startProcess(t, t.TempDir())
	s := p.tail(t)
	s.until("user.update", `"name":"Ada"`, `"plan":"free"`, `"name":"Engines Ltd"`) // a look-up
	play := func(method, path, body string) {
		t.Helper()
		status, answer := p.hull(method, path, body)
		var played struct {
			Sent []struct{ Status int }
		}
		if err := json.Unmarshal([]byte(answer), &played); err != nil || status != 200 || len(played.Sent) != 1 || played.Sent[0].Status != 200 {
			t.Fatalf("%s %s: got %d %s", method, path, status, answer)
		}
	}
	play("POST", "/users/demo-user", `{"user":{"plan":"team"},"enter":["vip"],"events":[{"event":"Signed Up"}]}`)
	s.until(`"plan":"team"`, `"segments":["vip"]`, `"events":["Signed Up"]`)
	play("POST", "/segments/vip", `{"name":"Very important"}`)
	s.until(`"segments":["Very important"]`)
	play("POST", "/settings/demo", `{"private_settings":{"public_traits":["plan","city"]}}`)
	s.until(`"user":{"id":"demo-user","plan":"team"}`)
	play("POST", "/users/demo-user/merge", `{"absorb":"demo-user-3"}`) // which changes nothing that the page may see
	play("POST", "/users/demo-user", `{"user":{"city":"Bern"},"leave":["vip"]}`)
	s.until(`"city":"Bern"`, `"segments":[]`)
	play("POST", "/replay", `{}`)
	play("DELETE", "/users/demo-user", "")
	s.until("user.private")

	status, calls := p.hull("GET", "/calls", "")
	if status != 200 || !strings.Contains(calls, "/api/v1/me/user_report") || !strings.Contains(calls, "anonymous_id:demo-visitor-0001") {
		t.Errorf("calls: got %d %s", status, calls)
	}
	d, err := readDevelopment(p.cmd.Dir + "/data")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/calls"} {
		if _, answer := p.hull("GET", path, ""); strings.Contains(answer, d.ConnectorSecret) {
			t.Errorf("%s tells the connector's secret", path)
		}
	}
}

// With a secret there is no pretend Hull, nor with an address of another one.
func TestThePretendHullIsDevelopmentModes(t *testing.T) {
	t.Run("with a secret", func(t *testing.T) {
		p := startProcess(t, t.TempDir(), "--secret", strings.Repeat("s", 32))
		for _, request := range []struct{ method, path string }{{"GET", "/"}, {"GET", "/calls"}, {"POST", "/replay"}, {"DELETE", "/users/demo-user"}} {
			if status, answer := p.hull(request.method, request.path, ""); status != 404 {
				t.Errorf("%v: got %d %s", request, status, answer)
			}
		}
	})
	t.Run("with hull.api_url", func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.DataDir, cfg.Hull.APIURL = t.TempDir(), "http://127.0.0.1:1"
		d, err := prepareDevelopment(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer d.listener.Close()
		if cfg.Hull.APIURL != "http://127.0.0.1:1" {
			t.Errorf("got %s", cfg.Hull.APIURL)
		}
	})
	t.Run("by another name", func(t *testing.T) {
		p := startProcess(t, t.TempDir())
		req, _ := http.NewRequest(http.MethodGet, p.URL+"/demo/hull/", nil)
		req.Host = "evil.example"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); res.StatusCode != 403 || strings.Contains(string(text), "Ada") {
			t.Errorf("got %d %s", res.StatusCode, text)
		}
	})
}

// What is behind the demonstration site is for its pages: nobody else gets a proof or
// sends offers, and in production it is not there.
func TestTheDemonstrationSitesBackEnd(t *testing.T) {
	p := startProcess(t, t.TempDir())
	post := func(p *process, path, body string, headers ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, p.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			req.Header.Set(name, value)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	const email, offer = `{"email":"grace@example.com"}`, `{"to":{"all":true},"data":{"title":"Ten per cent"}}`

	status, answer := post(p, "/demo/sign-in", email)
	var signed struct {
		Token string `json:"identity_token"`
	}
	if err := json.Unmarshal([]byte(answer), &signed); err != nil || status != 200 {
		t.Fatalf("sign-in: %d %s", status, answer)
	}
	s := p.tail(t, "--identity-token", signed.Token)
	s.until("user.update", `"name":"Grace"`)
	if status, answer := post(p, "/demo/offers", offer); status != 202 || !strings.Contains(answer, `"live":1`) {
		t.Errorf("offers: %d %s", status, answer)
	}
	s.until("offer", "Ten per cent")

	for _, row := range []struct {
		path, body, header string
		status             int
	}{
		{"/demo/sign-in", `{}`, "X-Nothing: there", 400},
		{"/demo/sign-in", email, "Content-Type: text/plain", 415},
		{"/demo/offers", offer, "Content-Type: text/plain", 415},
		{"/demo/offers", `{"to":{}}`, "X-Nothing: there", 400},
		{"/demo/sign-in", email, "Origin: https://evil.example", 403},
		{"/demo/offers", offer, "Sec-Fetch-Site: cross-site", 403},
	} {
		if status, answer := post(p, row.path, row.body, row.header); status != row.status || strings.Contains(answer, "identity_token") {
			t.Errorf("%v: got %d %s", row, status, answer)
		}
	}
	production := startProcess(t, t.TempDir(), "--secret", strings.Repeat("s", 32))
	for _, path := range []string{"/demo/sign-in", "/demo/offers"} {
		if status, answer := post(production, path, email); status != 404 {
			t.Errorf("%s in production: %d %s", path, status, answer)
		}
	}
}

// Keys that others can read are not used: who has read them is let in.
func TestDevelopmentKeysOfOthers(t *testing.T) {
	dir := t.TempDir()
	startProcess(t, dir).kill()
	name := filepath.Join(dir, "data", developmentFile)
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	said := refusesToStart(t, dir)
	if !strings.Contains(said, developmentFile+": others can read it") {
		t.Errorf("it says %s", said)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	startProcess(t, dir)
}

// refusesToStart is what it says.
func refusesToStart(t *testing.T, dir string, args ...string) (said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "hullbeam", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "SECRET=", "PORT=")
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil || err == nil {
		t.Fatalf("it starts:\n%s", text)
	}
	return string(text)
}
