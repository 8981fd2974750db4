package prometheus

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hullbeam/internal/proctest"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const dashboardFile = "../grafana/dashboard.json"

// rule is one of recording.yml or alerts.yml.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func (r rule) name() string { return r.Record + r.Alert }

// readRules reads a file of rules, in the file's order.
func readRules(t *testing.T, file string) (rules []rule) {
	t.Helper()
	var content struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal([]byte(proctest.ReadFile(t, file)), &content); err != nil {
		t.Fatal(err)
	}
	for _, group := range content.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

// question is an expression of the dashboard, and who asks it.
type question struct{ panel, expr string }

// readDashboard reads the questions of panels and annotations.
func readDashboard(t *testing.T) (questions []question) {
	t.Helper()
	var board struct {
		Annotations struct {
			List []struct{ Name, Expr string }
		}
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(proctest.ReadFile(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	row := ""
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			row = p.Title
		}
		for _, target := range p.Targets {
			questions = append(questions, question{row + ": " + p.Title, target.Expr})
		}
	}
	for _, a := range board.Annotations.List {
		questions = append(questions, question{"annotation: " + a.Name, a.Expr})
	}
	return questions
}

// The rules are Prometheus' language, and do what alerts_test.yml says.
func TestPromtool(t *testing.T) {
	promtool(t, "", "check", "rules", "recording.yml", "alerts.yml")
	promtool(t, "", "test", "rules", "recording_test.yml", "alerts_test.yml")
}

// promtool runs it, and fails the test when it finds something.
func promtool(t *testing.T, in string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: ci/install.sh installs it", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil || len(in) > 0 && len(out) > 0 {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// alerts_test.yml has for each alert a case in which it fires and one in which it
// does not; recording_test.yml has each recorded name.
func TestEveryRuleIsTested(t *testing.T) {
	type cases struct {
		Tests []struct {
			Alerts []struct {
				Name   string `yaml:"alertname"`
				Firing []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
			Expressions []struct{ Expr string } `yaml:"promql_expr_test"`
		}
	}
	var got cases
	for _, file := range []string{"recording_test.yml", "alerts_test.yml"} {
		var in cases
		if err := yaml.Unmarshal([]byte(proctest.ReadFile(t, file)), &in); err != nil {
			t.Fatal(err)
		}
		got.Tests = append(got.Tests, in.Tests...)
	}
	fires, rests, recorded := map[string]bool{}, map[string]bool{}, ""
	for _, test := range got.Tests {
		for _, a := range test.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Firing) > 0
			rests[a.Name] = rests[a.Name] || len(a.Firing) == 0
		}
		for _, e := range test.Expressions {
			recorded += e.Expr + "\n"
		}
	}
	for _, r := range readRules(t, "alerts.yml") {
		if !fires[r.Alert] || !rests[r.Alert] {
			t.Errorf("%s: a case in which it fires: %v, one in which it does not: %v", r.Alert, fires[r.Alert], rests[r.Alert])
		}
	}
	for _, r := range readRules(t, "recording.yml") {
		if !strings.Contains(recorded, r.Record) {
			t.Errorf("%s is in no case", r.Record)
		}
	}
}

// Each alert says how bad it is, what is wrong and what to read, and docs/alerts.md
// has a section for each.
func TestAlertsAreDocumented(t *testing.T) {
	document := proctest.ReadFile(t, "../../docs/alerts.md")
	var alerts, sections []string
	for _, r := range readRules(t, "alerts.yml") {
		alerts = append(alerts, r.Alert)
		if r.Labels["severity"] != "critical" && r.Labels["severity"] != "warning" {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s has no summary, or no description", r.Alert)
		}
		if got, want := r.Annotations["runbook_url"], "https://beam.example.com/docs/alerts#"+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s leads to %s, want %s", r.Alert, got, want)
		}
	}
	for _, section := range regexp.MustCompile(`(?m)^### (\w+)\n\n((?:[^#\n].*\n|\n)+)`).FindAllStringSubmatch(document, -1) {
		sections = append(sections, section[1])
		for _, part := range []string{"**Means:** ", "**Look at:** ", "**Do:** "} {
			if !strings.Contains(section[2], part) {
				t.Errorf("docs/alerts.md: %s does not say %s", section[1], part)
			}
		}
	}
	if diff := cmp.Diff(alerts, sections); diff != "" {
		t.Errorf("docs/alerts.md has other sections, or in another order (-alerts +sections):\n%s", diff)
	}
}

// What is asked for by its name is there: a metric of Hullbeam in docs/metrics.md, or a
// recorded one. A misspelled one among several in an expression would not be missed.
func TestNamesAreKnown(t *testing.T) {
	metrics := proctest.ReadFile(t, "../../docs/metrics.md")
	var recorded []string
	for _, r := range readRules(t, "recording.yml") {
		recorded = append(recorded, r.Record)
	}
	check := func(who, expr string) {
		for _, name := range regexp.MustCompile(`[a-z_]*:?hullbeam_[a-z_]+(?::\w+)?`).FindAllString(expr, -1) {
			if strings.Contains(name, ":") {
				if !slices.Contains(recorded, name) {
					t.Errorf("%s asks for %s, which nothing records", who, name)
				}
			} else if !strings.Contains(metrics, "`"+strings.TrimSuffix(name, "_bucket")+"`") {
				t.Errorf("%s asks for %s, which docs/metrics.md does not have", who, name)
			}
		}
	}
	for _, q := range readDashboard(t) {
		check(q.panel, q.expr)
	}
	for _, r := range slices.Concat(readRules(t, "recording.yml"), readRules(t, "alerts.yml")) {
		check(r.name(), r.Expr)
	}
}
