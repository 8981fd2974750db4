package store

import (
	"slices"
	"sync"
)

const (
	// A batch takes at most so much together, so that the first does not wait long for
	// the last. One that has more goes alone.
	batchCount = 1000

	// And at most so many bytes.
	batchBytes = 4 << 20
)

// waiter is a write that waits in a queue.
type waiter interface {
	comparable
	finish(error)
	size() (count, bytes int)
}

// queue holds the writes that wait to be taken into a batch, in order. It
// is bounded by the callers that wait.
type queue[W waiter] struct {
	mu      sync.Mutex
	closed  bool
	waiting []W
}

func (q *queue[W]) add(w W) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		w.finish(errClosed)
		return
	}
	q.waiting = append(q.waiting, w)
}

// withdraw removes w, unless it has been taken.
func (q *queue[W]) withdraw(w W) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// take removes the next batch.
func (q *queue[W]) take() []W {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, count, bytes := 0, 0, 0
	for _, w := range q.waiting {
		c, b := w.size()
		count, bytes = count+c, bytes+b
		if n > 0 && (count > batchCount || bytes > batchBytes) {
			break
		}
		n++
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

// close fails what is queued and what will be.
func (q *queue[W]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, w := range q.waiting {
		w.finish(errClosed)
	}
	q.waiting = nil
}
