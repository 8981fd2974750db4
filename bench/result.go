package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// Result is what a scenario has measured. As JSON it is the file of --json, which
// compare and plot read.
type Result struct {
	// Scenario is the subcommand: hold, fanout, unicast, churn, slow,
	// notifications, views, live, siege, soak.
	Scenario string `json:"scenario"`
	// At is when it ended.
	At time.Time `json:"at"`
	// Options are the scenario's, by the names of their fields. Keys and secrets
	// are not among them.
	Options any `json:"options"`
	// URLs are the nodes that were loaded.
	URLs []string `json:"urls"`
	// Machine is the load generator's.
	Machine Machine `json:"machine"`
	// Runs is how many times it was run; the values of Metrics are medians.
	Runs int `json:"runs"`
	// Metrics are what came out, in the order of the table.
	Metrics []Metric `json:"metrics"`
	// Steps are the steps of hold and the rates of unicast.
	Steps []Step `json:"steps,omitempty"`
	// Latencies are the durations that were counted, of all runs.
	Latencies []Latency `json:"latencies,omitempty"`
	// Series are what soak has measured over time, and Marks what happened meanwhile.
	Series []Series `json:"series,omitempty"`
	Marks  []Mark   `json:"marks,omitempty"`
	// Limited are the settings whose limits the server answered with. Such a
	// result tells about the limits, and not about the server.
	Limited []string `json:"limited,omitempty"`
	// Failures are sentences on what was lost or refused. None: it passed.
	Failures []string `json:"failures,omitempty"`
	// Notes are sentences that help to understand the rest.
	Notes []string `json:"notes,omitempty"`
}

// Machine is where the load generator ran.
type Machine struct {
	CPUs   int    `json:"cpus"`
	System string `json:"system"`
}

// Metric is a number that was measured.
type Metric struct {
	// Name is lower case with underscores.
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	// Value is the median of the runs; Min and Max are there from two runs on.
	Value float64  `json:"value"`
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
	// Better is "more" or "less"; empty: neither.
	Better string `json:"better,omitempty"`
}

// Step is a part of a scenario.
type Step struct {
	// Streams and Rate (messages a second) are what the step was about.
	Streams int      `json:"streams,omitempty"`
	Rate    float64  `json:"rate,omitempty"`
	Metrics []Metric `json:"metrics"`
}

// Latency is a distribution of durations.
type Latency struct {
	// Name is what was timed: delivery, answer, open, timeline, summary, staleness, view; alone_… without a siege.
	Name string `json:"name"`
	// Buckets are pairs of milliseconds, the middle of a bucket whose width is at
	// most 1.6 % of it, and how many were counted in it.
	Buckets [][2]float64 `json:"buckets"`
}

func newResult(s Scenario, cfg Config) *Result {
	return &Result{
		Scenario: s.name(), At: time.Now().UTC().Truncate(time.Second), Options: s, URLs: cfg.URLs, Runs: 1,
		Machine: Machine{runtime.NumCPU(), runtime.GOOS + "/" + runtime.GOARCH},
	}
}

// Passed tells whether nothing was lost or refused.
func (r *Result) Passed() bool { return len(r.Failures) == 0 && len(r.Limited) == 0 }

func (r *Result) add(name, unit string, value float64, better string) {
	r.Metrics = append(r.Metrics, metric(name, unit, value, better))
}

func metric(name, unit string, value float64, better string) Metric {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		value = 0
	}
	return Metric{Name: name, Unit: unit, Value: round(value), Better: better}
}

// round keeps four digits, and all of a whole number: more would be noise.
func round(v float64) float64 {
	if v == math.Trunc(v) {
		return v
	}
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	return v
}

// addLatency adds the quantiles of h, and h itself under this name.
func (r *Result) addLatency(name string, h *hist) {
	r.Metrics = append(r.Metrics, latencyMetrics(name, h)...)
	if h.n == 0 {
		return
	}
	l := Latency{Name: name}
	for i, n := range h.buckets {
		if n > 0 {
			l.Buckets = append(l.Buckets, [2]float64{round(float64(bucketMiddle(i)) / 1e6), float64(n)})
		}
	}
	r.Latencies = append(r.Latencies, l)
}

func latencyMetrics(name string, h *hist) []Metric {
	return []Metric{
		metric(name+"_p50", "ms", milliseconds(h.quantile(.5)), "less"),
		metric(name+"_p90", "ms", milliseconds(h.quantile(.9)), "less"),
		metric(name+"_p99", "ms", milliseconds(h.quantile(.99)), "less"),
		metric(name+"_p999", "ms", milliseconds(h.quantile(.999)), "less"),
		metric(name+"_max", "ms", milliseconds(time.Duration(h.greatest)), "less"),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

func (r *Result) fail(format string, args ...any) {
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Result) limit(keys string) {
	if keys == "" {
		keys = "a limit of the server"
	}
	if !slices.Contains(r.Limited, keys) {
		r.Limited = append(r.Limited, keys)
	}
}

// Write writes the result as JSON.
func (r *Result) Write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read reads what Write wrote.
func Read(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Scenario == "" {
		return nil, fmt.Errorf("%s is no result of bench", path)
	}
	return r, nil
}
