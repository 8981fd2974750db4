package bench_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hullbeam/bench"
)

// soak is one of seconds, whose trend is judged however short.
func soak() bench.Soak {
	return bench.Soak{
		Duration: 2 * time.Second, Visitors: 20, Stay: 6 * time.Second, Users: 10, Slow: 1, Rate: 100, Views: 50, Offers: 20,
		Operators: 1, Sample: 50 * time.Millisecond, Grace: 3 * time.Second,
	}
}

func TestSoak(t *testing.T) {
	for _, test := range []struct {
		name, fault string
		want        string // of Failures; empty: it passes
	}{
		{"a server that does what it should", "", ""},
		{"goroutines that stay", "grow", "goroutines grow by"},
		{"updates of which streams are not told", "deaf", "did not get the latest state"},
		{"offers that are not sent", "mute", "did not get an offer"},
		{"events that are sent twice", "twice", "came twice"},
		{"versions that go back", "back", "older version"},
		{"streams that end", "end", "ended without a word"},
		{"notifications that are refused", "refuse", "notifications: 503"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, url := startFake(t, test.fault)
			k := soak()
			if test.want != "" {
				k.Grace = 500 * time.Millisecond // so that there is time to see it
			}
			r := run(t, config(url), k)
			all := strings.Join(r.Failures, "; ")
			if test.want == "" && !r.Passed() || !strings.Contains(all, test.want) {
				t.Errorf("got %q, want %q; %+v", all, test.want, r.Metrics)
			}
			if test.fault == "" && (metric(t, r, "delivered") < 20 || metric(t, r, "offers_delivered") < 1 || metric(t, r, "views") < 1 || metric(t, r, "looks") < 1) {
				t.Errorf("got %+v", r.Metrics)
			}
		})
	}
}

func drawSoak(t *testing.T, r *bench.Result) {
	t.Helper()
	dir := t.TempDir()
	if err := r.Write(filepath.Join(dir, "soak.json")); err != nil {
		t.Fatal(err)
	}
	read, err := bench.Read(filepath.Join(dir, "soak.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"soak.svg", "soak.png"} {
		if err := bench.Plot(filepath.Join(dir, file), []string{"a", "b"}, []*bench.Result{r, read}); err != nil {
			t.Fatal(err)
		}
	}
	checkSVG(t, filepath.Join(dir, "soak.svg"))
	checkPNG(t, filepath.Join(dir, "soak.png"))
	text, err := os.ReadFile(filepath.Join(dir, "soak.svg"))
	if err != nil || !bytes.Contains(text, []byte("goroutines")) {
		t.Errorf("%v: goroutines are not drawn", err)
	}
}

// What is refused in an outage that was told of is no failure, and is in the plot.
func TestSoakOutage(t *testing.T) {
	_, url := startFake(t, "refuse")
	k := soak()
	k.MarkFile = filepath.Join(t.TempDir(), "marks")
	if err := os.WriteFile(k.MarkFile, []byte("down Redis killed\nup Re"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(k.Duration, func() {
		if err := os.WriteFile(k.MarkFile, []byte("down Redis killed\nup Redis\n"), 0o600); err != nil {
			t.Error(err)
		}
	})
	r := run(t, config(url), k)
	if !r.Passed() || metric(t, r, "refused_in_outages") < 1 || len(r.Marks) != 1 || r.Marks[0].Text != "Redis killed" {
		t.Errorf("got %q, %+v", r.Failures, r.Marks)
	}
	drawSoak(t, r)
}

func TestTrend(t *testing.T) {
	points := func(n int, at func(second float64) float64) (points [][2]float64) {
		for i := range n {
			points = append(points, [2]float64{float64(i * 5), at(float64(i * 5))})
		}
		return points
	}
	for _, test := range []struct {
		name   string
		points [][2]float64
		want   float64 // an hour
	}{
		{"nothing", nil, 0},
		{"one point", points(1, func(float64) float64 { return 7 }), 0},
		{"what stays", points(300, func(float64) float64 { return 50 }), 0},
		{"one more a minute", points(300, func(s float64) float64 { return 50 + s/60 }), 60},
		{"the same for a day", points(17280, func(s float64) float64 { return 50 + s/60 }), 60},
		{"what was out of line for a fifth of the time", points(300, func(s float64) float64 {
			if s > 1200 {
				return 500
			}
			return 50 + s/60
		}), 60},
		{"noise", points(1000, func(float64) float64 { return 50 + rand.Float64() }), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, slope := bench.Trend(test.points); math.Abs(slope-test.want) > max(1, test.want/3) {
				t.Errorf("got %v an hour, want %v", slope, test.want)
			}
		})
	}
}
