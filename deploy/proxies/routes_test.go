//go:build unix

package proxies

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hullbeam/internal/fronttest"
)

// What proxies do beside streams, before nodes that repeat what they are asked.
func TestRoutes(t *testing.T) {
	t.Parallel()
	var nodes [2]string
	for i := range nodes {
		s := httptest.NewServer(http.HandlerFunc(repeat))
		t.Cleanup(s.Close)
		nodes[i] = s.Listener.Addr().String()
	}
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			f := p.start(t, nodes)
			site := f.site(true)
			said := "127.0.0.1 https 127.0.0.1" // and not 192.0.2.1, which the client says of itself
			if _, text := site.Post(t, "/api/v1/connectors/c/token", `{"claims":{}}`); text != said+` {"claims":{}}` {
				t.Errorf("the node is asked for a token as %s, want %s", text, said)
			}
			if res, text := site.Post(t, "/smart-notifier", strings.Repeat(" ", 21<<20)); len(text) != len(said)+1+21<<20 {
				t.Errorf("a notification of 21 MiB is answered %s, with %d bytes", res.Status, len(text))
			}
			if res, err := site.Get(t.Context(), strings.Repeat("t", 7<<10), ""); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("with a token as long as it may be the stream is answered %v, %v", res, err)
			}
			if got := status(t, site.Client, site.URL+"/metrics"); got != "404" {
				t.Errorf("/metrics is answered %s", got)
			}
			if got, want := status(t, fronttest.Apart, "http://"+f.plain+"/ship.js"), "308 https://127.0.0.1"; !strings.HasPrefix(got, want) {
				t.Errorf("in clear it is answered %s, want %s", got, want)
			}
		})
	}
}

func repeat(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	host, _, _ := strings.Cut(r.Host, ":")
	fmt.Fprintf(w, "%s %s %s %s", strings.Join(r.Header["X-Forwarded-For"], ", "), r.Header.Get("X-Forwarded-Proto"), host, body)
}

// status is the status of an answer, and where it leads.
func status(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	stay := *client
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := stay.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location")))
}
