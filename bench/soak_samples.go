package bench

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
)

// Series is how something went over time.
type Series struct {
	// Name is what was measured, Of which node, when there are several.
	Name string `json:"name"`
	Of   string `json:"of,omitempty"`
	Unit string `json:"unit,omitempty"`
	// Points are pairs of seconds after the beginning and the value.
	Points [][2]float64 `json:"points"`
}

// gauges are what a node says of itself at /metrics, and what of it is kept.
var gauges = []struct {
	metric, name, unit string
	scale              float64
}{
	{"hullbeam_streams", "streams", "", 1},
	{"go_goroutines", "goroutines", "", 1},
	{"process_open_fds", "descriptors", "", 1},
	{"process_resident_memory_bytes", "rss", "MiB", 1 << 20},
	{"go_memstats_heap_inuse_bytes", "heap", "MiB", 1 << 20},
}

// nodeSeries are those of a node: of gauges, then of delivery.
type nodeSeries struct {
	gauges, delivery []Series
	before, after    []float64 // the first and the last of gauges
}

func newNodeSeries(i, nodes int) *nodeSeries {
	n, of := &nodeSeries{}, ""
	if nodes > 1 {
		of = fmt.Sprintf("node %d", i+1)
	}
	for _, g := range gauges {
		n.gauges = append(n.gauges, Series{Name: g.name, Of: of, Unit: g.unit})
	}
	for _, name := range []string{"p50", "p99"} {
		n.delivery = append(n.delivery, Series{Name: name, Of: of, Unit: "ms"})
	}
	return n
}

// of are the points of a gauge.
func (n *nodeSeries) of(name string) [][2]float64 {
	for _, s := range n.gauges {
		if s.Name == name {
			return s.Points
		}
	}
	return nil
}

// sample asks each node, and takes what came of delivery since it was last asked. A node
// that does not answer is one that has stopped: it ends the soak.
func (y *soaking) sample(ctx context.Context) error {
	at := round(float64(clock()-y.began) / 1e9)
	for i, n := range y.nodes {
		values, err := y.ask(ctx, i)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("node %d: %w", i+1, err)
		}
		for j := range n.gauges {
			n.gauges[j].Points = append(n.gauges[j].Points, [2]float64{at, values[j]})
		}
		if n.before == nil {
			n.before = values
		}
		n.after = values
		y.mu.Lock()
		if h := &y.delivery[i]; h.n > 0 {
			n.delivery[0].Points = append(n.delivery[0].Points, [2]float64{at, round(milliseconds(h.quantile(.5)))})
			n.delivery[1].Points = append(n.delivery[1].Points, [2]float64{at, round(milliseconds(h.quantile(.99)))})
			y.all.merge(h)
			*h = hist{}
		}
		y.mu.Unlock()
	}
	return nil
}

// ask reads the gauges of a node.
func (y *soaking) ask(ctx context.Context, i int) ([]float64, error) {
	n := y.session.server.node(i)
	a, err := y.once(ctx, i, []byte("GET "+n.prefix+"/metrics HTTP/1.1\r\nHost: "+n.host+"\r\n"+y.session.operatorHeader()+"\r\n"))
	if err == nil && a.status != 200 {
		err = fmt.Errorf("/metrics is answered %d", a.status)
	}
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(gauges))
	for j, g := range gauges {
		v, ok := metricOf(a.body, g.metric)
		if !ok {
			return nil, fmt.Errorf("/metrics has no %s", g.metric)
		}
		values[j] = round(v / g.scale)
	}
	return values, nil
}

// metricOf is the sum of a metric's series in Prometheus' format; labels have no spaces.
func metricOf(text []byte, name string) (sum float64, found bool) {
	for line := range bytes.Lines(text) {
		series, value, _ := bytes.Cut(line, []byte(" "))
		if of, _, _ := bytes.Cut(series, []byte("{")); string(of) != name {
			continue
		}
		v, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		if err != nil {
			return 0, false
		}
		sum, found = sum+v, true
	}
	return sum, found
}

// streamsOpen is how many all nodes had when they were last asked.
func (y *soaking) streamsOpen() (open int) {
	for _, n := range y.nodes {
		open += int(n.after[0])
	}
	return open
}
