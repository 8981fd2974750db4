package bench

// search looks for the highest rate that passes: it doubles the rate until one
// fails, or halves it until one passes, and then halves the gap three times. 0:
// none has passed.
func search(first float64, passes func(rate float64) (bool, error)) (best float64, err error) {
	low, high := 0., 0.
	for rate := first; low == 0 || high == 0; {
		ok, err := passes(rate)
		switch {
		case err != nil:
			return 0, err
		case ok:
			low, rate = rate, rate*2
		default:
			high, rate = rate, rate/2
		}
		if low == 0 && rate < first/64 || low > first*1024 {
			return low, nil
		}
	}
	for range 3 {
		middle := (low + high) / 2
		ok, err := passes(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}
