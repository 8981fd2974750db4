package clustertest

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// timeline is when streams were told to close, and when their pages come back.
type timeline struct {
	mu    sync.Mutex
	close []time.Time // they were told
	snippet,
	bare, // an EventSource without the snippet
	open []time.Time // they were open again
}

// told is a close event at t, after which the snippet waits for reconnectIn and
// a bare EventSource for its reconnection time.
func (l *timeline) told(t time.Time, reconnectIn, retry time.Duration) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close = append(l.close, t)
	l.snippet = append(l.snippet, t.Add(reconnectIn))
	l.bare = append(l.bare, t.Add(retry))
}

func (l *timeline) opened(t time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, t)
}

// perSecond counts the times by whole seconds since start.
func perSecond(times []time.Time, start time.Time) (counts []int) {
	for _, t := range times {
		second := max(0, int(t.Sub(start)/time.Second))
		for len(counts) <= second {
			counts = append(counts, 0)
		}
		counts[second]++
	}
	return counts
}

// histogram is a line for each second, with all four counts.
func (l *timeline) histogram(start time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	columns := [][]int{perSecond(l.close, start), perSecond(l.snippet, start), perSecond(l.open, start), perSecond(l.bare, start)}
	var b strings.Builder
	fmt.Fprintf(&b, "\nsecond  closed  due    open again  bare EventSource\n")
	for second := range max(len(columns[0]), len(columns[1]), len(columns[2]), len(columns[3])) {
		var counts [4]int
		for i, column := range columns {
			if second < len(column) {
				counts[i] = column[second]
			}
		}
		fmt.Fprintf(&b, "%6d  %6d  %5d  %10d  %16d  %s\n", second, counts[0], counts[1], counts[2], counts[3], strings.Repeat("#", counts[2]/20))
	}
	return b.String()
}
