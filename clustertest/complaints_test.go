package clustertest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

// complaints are what must not be, gathered from all goroutines: how often, and
// the first of each kind in full.
type complaints struct {
	mu    sync.Mutex
	kinds map[string]*complaint
}

type complaint struct {
	times int
	first string
}

func (c *complaints) add(kind, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = map[string]*complaint{}
	}
	if c.kinds[kind] == nil {
		c.kinds[kind] = &complaint{first: fmt.Sprintf(format, args...)}
	}
	c.kinds[kind].times++
}

// report fails the test with what has come up since the last report.
func (c *complaints) report(t *testing.T, during string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(c.kinds)) {
		t.Errorf("%s: %s, %d times, first: %s", during, kind, c.kinds[kind].times, c.kinds[kind].first)
	}
	c.kinds = nil
}
