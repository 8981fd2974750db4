//go:build unix

package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

// The node of a configuration is found where it listens, and judged by what it answers.
func TestHealthcheck(t *testing.T) {
	t.Setenv("SECRET", "a secret of more than thirty-two characters")
	t.Setenv("PORT", "")
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	certificates := t.TempDir()
	putCertificate(t, certificates, time.Now().Add(time.Hour))
	cert, key := filepath.Join(certificates, "cert.pem"), filepath.Join(certificates, "key.pem")
	addr, adminAddr := proctest.FreeAddr(t), proctest.FreeAddr(t)
	everywhere := ":" + addr[strings.LastIndex(addr, ":")+1:]

	for _, node := range []struct {
		name  string
		serve []string // nil: no node
		asks  []ask
	}{
		{"no node", nil, []ask{
			does(exitFailed, "refused", "--listen", addr),
			does(exitFailed, "does not answer in time", "--listen", deaf.Addr().String(), "--timeout", "100ms"),
			does(exitFailed, "refused", "http://"+addr),
			does(exitUsage, "port 0", "--listen", "127.0.0.1:0"),
			does(exitUsage, "out of range", "--secret", "short"),
			does(exitUsage, "without a path", "http://"+addr+"/readyz"),
			does(exitUsage, "--timeout", "--timeout", "0s"),
			does(exitUsage, "takes [URL]", "http://a", "http://b"),
		}},
		{"a node at all addresses", []string{"--listen", everywhere}, []ask{
			does(exitOK, "ready", "--listen", everywhere),
			does(exitOK, "ok", "--listen", everywhere, "--live"),
			does(exitOK, "ready", "http://"+addr),
		}},
		{"a node with TLS, and an address for operators", []string{"--listen", addr, "--admin-listen", adminAddr, "--tls.cert-file", cert, "--tls.key-file", key}, []ask{
			does(exitOK, "ready", "--listen", addr, "--tls.cert-file", cert, "--tls.key-file", key),
			does(exitOK, "ready", "--listen", "127.0.0.1:1", "--admin-listen", adminAddr, "--tls.cert-file", cert, "--tls.key-file", key),
			does(exitFailed, "certificate", "https://"+addr),
			does(exitFailed, "400", "http://"+addr),
		}},
		{"a node without its Redis", []string{"--listen", addr, "--redis-url", "redis://127.0.0.1:1"}, []ask{
			does(exitFailed, "503 Service Unavailable The store was not in reach yet", "--listen", addr),
			does(exitOK, "ok", "--listen", addr, "--live"),
		}},
	} {
		t.Run(node.name, func(t *testing.T) {
			dir := t.TempDir()
			if node.serve != nil {
				config := filepath.Join(dir, "config.yaml")
				if err := os.WriteFile(config, []byte("secret: [a secret of more than thirty-two characters]"), 0o600); err != nil {
					t.Fatal(err)
				}
				startProcess(t, dir, node.serve...)
			}
			for _, ask := range node.asks {
				var out bytes.Buffer
				code := run(t.Context(), append([]string{"healthcheck"}, ask.args...), stdio{nil, &out, &out})
				if code != ask.code || !strings.Contains(out.String(), ask.says) {
					t.Errorf("healthcheck %q: exit code %d, %q; want %d, %q", ask.args, code, &out, ask.code, ask.says)
				}
			}
		})
	}
}

// ask is a healthcheck, and what is to come of it.
type ask struct {
	code int
	says string
	args []string
}

func does(code int, says string, args ...string) ask { return ask{code, says, args} }
