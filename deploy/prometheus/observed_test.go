//go:build unix

package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/common/model"

	"hullbeam/internal/proctest"
)

// A real Prometheus looks at nodes that work: each expression of the dashboard and of
// the rules has values, for all connectors and nodes and for one of them, and no alert
// fires. Then things break, and each alert fires in its fault.
func TestObserved(t *testing.T) {
	in := install(t)
	p := startPrometheus(t, in.nodes())
	ctx, rest := context.WithCancel(t.Context())
	defer rest()
	loads := []*load{{here: in.alone, there: in.alone, hull: in.hull}, {here: in.left, there: in.right, hull: in.hull}, {here: in.right, there: in.left, hull: in.hull}}
	var working sync.WaitGroup
	for _, l := range loads {
		working.Go(func() { l.run(ctx) })
	}
	t.Run("each expression has values", func(t *testing.T) {
		p.answersAll(t)
		for _, l := range loads {
			l.mu.Lock()
			t.Logf("the load at %s: trouble: %v", l.here.name, l.trouble)
			l.mu.Unlock()
		}
	})
	t.Run("a connector is one connector", p.oneConnector)
	t.Run("what is scraped is as it should be", func(t *testing.T) {
		for _, n := range in.nodes() {
			promtool(t, get(t, n.client, n.url()+"/metrics"), "check", "metrics")
		}
	})
	t.Run("no alert without a fault", func(t *testing.T) {
		if firing := p.firing(t); len(firing) > 0 {
			t.Errorf("these fire: %v", firing)
		}
	})
	rest()
	working.Wait()
	in.breakAll(t, p)
}

// variables are those of the dashboard as Grafana puts them into an expression.
func variables(connector, instance string) *strings.Replacer {
	return strings.NewReplacer("$connector", connector, "$instance", instance, "$__rate_interval", "10s", "$__range", "1m")
}

// answersAll evaluates all expressions until each has had values.
func (s *server) answersAll(t *testing.T) {
	questions := readDashboard(t)
	for _, r := range readRules(t, "recording.yml") {
		questions = append(questions, question{"recorded as " + r.Record, hurry(r.Expr)}, question{"recorded", r.Record})
	}
	answers := make([]model.Vector, len(questions))
	failures := make([]error, len(questions))
	all := variables(".*", ".*")
	proctest.Within(patience, func() bool {
		missing := 0
		for i, q := range questions {
			if len(answers[i]) > 0 {
				continue
			}
			if answers[i], failures[i] = s.ask(t.Context(), all.Replace(q.expr)); len(answers[i]) == 0 {
				missing++
			}
		}
		return missing == 0
	})
	var table strings.Builder
	for i, q := range questions {
		if len(answers[i]) == 0 {
			t.Errorf("%s: %s has no value: %v", q.panel, q.expr, failures[i])
			continue
		}
		fmt.Fprintf(&table, "%s | %s | %s\n", q.panel, strings.Join(strings.Fields(q.expr), " "), brief(answers[i]))
	}
	t.Logf("panel | expression | values\n%s", &table)
}

// brief is how many series there are, and the greatest value with its labels.
func brief(v model.Vector) string {
	most := slices.MaxFunc(v, func(a, b *model.Sample) int {
		if a.Value < b.Value {
			return -1
		}
		return 1
	})
	return fmt.Sprintf("%d series, at most %.4g %s", len(v), float64(most.Value), most.Metric)
}

// oneConnector evaluates what asks for connectors for one at one node, and for none.
func (s *server) oneConnector(t *testing.T) {
	for _, q := range readDashboard(t) {
		if !strings.Contains(q.expr, "$connector") {
			continue
		}
		var one model.Vector
		var err error
		proctest.Within(patience, func() bool {
			one, err = s.ask(t.Context(), variables(connector, "left").Replace(q.expr))
			return err != nil || len(one) > 0
		})
		if err != nil || len(one) != 1 && !strings.Contains(q.expr, "by (result)") || len(one) == 0 {
			t.Errorf("%s: for one connector: %v, %v", q.panel, one, err)
		}
		for _, sample := range one {
			if of, ok := sample.Metric["connector"]; ok && of != connector {
				t.Errorf("%s: for one connector there is %s", q.panel, sample.Metric)
			}
		}
		if none, err := s.ask(t.Context(), variables("nobodys", "left").Replace(q.expr)); err != nil || len(none) > 0 {
			t.Errorf("%s: for a connector that is not there: %v, %v", q.panel, none, err)
		}
	}
}

// ok is for requests that have to be answered with success.
func ok(t *testing.T, what string, status int, text string, err error) {
	t.Helper()
	if err != nil || status >= http.StatusMultipleChoices {
		t.Fatalf("%s: %d %s %v", what, status, text, err)
	}
}
