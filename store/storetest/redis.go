//go:build unix

package storetest

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisServer is a redis-server of a test's own, on a port of loopback. It keeps
// nothing on disk, and ends with the test.
type RedisServer struct {
	Addr string

	t      testing.TB
	dir    string
	args   []string
	cmd    *exec.Cmd
	output bytes.Buffer
}

// Redis starts a server. args come after those that every server gets, as in
// --maxmemory 10mb.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	port := freePort(t)
	s := &RedisServer{Addr: net.JoinHostPort("127.0.0.1", port), t: t, dir: t.TempDir()}
	s.args = append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no",
		"--repl-diskless-sync-delay", "0",
	}, args...)
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// freePort is a port that nobody listens on, below those that the system gives to
// connections: one of these might take it before the server does, or while the
// server is down.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(2000 + rand.IntN(8000))
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// URL is the server's redis_url.
func (s *RedisServer) URL() string { return "redis://" + s.Addr }

// Start starts the server, again after Kill, and returns when it answers.
func (s *RedisServer) Start() {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatalf("%v: ci/install.sh installs it", err)
	}
	s.output.Reset()
	s.cmd = exec.Command(path, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	Eventually(s.t, "redis-server answers", func() bool {
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return false
		}
		defer c.Close()
		fmt.Fprint(c, "PING\r\n")
		line, _ := bufio.NewReader(c).ReadString('\n')
		return line != ""
	})
}

// Kill ends the process as kill -9 does.
func (s *RedisServer) Kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// Freeze stops the process, which keeps its sockets and answers nothing.
func (s *RedisServer) Freeze() { s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (s *RedisServer) Thaw() { s.cmd.Process.Signal(syscall.SIGCONT) }

// Do runs a command, and fails the test when it fails.
func (s *RedisServer) Do(args ...any) any {
	s.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, DisableIdentity: true, PoolSize: 1})
	defer c.Close()
	answer, err := c.Do(s.t.Context(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return answer
}

// Info returns a field of INFO.
func (s *RedisServer) Info(field string) string {
	s.t.Helper()
	for line := range strings.Lines(s.Do("INFO", "everything").(string)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value
		}
	}
	s.t.Fatalf("INFO has no %s", field)
	return ""
}

// CPU is the time that the server has used.
func (s *RedisServer) CPU() time.Duration {
	s.t.Helper()
	var sum float64
	for _, field := range []string{"used_cpu_user", "used_cpu_sys"} {
		n, err := strconv.ParseFloat(s.Info(field), 64)
		if err != nil {
			s.t.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum * float64(time.Second))
}

// Eventually waits until what is so.
func Eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is not so in 20 s that %s", what)
		}
	}
}

// RedisCluster starts a Cluster of three masters, and returns its redis_url.
func RedisCluster(t testing.TB) (servers []*RedisServer, url string) {
	t.Helper()
	var addrs []string
	for range 3 {
		s := Redis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", freePort(t))
		servers, addrs = append(servers, s), append(addrs, s.Addr)
	}
	const slots = 16384
	for i, s := range servers {
		s.Do("CLUSTER", "ADDSLOTSRANGE", slots*i/3, slots*(i+1)/3-1)
		host, port, _ := net.SplitHostPort(servers[0].Addr)
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i > 0 {
			s.Do("CLUSTER", "MEET", host, port, servers[0].clusterPort())
		}
	}
	for _, s := range servers {
		Eventually(t, s.Addr+" sees the whole Cluster", func() bool {
			info := s.Do("CLUSTER", "INFO").(string)
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") &&
				strings.Contains(info, "cluster_size:3")
		})
	}
	return servers, "redis://" + strings.Join(addrs, ",")
}

func (s *RedisServer) clusterPort() string { return s.args[len(s.args)-1] }

// RedisSentinel starts a master, two replicas that follow it, and three
// Sentinels that watch them. It returns the redis_url.
func RedisSentinel(t testing.TB) (master *RedisServer, replicas []*RedisServer, url string) {
	t.Helper()
	master = Redis(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	for range 2 {
		r := Redis(t, "--replicaof", host+" "+port)
		replicas = append(replicas, r)
	}
	for _, r := range replicas {
		Eventually(t, "a replica follows", func() bool { return r.Info("master_link_status") == "up" })
	}
	var addrs []string
	for range 3 {
		config := filepath.Join(t.TempDir(), "sentinel.conf")
		text := fmt.Sprintf("sentinel monitor beam %s %s 2\nsentinel down-after-milliseconds beam 500\n"+
			"sentinel failover-timeout beam 3000\n", host, port)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &RedisServer{t: t, dir: filepath.Dir(config)}
		p := freePort(t)
		s.Addr = net.JoinHostPort("127.0.0.1", p)
		s.args = []string{config, "--sentinel", "--port", p, "--bind", "127.0.0.1", "--dir", s.dir}
		s.Start()
		t.Cleanup(s.Kill)
		addrs = append(addrs, s.Addr)
	}
	for _, addr := range addrs {
		s := &RedisServer{t: t, Addr: addr}
		Eventually(t, "the Sentinels know each other and the replicas", func() bool {
			info := s.Do("INFO", "sentinel").(string)
			return strings.Contains(info, "slaves=2,sentinels=3")
		})
	}
	return master, replicas, "redis+sentinel://" + strings.Join(addrs, ",") + "/beam"
}
