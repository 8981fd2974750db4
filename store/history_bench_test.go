//go:build unix

package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// The visitors of the benchmark, and their views, in sessions of ten of those who are on
// the site at a time. One visitor has as many as are kept of a person.
const (
	benchVisitors = 20_000
	benchOnSite   = 500
	benchSession  = 10
	benchViews    = 1_000_000
	benchTimeline = 2000
)

// benchVisit is the nth view, of a shop with some thousand pages.
func benchVisit(n int) store.Visit {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 100 * time.Millisecond)
	wave, onSite := n/(benchOnSite*benchSession), n%benchOnSite
	visitor := fmt.Sprintf("v_%022d", (wave*benchOnSite+onSite)*7919%benchVisitors) // all over the file
	if n%(benchViews/benchTimeline) == 0 {
		visitor = "v_regular"
	}
	return store.Visit{ConnectorID: "5f0000000000000000000001", Visitor: visitor, At: at, View: &store.PageView{
		ID:        fmt.Sprintf("%022d", n),
		LocalTime: at.Format("2006-01-02T15:04:05.000Z07:00"),
		URL:       fmt.Sprintf("https://shop.example.com/en/category-%d/product-%d", n%40, n%4000),
		Title:     fmt.Sprintf("Product %d of category %d | The Example Shop", n%4000, n%40),
		Referrer:  fmt.Sprintf("https://shop.example.com/en/category-%d", n%40),
	}}
}

func openHistory(b *testing.B) (s *store.SQLite, dir string) {
	cfg := store.DefaultConfig()
	cfg.DataDir = b.TempDir()
	cfg.Sealer = storetest.NewSealer("bench")
	s, err := store.OpenSQLite(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s, cfg.DataDir
}

// recordMillion records all views, from 64 callers of one view each, and returns how long
// each call took, sorted.
func recordMillion(b *testing.B, s store.Store) []time.Duration {
	times := make([]time.Duration, benchViews)
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < benchViews; n = int(next.Add(1)) - 1 {
				start := time.Now()
				if _, err := s.Record(b.Context(), []store.Visit{benchVisit(n)}); err != nil {
					b.Error(err)
					return
				}
				times[n] = time.Since(start)
			}
		})
	}
	all.Wait()
	slices.Sort(times)
	return times
}

func reportPercentiles(b *testing.B, times []time.Duration) {
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(times[len(times)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}

// BenchmarkHistory is a million page views of 20,000 visitors, and then what an operator
// reads of one with 2,000: the first 50, and the summary.
func BenchmarkHistory(b *testing.B) {
	s, dir := openHistory(b)
	person := store.Person{Visitor: "v_regular"}
	b.Run("record=1000000", func(b *testing.B) {
		if b.N > 1 {
			b.Fatal("run with -benchtime 1x: the views are recorded once")
		}
		cpu := cpuTime()
		times := recordMillion(b, s)
		b.ReportMetric(benchViews/b.Elapsed().Seconds(), "views/s")
		b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/benchViews, "cpu-µs/view")
		reportPercentiles(b, times)
		info, err := os.Stat(filepath.Join(dir, "history.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "MB")
	})
	read := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			times := make([]time.Duration, 200)
			for i := range times {
				start := time.Now()
				if err := do(); err != nil {
					b.Fatal(err)
				}
				times[i] = time.Since(start)
			}
			slices.Sort(times)
			reportPercentiles(b, times)
		})
	}
	read("timeline", func() error {
		views, _, err := s.Pages(b.Context(), "5f0000000000000000000001", person, "", 50)
		if err == nil && len(views) != 50 {
			err = fmt.Errorf("%d views", len(views))
		}
		return err
	})
	read("summary", func() error {
		summary, err := s.PageSummary(b.Context(), "5f0000000000000000000001", person, 20)
		if err == nil && summary.Views != benchTimeline {
			err = fmt.Errorf("%d views", summary.Views)
		}
		return err
	})
	read("visitors", func() error {
		_, _, err := s.RecentVisitors(b.Context(), "5f0000000000000000000001", "", 50)
		return err
	})
}
