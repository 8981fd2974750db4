//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hullbeam/doctor"
	"hullbeam/internal/proctest"
)

var discardLog = log.New(io.Discard, "", 0)

// What is no Hullbeam, or nothing at all, is said so, in time, and nothing that it says steers
// the terminal.
func TestDoctorStrangers(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}
	var patients []patient
	for name, handler := range map[string]http.HandlerFunc{
		"another server": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
		"a terminal's enemy": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			fmt.Fprint(w, `{"code": "forbidden", "detail": "\u001b[2J\u202egolem"}`)
		},
		"an answer without end": endless,
		"a silent server":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a head without end": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 5000 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 64))
			}
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://beam.test/?token=eyJsecret", http.StatusMovedPermanently)
		},
		"a broken gateway": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		t.Cleanup(server.CloseClientConnections)
		patients = append(patients, patient{name, func(c *doctor.Config) { c.URL, c.Patience = server.URL, time.Second }, []string{"reach"}})
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	patients = append(patients,
		patient{"nothing", func(c *doctor.Config) { c.URL = "http://" + proctest.FreeAddr(t) }, []string{"reach"}},
		patient{"who accepts and says nothing", func(c *doctor.Config) { c.URL, c.Patience = "https://"+silent.Addr().String(), time.Second }, []string{"reach"}},
	)
	for name, report := range examineAll(t, patients...) {
		if found := report.Findings(); len(found) > 0 && strings.ContainsAny(found[0].Seen, "\x1b\u202e") {
			t.Errorf("%s: said %q", name, found[0].Seen)
		}
	}
	t.Run("who says events without end", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(babbler))
		t.Cleanup(server.Close)
		t.Cleanup(server.CloseClientConnections)
		began := time.Now()
		report := examine(t, func(c *doctor.Config) {
			c.URL, c.Timeout, c.Patience, c.AdminKey = server.URL, 3*time.Second, time.Second, ""
		})
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if left := results(report, doctor.Unchecked); !strings.Contains(fmt.Sprint(left), "idle") {
			t.Errorf("not checked: %v", left)
		}
	})
}

// babbler answers nearly as Hullbeam does, and its stream never ends.
func babbler(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/token"):
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":"t","stream_url":"http://%s/api/v1/stream","expires_at":"2999-01-01T00:00:00Z","topics":["a"]}`, r.Host)
	case r.URL.Query().Get("token") == "t":
		h.Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: room.joined\ndata: {\"heartbeat_ms\":9000000000}\n\n")
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, "event: user.update\ndata: {}\n\n"); err != nil {
				return
			}
		}
	default:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":"token_invalid"}`)
	}
}

// The command: against a server in development mode it needs no words, and its exit code says
// whether something was found.
func TestDoctorCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProcess(t, dir, "--stream.heartbeat", "1s")
	command := func(args ...string) (code int, out, err string) {
		var o, e strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		code = run(ctx, append([]string{"doctor", "--data-dir", filepath.Join(dir, "data")}, args...), stdio{nil, &o, &e})
		return code, o.String(), e.String()
	}
	code, out, errs := command(p.URL)
	if code != exitOK || !strings.Contains(out, "findings: 0,") || strings.Contains(out, "\x1b") {
		t.Errorf("got %d\n%s%s", code, out, errs)
	}
	code, out, _ = command(p.URL, "--origin", "https://elsewhere.test", "--json")
	if code != exitFailed || !strings.Contains(out, `"check": "origin"`) || !strings.Contains(out, `"status": "fail"`) {
		t.Errorf("got %d\n%s", code, out)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{}, {"one", "two"}, {"ftp://a"}, {"http://user:password@a"}, {"http://a?b"}, {p.URL, "--idle", "3m"}, {p.URL, "--patience", "1ms"},
		{p.URL, "--admin-key-file", empty}, {p.URL, "--admin-key-file", empty + "s"}, {p.URL, "--page", "page"}, {p.URL, "--wrong"},
		{"http://beam.example.com", "--admin-key", "the password of an operator"}, {"https://beam.example.com", "--admin-url", "http://203.0.113.7", "--admin-key", "the password of an operator"},
	} {
		if code, out, errs := command(args...); code != exitUsage || out != "" || strings.Contains(errs, "password") {
			t.Errorf("%v: got %d\n%s%s", args, code, out, errs)
		}
	}
}
