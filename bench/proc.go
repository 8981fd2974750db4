package bench

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// memory is what processes take, summed.
type memory struct {
	rss, pss, anonymous int64 // bytes
	descriptors         int
}

// memoryOf reads /proc. What cannot be read counts as nothing.
func memoryOf(pids []int) (m memory) {
	m.rss = residentOf(pids)
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid)
		if text, err := os.ReadFile(dir + "/smaps_rollup"); err == nil {
			m.pss += kilobytes(text, "Pss:")
			m.anonymous += kilobytes(text, "Anonymous:")
		}
		if f, err := os.Open(dir + "/fd"); err == nil {
			names, _ := f.Readdirnames(-1)
			m.descriptors += len(names)
			f.Close()
		}
	}
	return m
}

// residentOf is the resident memory alone, which is cheap to read.
func residentOf(pids []int) (bytesOf int64) {
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
		if fields := bytes.Fields(text); err == nil && len(fields) > 1 {
			pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			bytesOf += pages * int64(os.Getpagesize())
		}
	}
	return bytesOf
}

// kilobytes finds the line of this name and returns its bytes.
func kilobytes(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[0]) == name {
			n, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			return n << 10
		}
	}
	return 0
}

// cpuOf is the CPU time that processes have used in all, in seconds, to the
// hundredth: of user mode and of the kernel's work for them.
func cpuOf(pids []int) (seconds float64) {
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := bytes.Cut(text, []byte(") ")) // proc(5): the name before it may have spaces
		if fields := bytes.Fields(rest); len(fields) > 12 {
			for _, ticks := range fields[11:13] {
				n, _ := strconv.ParseFloat(string(ticks), 64)
				seconds += n / 100 // USER_HZ
			}
		}
	}
	return seconds
}

func ownCPU() float64 { return cpuOf([]int{os.Getpid()}) }

// connection is a line of /proc/net/tcp or tcp6.
type connection struct {
	local, remote netip.AddrPort
	inode         string
}

// The states that are looked for: include/net/tcp_states.h.
const (
	established = "01"
	listening   = "0A"
)

// connections reads the TCP sockets of this machine that are in a state, IPv4 in
// IPv6 as IPv4.
func connections(state string) (list []connection) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != state {
				continue
			}
			local, err1 := parseHexAddress(fields[1])
			remote, err2 := parseHexAddress(fields[2])
			if err1 == nil && err2 == nil {
				list = append(list, connection{local, remote, fields[9]})
			}
		}
	}
	return list
}

// parseHexAddress reads 0100007F:1F92: words of 32 bits, each in the byte order
// of the machine, of which only the little one is known here.
func parseHexAddress(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil || len(host) != 8 && len(host) != 32 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	raw := make([]byte, 0, 16)
	for len(host) > 0 {
		word, err := strconv.ParseUint(host[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, err
		}
		raw = append(raw, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
		host = host[8:]
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// listeners are the processes that listen where the server is, as far as it is on
// this machine and they may be looked at.
func listeners(s *server) []int {
	sockets := map[string]bool{}
	all := connections(listening)
	for _, n := range s.nodes {
		if !n.address.Addr().IsLoopback() && !isOurs(n.address.Addr()) {
			continue
		}
		for _, c := range all {
			if c.local.Port() == n.address.Port() &&
				(c.local.Addr() == n.address.Addr() || c.local.Addr().IsUnspecified()) {
				sockets["socket:["+c.inode+"]"] = true
			}
		}
	}
	if len(sockets) == 0 {
		return nil
	}
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if holds(dir, sockets) {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// isOurs tells whether an address is one of this machine's.
func isOurs(a netip.Addr) bool {
	ours, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(ours, func(o net.Addr) bool {
		prefix, err := netip.ParsePrefix(o.String())
		return err == nil && prefix.Addr() == a
	})
}

func holds(dir string, sockets map[string]bool) bool {
	f, err := os.Open(dir + "/fd")
	if err != nil {
		return false
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return slices.ContainsFunc(names, func(name string) bool {
		target, err := os.Readlink(dir + "/fd/" + name)
		return err == nil && sockets[target]
	})
}
