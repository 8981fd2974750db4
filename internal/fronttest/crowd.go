//go:build unix

package fronttest

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Crowd opens so many streams at the node itself, for as long as the test lasts: a node takes
// the longer to stop the more it has. No visitor may have many.
func (n *Node) Crowd(t *testing.T, streams int) {
	t.Helper()
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	const each = 20
	for i := range streams / each {
		token := n.Direct().Token(t, fmt.Sprintf("a-visitor-of-the-crowd-%d", i))
		for range each {
			all.Go(func() {
				res, err := n.Direct().Get(t.Context(), token, "")
				if err == nil && res.StatusCode != http.StatusOK {
					err = errors.New(res.Status)
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				t.Cleanup(func() { res.Body.Close() })
			})
		}
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		t.Fatalf("of %d streams at the node itself: %v", streams, *err)
	}
}

// Refuses tells whether the node answers 503 to a new stream of a visitor who has few.
func (n *Node) Refuses(t *testing.T, token string) bool {
	res, err := n.Direct().Get(t.Context(), token, "")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusServiceUnavailable
}

// HasEnded tells whether the process has.
func (n *Node) HasEnded() bool {
	select {
	case <-n.Done:
		return true
	default:
		return false
	}
}
