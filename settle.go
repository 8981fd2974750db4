package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	settleEach  = 2 * time.Second
	settleQuiet = 1 << 20  // bytes allocated in that time, at most, when nothing much happens
	settleWorth = 16 << 20 // bytes allocated since the last time, at least
)

// settle gives memory back when a storm is over, until ctx ends. Opening a stream
// takes some 15 KB for a moment, and keeping it under one: the garbage collector
// alone would hold on to the rest until the heap has doubled, which with idle
// streams it never does (docs/performance.md).
func settle(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	allocated := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	ticker := time.NewTicker(settleEach)
	defer ticker.Stop()
	for settled, before := uint64(0), allocated(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := allocated()
		if now-before < settleQuiet && now-settled > settleWorth {
			runtime.GC() // what lies in pools is dropped by the second collection
			debug.FreeOSMemory()
			now = allocated()
			settled = now
		}
		before = now
	}
}
