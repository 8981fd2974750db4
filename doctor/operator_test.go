package doctor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hullbeam/doctor"
)

// Of a node with admin_listen that is asked for operators' routes where pages ask, it says
// which flag is missing.
func TestAdminListen(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, code := http.StatusNotFound, "not_found"
		if r.URL.Path == "/api/v1/stream" {
			status, code = http.StatusUnauthorized, "token_invalid"
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code": %q, "detail": "It is so."}`, code)
	}))
	defer node.Close()
	cfg := doctor.DefaultConfig()
	cfg.URL, cfg.AdminKey, cfg.Timeout = node.URL, "an operators' key of the tests", 10*time.Second
	report, err := doctor.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Results, func(r doctor.Result) bool { return r.Check == "forwarded" })
	if i < 0 || !strings.Contains(report.Results[i].Seen, "--admin-url") {
		t.Errorf("got %+v", report.Results)
	}
}
