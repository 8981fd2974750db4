package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hullbeam/doctor"
)

// What a page says of itself steers no terminal.
func TestPageSteersNoTerminal(t *testing.T) {
	var base string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "script-src 'none'")
		w.Write([]byte("<script src=\"http://e\u009b2J\u202evil/ship.js\" data-hull-endpoint=\"" + base + "\" data-hull-id=\"c\"></script>"))
	}))
	defer site.Close()
	base = site.URL
	cfg := doctor.DefaultConfig()
	cfg.URL, cfg.Page, cfg.Timeout = site.URL, site.URL, 10*time.Second
	report, err := doctor.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.WriteText(&text, false); err != nil || strings.ContainsAny(text.String(), "\u009b\u202e") {
		t.Errorf("%v: %q", err, text.String())
	}
}
