//go:build unix

package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promapi "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"hullbeam/internal/proctest"
)

// server is a Prometheus of the test's own.
type server struct {
	t       *testing.T
	api     promapi.API
	targets string // a file, which it reads again when it changes
}

// settings look at everything each second.
const settings = `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [recording.yml, alerts.yml]
scrape_configs:
  - job_name: hullbeam
    tls_config: {insecure_skip_verify: true}
    file_sd_configs: [{files: [targets.json]}]
`

// startPrometheus starts one that watches the nodes, with the rules in a copy whose
// times are those of a test.
func startPrometheus(t *testing.T, nodes []*node) *server {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("%v: ci/install.sh installs it", err)
	}
	dir, addr := t.TempDir(), proctest.FreeAddr(t)
	for name, text := range map[string]string{
		"prometheus.yml": settings,
		"recording.yml":  hurry(proctest.ReadFile(t, "recording.yml")),
		"alerts.yml":     hurry(proctest.ReadFile(t, "alerts.yml")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{t: t, targets: filepath.Join(dir, "targets.json")}
	s.watch(nodes)
	start(t, exec.Command(path, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", addr, "--log.level", "warn"), os.Interrupt)
	client, err := api.NewClient(api.Config{Address: "http://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	s.api = promapi.NewAPI(client)
	if !proctest.Within(patience, func() bool { _, err := s.api.Buildinfo(t.Context()); return err == nil }) {
		t.Fatal("Prometheus does not answer")
	}
	return s
}

// hurry makes the times of rules those of a test: an alert waits for a second, and
// rates are of 10 s, those of longer times of 30 s. What a rule asks for stays.
func hurry(rules string) string {
	rules = regexp.MustCompile(`(?m)^( +for: ).*$`).ReplaceAllString(rules, "${1}1s")
	rules = regexp.MustCompile(`\[5m\]`).ReplaceAllString(rules, "[10s]")
	rules = regexp.MustCompile(`\[(15m|1h)\]`).ReplaceAllString(rules, "[30s]")
	return regexp.MustCompile(`offset (15m|1h)`).ReplaceAllString(rules, "offset 30s")
}

// watch has Prometheus look at these nodes and no others.
func (s *server) watch(nodes []*node) {
	s.t.Helper()
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := []group{}
	for _, n := range nodes {
		groups = append(groups, group{[]string{n.addr}, map[string]string{"instance": n.name, "__scheme__": n.scheme}})
	}
	text, err := json.Marshal(groups)
	next := s.targets + ".next"
	if err = errors.Join(err, os.WriteFile(next, text, 0o600), os.Rename(next, s.targets)); err != nil {
		s.t.Fatal(err)
	}
}

// ask evaluates an expression now, and leaves out what is not a number: quantiles of
// nothing.
func (s *server) ask(ctx context.Context, expr string) (values model.Vector, err error) {
	answer, _, _, err := s.api.Query(ctx, expr, time.Time{})
	if err != nil {
		return nil, err
	}
	vector, ok := answer.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("a %s", answer.Type())
	}
	for _, sample := range vector {
		if sample.Value == sample.Value { // NaN is not
			values = append(values, sample)
		}
	}
	return values, nil
}

// firing are the alerts that fire, "name instance" each.
func (s *server) firing(t *testing.T) map[string]bool {
	t.Helper()
	answer, err := s.api.Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	firing := map[string]bool{}
	for _, a := range answer.Alerts {
		if a.State == promapi.AlertStateFiring {
			firing[string(a.Labels["alertname"]+" "+a.Labels["instance"])] = true
		}
	}
	return firing
}

// get is the text at an address.
func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	_, text, err := send(t.Context(), client, http.MethodGet, url, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
