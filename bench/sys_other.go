//go:build !linux

package bench

import (
	"errors"
	"net/netip"
	"time"
)

var errSystem = errors.New("bench needs Linux: it reads streams by epoll and the server's use of the machine from /proc")

type poller struct{}

func newPoller() (*poller, error)                        { return nil, errSystem }
func (*poller) wait(time.Duration) (int, error)          { return 0, errSystem }
func (*poller) ready(int) (slot int32, what readiness)   { return 0, 0 }
func (*poller) add(fd, slot int32, for_ readiness) error { return errSystem }
func (*poller) mod(fd, slot int32, for_ readiness) error { return errSystem }
func (*poller) drop(fd int32) error                      { return errSystem }
func (*poller) close()                                   {}

func dial(to netip.AddrPort, from netip.Addr, receiveBuffer int) (fd int32, err error) {
	return -1, errSystem
}
func connected(int32) error              { return errSystem }
func receive(int32, []byte) (int, error) { return 0, errSystem }
func send(int32, []byte) (int, error)    { return 0, errSystem }
func idle(int32) bool                    { return false }
func closeSocket(int32)                  {}
func localAddress(int32) netip.AddrPort  { return netip.AddrPort{} }
func descriptors() (uint64, error)       { return 0, errSystem }
