//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"hullbeam/store/storetest"
)

// With few file descriptors streams are turned away before the system does it, and
// everybody else is still answered, though many connections say nothing.
func TestFewDescriptors(t *testing.T) {
	p := startProcessWith(t, "ulimit -n 200; exec \"$0\" \"$@\"", configured(t, "a secret", "one.example"),
		"--limits.tokens-per-address", "0", "--limits.header-timeout", "1m")
	if log := p.err.String(); !strings.Contains(log, "descriptors=200 streams=75 connections=25") {
		t.Errorf("the bounds are not logged:\n%s", log)
	}
	address := strings.TrimPrefix(p.URL, "http://")
	for range 300 { // more than there are descriptors
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, "G")
	}
	opened, shed := 0, 0
	for range 100 {
		status, body := p.ask("POST", "/api/v1/connectors/demo-1/token", "https://one.example", `{"claims":{"anonymous_id":"anon-0123456789abcdef"}}`)
		_, token, _ := strings.Cut(body, `"token":"`)
		token, _, _ = strings.Cut(token, `"`)
		if status != http.StatusCreated {
			t.Fatalf("token: got %d %s", status, body)
		}
		res, err := (&http.Transport{}).RoundTrip(mustRequest(t, p.URL+"/api/v1/stream?token="+token))
		if err != nil {
			t.Fatalf("stream: %v", err)
		}
		t.Cleanup(func() { res.Body.Close() })
		switch res.StatusCode {
		case http.StatusOK:
			opened++
		case http.StatusServiceUnavailable:
			shed++
			io.Copy(io.Discard, res.Body)
			if n, _ := strconv.Atoi(res.Header.Get("Retry-After")); n < 1 {
				t.Error("it is not said when to come back")
			}
		default:
			t.Errorf("stream: got %d", res.StatusCode)
		}
	}
	if opened != 75 || shed != 25 {
		t.Errorf("streams: got %d open and %d turned away, want 75 and 25", opened, shed)
	}
	storetest.Eventually(t, "it is ready", func() bool { status, _ := p.ask("GET", "/readyz", "", ""); return status == 200 })
	if strings.Contains(p.err.String(), "too many open files") {
		t.Errorf("it had no descriptors left:\n%s", p.err)
	}
}

func mustRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
