package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A quantile is off by less than 1.6 %, at any size.
func TestHistQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h, a, b hist
	values := make([]int64, 0, 20000)
	for i := range 20000 {
		v := int64(math.Exp(r.Float64() * 40))
		values = append(values, v)
		h.add(v)
		if i%2 == 0 {
			a.add(v)
		} else {
			b.add(v)
		}
	}
	a.merge(&b)
	a.merge(&hist{})
	slices.Sort(values)
	for _, q := range []float64{0, .1, .5, .9, .99, .999} {
		want := float64(values[int(q*float64(len(values)))])
		got := float64(h.quantile(q))
		if math.Abs(got-want) > want*.016+1 {
			t.Errorf("%v: got %v, want %v", q, got, want)
		}
		if merged := a.quantile(q); merged != time.Duration(got) {
			t.Errorf("%v: merged %v, want %v", q, merged, got)
		}
	}
	if got := h.quantile(1); got != time.Duration(values[len(values)-1]) {
		t.Errorf("got %v, want the greatest", got)
	}
}

func TestHistEdges(t *testing.T) {
	h := hist{}
	if got := h.quantile(.5); got != 0 {
		t.Errorf("of nothing: got %v", got)
	}
	h.add(-5)
	h.add(math.MaxInt64)
	if h.quantile(0) != 0 || h.quantile(1) != math.MaxInt64 {
		t.Errorf("got %v, %v", h.quantile(0), h.quantile(1))
	}
}
