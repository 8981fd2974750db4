package compose

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hullbeam/internal/proctest"

	"go.yaml.in/yaml/v3"
)

type composeFile struct {
	Services map[string]struct {
		Environment map[string]string
		StopGrace   time.Duration `yaml:"stop_grace_period"`
		Ports       []string
		Volumes     []string
		Healthcheck struct{ Test []string }
		Networks    map[string]struct {
			Address string `yaml:"ipv4_address"`
		}
	}
}

// What the files of the directory say of each other holds.
func TestFilesAgree(t *testing.T) {
	var c composeFile
	text := proctest.ReadFile(t, "docker-compose.yml")
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	address := func(service string) string { return c.Services[service].Networks["beam"].Address }
	scraped := proctest.ReadFile(t, "prometheus.yml")
	if strings.Contains(text, "native-histograms") && !strings.Contains(scraped, "always_scrape_classic_histograms: true") {
		t.Error("Prometheus keeps native histograms alone, and the rules ask for classic buckets")
	}
	var nodes []string
	for _, name := range []string{"node1", "node2"} {
		nodes = append(nodes, address(name)+":8082")
		env := c.Services[name].Environment
		if got, want := env["HULLBEAM_TRUSTED_PROXIES"], address("nginx"); got != want || got == "" {
			t.Errorf("%s trusts %q, nginx is %q", name, got, want)
		}
		if !strings.HasSuffix(env["REDIS_URL"], "@"+address("redis")+":6379") {
			t.Errorf("%s looks for Redis elsewhere than at %s", name, address("redis"))
		}
		if grace := c.Services[name].StopGrace; grace < 48*time.Second { // docs/architecture.md: drain, write_timeout and 8 s
			t.Errorf("%s is killed after %v", name, grace)
		}
		if !strings.Contains(scraped, name+":8083") || env["HULLBEAM_ADMIN_LISTEN"] != ":8083" {
			t.Errorf("Prometheus does not scrape %s", name)
		}
	}
	conf := proctest.ReadFile(t, "nginx.conf")
	for _, name := range []string{"nodes", "streams"} {
		upstream := regexp.MustCompile(`(?s)upstream ` + name + ` \{.*?\n  \}`).FindString(conf)
		var servers []string
		for _, m := range regexp.MustCompile(`server (\S+) max_fails=0;`).FindAllStringSubmatch(upstream, -1) {
			servers = append(servers, m[1])
		}
		if !slices.Equal(servers, nodes) {
			t.Errorf("upstream %s is %q, the nodes are %q", name, servers, nodes)
		}
	}
	for name, service := range c.Services {
		for _, port := range service.Ports {
			if name != "nginx" && !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is in reach without nginx: %s", name, port)
			}
		}
		if len(service.Healthcheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		for _, volume := range service.Volumes {
			if file, _, _ := strings.Cut(volume, ":"); strings.HasPrefix(file, ".") {
				if _, err := os.Stat(file); err != nil {
					t.Errorf("%s is given what is not there: %v", name, err)
				}
			}
		}
	}
	if ports := c.Services["redis"].Ports; len(ports) > 0 { // other users of the machine neither
		t.Errorf("Redis is in reach: %q", ports)
	}
}

// No secret has a default, and .env.example has them all, empty.
func TestNoDefaultSecrets(t *testing.T) {
	required := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)(:\?)?`).FindAllStringSubmatch(proctest.ReadFile(t, "docker-compose.yml"), -1) {
		required[m[1]] = m[2] != ""
	}
	for _, name := range []string{"SECRET", "ADMIN_KEY", "REDIS_PASSWORD", "GRAFANA_PASSWORD"} {
		if !required[name] {
			t.Errorf("docker-compose.yml has a default for %s, or does not use it", name)
		}
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(#?)(\w+)=(.*)$`).FindAllStringSubmatch(proctest.ReadFile(t, ".env.example"), -1) {
		named[m[2]] = true
		needed, used := required[m[2]]
		if !used {
			t.Errorf(".env.example: nothing uses %s", m[2])
		} else if needed && (m[1] != "" || m[3] != "") || !needed && m[1] == "" {
			t.Errorf(".env.example: %q: what is required is there and empty, the rest a comment", m[0])
		}
	}
	for name := range required {
		if !named[name] {
			t.Errorf(".env.example does not have %s", name)
		}
	}
}
