package attack

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Server is a hullbeam process to be attacked, in production mode: with a secret, and
// time-outs short enough to wait for.
type Server struct {
	Target *Target

	cmd  *exec.Cmd
	done chan error
	log  string // a file
}

// Start starts one of a binary, which keeps all that it has in dir. With pinned it has
// the key of its notifications, else it would fetch it.
func Start(ctx context.Context, binary, dir string, pinned bool) (*Server, error) {
	bait, err := NewBait()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &Server{log: filepath.Join(dir, "log"), done: make(chan error, 1), Target: &Target{
		URL: "http://" + address, AdminKey: "an admin key " + rand.Text(), HullURL: bait.Hull(), FetchesKeys: !pinned, Bait: bait,
		Patience: 30 * time.Second,
		table:    newTable(), keys: operatorKeys{read: "a key to read " + rand.Text(), write: "a key to write " + rand.Text()},
	}}
	if pinned {
		s.Target.HullKey = newKey()
	}
	if err := s.configure(dir, address); err != nil {
		return nil, err
	}
	if err := s.start(binary, dir); err != nil {
		bait.Close()
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// configure writes config.yaml. JSON is YAML.
func (s *Server) configure(dir, address string) error {
	config := object{
		"listen": address, "public_url": s.Target.URL, "secret": []string{"a secret of more than 32 characters " + rand.Text()},
		"admin_key": []string{s.Target.AdminKey}, "operator_keys": s.Target.keys.entries(newConnector(s.Target.table, "foe").id),
		"data_dir": filepath.Join(dir, "data"),
		"hull":     object{"api_url": s.Target.HullURL, "public_keys": pinnedKeys(s.Target.HullKey)},
		"limits":   object{"read_timeout": "3s"},
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.yaml"), text, 0o600)
}

// entries are the keys as operator_keys has them.
func (k operatorKeys) entries(connectorID string) []string {
	entry := func(scope, key string) string {
		sum := sha256.Sum256([]byte(key))
		return scope + ":" + connectorID + ":sha256:" + hex.EncodeToString(sum[:])
	}
	return []string{entry("read", k.read), entry("write", k.write)}
}

func pinnedKeys(key *rsa.PrivateKey) []string {
	if key == nil {
		return []string{}
	}
	return []string{publicPEM(key)}
}

func (s *Server) start(binary, dir string) error {
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(binary, "serve", "--config", filepath.Join(dir, "config.yaml"))
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, log, log
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir()}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", binary, err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	return nil
}

// ready waits until the server is.
func (s *Server) ready(ctx context.Context) error {
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, "GET", s.Target.URL+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := plainClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.done:
			s.done <- err
			return fmt.Errorf("the server has ended: %v\n%s", err, s.Log())
		default:
		}
	}
	return fmt.Errorf("the server is not ready:\n%s", s.Log())
}

// Log is all that the server has said.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// Stop ends the server and takes its bait away.
func (s *Server) Stop() error {
	defer s.Target.Bait.Close()
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.done:
		return err
	case <-time.After(2 * patience):
		s.cmd.Process.Kill()
		return errors.New("the server does not stop")
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
