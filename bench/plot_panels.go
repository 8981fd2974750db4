package bench

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math"
	"slices"
	"strings"

	"github.com/wcharczuk/go-chart/v2"
)

// panels draws what results have measured over time: a small plot for each thing, one
// below the other, with a line for each node of each result, and marks.
func panels(format chart.RendererProvider, names []string, results []*Result) ([]byte, error) {
	var drawn [][]byte
	for i, name := range timed(results) {
		c := overTime(name, names, results)
		if len(c.Series) == 0 {
			continue
		}
		if i == 0 {
			c.Elements = []chart.Renderable{chart.LegendThin(c)}
			c.Background.Padding.Top = 50
		}
		var out bytes.Buffer
		if err := c.Render(format, &out); err != nil {
			return nil, err
		}
		drawn = append(drawn, out.Bytes())
	}
	if len(drawn) == 0 {
		return nil, errors.New("the results have nothing to draw")
	}
	if bytes.HasPrefix(drawn[0], []byte("<svg")) {
		return stackSVG(drawn), nil
	}
	return stackPNG(drawn)
}

const panelWidth, panelHeight = 960, 200

// timed are the names of what was measured over time, in their order; the median of
// latencies would be a line on the axis below its tail.
func timed(results []*Result) (names []string) {
	for _, r := range results {
		for _, s := range r.Series {
			if s.Name != "p50" && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// overTime is one of the small plots. Latencies are over a logarithm: their tail is far off.
func overTime(name string, names []string, results []*Result) *chart.Chart {
	c := &chart.Chart{Width: panelWidth, Height: panelHeight, Background: chart.Style{Padding: chart.Box{Top: 15, Left: 20, Right: 30, Bottom: 10}}}
	right, top := 1., 1.
	for i, r := range results {
		for _, s := range r.Series {
			if s.Name != name || len(s.Points) < 2 {
				continue
			}
			line := chart.ContinuousSeries{Name: strings.TrimSpace(names[i] + " " + s.Of), Style: chart.Style{StrokeWidth: 1.5}}
			for _, p := range s.Points {
				value := p[1]
				if name == tail {
					value = math.Log10(max(value, 1))
				}
				line.XValues, line.YValues = append(line.XValues, p[0]/60), append(line.YValues, value)
				right, top = max(right, p[0]/60), max(top, value)
			}
			c.Series = append(c.Series, line)
			c.YAxis.Name = strings.TrimSuffix(name+", "+s.Unit, ", ")
		}
		for _, m := range r.Marks {
			c.XAxis.GridLines = append(c.XAxis.GridLines, chart.GridLine{Value: m.At / 60})
		}
	}
	c.XAxis.GridMajorStyle = chart.Style{StrokeColor: chart.ColorAlternateGray, StrokeWidth: 1, StrokeDashArray: []float64{4, 4}}
	minuteAxis(&c.XAxis, right)
	c.YAxis.Range = &chart.ContinuousRange{Min: 0, Max: top * 1.1}
	c.YAxis.ValueFormatter = func(v any) string { return formatNumber(math.Round(v.(float64))) }
	if name == tail {
		decadeAxis(&c.YAxis, top)
	}
	return c
}

const tail = "p99" // of latencies

// minuteAxis ends with a tick: the library would else draw what is right of the last one
// outside.
func minuteAxis(axis *chart.XAxis, right float64) {
	step := max(1, math.Ceil(right/10))
	right = step * math.Ceil(right/step)
	axis.Range = &chart.ContinuousRange{Min: 0, Max: right}
	for x := 0.; x <= right; x += step {
		axis.Ticks = append(axis.Ticks, chart.Tick{Value: x, Label: formatNumber(x) + " min"})
	}
}

func decadeAxis(axis *chart.YAxis, top float64) {
	axis.Range = &chart.ContinuousRange{Min: 0, Max: math.Ceil(top)}
	for p := 0.; p <= math.Ceil(top); p++ {
		axis.Ticks = append(axis.Ticks, chart.Tick{Value: p, Label: formatNumber(math.Pow(10, p))})
	}
}

// stackSVG puts documents into one, which may stand in each other.
func stackSVG(drawn [][]byte) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n", panelWidth, panelHeight*len(drawn))
	for i, d := range drawn {
		out.Write(bytes.Replace(d, []byte("<svg "), fmt.Appendf(nil, "<svg y=\"%d\" ", i*panelHeight), 1))
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func stackPNG(drawn [][]byte) ([]byte, error) {
	all := image.NewRGBA(image.Rect(0, 0, panelWidth, panelHeight*len(drawn)))
	for i, d := range drawn {
		one, err := png.Decode(bytes.NewReader(d))
		if err != nil {
			return nil, err
		}
		draw.Draw(all, image.Rect(0, i*panelHeight, panelWidth, (i+1)*panelHeight), one, image.Point{}, draw.Src)
	}
	var out bytes.Buffer
	err := png.Encode(&out, all)
	return out.Bytes(), err
}
