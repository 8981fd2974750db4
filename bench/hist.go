package bench

import (
	"math/bits"
	"time"
)

// hist counts durations in buckets that grow with them: 64 to each power of two,
// so that a quantile is off by less than 1.6 %. The zero value is ready.
type hist struct {
	n, sum, greatest int64
	buckets          []int64 // made at the first add
}

const (
	subBits = 6
	buckets = (64 - subBits) << subBits
)

func bucketOf(v int64) int {
	if v < 1<<subBits {
		return int(v)
	}
	e := bits.Len64(uint64(v)) - subBits - 1
	return (e+1)<<subBits + int(v>>e)&(1<<subBits-1)
}

// bucketMiddle is what stands for all durations of a bucket.
func bucketMiddle(i int) int64 {
	if i < 1<<subBits {
		return int64(i)
	}
	e := i>>subBits - 1
	return int64(1<<subBits|i&(1<<subBits-1))<<e + int64(1)<<e/2
}

// add counts v, nanoseconds; less than none is none.
func (h *hist) add(v int64) {
	v = max(v, 0)
	if h.buckets == nil {
		h.buckets = make([]int64, buckets)
	}
	h.n++
	h.sum += v
	h.greatest = max(h.greatest, v)
	h.buckets[bucketOf(v)]++
}

func (h *hist) merge(o *hist) {
	if o.n == 0 {
		return
	}
	if h.buckets == nil {
		h.buckets = make([]int64, buckets)
	}
	h.n += o.n
	h.sum += o.sum
	h.greatest = max(h.greatest, o.greatest)
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
}

// quantile is the duration that the part q of all is not above.
func (h *hist) quantile(q float64) time.Duration {
	want, seen := int64(q*float64(h.n)), int64(0)
	if want >= h.n {
		return time.Duration(h.greatest)
	}
	for i, n := range h.buckets {
		if seen += n; seen > want {
			return time.Duration(min(bucketMiddle(i), h.greatest))
		}
	}
	return time.Duration(h.greatest)
}
