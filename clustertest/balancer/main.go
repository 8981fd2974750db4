// The balancer of the cluster's tests: TCP, in turn to the nodes that are ready.
// A node that has died or is not ready gets nothing new; when none is ready
// those that are alive do, since they know the connectors they have served. It
// is a process of its own, so that the tests' race detector, which knows at most
// 8,128 goroutines, does not count its own.
//
//	balancer 127.0.0.1:8001 127.0.0.1:8002 …
//
// prints the address where it listens, and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	checkEvery   = 250 * time.Millisecond
	checkTimeout = time.Second
	dialTimeout  = time.Second
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	b := &balancer{}
	for _, addr := range os.Args[1:] {
		n := &node{addr: addr}
		b.nodes = append(b.nodes, n)
		go n.check()
	}
	go b.serve(l)
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin)
}

type balancer struct {
	nodes []*node
	turn  atomic.Uint32
}

// node is a node as its answers show it.
type node struct {
	addr         string
	ready, alive atomic.Bool
}

// check asks the node for ever.
func (n *node) check() {
	client := &http.Client{Timeout: checkTimeout}
	answers := func(path string) bool {
		res, err := client.Get("http://" + n.addr + path)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode == http.StatusOK
	}
	for ; ; time.Sleep(checkEvery) {
		n.ready.Store(answers("/readyz"))
		n.alive.Store(answers("/healthz"))
	}
}

func (b *balancer) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go b.forward(c.(*net.TCPConn))
	}
}

// forward connects a client to a node until one of them leaves.
func (b *balancer) forward(client *net.TCPConn) {
	defer client.Close()
	up := b.dial()
	if up == nil {
		return
	}
	defer up.Close()
	var both sync.WaitGroup
	both.Go(func() {
		pipe(up, client)
		up.Close()
	})
	pipe(client, up)
	client.Close() // behind all that the node has said
	both.Wait()
}

// dial connects to the next node that takes the connection; nil: none does.
func (b *balancer) dial() *net.TCPConn {
	for _, fit := range []func(*node) bool{
		func(n *node) bool { return n.ready.Load() },
		func(n *node) bool { return n.alive.Load() },
	} {
		first := int(b.turn.Add(1))
		for i := range b.nodes {
			n := b.nodes[(first+i)%len(b.nodes)]
			if !fit(n) {
				continue
			}
			if c, err := net.DialTimeout("tcp", n.addr, dialTimeout); err == nil {
				return c.(*net.TCPConn)
			}
		}
	}
	return nil
}

// pipe copies with a small buffer of its own: io.Copy between sockets would take
// a pipe, two files, for each stream.
func pipe(to, from *net.TCPConn) {
	buf := make([]byte, 2048)
	for {
		n, err := from.Read(buf)
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
