package hull_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

// jsonOf is v as JSON.
func jsonOf(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// asked is a server that answers with status, and the request that it got last.
func asked(t *testing.T, status int) (*hull.Client, *atomic.Pointer[http.Request], *atomic.Pointer[[]byte]) {
	t.Helper()
	var request atomic.Pointer[http.Request]
	var body atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := must(io.ReadAll(r.Body))
		request.Store(r)
		body.Store(&text)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	client := newClient(t, func(cfg *hull.ClientConfig) { cfg.APIURL = server.URL })
	t.Cleanup(client.Close)
	return client, &request, &body
}

func TestPutStatus(t *testing.T) {
	noLeaks(t)
	client, request, body := asked(t, http.StatusOK)
	status := hull.Status{Status: hull.SeverityWarning, Messages: []string{"No whitelisted domains"}}
	if err := client.PutStatus(t.Context(), harbor, status); err != nil {
		t.Fatal(err)
	}
	r := request.Load()
	if r.Method != http.MethodPut || r.URL.Path != "/api/v1/"+connectorID+"/status" || r.URL.RawQuery != "" {
		t.Errorf("asked %s %s", r.Method, r.URL)
	}
	for name, want := range map[string]string{
		"Hull-App-Id": connectorID, "Hull-Access-Token": harbor.Secret, "Hull-Organization": harbor.Organization,
		"Content-Type": "application/json",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var want, got any
	if err := errors.Join(json.Unmarshal(readFixture(t, "rest/put-status-request.json"), &want), json.Unmarshal(*body.Load(), &got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestPutStatusFails(t *testing.T) {
	noLeaks(t)
	for _, test := range []struct {
		name   string
		status int
		want   error
	}{
		{"it was created", 201, nil},
		{"there is nothing to say", 204, nil},
		{"the secret is wrong", 401, hull.ErrRefused},
		{"the connector is gone", 404, hull.ErrNotFound},
		{"too many requests", 429, hull.ErrBusy},
		{"Hull fails", 500, hull.ErrUnavailable},
		{"a redirect is not followed", 307, hull.ErrRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, _, _ := asked(t, test.status)
			if err := client.PutStatus(t.Context(), harbor, hull.Status{}); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestA4PutStatusToNoHost(t *testing.T) {
	client := newClient(t, nil)
	defer client.Close()
	for _, organization := range []string{"", "127.0.0.1", "localhost:1/x", "evil.example/?", "a@b.example", "localhost"} {
		cred := harbor
		cred.Organization = organization
		if err := client.PutStatus(t.Context(), cred, hull.Status{}); !errors.Is(err, hull.ErrRefused) && !errors.Is(err, hull.ErrUnavailable) {
			t.Errorf("%q: %v", organization, err)
		}
	}
}

func TestE2PutStatusEnds(t *testing.T) {
	noLeaks(t)
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer server.Close()
	defer close(hold)
	client := newClient(t, func(cfg *hull.ClientConfig) { cfg.APIURL, cfg.LookupTimeout = server.URL, 100*time.Millisecond })
	defer client.Close()
	if err := client.PutStatus(t.Context(), harbor, hull.Status{}); !errors.Is(err, hull.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}
