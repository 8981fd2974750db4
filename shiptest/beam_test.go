package shiptest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

var binaries string // where TestMain has built hullbeam

func TestMain(m *testing.M) { os.Exit(withBinaries(m)) }

func withBinaries(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hullbeam-shiptest")
	if err == nil {
		defer os.RemoveAll(dir)
		err = proctest.Build(dir, "hullbeam")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binaries = dir
	code := m.Run()
	closeBrowser()
	return code
}

// beam is a hullbeam in development mode: its connector is demo, and lets in pages of
// 127.0.0.1 and localhost.
type beam struct {
	t    *testing.T
	dir  string
	addr string
	args []string
	cmd  *exec.Cmd
	URL  string
}

// startBeam starts a hullbeam and waits until it listens. args are flags of serve.
func startBeam(t *testing.T, args ...string) *beam {
	t.Helper()
	b := &beam{t: t, dir: t.TempDir(), addr: proctest.FreeAddr(t), args: args}
	b.URL = "http://" + b.addr
	b.start()
	t.Cleanup(b.kill)
	return b
}

// start starts it, at the same address and with the same data when it ran before.
func (b *beam) start() {
	b.t.Helper()
	b.cmd = exec.Command(filepath.Join(binaries, "hullbeam"), append([]string{"serve", "--listen", b.addr}, b.args...)...)
	b.cmd.Dir = b.dir
	b.cmd.Env = append(os.Environ(), "SECRET=", "PORT=")
	stderr, err := b.cmd.StderrPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	listening, said := make(chan struct{}), &bytes.Buffer{}
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if strings.Contains(lines.Text(), "msg=listening") {
				close(listening)
				io.Copy(io.Discard, stderr)
				return
			}
			fmt.Fprintln(said, lines.Text())
		}
		close(listening)
	}()
	select {
	case <-listening:
	case <-time.After(30 * time.Second):
	}
	if !b.healthy() {
		b.t.Fatalf("hullbeam does not listen:\n%s", said)
	}
}

func (b *beam) healthy() bool {
	res, err := http.Get(b.URL + "/healthz")
	if err == nil {
		res.Body.Close()
	}
	return err == nil && res.StatusCode == http.StatusOK
}

// kill ends it as kill -9 does.
func (b *beam) kill() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// stop ends it as a deployment does.
func (b *beam) stop() {
	b.t.Helper()
	b.cmd.Process.Signal(os.Interrupt)
	if err := b.cmd.Wait(); err != nil {
		b.t.Errorf("hullbeam: %v", err)
	}
}

// hull plays the pretend Hull: b.hull("/users/demo-user", `{"user":{"plan":"team"}}`).
func (b *beam) hull(path, body string) {
	b.t.Helper()
	b.do("POST", "/demo/hull"+path, body)
}

// offer sends an offer to everybody.
func (b *beam) offer(id, data string) {
	b.t.Helper()
	b.do("POST", "/api/v1/connectors/demo/offers", fmt.Sprintf(`{"to":{"all":true},"id":%q,"data":%s}`, id, data))
}

// do is a request as an operator, who is answered that it is done.
func (b *beam) do(method, path, body string) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+b.adminKey())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode >= 300 {
		b.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
}

// proof is the identity token of a demonstration person, as a site's back end signs it.
func (b *beam) proof(email string) string {
	b.t.Helper()
	res, err := http.Post(b.URL+"/demo/sign-in", "application/json", strings.NewReader(fmt.Sprintf(`{"email":%q}`, email)))
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	var signed struct {
		Token string `json:"identity_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&signed); err != nil {
		b.t.Fatal(err)
	}
	return signed.Token
}

func (b *beam) adminKey() string { return b.keys().AdminKey }

// developmentKeys are those that a hullbeam in development mode has made.
type developmentKeys struct {
	AdminKey        string `json:"admin_key"`
	ConnectorSecret string `json:"connector_secret"`
}

func (b *beam) keys() (keys developmentKeys) {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "data", "development.json"))
	if err == nil {
		err = json.Unmarshal(text, &keys)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return keys
}

// metric is the value of a series, or of all that a metric has together:
// b.metric("hullbeam_streams").
func (b *beam) metric(series string) string {
	b.t.Helper()
	res, err := http.Get(b.URL + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	sum, found := 0.0, false
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if metric, _, _ := strings.Cut(name, "{"); metric != series && name != series {
			continue
		}
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			sum, found = sum+value, true
		}
	}
	if !found {
		return ""
	}
	return strconv.FormatFloat(sum, 'f', -1, 64)
}

// until waits until something that it has is as it should be.
func (b *beam) until(what, want string, get func() string) {
	b.t.Helper()
	got := get()
	for deadline := time.Now().Add(patience); got != want && !(got == "" && want == "0") && time.Now().Before(deadline); got = get() {
		time.Sleep(20 * time.Millisecond)
	}
	if got != want && !(got == "" && want == "0") {
		b.t.Errorf("%s: %q, want %s", what, got, want)
	}
}
