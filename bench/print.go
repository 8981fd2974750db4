package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes the result as a table for people.
func (r *Result) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s of %s", r.Scenario, strings.Join(r.URLs, ", "))
	if r.Runs > 1 {
		fmt.Fprintf(t, ", medians of %d runs (least to most)", r.Runs)
	}
	fmt.Fprintln(t)
	r.printSteps(t)
	if err := t.Flush(); err != nil { // the columns of the steps are others
		return err
	}
	for _, m := range r.Metrics {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", m.Name, m.number(), m.Unit)
	}
	for _, keys := range r.Limited {
		fmt.Fprintf(t, "LIMITED: the server refused with a limit of its own. Set %s to 0 for the measurement.\n", keys)
	}
	for _, why := range r.Failures {
		fmt.Fprintf(t, "FAILED: %s\n", why)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(t, "note: %s\n", note)
	}
	return t.Flush()
}

func (r *Result) printSteps(t *tabwriter.Writer) {
	for i, s := range r.Steps {
		if i == 0 {
			fmt.Fprint(t, "  ", s.kind())
			for _, m := range s.Metrics {
				fmt.Fprintf(t, "\t%s", m.Name)
				if m.Unit != "" {
					fmt.Fprintf(t, " (%s)", m.Unit)
				}
			}
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "  %s", formatNumber(s.at()))
		for _, m := range s.Metrics {
			fmt.Fprintf(t, "\t%s", m.number())
		}
		fmt.Fprintln(t)
	}
}

func (s *Step) kind() string {
	if s.Rate > 0 {
		return "rate"
	}
	return "streams"
}

func (s *Step) at() float64 {
	if s.Rate > 0 {
		return s.Rate
	}
	return float64(s.Streams)
}

func (m Metric) number() string {
	if m.Min == nil || m.Max == nil || *m.Min == *m.Max {
		return formatNumber(m.Value)
	}
	return formatNumber(m.Value) + " (" + formatNumber(*m.Min) + "–" + formatNumber(*m.Max) + ")"
}

func formatNumber(v float64) string {
	if math.Abs(v) >= 1e15 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	whole, part, _ := strings.Cut(strconv.FormatFloat(v, 'f', -1, 64), ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if part != "" {
		whole += "." + part
	}
	return sign + whole
}
