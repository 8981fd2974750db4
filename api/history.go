package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hullbeam/store"
)

// record writes what a visitor did, and returns when it is durable. news is false for a
// view that was recorded before. The problem unavailable: too much waits for the store.
func (s *Server) record(ctx context.Context, v store.Visit) (news bool, err error) {
	if s.recording.Add(1) > int64(s.cfg.History.Queue) {
		s.recording.Add(-1)
		return false, s.over(limitHistoryQueue, "unavailable", "Too many page views wait to be written.").shed()
	}
	defer s.recording.Add(-1)
	began := time.Now()
	result, err := s.store.Record(ctx, []store.Visit{v})
	if err != nil {
		return false, fmt.Errorf("recording a visit: %w", err)
	}
	s.metrics.historySeconds.Observe(time.Since(began).Seconds())
	return result[0], nil
}

// sweepEach is how often what is too old is forgotten.
const sweepEach = time.Minute

// runHistory forgets what is too old, now and then, until ctx ends.
func (s *Server) runHistory(ctx context.Context) {
	tick := time.NewTicker(sweepEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.sweepHistory(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) sweepHistory(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var forgotten int
		var err error
		if forgotten, more, err = s.store.Sweep(ctx); err != nil {
			s.failed(ctx, err, "doing", "forgetting what is too old")
			return
		}
		s.metrics.forgotten.Add(float64(forgotten))
	}
}

// historyQueue is what waits for the store.
func (s *Server) historyQueue() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hullbeam_history_queue",
		Help: "Page views and stated emails that wait to be written. At history.queue more are refused.",
	}, func() float64 { return float64(s.recording.Load()) })
}

// visitorsLive is who is there.
func (s *Server) visitorsLive() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hullbeam_visitors",
		Help: "Visitors who are there now: with a stream at this node, and within visitors.grace after it.",
	}, func() float64 { return float64(s.presence.count()) })
}

// kept is an address as the history has it: bare, and with the listed parameters of its
// query.
func (h History) kept(address string) string {
	plain := bare(address)
	if plain == "" || len(h.QueryParameters) == 0 {
		return plain
	}
	u, err := url.Parse(address)
	if err != nil {
		return plain
	}
	var query []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); err == nil && slices.Contains(h.QueryParameters, name) {
			query = append(query, part)
		}
	}
	if len(query) == 0 {
		return plain
	}
	return plain + "?" + strings.Join(query, "&")
}

// programs are words by which programs tell of themselves in User-Agent headers: previews,
// monitors, and browsers that nobody looks at. Most say that they are a bot.
var programs = []string{
	"crawl", "spider", "slurp", "preview", "facebookexternalhit", "headless", "lighthouse", "pagespeed", "pingdom",
	"statuscake", "uptime", "phantomjs", "puppeteer", "playwright", "prerender",
}

// isProgram tells whether a client says that it is one. It is asked for each page.
func isProgram(agent string) bool {
	agent = strings.ToLower(agent)
	for rest := agent; ; {
		before, after, found := strings.Cut(rest, "bot")
		if !found {
			break
		}
		ends := after == "" || after[0] < 'a' || after[0] > 'z'
		if ends && !strings.HasSuffix(before, "cu") { // Cubot makes phones
			return true
		}
		rest = after
	}
	return slices.ContainsFunc(programs, func(word string) bool { return strings.Contains(agent, word) })
}

// isIgnored tells whether nobody looks at the page that a request is from: its client is a
// program, or the browser has fetched it in advance (Sec-Purpose: Fetch, 2.2.7).
func (h History) isIgnored(header interface{ Get(string) string }) bool {
	if strings.Contains(header.Get("Sec-Purpose"), "prefetch") {
		return true
	}
	return h.IgnoreBots && isProgram(header.Get("User-Agent"))
}
