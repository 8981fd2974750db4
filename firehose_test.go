package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A node that stops sends the page views that it has taken.
func TestStopSendsPageViews(t *testing.T) {
	sent := make(chan string, 10)
	hull := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent <- r.URL.Path + " " + string(body)
	}))
	defer hull.Close()
	dir := t.TempDir()
	config := `
secret: [a secret of thirty-two characters and more]
hull: {api_url: "` + hull.URL + `"}
connectors:
  - {id: c, organization: acme.hullapp.io, secret: s, private_settings: {whitelisted_domains: [www.example.com], track_page_views: true}}
`
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, dir)
	status, answer := p.ask("POST", "/api/v1/connectors/c/token", "https://www.example.com",
		`{"claims":{"anonymous_id":"anon-0123456789abcdef"},"page":{"url":"https://www.example.com/pricing"}}`)
	if status != http.StatusCreated {
		t.Fatalf("token: %d %s", status, answer)
	}
	p.cmd.Process.Signal(os.Interrupt)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("got %v\n%s", err, p.err)
	}
	select {
	case got := <-sent:
		if !strings.HasPrefix(got, "/api/v1/firehose ") || !strings.Contains(got, `"url":"https://www.example.com/pricing"`) {
			t.Errorf("got %s", got)
		}
	default:
		t.Errorf("nothing was sent\n%s", p.err)
	}
}
