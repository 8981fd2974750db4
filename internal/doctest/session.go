package doctest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// patience is how long a command may take, and what a command that stays may take to print
// what is shown.
const patience = 60 * time.Second

// Session is a shell that has a document's commands typed, one after the other.
type Session struct {
	dir    string
	url    string // the server's, in place of the documents'
	shell  *exec.Cmd
	typed  *os.File
	done   chan string // how each command ended
	n      int
	latest staying
}

// staying is a command that does not end by itself, and how much of its output was shown.
type staying struct {
	out  string // a file
	seen int
}

// documented are the addresses that documents show; the first is what they show of output.
var documented = regexp.MustCompile(`http://127\.0\.0\.1:8082|https://beam\.example\.com`)

// NewSession starts a shell in a directory before a server; the session's own files lie beside
// the directory. End ends it, with all that it
// has started.
func NewSession(dir, url string, environ ...string) (*Session, error) {
	in, typed, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	told, tells, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &Session{dir: dir, url: url, typed: typed, done: make(chan string, 1), shell: exec.Command("bash", "--norc")}
	s.shell.Dir, s.shell.Stdin, s.shell.ExtraFiles = dir, in, []*os.File{tells}
	s.shell.Env = append(append(os.Environ(), "CURL_HOME="+filepath.Dir(dir)), environ...)
	s.shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.shell.Start(); err != nil {
		return nil, err
	}
	in.Close()
	tells.Close()
	go func() {
		for lines := bufio.NewScanner(told); lines.Scan(); {
			s.done <- lines.Text()
		}
		close(s.done)
	}()
	fmt.Fprintln(s.typed, `set -E; trap 'failed=$?; line=$LINENO' ERR`)
	return s, nil
}

// End ends the shell and what stayed behind it.
func (s *Session) End() {
	s.typed.Close()
	syscall.Kill(-s.shell.Process.Pid, syscall.SIGKILL)
	s.shell.Wait()
}

// Run runs the commands of a block, and compares what they print.
func (s *Session) Run(b Block) error {
	if b.First != "" {
		if err := s.settle(false); err != nil {
			return err
		}
		if _, err := s.run(b.First, "0"); err != nil {
			return fmt.Errorf("what is run before it: %w", err)
		}
	}
	commands := Commands(b.Text)
	for i, c := range commands {
		last := i == len(commands)-1
		if err := s.settle(c.Output != ""); err != nil {
			return err
		}
		if as := b.Notes["as"]; as != "" && last {
			c.Text = as
		}
		if last && b.Has("stays") {
			return s.stay(c)
		}
		status := "0"
		if exits := b.Notes["exits"]; exits != "" && last {
			status = exits
		}
		out, err := s.run(c.Text, status)
		if err != nil {
			return err
		}
		if want := `\A` + Pattern(c.Output) + `\z`; c.Output != "" && !regexp.MustCompile(want).MatchString(out) {
			return fmt.Errorf("%sprints\n%snot\n%s", c.Text, out, c.Output)
		}
	}
	return nil
}

// run runs a command, whose lines all end with 0, and which ends with a status.
func (s *Session) run(command, status string) (out string, err error) {
	script, file, err := s.write(command)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(s.typed, "failed=0; . %s >%s 2>&1 </dev/null; printf '%%s %%s\\n' \"$failed\" \"$line\" >&3\n", script, file)
	select {
	case ended, ok := <-s.done:
		out = s.output(file)
		if code, at, _ := strings.Cut(ended, " "); !ok || code != status {
			return out, fmt.Errorf("%sends with %s, not %s (line %s):\n%s", command, code, status, at, out)
		}
		return out, nil
	case <-time.After(patience):
		return "", fmt.Errorf("%sdoes not end within %s:\n%s", command, patience, s.output(file))
	}
}

// stay leaves a command running behind the shell, once it has printed what is shown.
func (s *Session) stay(c Command) error {
	script, file, err := s.write(c.Text)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.typed, ". %s >%s 2>&1 </dev/null &\n", script, file)
	s.latest = staying{out: file}
	if err := s.Prints(c.Output); err != nil {
		return fmt.Errorf("%s%w", c.Text, err)
	}
	return nil
}

// Prints waits until the command that stayed latest has printed this, behind what it had
// printed before.
func (s *Session) Prints(shown string) error {
	want := regexp.MustCompile(Pattern(shown))
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out := s.output(s.latest.out)
		if at := want.FindStringIndex(out[min(s.latest.seen, len(out)):]); at != nil {
			s.latest.seen += at[1]
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("prints\n%snot\n%s", out[s.latest.seen:], shown)
		}
	}
}

// write makes a file of a command, with the server's address.
func (s *Session) write(command string) (script, out string, err error) {
	s.n++
	command = documented.ReplaceAllLiteralString(command, s.url)
	command = strings.ReplaceAll(command, "go run . ", "hullbeam ")
	command = strings.ReplaceAll(command, "./hullbeam ", "hullbeam ")
	script = filepath.Join(filepath.Dir(s.dir), fmt.Sprintf("command%d.sh", s.n))
	return script, strings.TrimSuffix(script, ".sh") + ".out", os.WriteFile(script, []byte(command), 0o600)
}

// curls are two settings of curl: where a document shows no answer, it has to be a good
// one.
var curls = map[bool]string{true: "no-progress-meter\n", false: "no-progress-meter\nfail\n"}

// settle has curl take one of them.
func (s *Session) settle(shown bool) error {
	return os.WriteFile(filepath.Join(filepath.Dir(s.dir), ".curlrc"), []byte(curls[shown]), 0o600)
}

// output is what a command has printed so far, with the address that documents show, and
// with one line's end at the end.
func (s *Session) output(file string) string {
	text, _ := os.ReadFile(file)
	out := strings.ReplaceAll(string(text), s.url, "http://127.0.0.1:8082")
	return strings.TrimRight(out, "\n") + "\n"
}
