//go:build !linux

package stream

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Reactor does nothing on this system: all streams take the portable transport.
type Reactor struct{}

// NewReactor makes a reactor that takes no stream.
func NewReactor(*Broker) (*Reactor, error) { return &Reactor{}, nil }

// Run waits for the end of ctx.
func (*Reactor) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Listen returns l.
func (*Reactor) Listen(l *net.TCPListener, path string, server *http.Server) (net.Listener, error) {
	return l, nil
}

func (*Reactor) serve(http.ResponseWriter, *http.Request, *Subscriber) (taken bool) { return false }

type socket struct{}

func (*socket) wake(*woken) {}

func limitConn(net.Conn, time.Duration) {}

type woken struct{}

func (*woken) write() {}
