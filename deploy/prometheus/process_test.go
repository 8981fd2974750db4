//go:build unix

package prometheus

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

// patience is for what comes within seconds.
const patience = time.Minute

// node is a hullbeam process, which may be killed and started again.
type node struct {
	name, addr, scheme string
	command            []string
	dir                string
	env                []string
	client             *http.Client
	cmd                *exec.Cmd
	done               <-chan struct{} // closed at its end
}

func (n *node) url() string { return n.scheme + "://" + n.addr }

// start starts the process, and returns when it is ready.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.Command(n.command[0], n.command[1:]...)
	n.cmd.Dir, n.cmd.Env = n.dir, append(os.Environ(), n.env...)
	n.done = start(t, n.cmd, os.Kill)
	if !proctest.Within(patience, func() bool {
		status, _, err := send(t.Context(), n.client, http.MethodGet, n.url()+"/readyz", nil, nil)
		return err == nil && status == http.StatusOK
	}) {
		t.Fatalf("%s is not ready", n.name)
	}
}

// kill ends the process as kill -9 does.
func (n *node) kill() {
	n.cmd.Process.Kill()
	<-n.done
}

// start starts a process that is ended with the test. done is closed at its end.
func start(t *testing.T, cmd *exec.Cmd, end os.Signal) <-chan struct{} {
	t.Helper()
	words := &bytes.Buffer{}
	cmd.Stderr = words
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		cmd.Process.Signal(end)
		<-done
		if t.Failed() {
			text := words.Bytes()
			t.Logf("%s:\n%s", filepath.Base(cmd.Path), text[max(0, len(text)-4000):])
		}
	})
	return done
}

// send sends a request and reads its answer.
func send(ctx context.Context, client *http.Client, method, url string, header http.Header, body []byte) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if header != nil {
		req.Header = header
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}
