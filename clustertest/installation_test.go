package clustertest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

const adminKey = "an admin key for the cluster's tests"

// installation are nodes with a balancer before them, watched all along.
type installation struct {
	t        *testing.T
	nodes    []*node
	balancer string // its address
	complain complaints
	ctx      context.Context // ends with the test
	running  sync.WaitGroup  // what was started with background
}

// install starts nodes that share a Redis. settings are lines of their
// config.yaml beside the connector, env variables for them.
func install(t *testing.T, nodes int, settings string, env ...string) *installation {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in := &installation{t: t, ctx: ctx}
	home := t.ArtifactDir()
	t.Cleanup(func() {
		for _, n := range in.nodes {
			n.kill()
		}
	})
	var addrs []string
	for range nodes {
		addrs = append(addrs, proctest.FreeAddr(t))
	}
	in.balancer = startBalancer(t, addrs)
	t.Cleanup(func() { // before what is above
		if t.Failed() {
			for _, n := range in.nodes {
				t.Log(n.lastWords())
			}
		}
		cancel()
		in.running.Wait()
	})
	env = append(env, "SECRET=a secret of more than thirty-two characters", "ADMIN_KEY="+adminKey,
		"HULLBEAM_PUBLIC_URL=http://"+in.balancer, "PORT=")
	for i, addr := range addrs {
		name := "node " + string(rune('A'+i))
		dir := filepath.Join(home, name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(configuration+settings), 0o600)); err != nil {
			t.Fatal(err)
		}
		n := &node{t: t, addr: addr, dir: dir, env: env, log: filepath.Join(dir, "log"),
			watch: newWatch(name, "http://"+addr, &in.complain)}
		n.launch()
		in.nodes = append(in.nodes, n)
		in.background(n.watch.run)
	}
	for _, n := range in.nodes {
		n.answer()
	}
	if !proctest.Within(30*time.Second, in.ready) {
		t.Fatal("not all nodes are ready 30 s after they have started")
	}
	if !proctest.Within(30*time.Second, func() bool { _, ok := ask(http.DefaultClient, "http://"+in.balancer+"/readyz"); return ok }) {
		t.Fatal("the balancer knows no node that is ready")
	}
	return in
}

const configuration = `
connectors:
  - id: ` + connector + `
    private_settings:
      whitelisted_domains: [page.test]
      public_traits: [n]
      identity_verification: possession
limits: {tokens_per_address: 0, streams_per_address: 0}
`

// background runs what ends with the test.
func (in *installation) background(run func(context.Context)) {
	in.running.Go(func() { run(in.ctx) })
}

// ready tells whether all nodes are.
func (in *installation) ready() bool {
	for _, n := range in.nodes {
		if !n.isReady() {
			return false
		}
	}
	return true
}

func (in *installation) expect(what int32) {
	for _, n := range in.nodes {
		n.expect(what)
	}
}
