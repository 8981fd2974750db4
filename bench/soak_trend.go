package bench

import "slices"

// growths are what must not grow, and what of it in an hour is no growth: a part of the
// median, or this much if that is more. A leak of one in a thousand visits is above it at
// the rate of the default options: some 20,000 visits an hour.
var growths = []struct {
	name, unit  string
	part, least float64
}{
	{"goroutines", "", .1, 10},
	{"descriptors", "", .1, 10},
	{"rss", "MiB", .1, 4},
}

// trend is the median of the values and the median of the slopes, an hour, between each
// two of the points (Theil and Sen): what is out of line for a while, such as during an
// outage, does not move it. Of many points, medians of neighbours stand for them.
func trend(points [][2]float64) (middle, slope float64) {
	points = thin(points, 600)
	if len(points) < 2 {
		return 0, 0
	}
	values, slopes := make([]float64, 0, len(points)), make([]float64, 0, len(points)*(len(points)-1)/2)
	for i, p := range points {
		values = append(values, p[1])
		for _, q := range points[:i] {
			if p[0] > q[0] {
				slopes = append(slopes, (p[1]-q[1])/(p[0]-q[0])*3600)
			}
		}
	}
	return middleOf(values), middleOf(slopes)
}

// thin returns at most so many points.
func thin(points [][2]float64, most int) [][2]float64 {
	of := (len(points) + most - 1) / most
	if of < 2 {
		return points
	}
	var thinned [][2]float64
	for part := range slices.Chunk(points, of) {
		var at, values []float64
		for _, p := range part {
			at, values = append(at, p[0]), append(values, p[1])
		}
		thinned = append(thinned, [2]float64{middleOf(at), middleOf(values)})
	}
	return thinned
}

// middleOf sorts values and returns their median.
func middleOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// judged are the points of what was measured after the warm-up and before the load ended.
func (y *soaking) judged(points [][2]float64) (judged [][2]float64) {
	for _, p := range points {
		if p[0] >= y.warmUp().Seconds() && p[0] <= y.Duration.Seconds() {
			judged = append(judged, p)
		}
	}
	return judged
}

// besides is what a node has beside its streams, of which there are more at one time and
// less at another.
func besides(points, streams [][2]float64) [][2]float64 {
	less := slices.Clone(points)
	for i := range less {
		less[i][1] -= streams[i][1]
	}
	return less
}
