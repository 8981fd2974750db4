package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/bench"
)

func config(url string) bench.Config {
	cfg := bench.DefaultConfig()
	cfg.URLs = []string{url}
	cfg.AdminKey = "key"
	cfg.Drain = 200 * time.Millisecond
	cfg.Sign = func(id string) http.Header { return http.Header{"X-Signed": {id}} }
	cfg.Configuration = json.RawMessage(`{"id":"demo","organization":"demo.hullapp.io","secret":"s3cr3t"}`)
	return cfg
}

var (
	hold    = bench.Hold{Steps: []int{5, 20}}
	fanout  = bench.Fanout{Streams: 20, Messages: 10, Size: 100}
	unicast = bench.Unicast{Streams: 20, Rate: 500, Duration: 200 * time.Millisecond, P99: time.Second, Via: bench.ViaNotifications, Batch: 5, Size: 64, Connections: 3, NewUsers: true}
	users   = bench.Unicast{Streams: 20, Rate: 500, Duration: 200 * time.Millisecond, P99: time.Second, Via: bench.ViaUsers, Batch: 1, Size: 64, Connections: 3, NewUsers: true}
	notify  = bench.Notifications{Streams: 20, Count: 20, Batch: 5, Size: 64, Connections: 3, NewUsers: true}
	churn   = bench.Churn{Rate: 200, Duration: 100 * time.Millisecond, Parallel: 10}
	slow    = bench.Slow{Streams: 10, Size: 1000, Rate: 200, Duration: 100 * time.Millisecond, ReceiveBuffer: 4096}
	views   = bench.Views{Count: 1500, Visitors: 20, Regulars: 1, RegularViews: 700, Connections: 4, Reads: 2}
	siege   = bench.Siege{Connections: 6, Every: 50 * time.Millisecond, Streams: 4, UpdateRate: 200, Size: 32 << 10, Rate: 20, Duration: 500 * time.Millisecond, Patience: 20 * time.Second, ReceiveBuffer: 4096}
	live    = bench.Live{Visitors: 10, Every: 100 * time.Millisecond, Duration: 500 * time.Millisecond, Connections: 4}
)

