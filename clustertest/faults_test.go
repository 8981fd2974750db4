//go:build unix

package clustertest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"hullbeam/store/storetest"
)

// fault is something that breaks, and how it is whole again.
type fault struct {
	name string
	// away tells that nodes cannot hear while it lasts. /readyz must say so, and
	// pages must be served from memory.
	away bool
	// hit brings it on, and heal, when there is one, ends it, or waits for its
	// end when byItself tells that it ends any time.
	hit, heal func()
	byItself  bool
	// loses tells that all that Redis has is lost: then what was accepted counts
	// only once some node has heard it.
	loses bool
	// lasts is how long it does, at least, from hit to heal.
	lasts time.Duration
	// node, when there is one, is what leaves: its streams end. restart brings
	// it back.
	node    *node
	restart func()
}

// keepingRedis is a server that keeps what it has when it is killed, and
// forget takes it away while the server is down.
func keepingRedis(t *testing.T) (server *storetest.RedisServer, forget func()) {
	dir := t.TempDir()
	server = storetest.Redis(t, "--dir", dir, "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	return server, func() {
		if err := os.RemoveAll(filepath.Join(dir, "appendonlydir")); err != nil {
			t.Fatal(err)
		}
	}
}

// redisFaults are what one server can do to its nodes.
func redisFaults(server *storetest.RedisServer, forget func()) []fault {
	return []fault{
		{name: "Redis killed, restarted", away: true, hit: server.Kill, lasts: 3 * time.Second, heal: server.Start},
		{name: "Redis frozen 6 s", away: true, hit: server.Freeze, heal: server.Thaw, lasts: 6 * time.Second},
		{name: "FLUSHALL", loses: true, hit: func() { server.Do("FLUSHALL") }},
		{name: "connections cut", hit: func() {
			server.Do("CLIENT", "KILL", "TYPE", "normal")
			server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		}},
		{name: "Redis killed, restarted empty", away: true, loses: true, hit: server.Kill, lasts: 3 * time.Second, heal: func() { forget(); server.Start() }},
		// Healthy but deaf: all works but listening, and updates are accepted.
		{name: "SUBSCRIBE refused", away: true, hit: func() {
			server.Do("ACL", "SETUSER", "default", "-subscribe", "-ssubscribe", "-psubscribe")
			server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		}, heal: func() { server.Do("ACL", "SETUSER", "default", "+subscribe", "+ssubscribe", "+psubscribe") }},
	}
}

// nodeFaults are what can happen to a node.
func nodeFaults(n *node, server *storetest.RedisServer) []fault {
	return []fault{
		{name: n.name + " kill -9, restarted", node: n, hit: n.kill, restart: n.start},
		{name: n.name + " SIGTERM, restarted", node: n, hit: func() {
			n.terminate()
			if err := n.ended(15 * time.Second); err != nil {
				n.complain.add("the end of a node that was told to stop", "%s: %v", n.name, err)
				n.kill()
			}
		}, restart: n.start},
		{name: n.name + " restarted without Redis", away: true, hit: func() {
			server.Kill()
			n.kill()
			n.start()
		}, heal: server.Start, node: n},
	}
}

// failover kills the master among servers, and waits until another one is, with
// a replica so that writes are accepted. comeBack starts the killed one again.
func failover(t *testing.T, servers []*storetest.RedisServer) (f fault, comeBack func()) {
	var killed *storetest.RedisServer
	master := func() *storetest.RedisServer {
		for _, s := range servers {
			if s != killed && s.Info("role") == "master" {
				return s
			}
		}
		return nil
	}
	f = fault{
		name: "failover by Sentinel", away: true, byItself: true,
		hit: func() {
			killed = master()
			killed.Kill()
		},
		heal: func() {
			storetest.Eventually(t, "a replica is the master, and has one", func() bool {
				m := master()
				return m != nil && m.Info("connected_slaves") == "1"
			})
		},
	}
	return f, func() {
		back := killed
		back.Start()
		killed = nil
		storetest.Eventually(t, "the former master follows the new one", func() bool {
			return back.Info("role") == "slave" && back.Info("master_link_status") == "up"
		})
	}
}
