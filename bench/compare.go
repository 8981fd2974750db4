package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Compare writes what a and b have in common as a table, with b as a multiple of
// a. Only differences above the spread of several runs mean something, so ranges
// that overlap are told as such.
func Compare(w io.Writer, a, b *Result) error {
	if a.Scenario != b.Scenario {
		return fmt.Errorf("%s and %s cannot be compared", a.Scenario, b.Scenario)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\ta\tb\tb/a\t\n", a.Scenario)
	for i, step := range a.Steps {
		if i < len(b.Steps) && b.Steps[i].at() == step.at() {
			compareMetrics(t, step.kind()+" "+formatNumber(step.at())+" ", step.Metrics, b.Steps[i].Metrics)
		}
	}
	compareMetrics(t, "", a.Metrics, b.Metrics)
	for i, r := range []*Result{a, b} {
		if !r.Passed() {
			fmt.Fprintf(t, "%c has lost or refused something\n", 'a'+i)
		}
	}
	return t.Flush()
}

func compareMetrics(w io.Writer, prefix string, a, b []Metric) {
	for _, old := range a {
		for _, m := range b {
			if m.Name == old.Name {
				fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\t%s\n", prefix, m.Name, old.number(), m.number(), ratio(old, m), verdict(old, m))
			}
		}
	}
}

func ratio(a, b Metric) string {
	switch {
	case a.Value == b.Value:
		return "1.00"
	case a.Value == 0:
		return "–"
	}
	return fmt.Sprintf("%.2f", b.Value/a.Value)
}

// verdict says whether b is better than a.
func verdict(a, b Metric) string {
	lowA, highA := a.span()
	lowB, highB := b.span()
	switch {
	case b.Better == "" || a.Value == b.Value:
		return ""
	case lowA <= highB && lowB <= highA:
		return "within the runs"
	case b.Value > a.Value == (b.Better == "more"):
		return "better"
	}
	return "worse"
}

func (m Metric) span() (low, high float64) {
	if m.Min == nil || m.Max == nil {
		return m.Value, m.Value
	}
	return *m.Min, *m.Max
}

// Table writes results of one scenario side by side, under names: of several runs
// the medians, with the least and the most.
func Table(w io.Writer, names []string, runs map[string][]*Result) error {
	joined := make([]*Result, len(names))
	for i, name := range names {
		joined[i] = median(runs[name])
		if joined[i].Scenario != joined[0].Scenario {
			return fmt.Errorf("%s and %s cannot be compared", joined[0].Scenario, joined[i].Scenario)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\t%s\t\n", joined[0].Scenario, strings.Join(names, "\t"))
	row := func(label string, of func(*Result) []Metric) {
		for _, first := range of(joined[0]) {
			fmt.Fprintf(t, "%s%s (%s)", label, first.Name, first.Unit)
			for _, r := range joined {
				cell := "–"
				for _, m := range of(r) {
					if m.Name == first.Name {
						cell = m.number()
					}
				}
				fmt.Fprintf(t, "\t%s", cell)
			}
			fmt.Fprintln(t, "\t")
		}
	}
	for i, step := range joined[0].Steps {
		row(step.kind()+" "+formatNumber(step.at())+": ", func(r *Result) []Metric {
			if i < len(r.Steps) && r.Steps[i].at() == step.at() {
				return r.Steps[i].Metrics
			}
			return nil
		})
	}
	row("", func(r *Result) []Metric { return r.Metrics })
	if err := t.Flush(); err != nil {
		return err
	}
	for i, r := range joined {
		for _, failure := range r.Failures {
			fmt.Fprintf(w, "%s: %s\n", names[i], failure)
		}
	}
	return nil
}
