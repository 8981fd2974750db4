package bench

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/wcharczuk/go-chart/v2"
)

// Plot draws results of one scenario into a file, .svg or .png: memory over
// streams for hold, everything over time for soak, else the distribution of
// latencies. Names tell the results apart.
func Plot(path string, names []string, results []*Result) error {
	format := chart.SVG
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".svg":
	case ".png":
		format = chart.PNG
	default:
		return fmt.Errorf("%s: a plot is .svg or .png", path)
	}
	if err := alike(names, results); err != nil {
		return err
	}
	drawn, err := render(format, names, results)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", path, err)
	}
	return os.WriteFile(path, drawn, 0o644)
}

// alike tells whether results can be drawn into one plot.
func alike(names []string, results []*Result) error {
	if len(results) == 0 || len(results) != len(names) {
		return errors.New("no results to draw")
	}
	for _, r := range results {
		if r.Scenario != results[0].Scenario {
			return fmt.Errorf("%s and %s cannot be drawn into one plot", results[0].Scenario, r.Scenario)
		}
	}
	return nil
}

func render(format chart.RendererProvider, names []string, results []*Result) ([]byte, error) {
	if len(timed(results)) > 0 {
		return panels(format, names, results)
	}
	c, err := single(names, results)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = c.Render(format, &out)
	return out.Bytes(), err
}

// single is the one chart of a result that was not measured over time.
func single(names []string, results []*Result) (*chart.Chart, error) {
	c := &chart.Chart{
		Width: 960, Height: 540, Background: chart.Style{Padding: chart.Box{Top: 40, Left: 20, Right: 30, Bottom: 20}},
	}
	hold := results[0].Scenario == "hold"
	for i, r := range results {
		if hold {
			c.Series = append(c.Series, memoryLine(names[i], r))
			continue
		}
		for _, l := range r.Latencies {
			c.Series = append(c.Series, latencyLine(names[i]+" "+l.Name, l))
		}
	}
	if len(c.Series) == 0 {
		return nil, errors.New("the results have nothing to draw")
	}
	if hold {
		memoryAxes(c)
	} else {
		latencyAxes(c)
	}
	c.Elements = []chart.Renderable{chart.LegendThin(c)}
	return c, nil
}

// memoryLine is RSS over streams, from the server without any.
func memoryLine(name string, r *Result) chart.ContinuousSeries {
	line := chart.ContinuousSeries{Name: name, Style: chart.Style{StrokeWidth: 2, DotWidth: 4}}
	for _, m := range r.Metrics {
		if m.Name == "rss_base" {
			line.XValues, line.YValues = append(line.XValues, 0), append(line.YValues, m.Value)
		}
	}
	for _, s := range r.Steps {
		for _, m := range s.Metrics {
			if m.Name == "rss" {
				line.XValues, line.YValues = append(line.XValues, float64(s.Streams)), append(line.YValues, m.Value)
			}
		}
	}
	return line
}

func memoryAxes(c *chart.Chart) {
	right, top := 1., 1.
	for _, s := range c.Series {
		line := s.(chart.ContinuousSeries)
		for i := range line.XValues {
			right, top = max(right, line.XValues[i]), max(top, line.YValues[i])
		}
	}
	whole := func(v any) string { return formatNumber(math.Round(v.(float64))) }
	c.XAxis = chart.XAxis{Name: "streams", Range: &chart.ContinuousRange{Min: 0, Max: right}}
	step := math.Pow(10, math.Floor(math.Log10(right)))
	if right/step < 5 {
		step /= 2
	}
	for x := 0.; x <= right; x += step {
		c.XAxis.Ticks = append(c.XAxis.Ticks, chart.Tick{Value: x, Label: whole(x)})
	}
	c.YAxis = chart.YAxis{Name: "RSS, MiB", Range: &chart.ContinuousRange{Min: 0, Max: top * 1.1}, ValueFormatter: whole}
}

// latencyLine is the part of all that took so long or less, over the logarithm
// of milliseconds: what matters is far to the right.
func latencyLine(name string, l Latency) chart.ContinuousSeries {
	line := chart.ContinuousSeries{Name: name, Style: chart.Style{StrokeWidth: 2}}
	all, seen := 0., 0.
	for _, b := range l.Buckets {
		all += b[1]
	}
	for _, b := range l.Buckets {
		at := math.Log10(max(b[0], shortest))
		line.XValues, line.YValues = append(line.XValues, at), append(line.YValues, 100*seen/all)
		seen += b[1]
		line.XValues, line.YValues = append(line.XValues, at), append(line.YValues, 100*seen/all)
	}
	return line
}

const shortest = .001 // ms, the left end at most

func latencyAxes(c *chart.Chart) {
	left, right := math.Inf(1), math.Inf(-1)
	for _, s := range c.Series {
		if x := s.(chart.ContinuousSeries).XValues; len(x) > 0 {
			left, right = min(left, math.Floor(x[0])), max(right, math.Ceil(x[len(x)-1]))
		}
	}
	if right <= left {
		right = left + 1
	}
	c.XAxis = chart.XAxis{Name: "latency", Range: &chart.ContinuousRange{Min: left, Max: right}}
	for p := left; p <= right; p++ {
		c.XAxis.Ticks = append(c.XAxis.Ticks, chart.Tick{Value: p, Label: formatNumber(round(math.Pow(10, p))) + " ms"})
		c.XAxis.GridLines = append(c.XAxis.GridLines, chart.GridLine{Value: p})
	}
	c.XAxis.GridMajorStyle = chart.Style{StrokeColor: chart.ColorAlternateLightGray, StrokeWidth: 1}
	c.YAxis = chart.YAxis{Name: "% of all", Range: &chart.ContinuousRange{Min: 0, Max: 100}}
	for p := 0.; p <= 100; p += 10 {
		c.YAxis.Ticks = append(c.YAxis.Ticks, chart.Tick{Value: p, Label: formatNumber(p)})
	}
}
