//go:build unix

package main

import (
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

	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

// A copy that is made while users are written, by the commands of docs/recovery.md, opens and
// has every state that was acknowledged before it was begun.
func TestBackupWhileUsersAreWritten(t *testing.T) {
	t.Setenv("ADMIN_KEY", killedKey)
	dir := configured(t, "a secret", "one.example")
	p := startProcess(t, dir, "--store.journal-bytes", "1048576") // they are full after some ten rounds
	writers := [2]*writer{{name: "a"}, {name: "b"}}
	var all sync.WaitGroup
	defer all.Wait()
	var stop atomic.Bool
	defer stop.Store(true)
	for _, w := range writers {
		all.Go(func() {
			for round := int64(1); !stop.Load() && w.write(p, round); round++ {
				w.acknowledged.Store(round)
			}
		})
	}
	for n := range 3 {
		enough := int64(25 * (n + 1))
		storetest.Eventually(t, "both journals were in use", func() bool {
			return writers[0].acknowledged.Load() > enough && writers[1].acknowledged.Load() > enough
		})
		before := [2]int64{writers[0].acknowledged.Load(), writers[1].acknowledged.Load()}
		backUp(t, dir)
		copied := startProcess(t, dir, "--data-dir", "backup")
		for i, w := range writers {
			w.check(t, copied, before[i])
		}
		copied.kill()
	}
}

// writersUsers is how many users a writer has. All of them are written in each round.
const writersUsers = 100

type writer struct {
	name         string
	acknowledged atomic.Int64 // the last round
}

func (w *writer) write(p *process, round int64) bool {
	users := make([]string, writersUsers)
	for i := range users {
		users[i] = fmt.Sprintf(`{"user":{"id":"%s%d","round":%d,"text":%q}}`, w.name, i, round, strings.Repeat("x", 500))
	}
	status, _, err := p.operate("POST", "/users", "["+strings.Join(users, ",")+"]")
	return err == nil && status == http.StatusAccepted
}

// check asks for each user's state, which must not be of an earlier round.
func (w *writer) check(t *testing.T, p *process, round int64) {
	t.Helper()
	for i := range writersUsers {
		_, text, err := p.operate("GET", fmt.Sprintf("/users/id:%s%d", w.name, i), "")
		var said struct {
			User struct {
				State struct{ User struct{ Round int64 } }
			}
		}
		if err == nil {
			err = json.Unmarshal([]byte(text), &said)
		}
		if got := said.User.State.User.Round; err != nil || got < round {
			t.Fatalf("%s%d is of round %d, and %d was acknowledged (%v)", w.name, i, got, round, err)
		}
	}
}

// operate asks a route of operators below the connector's.
func (p *process) operate(method, path, body string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+"/api/v1/connectors/demo-1"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+killedKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	return res.StatusCode, string(said), err
}

// backUp makes a backup beside data in dir as docs/recovery.md says.
func backUp(t *testing.T, dir string) {
	t.Helper()
	commands := regexp.MustCompile("(?s)```sh\n( *umask .*?)```").FindStringSubmatch(proctest.ReadFile(t, "docs/recovery.md"))
	if commands == nil {
		t.Fatal("docs/recovery.md does not say how a backup is made")
	}
	if err := os.RemoveAll(filepath.Join(dir, "backup")); err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-ec", commands[1])
	shell.Dir = dir
	if said, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v (ci/install.sh installs sqlite3)\n%s", err, said)
	}
}
