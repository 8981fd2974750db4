//go:build unix

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hullbeam/doctor"
	"hullbeam/internal/proctest"
)

// doctorNginx has a location for each fault, and servers for those that are not of a location.
// Locations see their own part of the path taken away.
const doctorNginx = `
worker_processes 1;
error_log stderr warn;
events { worker_connections 512; }
http {
  access_log off;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  server {
    listen HEALTHY ssl http2;
    large_client_header_buffers 4 16k;
    location /healthy/ { proxy_pass NODE/; }
    location /buffers/ { proxy_pass NODE/; proxy_ignore_headers X-Accel-Buffering; }
    location /compresses/ { proxy_pass NODE/; gzip on; gzip_types *; }
    location /cuts/ { proxy_pass NODE/; }
    location = /cuts/api/v1/stream { proxy_pass NODE/api/v1/stream; proxy_read_timeout 1500ms; }
    location /says-nothing-of-https/ {
      proxy_pass NODE/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
    location /drops-arguments/ { proxy_pass NODE/; }
    location = /drops-arguments/api/v1/stream { set $bare /api/v1/stream; proxy_pass NODE$bare; }
  }
  server { listen OLD ssl; location / { proxy_pass NODE; } }
  server { listen NARROW ssl http2; large_client_header_buffers 4 4k; location / { proxy_pass NODE; } }
  server { listen NOBODY ssl http2; location / { proxy_pass http://127.0.0.1:9; } }
}
`

// startDoctorNginx starts nginx with TLS before a node. Its servers are at.
func startDoctorNginx(t *testing.T, node string, at map[string]string) *x509.CertPool {
	t.Helper()
	dir := t.TempDir()
	pool := putCertificate(t, dir, time.Now().Add(90*24*time.Hour))
	conf := strings.ReplaceAll(doctorNginx, "NODE", node)
	for name, address := range at {
		conf = strings.ReplaceAll(conf, name, strings.TrimPrefix(address, "https://"))
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("%v: ci/install.sh installs it", err)
	}
	log := &lockedBuffer{}
	nginx := exec.Command(path, "-p", dir, "-c", file, "-g", "daemon off; pid "+filepath.Join(dir, "pid")+";")
	nginx.Stderr = log
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nginx.Process.Signal(os.Interrupt) // with its workers
		nginx.Wait()
		if t.Failed() {
			t.Logf("nginx:\n%s", log)
		}
	})
	listens := func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(at["HEALTHY"], "https://"))
		return err == nil && c.Close() == nil
	}
	if !proctest.Within(30*time.Second, listens) {
		t.Fatalf("nginx does not listen:\n%s", log)
	}
	return pool
}

// Behind a real nginx with TLS and HTTP/2 all is well, and nginx' own faults are found.
func TestDoctorNginx(t *testing.T) {
	t.Parallel()
	at := map[string]string{}
	for _, name := range []string{"HEALTHY", "OLD", "NARROW", "NOBODY"} {
		at[name] = "https://" + proctest.FreeAddr(t)
	}
	node := startDoctored(t, "", at["HEALTHY"], "--stream.heartbeat", "3s")
	pool := startDoctorNginx(t, node.address, at)
	var patients []patient
	for path, want := range map[string][]string{
		"healthy":               nil,
		"buffers":               {"buffering"},
		"compresses":            {"compression"},
		"cuts":                  {"idle"},
		"says-nothing-of-https": {"forwarded"},
		"drops-arguments":       {"query"},
	} {
		patients = append(patients, patient{path, func(c *doctor.Config) {
			if c.URL, c.RootCAs = at["HEALTHY"]+"/"+path, pool; path == "buffers" {
				c.Patience = held
			}
		}, want})
	}
	for server, want := range map[string]string{"OLD": "http2", "NARROW": "request_line", "NOBODY": "reach"} {
		patients = append(patients, patient{server, func(c *doctor.Config) { *c = doctor.DefaultConfig(); c.URL, c.RootCAs = at[server], pool }, []string{want}})
	}
	patients = append(patients, patient{"of an authority that is not known", func(c *doctor.Config) { c.URL = at["HEALTHY"] }, []string{"certificate"}})
	reports := examineAll(t, patients...)
	if left := results(reports["healthy"], doctor.Unchecked); fmt.Sprint(left) != "[page csp]" {
		t.Errorf("not checked: %v", left)
	}
}

// Certificates that browsers refuse, or soon will.
func TestDoctorCertificates(t *testing.T) {
	t.Parallel()
	refusing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		w.Write([]byte(`{"code":"token_invalid"}`))
	})
	for name, row := range map[string]struct {
		until time.Time
		host  string
		seen  string
	}{
		"has expired":         {time.Now().Add(-time.Minute), "127.0.0.1", "expired"},
		"expires soon":        {time.Now().Add(50 * time.Hour), "127.0.0.1", "expires in 50h"},
		"is for another name": {time.Now().Add(900 * time.Hour), "localhost", "another name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pool := putCertificate(t, dir, row.until)
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(refusing)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			server.EnableHTTP2 = true
			server.Config.ErrorLog = discardLog
			server.StartTLS()
			t.Cleanup(server.Close)
			report := examine(t, func(c *doctor.Config) {
				*c = doctor.DefaultConfig()
				c.URL, c.RootCAs = strings.Replace(server.URL, "127.0.0.1", row.host, 1), pool
			})
			for _, f := range report.Findings() {
				if f.Check == "certificate" && strings.Contains(f.Seen, row.seen) {
					t.Logf("%s → %s", name, f.Seen)
					return
				}
			}
			t.Errorf("not found: %+v", report.Findings())
		})
	}
}
