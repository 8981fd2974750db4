//go:build !linux

package stream

import (
	"context"
	"net"
	"net/http"
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
func (*Reactor) Listen(l *net.TCPListener, path string, h http.Handler) (net.Listener, error) {
	return l, nil
}

func (*Reactor) serve(http.ResponseWriter, *http.Request, *Subscriber) (taken bool) { return false }

type socket struct{}

func (*socket) wake(*woken) {}

type woken struct{}

func (*woken) write() {}