func run(t *testing.T, cfg bench.Config, s bench.Scenario) *bench.Result {
	t.Helper()
	r, err := bench.Run(t.Context(), cfg, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func metric(t *testing.T, r *bench.Result, name string) float64 {
	t.Helper()
	i := slices.IndexFunc(r.Metrics, func(m bench.Metric) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no %s in %+v", name, r.Metrics)
	}
	return r.Metrics[i].Value
}

// Every scenario against a server that does what it should.
func TestScenarios(t *testing.T) {
	onceMore := churn
	onceMore.Rate, onceMore.TokenOnce, onceMore.Duration = 0, true, time.Second
	paced := fanout
	paced.Interval = 5 * time.Millisecond
	updates := slow
	updates.Updates, updates.Via = true, bench.ViaUsers
	plain := live
	plain.Plain = true
	for _, test := range []struct {
		name     string
		scenario bench.Scenario
		metric   string
		want     float64 // at least
	}{
		{"hold", hold, "streams", 20},
		{"fanout", fanout, "delivered", 200},
		{"fanout at a pace", paced, "delivered", 200},
		{"unicast via notifications", unicast, "delivered", 90},
		{"unicast via users", users, "delivered", 90},
		{"notifications", notify, "delivered", 90},
		{"churn", churn, "opened", 20},
		{"churn as fast as possible", onceMore, "opened", float64(onceMore.Parallel + 1)}, // each is followed by another
		{"slow", slow, "delivered_to_others", 9 * 20},
		{"slow with updates", updates, "came_back_events", 1},
		{"views", views, "views", 1500},
		{"live", live, "events_per_s", 50},
		{"live without compression", plain, "events_per_s", 50},
		{"siege", siege, "held", 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, url := startFake(t, "")
			var progress bytes.Buffer
			cfg := config(url)
			cfg.Progress, cfg.Threads = &progress, 2
			if test.name == "siege" {
				cfg.PIDs = []int{1 << 30} // nobody's: the memory of this process is that of all tests
			}
			r := run(t, cfg, test.scenario)
			if got := metric(t, r, test.metric); got < test.want || !r.Passed() {
				t.Errorf("%s: got %v, want %v; %+v", test.metric, got, test.want, r)
			}
			text, err := json.Marshal(r)
			if err != nil || bytes.Contains(text, []byte("s3cr3t")) || bytes.Contains(text, []byte(`"key"`)) {
				t.Errorf("%v: a secret is in %s", err, text)
			}
		})
	}
}

// What is wrong with a server is seen, and named.
func TestFaultsAreSeen(t *testing.T) {
	for _, test := range []struct {
		fault    string
		scenario bench.Scenario
		want     string // of Failures or Limited
	}{
		{"lose", fanout, "deliveries were lost"},
		{"twice", fanout, "arrived twice"},
		{"lose", unicast, "did not get the latest state"},
		{"twice", unicast, "arrived twice"},
		{"back", unicast, "older version"},
		{"refuse", unicast, "were not taken"},
		{"lose", notify, "did not get the latest state"},
		{"limit", hold, "limits.tokens_per_address"},
		{"limit", churn, "limits.tokens_per_address"},
		{"lose", views, "views of a regular are in the history"},
		{"refuse", views, "limits.pages_per_visitor"},
		{"lose", live, "the operator does not know the page"},
		{"old", live, "the operator does not know the page"},
		{"back", live, "older page than before"},
		{"refuse", live, "were not taken"},
		{"patient", siege, "all are gone"},
		{"refuse", siege, "visitors were not served"},
	} {
		t.Run(fmt.Sprintf("%s, %T", test.fault, test.scenario), func(t *testing.T) {
			t.Parallel()
			_, url := startFake(t, test.fault)
			r := run(t, config(url), test.scenario)
			if all := strings.Join(slices.Concat(r.Failures, r.Limited), "; "); r.Passed() || !strings.Contains(all, test.want) {
				t.Errorf("got %q, want %q", all, test.want)
			}
		})
	}
}

// A notification that is to be sent again is sent again, and nothing is lost.
func TestRetry(t *testing.T) {
	_, url := startFake(t, "retry")
	n := notify
	n.Count = 8
	if r := run(t, config(url), n); !r.Passed() || metric(t, r, "asked_to_retry") < 1 {
		t.Errorf("got %+v", r)
	}
}

func TestSearchTriesRates(t *testing.T) {
	_, url := startFake(t, "")
	u := unicast
	u.Search, u.P99, u.Duration = true, time.Nanosecond, 10*time.Millisecond // never passes
	r := run(t, config(url), u)
	if len(r.Steps) < 3 || r.Passed() || metric(t, r, "best_rate") != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestWhatCannotBeRun(t *testing.T) {
	_, url := startFake(t, "")
	for _, test := range []struct {
		name string
		url  string
		s    bench.Scenario
		want string
	}{
		{"TLS", "https://127.0.0.1:1", hold, "plain http://"},
		{"no URL", "127.0.0.1:8082", hold, "127.0.0.1"},
		{"nobody there", "http://127.0.0.1:1", hold, "refused"},
		{"too many", url, bench.Hold{Steps: []int{20000}}, "19800"},
		{"steps that shrink", url, bench.Hold{Steps: []int{20, 10}}, "each step has more"},
		{"a batch of one user twice", url, bench.Notifications{Streams: 5, Count: 1, Batch: 6, Size: 64, Connections: 1}, "another user"},
		{"regulars who look at more than all", url, bench.Views{Count: 10, Visitors: 1, Regulars: 2, RegularViews: 5, Connections: 1, Reads: 1}, "at most half of count"},
		{"nobody who goes from page to page", url, bench.Live{Every: 1, Duration: 1, Connections: 1}, "visitors is 1 or more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := bench.Run(t.Context(), config(test.url), test.s, 1); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bench.Run(ctx, config(url), hold, 1); err == nil {
		t.Error("it ran though it was stopped")
	}
}

// Results are written, read, joined, compared and drawn.
func TestResults(t *testing.T) {
	_, url := startFake(t, "")
	dir := t.TempDir()
	files := map[string]*bench.Result{}
	for name, s := range map[string]bench.Scenario{"hold": hold, "fanout": fanout} {
		r, err := bench.Run(t.Context(), config(url), s, 3)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".json")
		if err := r.Write(path); err != nil {
			t.Fatal(err)
		}
		if files[name], err = bench.Read(path); err != nil {
			t.Fatal(err)
		}
		if m := files[name].Metrics[0]; files[name].Runs != 3 || m.Min == nil || *m.Min > m.Value || *m.Max < m.Value {
			t.Errorf("got %+v", files[name])
		}
		var table bytes.Buffer
		if err := r.Print(&table); err != nil || !strings.Contains(table.String(), "medians of 3 runs") {
			t.Errorf("got %v, %s", err, &table)
		}
		table.Reset()
		if err := bench.Compare(&table, r, files[name]); err != nil || !strings.Contains(table.String(), "1.00") {
			t.Errorf("got %v, %s", err, &table)
		}
		two := []*bench.Result{r, files[name]}
		if err := bench.Plot(filepath.Join(dir, name+".svg"), []string{"a", "b"}, two); err != nil {
			t.Error(err)
		}
		if err := bench.Plot(filepath.Join(dir, name+".png"), []string{"a", "b"}, two); err != nil {
			t.Error(err)
		}
		checkSVG(t, filepath.Join(dir, name+".svg"))
		checkPNG(t, filepath.Join(dir, name+".png"))
	}
	if err := bench.Compare(io.Discard, files["hold"], files["fanout"]); err == nil {
		t.Error("different scenarios were compared")
	}
	if err := bench.Plot(filepath.Join(dir, "x.gif"), []string{"a"}, []*bench.Result{files["hold"]}); err == nil {
		t.Error("a .gif was drawn")
	}
	if _, err := bench.Read(filepath.Join(dir, "hold.svg")); err == nil {
		t.Error("a plot was read as a result")
	}
}

func checkSVG(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	elements := 0
	for d := xml.NewDecoder(bytes.NewReader(text)); ; elements++ {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if elements < 20 || !bytes.Contains(text, []byte("<svg")) {
		t.Errorf("%s has %d elements", path, elements)
	}
}

func checkPNG(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := png.Decode(f)
	if err != nil || image.Bounds().Dx() < 500 {
		t.Errorf("%s: %v", path, err)
	}
}

// An opening that hangs is a failure, and not a slower rate.
func TestChurnThatHangs(t *testing.T) {
	_, handler := newFake(t, "")
	var asked atomic.Int64
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && asked.Add(1) == 10 {
			<-over
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		close(over)
		server.CloseClientConnections()
		server.Close()
	})
	cfg := config(server.URL)
	cfg.Drain = 2 * time.Second // the wait for it must not count
	r := run(t, cfg, bench.Churn{Rate: 200, Duration: 200 * time.Millisecond, Parallel: 20})
	if r.Passed() || metric(t, r, "failed") != 1 || metric(t, r, "opened") != 39 || metric(t, r, "opens_per_s") < 100 {
		t.Errorf("%v %+v", r.Failures, r.Metrics)
	}
}

// Connections that the server has closed meanwhile are not used again.
func TestConnectionsGoStale(t *testing.T) {
	_, handler := newFake(t, "")
	server := httptest.NewUnstartedServer(handler)
	server.Config.IdleTimeout = 50 * time.Millisecond
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	if r := run(t, config(server.URL), bench.Hold{Steps: []int{10, 20}, Hold: 200 * time.Millisecond}); !r.Passed() {
		t.Errorf("%v %v", r.Failures, r.Notes)
	}
}
