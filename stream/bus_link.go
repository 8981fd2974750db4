package stream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// subscribeAtOnce is how many channels one SUBSCRIBE has. SSUBSCRIBE has one,
// since all of a command must be in one slot; nobody waits for its answer.
const subscribeAtOnce = 500

// link is one connection to one server, with the channels that are there. When
// it fails it is not mended: the bus makes another one.
type link struct {
	bus    *RedisBus
	addr   string
	pubsub *redis.PubSub
	delay  time.Duration // before it connects
	wake   chan struct{} // holds one wake-up for run
	stop   chan struct{}
	cut    func()        // ends the link
	came   atomic.Uint64 // how much has come over it
	asked  atomic.Int64  // Unix ns when it first sent something; 0: it has not connected yet

	// What is guarded by the bus's mu.
	queue   []step
	expect  map[string]int // answers to SUBSCRIBE that are to come, by channel
	leaving map[string]int // and to UNSUBSCRIBE
	missed  []Channel      // of which the listener is to be told
}

// step is a channel to listen to, or to do so no more.
type step struct {
	name      string
	subscribe bool
}

func newLink(b *RedisBus, addr string, pubsub *redis.PubSub, failures int) *link {
	l := &link{
		bus: b, addr: addr, pubsub: pubsub, wake: make(chan struct{}, 1), stop: make(chan struct{}),
		expect: map[string]int{}, leaving: map[string]int{},
	}
	l.cut = sync.OnceFunc(func() { close(l.stop) })
	if failures > 0 {
		l.delay = min(25*time.Millisecond<<min(failures, 10), time.Second)
	}
	return l
}

func (l *link) enqueueLocked(f *followed, subscribe bool) {
	l.queue = append(l.queue, step{f.name, subscribe})
	if subscribe {
		l.expect[f.name]++
	} else {
		l.leaving[f.name]++
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run keeps the link until it fails. When it returns nothing comes from it any
// more, so that what comes from its successor comes later.
func (l *link) run(ctx context.Context) {
	select {
	case <-time.After(l.delay):
	case <-ctx.Done():
	case <-l.stop:
	}
	ended := make(chan error, 1)
	go func() { ended <- l.read(ctx) }()
	err := l.write(ctx)
	for err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-l.stop:
			err = errors.New("what it was told did not come back")
		case err = <-ended:
			ended <- err
		case <-l.wake:
			err = l.write(ctx)
		}
	}
	l.pubsub.Close()
	<-ended
	l.bus.failed(l, err)
}

// write sends what is queued, without waiting for answers.
func (l *link) write(ctx context.Context) error {
	l.bus.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.bus.mu.Unlock()
	for len(queue) > 0 {
		subscribe := queue[0].subscribe
		most := subscribeAtOnce
		if l.bus.cluster != nil {
			most = 1
		}
		var names []string
		for len(queue) > 0 && len(names) < most && queue[0].subscribe == subscribe {
			names = append(names, queue[0].name)
			queue = queue[1:]
		}
		if err := l.send(ctx, subscribe, names); err != nil {
			return err
		}
		l.asked.CompareAndSwap(0, time.Now().UnixNano())
	}
	return nil
}

func (l *link) send(ctx context.Context, subscribe bool, names []string) error {
	switch sharded := l.bus.cluster != nil; {
	case subscribe && sharded:
		return l.pubsub.SSubscribe(ctx, names...)
	case subscribe:
		return l.pubsub.Subscribe(ctx, names...)
	case sharded:
		return l.pubsub.SUnsubscribe(ctx, names...)
	default:
		return l.pubsub.Unsubscribe(ctx, names...)
	}
}

// read takes what comes until the link fails. The client would connect anew and
// go on without a word about what was missed, and on a Cluster with commands
// that have channels of many slots: hence the first error ends it.
func (l *link) read(ctx context.Context) error {
	for {
		received, err := l.pubsub.Receive(ctx)
		if err != nil {
			return err
		}
		l.came.Add(1)
		switch m := received.(type) {
		case *redis.Message:
			l.bus.deliver(m.Channel, m.Payload)
		case *redis.Subscription:
			if err := l.answered(m); err != nil {
				return err
			}
		}
	}
}

var errMoved = errors.New("a channel has moved to another server")

// answered notes that the server listens to a channel for us, or no more.
func (l *link) answered(m *redis.Subscription) error {
	l.bus.mu.Lock()
	if m.Kind == "unsubscribe" || m.Kind == "sunsubscribe" {
		defer l.bus.mu.Unlock()
		if l.leaving[m.Channel] == 0 {
			return errMoved
		}
		countDown(l.leaving, m.Channel)
		return nil
	}
	if countDown(l.expect, m.Channel); l.expect[m.Channel] == 0 {
		if f := l.bus.followed[m.Channel]; f != nil && f.link == l {
			l.heardLocked(f)
		}
	}
	var missed []Channel
	if len(l.expect) == 0 || len(l.missed) >= 1000 {
		missed, l.missed = l.missed, nil
	}
	l.bus.mu.Unlock()
	if len(missed) > 0 {
		l.bus.cfg.Listener.Missed(missed)
	}
	return nil
}

func countDown(counts map[string]int, name string) {
	if counts[name]--; counts[name] <= 0 {
		delete(counts, name)
	}
}

func (l *link) heardLocked(f *followed) {
	b := l.bus
	if b.failures[l.addr] > 0 {
		delete(b.failures, l.addr)
		b.cfg.Log.Info("the bus is connected again")
	}
	f.heard = true
	if f.stale {
		f.stale = false
		if !b.isCanary(f.channel) {
			l.missed = append(l.missed, f.channel)
		}
	}
	select {
	case <-f.ready:
	default:
		close(f.ready)
	}
}
