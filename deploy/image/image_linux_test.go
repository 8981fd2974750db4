package image

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

const (
	project = "../.."
	soon    = 30 * time.Second
	secret  = "SECRET=a secret of more than thirty-two characters"
)

// The image's files alone, in a root of their own, as its user and as process 1, are a
// node that serves, is healthy and stops when it is told to.
func TestImage(t *testing.T) {
	i := buildImage(t)
	addr := proctest.FreeAddr(t)
	env := []string{secret, "HULLBEAM_LISTEN=" + addr} // the port of the image may be taken here

	code, said := i.run(t, nil, i.entrypoint...)
	if code != 2 || !strings.Contains(said, "SECRET") {
		t.Errorf("without a secret it exits with %d: %s", code, said)
	}
	if code, said = i.run(t, env, i.healthcheck...); code != 1 {
		t.Errorf("nothing runs, and the health check exits with %d: %s", code, said)
	}

	node := i.command(env, i.entrypoint...)
	var log bytes.Buffer
	node.Stderr = &log
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Process.Kill() })
	if !proctest.Within(soon, func() bool { code, said = i.run(t, env, "/hullbeam", "healthcheck"); return code == 0 }) {
		node.Process.Kill()
		node.Wait()
		t.Fatalf("it is not ready: %s\n%s", said, &log)
	}
	if code, said = i.run(t, env, i.healthcheck...); code != 0 {
		t.Errorf("the health check exits with %d: %s", code, said)
	}
	if files, err := os.ReadDir(filepath.Join(i.root, "data")); err != nil || len(files) == 0 {
		t.Errorf("nothing is kept in /data: %v", err)
	}
	node.Process.Signal(syscall.SIGTERM)
	if err := node.Wait(); err != nil {
		t.Errorf("told to stop, it ends with %v:\n%s", err, &log)
	}
}

// The port that is exposed is the one that it listens on, and what is kept is in the volume.
func TestDockerfileAgrees(t *testing.T) {
	text := proctest.ReadFile(t, filepath.Join(project, "Dockerfile"))
	env := environment(text)
	if want := ":" + instruction(t, text, "EXPOSE"); !slices.Contains(env, "HULLBEAM_LISTEN="+want) {
		t.Errorf("EXPOSE is %s, the environment %q", want, env)
	}
	if want := instruction(t, text, "VOLUME"); !slices.Contains(env, "HULLBEAM_DATA_DIR="+want) {
		t.Errorf("VOLUME is %s, the environment %q", want, env)
	}
	build, _, _ := strings.Cut(text, "\nFROM scratch")
	for _, m := range regexp.MustCompile(`(?m)^COPY (.+) \S+$`).FindAllStringSubmatch(build, -1) {
		for source := range strings.FieldsSeq(m[1]) {
			if _, err := os.Stat(filepath.Join(project, source)); err != nil {
				t.Errorf("the build copies %s: %v", source, err)
			}
		}
	}
}

// image is a container's files, and how it is run.
type image struct {
	root                    string
	env                     []string
	entrypoint, healthcheck []string
}

// buildImage makes what the Dockerfile makes, of what .dockerignore lets in.
func buildImage(t *testing.T) image {
	t.Helper()
	text := proctest.ReadFile(t, filepath.Join(project, "Dockerfile"))
	root := t.TempDir()
	build := exec.Command(filepath.Join(buildContext(t), "ci/build.sh"), filepath.Join(root, "hullbeam"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	_, final, _ := strings.Cut(text, "\nFROM scratch")
	for _, m := range regexp.MustCompile(`(?m)^COPY --from=build (.*?)(\S+) (\S+)$`).FindAllStringSubmatch(final, -1) {
		switch m[2] {
		case "/hullbeam": // is there
		case "/data":
			if err := os.Mkdir(filepath.Join(root, m[3]), 0o700); err != nil {
				t.Fatal(err)
			}
			if os.Geteuid() == 0 {
				if err := os.Chown(filepath.Join(root, m[3]), uid, uid); err != nil {
					t.Fatal(err)
				}
			}
		case "/etc/ssl/certs/ca-certificates.crt": // of the build's system: Hull is not asked here
		default:
			t.Errorf("the image has %s, which nothing here makes", m[2])
		}
	}
	if user := instruction(t, final, "USER"); user != "65532:65532" {
		t.Errorf("the user is %s", user)
	}
	return image{
		root: root, env: environment(text),
		entrypoint:  words(instruction(t, final, "ENTRYPOINT")),
		healthcheck: words(regexp.MustCompile(`HEALTHCHECK .* CMD (.*)`).FindStringSubmatch(final)[1]),
	}
}

const uid = 65532

// command runs in the image as its user and as process 1. Who is not root here is that
// user in a namespace of their own.
func (i image) command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = slices.Concat(i.env, env), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Cloneflags: syscall.CLONE_NEWPID}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	} else {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

func (i image) run(t *testing.T, env []string, args ...string) (code int, said string) {
	t.Helper()
	cmd := i.command(env, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// buildContext is a copy of what .dockerignore lets in: it excludes everything, then names
// what is needed, then what of that is not.
func buildContext(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	var with, without []string
	for line := range strings.Lines(proctest.ReadFile(t, filepath.Join(project, ".dockerignore"))) {
		line = strings.TrimSpace(line)
		if wanted, ok := strings.CutPrefix(line, "!"); ok {
			with = append(with, wanted)
		} else if unwanted, ok := strings.CutPrefix(line, "**/"); ok {
			without = append(without, unwanted)
		} else if line != "*" && !strings.HasPrefix(line, "#") {
			t.Fatalf(".dockerignore: %q is not understood here", line)
		}
	}
	for _, pattern := range with {
		found, err := filepath.Glob(filepath.Join(project, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf(".dockerignore: nothing is %s: %v", pattern, err)
		}
		for _, file := range found {
			copyTree(t, file, to, without)
		}
	}
	return to
}

// copyTree copies a file or a directory of the project to the same place under to.
func copyTree(t *testing.T, from, to string, without []string) {
	t.Helper()
	err := filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		isUnwanted := func(pattern string) bool { ok, _ := path.Match(pattern, d.Name()); return ok }
		if err == nil && slices.ContainsFunc(without, isUnwanted) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(project, file)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(name)), 0o755); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// instruction is what follows one of the Dockerfile's instructions.
func instruction(t *testing.T, dockerfile, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` (.+)$`).FindStringSubmatch(dockerfile)
	if m == nil {
		t.Fatalf("the Dockerfile has no %s", name)
	}
	return m[1]
}

func environment(dockerfile string) (env []string) {
	for _, m := range regexp.MustCompile(`(?m)^ENV (.+)$`).FindAllStringSubmatch(dockerfile, -1) {
		env = append(env, strings.Fields(m[1])...)
	}
	return env
}

// words are those of a command that is a list of strings.
func words(list string) (words []string) {
	for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(list, -1) {
		words = append(words, m[1])
	}
	return words
}
