//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

// putCertificate writes a certificate for 127.0.0.1 that signs itself, good until then.
func putCertificate(t *testing.T, dir string, until time.Time) *x509.CertPool {
	t.Helper()
	return proctest.Certificate(t, dir, until)
}

// client trusts the certificates of pool, and speaks HTTP/2 or HTTP/1.1.
func client(t *testing.T, pool *x509.CertPool, http2 bool) *http.Client {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func startTLS(t *testing.T, until time.Time) (p *process, dir string, pool *x509.CertPool) {
	t.Helper()
	dir = configured(t, "a secret", "one.example")
	pool = putCertificate(t, dir, until)
	p = startProcess(t, dir, "--tls.cert-file", "cert.pem", "--tls.key-file", "key.pem", "--admin-listen", "127.0.0.1:0", "--stream.drain", "1s")
	if !strings.HasPrefix(p.URL, "https://127.0.0.1:") {
		t.Fatalf("it is at %s", p.URL)
	}
	return p, dir, pool
}

// A stream over TLS opens, gets what its page is to be told, and ends with the node.
func TestStreamsOverTLS(t *testing.T) {
	for version, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(version, func(t *testing.T) {
			p, _, pool := startTLS(t, time.Now().Add(365*24*time.Hour))
			c := client(t, pool, http2)
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			ask := func(method, path, body string) *http.Response {
				req, err := http.NewRequestWithContext(ctx, method, p.URL+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Origin", "https://one.example")
				req.Header.Set("Content-Type", "application/json")
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { res.Body.Close() })
				return res
			}
			var got struct{ Token string }
			res := ask("POST", "/api/v1/connectors/demo-1/token", `{"claims":{"anonymous_id":"anon-0123456789abcdef"}}`)
			if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.Proto != version {
				t.Fatalf("a token: %v, over %s, want %s", err, res.Proto, version)
			}
			res = ask("GET", "/api/v1/stream?token="+got.Token, "")
			lines := bufio.NewReader(res.Body)
			for _, want := range []string{"room.joined", "cache.miss"} {
				until(t, lines, want)
			}
			p.cmd.Process.Signal(syscall.SIGTERM)
			until(t, lines, "event: close")
			if _, err := io.Copy(io.Discard, lines); err != nil {
				t.Errorf("the stream does not end well: %v", err)
			}
		})
	}
}

func until(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no %q: %v", want, err)
		}
		if strings.Contains(line, want) {
			return
		}
	}
}

// A certificate that has been replaced is served without a restart; one that cannot be
// read is not, and is told of; so is one that is about to expire.
func TestCertificateIsReadAgain(t *testing.T) {
	p, dir, first := startTLS(t, time.Now().Add(24*time.Hour))
	answers := func(pool *x509.CertPool) bool {
		res, err := client(t, pool, false).Get(p.URL + "/healthz")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil
	}
	if !answers(first) || !strings.Contains(p.err.String(), "about to expire") {
		t.Errorf("it does not answer, or does not say that the certificate is about to expire:\n%s", p.err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "it says that it cannot be read", func() bool { return strings.Contains(p.err.String(), "cannot be read again") })
	if !answers(first) {
		t.Error("the certificate before does not stay")
	}
	second := putCertificate(t, dir, time.Now().Add(365*24*time.Hour))
	storetest.Eventually(t, "the new one is served", func() bool { return answers(second) })
	if answers(first) {
		t.Error("the old one is still served")
	}
}

// The metric tells when the certificate that is served expires.
func TestCertificateMetric(t *testing.T) {
	dir, ends := t.TempDir(), time.Now().Add(48*time.Hour)
	putCertificate(t, dir, ends)
	c, err := readCertificate("listen", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	metric := c.Metrics()[0]
	if got := testutil.ToFloat64(metric); got != float64(ends.Unix()) {
		t.Errorf("got %f, want %d", got, ends.Unix())
	}
	ends = ends.Add(time.Hour)
	putCertificate(t, dir, ends)
	if _, err := c.read(); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(metric); got != float64(ends.Unix()) {
		t.Errorf("once it was read again: got %f, want %d", got, ends.Unix())
	}
}

// What is older than TLS 1.2 is not spoken, and neither is plain HTTP.
func TestOldTLS(t *testing.T) {
	p, _, pool := startTLS(t, time.Now().Add(365*24*time.Hour))
	addr := strings.TrimPrefix(p.URL, "https://")
	for version, wanted := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, MinVersion: version, MaxVersion: version})
		if (err == nil) != wanted {
			t.Errorf("%s: got %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
	res, err := http.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: got %d", res.StatusCode)
	}
}

// What does not go together is refused at start.
func TestRefusedInTransit(t *testing.T) {
	secret := "SECRET=" + strings.Repeat("x", 32)
	for text, environ := range map[string][]string{
		"tls.key_file":                      {secret, "HULLBEAM_TLS_CERT_FILE=cert.pem"},
		"tls.admin_key_file":                {secret, "HULLBEAM_TLS_ADMIN_KEY_FILE=key.pem"},
		"it needs admin_listen":             {secret, "HULLBEAM_TLS_ADMIN_KEY_FILE=key.pem", "HULLBEAM_TLS_ADMIN_CERT_FILE=cert.pem"},
		"out of range with tls":             {secret, "HULLBEAM_TLS_KEY_FILE=key.pem", "HULLBEAM_TLS_CERT_FILE=cert.pem", "HULLBEAM_PUBLIC_URL=http://a.example"},
		"tls.cert_file: without a secret":   {"HULLBEAM_TLS_KEY_FILE=key.pem", "HULLBEAM_TLS_CERT_FILE=cert.pem"},
		"admin_listen: without a secret":    {"HULLBEAM_ADMIN_LISTEN=127.0.0.1:0"},
		"trusted_proxies: without a secret": {"HULLBEAM_TRUSTED_PROXIES=10.0.0.1"},
		"KUBERNETES_SERVICE_HOST is set":    {"KUBERNETES_SERVICE_HOST=10.0.0.1"},
		"DYNO is set":                       {"DYNO=web.1"},
		"systemd has started it":            {fmt.Sprintf("SYSTEMD_EXEC_PID=%d", os.Getpid())},
	} {
		if _, _, err := LoadConfig("", environ, noFlags()); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v, want %s", environ, err, text)
		}
	}
	for _, environ := range [][]string{
		{"KUBERNETES_SERVICE_HOST=10.0.0.1", "CI=true"}, {"INVOCATION_ID=a"}, {"SYSTEMD_EXEC_PID=1"}, {secret, "DYNO=web.1"},
	} {
		if _, _, err := LoadConfig("", environ, noFlags()); err != nil {
			t.Errorf("%q: got %v", environ, err)
		}
	}
	if sign := productionSign(nil, 1); !strings.Contains(sign, "process 1") {
		t.Errorf("process 1: got %q", sign)
	}
}
