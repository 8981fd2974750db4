package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hullbeam/store"
	"hullbeam/stream"
)

// TestMain makes the test's binary hullbeam itself for those who start it so.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hullbeam": main})
}

// The commands, as in a terminal: testdata/script.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script")})
}

// process is a hullbeam that runs.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	URL string
	out *os.File // what it said on standard output
	err *lockedBuffer
}

// startProcess starts hullbeam serve on a free port and waits until it listens.
func startProcess(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return startProcessWith(t, "", dir, args...)
}

// startProcessWith is startProcess by a line of shell, whose $0 and $@ start it; empty:
// without a shell.
func startProcessWith(t *testing.T, shell, dir string, args ...string) *process {
	t.Helper()
	hullbeam, err := exec.LookPath("hullbeam") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &process{t: t, out: out, err: &lockedBuffer{}}
	command := append([]string{hullbeam, "serve", "--listen", "127.0.0.1:0"}, args...)
	if shell != "" {
		command = append([]string{"sh", "-c", shell}, command...)
	}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "SECRET=", "PORT=")
	p.cmd.Stdout = p.out
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go p.read(stderr, listening)
	select {
	case p.URL = <-listening:
	case <-time.After(30 * time.Second):
		p.kill()
		t.Fatalf("it does not listen:\n%s", p.err)
	}
	t.Cleanup(p.kill)
	return p
}

var publicURL = regexp.MustCompile(`msg=listening .*public_url=(\S+)`)

func (p *process) read(stderr io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(p.err, lines.Text())
		if m := publicURL.FindStringSubmatch(lines.Text()); m != nil {
			listening <- m[1]
		}
	}
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The three lines that development mode prints work when they are pasted, into
// one shell, and the update is in the stream.
func TestPrintedCurlLines(t *testing.T) {
	p := startProcess(t, t.TempDir())
	var token, open, notify string
	said, err := os.ReadFile(p.out.Name()) // before it listens it has said all
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(said)) {
		switch {
		case strings.HasPrefix(line, "TOKEN="):
			token = line
		case strings.HasPrefix(line, "curl -N"):
			open = strings.TrimSpace(line)
		case strings.HasPrefix(line, "curl -H"):
			notify = line
		}
	}
	if token == "" || open == "" || notify == "" {
		t.Fatalf("not three lines:\n%s", said)
	}
	script := token + open + ` --no-progress-meter > stream &
until grep -q '"plan":"free"' stream; do sleep 0.05; done
` + notify + `
until grep -q '"plan":"pro"' stream; do sleep 0.05; done
kill $!
cat stream
`
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir = t.TempDir()
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, want := range []string{"room.joined", "cache.miss", `"type":"next"`, `"events":["Signed Up"]`, `"segments":["vip"]`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in:\n%s", want, out)
		}
	}
}

// What was acknowledged with 200 is there after kill -9 in the middle of a load
// of notifications.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	d, err := readDevelopment(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged sync.Map // user → the last sequence number acknowledged
	var count atomic.Int64
	enough := make(chan struct{})
	var load sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for worker := range 8 {
		load.Go(func() {
			for seq := 1; ctx.Err() == nil; seq++ {
				users := []string{fmt.Sprintf("w%d-a", worker), fmt.Sprintf("w%d-%d", worker, seq)}
				if p.notify(ctx, d, users, seq) {
					for _, user := range users {
						acknowledged.Store(user, seq)
					}
					if count.Add(1) == 400 {
						close(enough)
					}
				}
			}
		})
	}
	<-enough
	p.kill()
	cancel()
	load.Wait()

	sealer, err := stream.NewSealer([]string{d.Secret}, "store")
	if err != nil {
		t.Fatal(err)
	}
	cfg := store.DefaultConfig()
	cfg.DataDir, cfg.Sealer = filepath.Join(dir, "data"), sealer
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	checked := 0
	acknowledged.Range(func(user, seq any) bool {
		checked++
		snapshot, _, err := s.Find(t.Context(), demoConnector, []string{"id:" + user.(string)})
		if err != nil {
			t.Errorf("%s: %v", user, err)
			return true
		}
		var state struct{ User struct{ Seq int } }
		if err := json.Unmarshal(snapshot.State, &state); err != nil || state.User.Seq < seq.(int) {
			t.Errorf("%s: got seq %d, %v, acknowledged was %d", user, state.User.Seq, err, seq)
		}
		return true
	})
	t.Logf("%d notifications acknowledged before the kill, %d users checked", count.Load(), checked)
}

// Two processes do not share a data directory, and a secret that opens nothing is
// told at start.
func TestStartAgainstAnothersStore(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	refuse := func(env, want string) {
		t.Helper()
		hullbeam, _ := exec.LookPath("hullbeam")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, hullbeam, "serve", "--listen", "127.0.0.1:0")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(out), want) || strings.Contains(string(out), "goroutine") {
			t.Errorf("got %v %s, want %s", err, out, want)
		}
	}
	refuse("SECRET=", "in use")
	p.kill()
	refuse("SECRET=another secret of thirty-two characters and more", "put the old one back")
}

// notify sends a notification of users and tells whether it was acknowledged.
func (p *process) notify(ctx context.Context, d *development, users []string, seq int) bool {
	var messages []any
	for _, user := range users {
		messages = append(messages, map[string]any{"user": map[string]any{"id": user, "seq": seq}})
	}
	id := fmt.Sprintf("%s-%d", users[0], seq)
	body, _ := json.Marshal(map[string]any{
		"notification_id": id, "channel": "user:update", "messages": messages,
		"configuration": map[string]string{"id": demoConnector, "organization": demoOrganization, "secret": d.ConnectorSecret},
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/smart-notifier", bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return false
	}
	req.Header = d.key.Headers(id, demoKeyURL, time.Now())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false // killed
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// SIGTERM ends the streams with a close event, and the process with 0.
func TestStop(t *testing.T) {
	p := startProcess(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	printed, out := io.Pipe()
	tailed := make(chan int, 1)
	go func() {
		tailed <- run(ctx, []string{"tail", "--url", p.URL, "--count", "4"}, stdio{nil, out, os.Stderr})
		out.Close()
	}()
	last := ""
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		last = lines.Text()
		if strings.Contains(last, "user.update") { // Hull was asked
			p.cmd.Process.Signal(os.Interrupt)
		}
	}
	if code := <-tailed; code != exitOK || !strings.Contains(last, "shutting_down") {
		t.Errorf("tail: got %d, last %s", code, last)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("got %v\n%s", err, p.err)
	}
}
