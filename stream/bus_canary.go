package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// health is what became of the latest canaries.
type health struct {
	err error
	at  time.Time
}

// canaries are channels of this node's own, one on each master by its address.
func (b *RedisBus) canaries(ctx context.Context) (map[string]Channel, error) {
	if b.cluster == nil {
		return map[string]Channel{"": {ConnectorChannel, b.name, ""}}, nil
	}
	const tries = 200 // finds each of 20 masters but once in a thousand times
	list := map[string]Channel{}
	for i := range tries {
		c := Channel{ConnectorChannel, b.name + strconv.Itoa(i), ""}
		master, err := b.cluster.MasterForKey(ctx, b.nameOf(c))
		if err != nil {
			return nil, err
		}
		if _, ok := list[master.Options().Addr]; !ok {
			list[master.Options().Addr] = c
		}
	}
	return list, nil
}

func (b *RedisBus) isCanary(c Channel) bool { return strings.HasPrefix(c.Connector, b.name) }

// sing keeps the canaries' channels, sends them at intervals, and notes what
// becomes of them.
func (b *RedisBus) sing(ctx context.Context) {
	tick := time.NewTicker(b.cfg.Canary)
	defer tick.Stop()
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, 2*b.cfg.Canary)
		err := b.Canary(limited)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if before := b.health.Swap(&health{err, time.Now()}); before.err != nil && err == nil {
			b.cfg.Log.Info("the bus delivers")
		} else if before.err == nil && err != nil {
			b.cfg.Log.Warn("the bus does not deliver", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// Ready implements [Bus].
func (b *RedisBus) Ready() error {
	h := b.health.Load()
	if silent := time.Since(h.at); h.err == nil && silent > 4*b.cfg.Canary {
		return fmt.Errorf("the bus has sent no canary for %v", silent.Round(time.Second))
	}
	return h.err
}

// Canary implements [Bus]. A connection on which what was sent does not come
// back, nor anything else, is deaf, and is replaced.
func (b *RedisBus) Canary(ctx context.Context) error {
	began := time.Now()
	list, err := b.canaries(ctx)
	if err != nil {
		return fmt.Errorf("looking for the masters: %w", err)
	}
	errs := make(chan error, len(list))
	for _, c := range list {
		go func() { errs <- b.canary(ctx, c) }()
	}
	var all []error
	for range list {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	b.metrics.canary.Observe(time.Since(began).Seconds())
	return nil
}

func (b *RedisBus) canary(ctx context.Context, c Channel) error {
	sub := b.Follow(c)
	defer sub.Release()
	heard, l, before := b.listening(sub.followed)
	for !heard {
		select {
		case <-ctx.Done():
			b.replaceDeaf(l, before)
			return errors.New("the bus has no connection")
		case <-time.After(5 * time.Millisecond):
		}
		now, other, came := b.listening(sub.followed)
		if heard = now; other != l {
			l, before = other, came
		}
	}
	token := strconv.FormatUint(b.serial.Add(1), 10)
	back := make(chan struct{})
	b.mu.Lock()
	b.waiting[token] = back
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.waiting, token)
		b.mu.Unlock()
	}()
	_, l, before = b.listening(sub.followed)
	if _, err := b.tell(ctx, sub.followed.name, []byte(token)); err != nil {
		return err
	}
	select {
	case <-back:
		return nil
	case <-ctx.Done():
		if b.replaceDeaf(l, before) {
			return errors.New("the bus is deaf: what it was told has not come back")
		}
		return errors.New("the bus is behind: what it was told has not come back yet")
	}
}

// listening tells whether a channel is listened to, over which link, nil for
// none, and how much has come over that.
func (b *RedisBus) listening(f *followed) (heard bool, l *link, came uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.link != nil {
		came = f.link.came.Load()
	}
	return f.heard, f.link, came
}

// replaceDeaf ends a link over which nothing has come since, unless it has only
// just connected, or waits to.
func (b *RedisBus) replaceDeaf(l *link, came uint64) bool {
	if l == nil || l.came.Load() != came {
		return false
	}
	if asked := l.asked.Load(); asked == 0 || time.Since(time.Unix(0, asked)) < b.cfg.Canary {
		return false
	}
	l.cut()
	return true
}

func (b *RedisBus) returned(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if back := b.waiting[token]; back != nil {
		close(back)
		delete(b.waiting, token)
	}
}
