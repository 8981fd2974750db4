package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hullbeam/bench"
)

// The scenarios of bench against a node, with few streams.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir, "--limits.streams-per-visitor", "0")
	d, err := readDevelopment(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	common := []string{"--url", p.URL, "--data-dir", filepath.Join(dir, "data")}
	for _, test := range []struct{ name, args, want string }{
		{"hold", "hold --streams 10,20 --hold 10ms", "rss_per_stream_slope"},
		{"fan-out", "fanout --streams 20 --messages 20", "server_cpu_per_delivery"},
		{"fan-out at a pace", "fanout --streams 20 --messages 5 --interval 10ms", "delivery_p99"},
		{"unicast of users", "unicast --via users --streams 20 --batch 1 --rate 200 --duration 200ms", "server_cpu_per_message"},
		{"unicast of new users", "unicast --new-users --streams 20 --batch 5 --rate 200 --duration 200ms --direct", "server_cpu_per_message"},
		{"slow, offers", "slow --streams 5 --rate 100 --duration 100ms --size 1000 --drain 300ms", "came_back_events"},
		{"unicast", "unicast --streams 20 --batch 5 --rate 200 --duration 200ms", "server_cpu_per_message"},
		{"notifications", "notifications --streams 20 --batch 10 --count 6", "messages_per_s"},
		{"churn", "churn --rate 200 --duration 100ms --settle 0s", "rss_after"},
		{"churn of one token", "churn --rate 0 --duration 50ms --settle 0s --token-once", "opens_per_s"},
		{"views", "views --count 1200 --visitors 50 --regulars 2 --regular-views 80 --reads 3 --connections 4", "history_per_view"},
		{"live", "live --visitors 10 --every 2s --duration 4s --connections 4", "staleness_p99"},
		{"siege", "siege --connections 9 --streams 6 --every 100ms --rate 10 --duration 500ms --patience 1m", "gone_after"},
		{"soak", "soak --duration 3s --visitors 10 --stay 3s --users 5 --slow 1 --rate 20 --offers 5 --sample 200ms --grace 3s", "goroutines_slope"},
		{"slow", "slow --streams 5 --rate 100 --duration 100ms --size 1000 --updates --via notifications --drain 300ms", "1 × user.update"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, err bytes.Buffer
			result := filepath.Join(t.TempDir(), "result.json")
			args := append(append([]string{"bench"}, strings.Fields(test.args)...), append(common, "--json", result)...)
			if code := run(t.Context(), args, stdio{nil, &out, &err}); code != exitOK || !strings.Contains(out.String(), test.want) {
				t.Fatalf("got %d, no %s in:\n%s%s", code, test.want, &out, &err)
			}
			if r, err := bench.Read(result); err != nil || !r.Passed() || len(r.Metrics) == 0 {
				t.Errorf("got %v, %+v", err, r)
			}
			text, _ := os.ReadFile(result)
			for _, secret := range []string{d.AdminKey, d.ConnectorSecret, d.Secret} {
				if strings.Contains(string(text)+out.String()+err.String(), secret) {
					t.Error("a secret was told")
				}
			}
		})
	}
}
