package bench

import (
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is an epoll instance of one loop.
type poller struct {
	fd     int
	coarse bool // no epoll_pwait2: before Linux 5.11
	events [512]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

// wait waits for sockets to be ready. Milliseconds, which epoll_wait counts in,
// would be too coarse for streams that are opened some thousand a second.
func (p *poller) wait(d time.Duration) (n int, err error) {
	at := unix.NsecToTimespec(int64(d))
	if !p.coarse && unsafe.Sizeof(at) == 16 { // the kernel takes 64 bits of each on any machine
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)), uintptr(unsafe.Pointer(&at)), 0, 0)
		if errno == 0 {
			return int(n), nil
		}
		if errno == unix.EINTR {
			return 0, nil
		}
		p.coarse = true
	}
	n, err = unix.EpollWait(p.fd, p.events[:], int(d.Milliseconds()))
	if err == unix.EINTR {
		return 0, nil
	}
	return n, err
}

func (p *poller) ready(i int) (slot int32, what readiness) {
	e := &p.events[i]
	if e.Events&unix.EPOLLIN != 0 {
		what |= readable
	}
	if e.Events&unix.EPOLLOUT != 0 {
		what |= writable
	}
	if e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		what |= broken
	}
	return e.Fd, what
}

func (p *poller) control(op int, fd, slot int32, what readiness) error {
	e := unix.EpollEvent{Fd: slot}
	if what&readable != 0 {
		e.Events |= unix.EPOLLIN
	}
	if what&writable != 0 {
		e.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(p.fd, op, int(fd), &e)
}

func (p *poller) add(fd, slot int32, what readiness) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, slot, what)
}

func (p *poller) mod(fd, slot int32, what readiness) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, slot, what)
}

// idle tells whether a connection is open and has nothing to read.
func idle(fd int32) bool {
	var b [1]byte
	_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == unix.EAGAIN
}

func (p *poller) drop(fd int32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(fd), nil)
}

func (p *poller) close() { unix.Close(p.fd) }

// dial starts to connect. From is the address to come from, if it is valid; its
// port is chosen when the connection is made, so that each pair of addresses has
// all ports. A receiveBuffer of 0 is the system's.
func dial(to netip.AddrPort, from netip.Addr, receiveBuffer int) (fd int32, err error) {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	s, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if receiveBuffer > 0 {
		err = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err == nil && from.IsValid() {
		if err = unix.SetsockoptInt(s, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err == nil {
			err = unix.Bind(s, sockaddr(netip.AddrPortFrom(from, 0)))
		}
	}
	if err == nil {
		err = unix.Connect(s, sockaddr(to))
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(s)
		return -1, err
	}
	return int32(s), nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	s := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		if in, err := net.InterfaceByName(zone); err == nil {
			s.ZoneId = uint32(in.Index)
		}
	}
	return s
}

// connected tells how the connecting has ended.
func connected(fd int32) error {
	code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// receive reads what is there: 0 and no error is the end, errAgain nothing yet.
func receive(fd int32, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, errAgain
	}
	return 0, errno
}

func send(fd int32, b []byte) (int, error) {
	n, err := unix.SendmsgN(int(fd), b, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	if err == unix.EAGAIN || err == unix.EINTR {
		err = errAgain
	}
	return n, err
}

func closeSocket(fd int32) { unix.Close(int(fd)) }

// localAddress is the near end of a connection.
func localAddress(fd int32) netip.AddrPort {
	name, err := unix.Getsockname(int(fd))
	if err != nil {
		return netip.AddrPort{}
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// descriptors is how many this process may have.
func descriptors() (uint64, error) {
	limit := unix.Rlimit{}
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}
