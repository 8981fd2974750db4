package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// besiegers hold connections to the server, whose end of them is looked at: this end does
// not see what the server has dropped, since that waits behind what was not read.
type besiegers struct {
	Siege
	s        *session
	storming atomic.Bool // what the server has ended is opened again
	held     atomic.Int64
	opened   atomic.Int64
	peak     atomic.Int64 // bytes
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu   sync.Mutex
	ours map[netip.AddrPort]besieger // by our end
}

// besieger is a connection, in the order of the looks at the server's end.
type besieger struct {
	opened int64 // clock
	held   bool  // the server has it, or was not looked at since it was opened
}

const lookEach = 250 * time.Millisecond

// besiege begins a siege, of which end is called.
func (w Siege) besiege(ctx context.Context, s *session) *besiegers {
	ctx, stop := context.WithCancel(ctx)
	b := &besiegers{Siege: w, s: s, stop: stop, ours: map[netip.AddrPort]besieger{}}
	b.storming.Store(true)
	for i := range w.Connections {
		b.running.Go(func() { b.again(ctx, func() error { return b.trickle(ctx, i) }) })
	}
	for i := range w.Streams {
		b.running.Go(func() { b.again(ctx, func() error { return b.ignore(ctx, i) }) })
	}
	b.running.Go(func() { b.update(ctx) })
	b.running.Go(func() { b.watch(ctx) })
	return b
}

func (b *besiegers) end() {
	b.stop()
	b.running.Wait()
}

// again does what lasts until the server ends it, as long as there is a storm.
func (b *besiegers) again(ctx context.Context, do func() error) {
	for b.storming.Load() && ctx.Err() == nil {
		if err := do(); err != nil && ctx.Err() == nil {
			b.s.engine.note("besieging: " + err.Error())
			sleep(ctx, time.Second)
		}
	}
}

// trickle sends a byte at a time, until the server has closed the connection.
func (b *besiegers) trickle(ctx context.Context, i int) error {
	conn, err := b.s.dial(ctx, i)
	if err != nil {
		return err
	}
	defer conn.Close()
	local := b.enter(conn)
	host := "Host: " + b.s.server.node(0).host + "\r\n"
	begins := []string{
		"GET /ship.js HTTP/1.1\r\n" + host + "X-Slow: ",
		"POST /api/v1/connectors/" + b.s.server.connector + "/token HTTP/1.1\r\n" + host + "Origin: " + b.s.server.origin + "\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	}
	kind, fill := i%len(begins), byte(' ') // a body of JSON has not ended
	if kind == 0 {
		fill = 'x'
	}
	text := []byte(begins[kind])
	if kind < 2 { // of HTTP/2 each byte of the preface comes alone, too
		if _, err := conn.Write(text); err != nil {
			return err
		}
		text = nil
	}
	for n := 0; b.has(local); n++ {
		next := []byte{fill}
		if kind == 2 && n < len(text) {
			next = text[n : n+1]
		}
		conn.Write(next) // whether it is gone, the server's end tells
		if err := sleep(ctx, b.Every); err != nil {
			return err
		}
	}
	return nil
}

// ignore opens a stream and reads nothing, until the server has dropped it.
func (b *besiegers) ignore(ctx context.Context, i int) error {
	c, err := b.s.clientOf(ctx, i)
	if err != nil {
		return err
	}
	conn, _, err := b.s.openStream(ctx, c, i, b.s.visitor(0), b.ReceiveBuffer)
	c.close()
	if err != nil {
		return err
	}
	defer conn.Close()
	for local := b.enter(conn); b.has(local); {
		if err := sleep(ctx, lookEach); err != nil {
			return err
		}
	}
	return nil
}

func (b *besiegers) enter(conn net.Conn) netip.AddrPort {
	local := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	b.opened.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ours[local] = besieger{clock(), true}
	return local
}

// has tells whether the server has a connection.
func (b *besiegers) has(local netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.ours[local]
	if !of.held {
		delete(b.ours, local)
	}
	return of.held
}

// update sends updates of the user whom all streams follow.
func (b *besiegers) update(ctx context.Context) {
	c := b.s.server.client(0)
	defer c.close()
	interval := time.Duration(1e9 / b.UpdateRate)
	for seq := uint32(1); sleep(ctx, interval) == nil; seq++ {
		if err := b.s.update(ctx, c, 0, seq, b.Size); err != nil && ctx.Err() == nil {
			b.s.engine.note("updating: " + err.Error())
		}
	}
}

// watch looks at the server's end of all connections.
func (b *besiegers) watch(ctx context.Context) {
	at := b.s.server.address(0)
	for sleep(ctx, lookEach) == nil {
		began, there := clock(), map[netip.AddrPort]bool{}
		for _, c := range connections(established) {
			if c.local == at {
				there[c.remote] = true
			}
		}
		b.peak.Store(max(b.peak.Load(), residentOf(b.s.pids)))
		b.look(began, there)
	}
}

func (b *besiegers) look(began int64, there map[netip.AddrPort]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := int64(0)
	for local, of := range b.ours {
		if of.opened < began && !there[local] {
			of.held = false
			b.ours[local] = of
		}
		if of.held {
			held++
		}
	}
	b.held.Store(held)
}

// until waits for something that the server has to do.
func (b *besiegers) until(ctx context.Context, what string, patience time.Duration, so func() bool) error {
	began := clock()
	for sleep(ctx, lookEach) == nil {
		b.s.progress.say("until %s: %d connections are held", what, b.held.Load())
		if so() {
			return nil
		}
		if clock()-began > int64(patience) {
			return fmt.Errorf("it was not so in %v that %s: %d connections are held", patience, what, b.held.Load())
		}
	}
	return ctx.Err()
}
