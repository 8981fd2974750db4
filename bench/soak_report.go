package bench

import "fmt"

// report puts all into the result.
func (y *soaking) report(cpu float64) {
	r := y.session.result
	for _, name := range sorted(y.counts) {
		r.add(name, "", float64(y.counts[name]), "")
	}
	r.addLatency("delivery", &y.all)
	if len(y.session.pids) > 0 {
		r.add("server_cpu", "% of a core", 100*cpu/y.Duration.Seconds(), "less")
	}
	for i, n := range y.nodes {
		prefix := ""
		if len(y.nodes) > 1 {
			prefix = fmt.Sprintf("node_%d_", i+1)
		}
		y.judge(r, prefix, n)
		r.Series = append(r.Series, append(n.gauges, n.delivery...)...)
	}
	r.Marks = y.outages.marks
	if y.MarkFile != "" {
		r.add("outages", "", float64(len(r.Marks)), "")
	}
	for _, what := range sorted(y.wrong) {
		r.fail("%d × %s", y.wrong[what], what)
	}
	if left := y.Duration - y.warmUp(); left < y.Judged {
		r.note("%v after the warm-up are too short to tell whether something grows: it takes %v", left, y.Judged)
	}
}

// keeps tells whether a node has more of something when everybody has left than before
// they came: what grew besides, it has given back.
func (n *nodeSeries) keeps(gauge string) bool {
	for j, g := range gauges {
		if g.name == gauge {
			return n.after[j] > n.before[j]
		}
	}
	return true
}

// judge tells how a node's gauges went, and which have grown.
func (y *soaking) judge(r *Result, prefix string, n *nodeSeries) {
	for j, g := range gauges {
		r.add(prefix+g.name+"_before", g.unit, n.before[j], "")
		middle, _ := trend(y.judged(n.gauges[j].Points))
		r.add(prefix+g.name+"_median", g.unit, middle, "")
		r.add(prefix+g.name+"_after", g.unit, n.after[j], "")
	}
	for _, g := range growths {
		points := n.of(g.name)
		if g.name == "descriptors" {
			points = besides(points, n.of("streams"))
		}
		middle, slope := trend(y.judged(points))
		r.add(prefix+g.name+"_slope", g.unit+"/h", slope, "less")
		if allowed := max(g.least, g.part*middle); slope > allowed && n.keeps(g.name) && y.Duration-y.warmUp() >= y.Judged {
			r.fail("%s%s grow by %s %s an hour, more than %s", prefix, g.name, formatNumber(round(slope)), g.unit, formatNumber(round(allowed)))
		}
	}
}
