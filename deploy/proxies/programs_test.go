//go:build unix

package proxies

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hullbeam/internal/fronttest"
	"hullbeam/internal/proctest"
)

// A program is a proxy with its configuration of this directory.
type program struct {
	name, file string
	command    func(f *front) *exec.Cmd
	places     func(f *front) []edit // where it finds things on this machine
	compress   edit                  // compresses event streams too, at the place where a site has that for all
	page       edit                  // serves /page, whose script may see by what protocol things of its own host came
	timeout    edit                  // how long a silence may be: as it is shipped, and a form of it
	again      bool                  // while a node drains, some streams end before they begin, and are asked for again
	end        os.Signal             // ends it at once, with its workers
}

const page = "<!doctype html><title>page</title>"

// An edit is a change to a configuration, which has the old text.
type edit struct{ old, new string }

var nginx = program{
	name: "nginx", file: "nginx.conf",
	command: func(f *front) *exec.Cmd {
		f.write("main.conf", "daemon off; worker_processes 2; error_log "+f.dir+"/error.log; pid "+f.dir+"/pid;\n"+
			"events { worker_connections 1024; }\n"+
			"http {\n#global\naccess_log off;\ninclude "+f.dir+"/"+filepath.Base(f.file)+";\n}\n")
		return exec.Command("nginx", "-p", f.dir, "-c", f.dir+"/main.conf")
	},
	places: func(f *front) []edit {
		return []edit{{"listen 80;", "listen " + f.plain + ";"}, {"listen 443 ssl", "listen " + f.addr + " ssl"},
			{"/etc/nginx/tls/fullchain.pem", f.dir + "/cert.pem"}, {"/etc/nginx/tls/privkey.pem", f.dir + "/key.pem"},
			{"/var/log/nginx/", f.dir + "/"}}
	},
	compress: edit{"log_format hullbeam", "gzip on; gzip_types text/event-stream application/json; gzip_proxied any; gzip_min_length 1;\nlog_format hullbeam"},
	page:     edit{"  location = /metrics {", "  location = /page { default_type text/html; return 200 '" + page + "'; }\n  location = /metrics {"},
	timeout:  edit{"proxy_read_timeout 30s;", "proxy_read_timeout %s;"},
	end:      os.Interrupt,
}

var haproxy = program{
	name: "HAProxy", file: "haproxy.cfg",
	command: func(f *front) *exec.Cmd { return exec.Command("haproxy", "-db", "-f", f.dir+"/haproxy.cfg") },
	places: func(f *front) []edit {
		f.write("both.pem", f.read("cert.pem")+f.read("key.pem"))
		return []edit{{"bind :80", "bind " + f.plain}, {"bind :443 ssl crt /etc/haproxy/tls/beam.example.com.pem", "bind " + f.addr + " ssl crt " + f.dir + "/both.pem"},
			{"maxconn 20000", "maxconn 1000"}}
	},
	compress: edit{"  option dontlognull\n", "  option dontlognull\n  compression algo gzip\n  compression type text/event-stream application/json\n"},
	page:     edit{"  acl stream", "  http-request return status 200 content-type text/html string '" + page + "' if { path /page }\n  acl stream"},
	timeout:  edit{"timeout server 30s", "timeout server %s"},
	end:      os.Kill,
}

var caddy = program{
	name: "Caddy", file: "Caddyfile",
	command: func(f *front) *exec.Cmd {
		cmd := exec.Command("caddy", "run", "--config", f.dir+"/Caddyfile", "--adapter", "caddyfile")
		cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+f.dir, "XDG_CONFIG_HOME="+f.dir)
		return cmd
	},
	places: func(f *front) []edit {
		_, port, _ := net.SplitHostPort(f.plain)
		return []edit{
			{"beam.example.com {", "https://" + f.addr + " {\n\ttls " + f.dir + "/cert.pem " + f.dir + "/key.pem\n"},
			{"{\n\t# A stream's query", "{\n\tadmin off\n\thttp_port " + port + "\n\t# A stream's query"}}
	},
	compress: edit{"\tencode @compressed gzip", "\tencode gzip"},
	page:     edit{"\thandle /metrics {", "\thandle /page {\n\t\theader Content-Type text/html\n\t\trespond `" + page + "`\n\t}\n\thandle /metrics {"},
	timeout:  edit{"read_timeout 30s", "read_timeout %s"},
	again:    true,
	end:      os.Kill,
}

var programs = []program{nginx, haproxy, caddy}

// A front is a proxy that runs.
type front struct {
	t                *testing.T
	dir, addr, plain string
	pool             *x509.CertPool
	program
}

// start starts a proxy before two nodes, of which it is given the addresses, with its configuration as it is shipped, but for
// addresses, files and these edits.
func (p program) start(t *testing.T, nodes [2]string, edits ...edit) *front {
	t.Helper()
	f := &front{t, t.TempDir(), proctest.FreeAddr(t), proctest.FreeAddr(t), nil, p}
	f.pool = proctest.Certificate(t, f.dir, time.Now().Add(time.Hour))
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	edits = append(p.places(f), edits...)
	edits = append(edits, edit{"10.0.0.11:8082", nodes[0]}, edit{"10.0.0.12:8082", nodes[1]})
	for _, e := range edits {
		if !strings.Contains(conf, e.old) {
			t.Fatalf("%s has no %q", p.file, e.old)
		}
		conf = strings.ReplaceAll(conf, e.old, e.new)
	}
	f.write(filepath.Base(p.file), conf)
	f.run()
	return f
}

func (f *front) run() {
	f.t.Helper()
	cmd := f.command(f)
	if _, err := exec.LookPath(cmd.Path); err != nil {
		f.t.Fatalf("%v: ci/install.sh installs it", err)
	}
	out, err := os.Create(f.dir + "/output.log")
	if err != nil {
		f.t.Fatal(err)
	}
	defer out.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = f.dir, out, out
	fronttest.Start(f.t, cmd, f.end)
	if !proctest.Within(fronttest.Soon, func() bool { return f.answers(f.client(true, true)) }) {
		f.t.Fatalf("%s does not answer: %s", f.name, f.read("output.log"))
	}
}

// answers tells whether a node is reached through it.
func (f *front) answers(client *http.Client) bool {
	res, err := client.Get("https://" + f.addr + "/readyz")
	return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

// site is the proxy for one browser, which speaks HTTP/2, or HTTP/1.1.
func (f *front) site(http2 bool) *fronttest.Site {
	return &fronttest.Site{URL: "https://" + f.addr, Client: f.client(!http2, http2)}
}

func (f *front) client(http1, http2 bool) *http.Client {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(http1)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.pool}, Protocols: protocols, DisableCompression: true}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (f *front) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *front) read(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// logs is all that it has written of itself.
func (f *front) logs() string {
	f.t.Helper()
	files, _ := filepath.Glob(filepath.Join(f.dir, "*.log"))
	var text strings.Builder
	for _, file := range files {
		text.WriteString(f.read(filepath.Base(file)))
	}
	return text.String()
}
