package bench

import (
	"slices"
)

// median joins the results of several runs of one scenario.
func median(runs []*Result) *Result {
	first := runs[0]
	if len(runs) == 1 {
		return first
	}
	first.Runs = len(runs)
	first.Metrics = medians(runs, func(r *Result) []Metric { return r.Metrics })
	for i := range first.Steps {
		first.Steps[i].Metrics = medians(runs, func(r *Result) []Metric {
			if i < len(r.Steps) {
				return r.Steps[i].Metrics
			}
			return nil
		})
	}
	for _, r := range runs[1:] {
		first.At = r.At
		for _, keys := range r.Limited {
			first.limit(keys)
		}
		first.Failures = append(first.Failures, r.Failures...)
		for _, note := range r.Notes {
			if !slices.Contains(first.Notes, note) {
				first.Notes = append(first.Notes, note)
			}
		}
	}
	joinLatencies(runs)
	return first
}

// medians are those of the metrics by name, in the order of the first run.
func medians(runs []*Result, of func(*Result) []Metric) []Metric {
	var names []string
	values := map[string][]float64{}
	kind := map[string]Metric{}
	for _, r := range runs {
		for _, m := range of(r) {
			if values[m.Name] == nil {
				names = append(names, m.Name)
				kind[m.Name] = m
			}
			values[m.Name] = append(values[m.Name], m.Value)
		}
	}
	joined := make([]Metric, 0, len(names))
	for _, name := range names {
		v := values[name]
		slices.Sort(v)
		m := kind[name]
		m.Value = round((v[(len(v)-1)/2] + v[len(v)/2]) / 2)
		m.Min, m.Max = &v[0], &v[len(v)-1]
		joined = append(joined, m)
	}
	return joined
}

// joinLatencies counts those of all runs in the first.
func joinLatencies(runs []*Result) {
	for i := range runs[0].Latencies {
		l := &runs[0].Latencies[i]
		counts := map[float64]float64{}
		for _, r := range runs {
			for _, other := range r.Latencies {
				if other.Name == l.Name {
					for _, b := range other.Buckets {
						counts[b[0]] += b[1]
					}
				}
			}
		}
		l.Buckets = l.Buckets[:0]
		for at, n := range counts {
			l.Buckets = append(l.Buckets, [2]float64{at, n})
		}
		slices.SortFunc(l.Buckets, func(a, b [2]float64) int {
			if a[0] < b[0] {
				return -1
			}
			return 1
		})
	}
}
