package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Drain ends every stream and admits no new one. The ends are spread over
// Config.Drain when there are many, and the pages are told to come back within
// it, so that the next node does not get all of them at once. It returns when
// the last stream has ended, or with ctx's error.
func (b *Broker) Drain(ctx context.Context) error {
	b.draining.Store(true)
	all := b.all()
	// A hundred a second is no storm: a node with few streams stops at once.
	window := min(b.cfg.Drain, time.Duration(len(all))*10*time.Millisecond)
	pause := time.NewTimer(0)
	defer pause.Stop()
	const steps = 100
	for i := range steps {
		for _, s := range all[len(all)*i/steps : len(all)*(i+1)/steps] {
			s.End(ReasonDrain, time.Duration(rand.Int64N(int64(window)+1)))
		}
		pause.Reset(window / steps)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("draining %d streams: %w", b.Streams(), context.Cause(ctx))
		}
	}
	if b.count.Load() == 0 {
		b.setEmpty()
	}
	select {
	case <-b.empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("draining %d streams: %w", b.Streams(), context.Cause(ctx))
	}
}

func (b *Broker) all() []*Subscriber {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []*Subscriber
	for _, c := range b.connectors {
		all = append(all, c.subs...)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// Draining tells that the node is stopping.
func (b *Broker) Draining() bool { return b.draining.Load() }
