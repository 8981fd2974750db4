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

// A proxy that refuses the stream and holds back why does not hold up the doctor.
func TestRefusalWithoutEnd(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"token": "t"}`)
		case r.URL.Query().Get("token") == "t":
			w.WriteHeader(http.StatusServiceUnavailable)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"code": "token_invalid"}`)
		}
	}))
	defer proxy.Close()
	cfg := doctor.DefaultConfig()
	cfg.URL, cfg.Connector, cfg.Patience, cfg.Timeout = proxy.URL, "c", time.Second, 30*time.Second
	report, err := doctor.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Results, func(r doctor.Result) bool { return r.Check == "stream" })
	if i < 0 || report.Results[i].Status != doctor.Fail || !strings.Contains(report.Results[i].Seen, "503") {
		t.Errorf("got %+v", report.Results)
	}
}
