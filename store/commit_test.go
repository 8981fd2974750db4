package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"hullbeam/store"
)

// gate is a store's clock, which is asked once in each transaction of Puts: it
// counts them and holds each until it may go on.
type gate struct {
	entered, leave chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

func (g *gate) Now() time.Time {
	g.entered <- struct{}{}
	<-g.leave
	return time.Now()
}

// held is a store with a Put in a transaction that is held at the gate, so that
// what comes next has to queue.
type held struct {
	*testing.T
	*store.SQLite
	gate  *gate
	first <-chan error
}

func hold(t *testing.T) held { return holdIn(t, t.TempDir()) }

func holdIn(t *testing.T, dir string) held {
	cfg := config(dir)
	g := newGate()
	cfg.Now = g.Now
	h := held{t, open(t, cfg), g, nil}
	h.first = h.start(t.Context(), users("first", 1))
	<-g.entered
	return h
}

// start begins a Put and returns when it is queued, or has been taken already.
func (h held) start(ctx context.Context, list []store.User) <-chan error {
	n := h.Queued()
	done := make(chan error, 1)
	before := make(chan struct{})
	go func() {
		close(before)
		_, err := h.Put(ctx, "c", list)
		done <- err
	}()
	<-before
	if h.first != nil {
		for h.Queued() == n {
			runtime.Gosched()
		}
	}
	return done
}

// transactions lets n transactions through, of which the first is the held one.
func (h held) transactions(n int) {
	for i := range n {
		if i > 0 {
			<-h.gate.entered
		}
		h.gate.leave <- struct{}{}
	}
}

func (h held) wantDone(puts ...<-chan error) {
	h.Helper()
	for i, done := range puts {
		if err := <-done; err != nil {
			h.Errorf("Put %d: %v", i, err)
		}
	}
}

func TestConcurrentPutsShareATransaction(t *testing.T) {
	h := hold(t)
	puts := []<-chan error{h.first}
	for i := range 20 {
		puts = append(puts, h.start(t.Context(), users(fmt.Sprint(i, "-"), 10)))
	}
	h.transactions(2)
	h.wantDone(puts...)
}

func TestBatchIsBounded(t *testing.T) {
	h := hold(t)
	large := users("large", 2)
	for i := range large {
		large[i].State = make([]byte, 3<<20)
	}
	puts := []<-chan error{
		h.first,
		h.start(t.Context(), users("a", 600)),
		h.start(t.Context(), users("b", 400)), // 1000 users
		h.start(t.Context(), users("c", 1)),
		h.start(t.Context(), users("d", 1200)), // alone
		h.start(t.Context(), large[:1]),
		h.start(t.Context(), large[1:]), // 6 MiB are too many
	}
	h.transactions(6)
	h.wantDone(puts...)
}

func TestFailureIsThatOfItsTransaction(t *testing.T) {
	dir := t.TempDir()
	open(t, config(dir)).Close()
	exec(t, other(t, dir), `CREATE TRIGGER bad BEFORE INSERT ON users WHEN NEW.id = 'bad0'
		BEGIN SELECT RAISE(ABORT, 'a bad user'); END`)
	h := holdIn(t, dir)
	good := h.start(t.Context(), users("good", 1))
	bad := h.start(t.Context(), users("bad", 2))
	after := h.start(t.Context(), users("after", 1000))
	h.transactions(3)
	wantError(t, <-good, "writing 1 user: ", "a bad user")
	wantError(t, <-bad, "writing 2 users: ", "a bad user")
	h.wantDone(h.first, after)
	if got := known(t, h, append(users("good", 1), users("bad", 2)...)); got != 0 {
		t.Errorf("%d users of Puts that failed are kept", got)
	}
}

func TestWithdrawnPut(t *testing.T) {
	h := hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	withdrawn := h.start(ctx, users("withdrawn", 1))
	stays := h.start(t.Context(), users("stays", 1))
	cancel()
	if err := <-withdrawn; !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "writing 1 user: ") {
		t.Errorf("got %v, want context.Canceled", err)
	}
	h.transactions(2)
	h.wantDone(h.first, stays)
	if known(t, h, users("withdrawn", 1)) != 0 || known(t, h, users("stays", 1)) != 1 {
		t.Error("the Put that was withdrawn is kept, or the other is not")
	}
}

// A Put that has been taken is written, whatever becomes of its context, since
// others are written with it.
func TestTakenPutIsNotWithdrawn(t *testing.T) {
	h := hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	other := h.start(ctx, users("other", 1))
	leader := h.start(t.Context(), users("leader", 1))
	h.gate.leave <- struct{}{}
	<-h.gate.entered // whoever leads has taken both
	cancel()
	h.gate.leave <- struct{}{}
	h.wantDone(h.first, other, leader)
	if got := known(t, h, append(users("other", 1), users("leader", 1)...)); got != 2 {
		t.Errorf("%d users are kept, want 2", got)
	}
}

func TestCloseFailsWhatIsQueued(t *testing.T) {
	h := hold(t)
	queued := h.start(t.Context(), users("queued", 1))
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	if err := <-queued; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("queued: %v, want ErrUnavailable", err)
	}
	h.transactions(1)
	h.wantDone(h.first, closed)
}
