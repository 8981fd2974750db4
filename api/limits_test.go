package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

// asking asks for the i-th of what is limited. done gives it back.
type asking func(s *server, i int) (r reply, done func())

// Each limit at its edge: what is below it is let in, what is above is told when to come
// back, and is let in when there is room again.
func TestLimits(t *testing.T) {
	for _, row := range []struct {
		limit  string
		set    func(c *api.Config, most int)
		ask    asking
		status int
		code   string
		rate   bool // there is room again after a minute
	}{
		{"limits.tokens_per_address", func(c *api.Config, most int) { c.Limits.TokensPerAddress = most }, askToken(oneAddress), 429, "rate_limited", true},
		{"limits.tokens_per_connector", func(c *api.Config, most int) { c.Limits.TokensPerConnector = most }, askToken(manyAddresses), 429, "rate_limited", true},
		{"limits.streams_per_address", func(c *api.Config, most int) { c.Limits.StreamsPerAddress = most }, askStream(oneAddress, false), 503, "unavailable", false},
		{"limits.streams_per_visitor", func(c *api.Config, most int) { c.Limits.StreamsPerVisitor = most }, askStream(manyAddresses, true), 503, "unavailable", false},
		{"limits.streams_per_connector", func(c *api.Config, most int) { c.Limits.StreamsPerConnector = most }, askStream(manyAddresses, false), 503, "unavailable", false},
		{"stream.max_streams", func(c *api.Config, most int) { c.Stream.MaxStreams = most }, askStream(manyAddresses, false), 503, "unavailable", false},
		{"limits.pages_per_visitor", func(c *api.Config, most int) { c.Limits.PagesPerVisitor = most }, askPage, 429, "rate_limited", true},
		{"visitors.live_streams", func(c *api.Config, most int) { c.Visitors.LiveStreams = most }, askLive, 503, "unavailable", false},
		{"limits.offers_per_operator", func(c *api.Config, most int) { c.Limits.OffersPerOperator = most }, askOffer, 429, "rate_limited", true},
	} {
		t.Run(row.limit, func(t *testing.T) {
			s, late := limited(t, func(c *api.Config) { row.set(c, 2) })
			_, done := s.letIn(row.ask, 0)
			s.letIn(row.ask, 1)
			r, _ := row.ask(s, 2)
			if after, _ := strconv.Atoi(r.header.Get("Retry-After")); r.status != row.status || r.code() != row.code || after < 1 {
				t.Errorf("one more: got %d %s, Retry-After %q, want %d %s and some seconds", r.status, r.code(), r.header.Get("Retry-After"), row.status, row.code)
			}
			if n := s.metric("hullbeam_limits_total"); n != 1 || s.metric("hullbeam_limits_total", "limit", row.limit) != 1 {
				t.Errorf("limits met: got %v, want this one, once", n)
			}
			if done(); row.rate {
				late.Store(int64(time.Minute))
			}
			storetest.Eventually(t, "there is room again", func() bool {
				r, _ := row.ask(s, 3)
				return r.status < 300
			})
		})
		t.Run(row.limit+", none", func(t *testing.T) {
			s, _ := limited(t, func(c *api.Config) { row.set(c, 0) })
			for i := range 5 {
				s.letIn(row.ask, i)
			}
			if n := s.metric("hullbeam_limits_total"); n != 0 {
				t.Errorf("limits met: got %v, want none", n)
			}
		})
	}
}

// limited starts a server whose clock can be put forward.
func limited(t *testing.T, config func(*api.Config)) (s *server, late *atomic.Int64) {
	late = &atomic.Int64{}
	began := time.Now()
	return start(t, options{
		store: func(*store.Config) {}, // with a clock of its own
		now:   func() time.Time { return began.Add(time.Duration(late.Load())) },
		config: func(c *api.Config) {
			c.TrustedProxies = []string{"127.0.0.1"}
			config(c)
		},
	}), late
}

func (s *server) letIn(ask asking, i int) (r reply, done func()) {
	s.t.Helper()
	r, done = ask(s, i)
	if r.status >= 300 {
		s.t.Fatalf("number %d: got %d %s", i+1, r.status, r.body)
	}
	return r, done
}

func oneAddress(int) string      { return "X-Forwarded-For: 203.0.113.1" }
func manyAddresses(i int) string { return fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i) }

func askToken(address func(int) string) asking {
	return func(s *server, i int) (reply, func()) {
		return s.do("POST", tokenPath, claim("anonymous_id", anonymous), "Origin: "+page, "Content-Type: application/json", address(i)), func() {}
	}
}

func askStream(address func(int) string, sameVisitor bool) asking {
	kept := ""
	return func(s *server, i int) (reply, func()) {
		token := kept
		if i == 0 || !sameVisitor {
			token = s.token(claim("anonymous_id", anonymous))
		}
		if sameVisitor {
			kept = token
		}
		return s.hold("/api/v1/stream?token="+token, address(i))
	}
}

func askLive(s *server, _ int) (reply, func()) {
	return s.hold("/api/v1/connectors/"+ship+"/live", "Authorization: Bearer an admin key for tests")
}

func askPage(s *server, i int) (reply, func()) {
	if i == 0 {
		s.visits = s.token(claim("anonymous_id", anonymous))
	}
	body := fmt.Sprintf(`{"token":%q,"url":"%s/","view":"view-%d"}`, s.visits, page, i)
	return s.do("POST", "/api/v1/pages", body, "Content-Type: text/plain", manyAddresses(i)), func() {}
}

func askOffer(s *server, _ int) (reply, func()) {
	return s.sendOffer(`{"to":{"visitor":"v_1"},"data":1,"expires_in":"1ms"}`), func() {}
}

// hold asks for what does not end, and holds it until it is given back. Of what ends the
// whole answer is returned.
func (s *server) hold(path string, headers ...string) (r reply, done func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	req := must(http.NewRequestWithContext(ctx, "GET", s.URL+path, nil))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	r = reply{status: res.StatusCode, header: res.Header}
	if r.status != http.StatusOK {
		r.body = must(io.ReadAll(res.Body))
	}
	done = sync.OnceFunc(func() { cancel(); res.Body.Close() })
	s.t.Cleanup(done)
	return r, done
}

// gate is a store that waits, in what openings and page views wait for, until it is
// opened.
type gate struct {
	store.Store
	waiting atomic.Int64
	open    chan struct{}
}

func (g *gate) wait() {
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	<-g.open
}

func (g *gate) Find(ctx context.Context, connector string, topics []string) (store.Snapshot, int, error) {
	g.wait()
	return g.Store.Find(ctx, connector, topics)
}

func (g *gate) Record(ctx context.Context, visits []store.Visit) ([]bool, error) {
	g.wait()
	return g.Store.Record(ctx, visits)
}

// What waits for the store is bounded, and those above come back later.
func TestLimitsOfWhatWaits(t *testing.T) {
	for _, row := range []struct {
		limit string
		set   func(*api.Config)
		ask   asking
	}{
		{"limits.openings", func(c *api.Config) { c.Limits.Openings = 2 }, askStream(manyAddresses, false)},
		{"history.queue", func(c *api.Config) { c.History.Queue = 2 }, askPage},
	} {
		t.Run(row.limit, func(t *testing.T) {
			g := &gate{open: make(chan struct{})}
			s := start(t, options{store: func(*store.Config) {}, config: row.set, wrap: func(of store.Store) store.Store { g.Store = of; return g }})
			s.visits = s.token(claim("anonymous_id", anonymous))
			var under sync.WaitGroup
			for i := range 2 {
				under.Go(func() {
					if r, _ := row.ask(s, i+1); r.status >= 300 {
						t.Errorf("number %d: got %d %s", i+1, r.status, r.body)
					}
				})
			}
			storetest.Eventually(t, "both wait", func() bool { return g.waiting.Load() == 2 })
			if r, _ := row.ask(s, 3); r.status != 503 || r.code() != "unavailable" || r.header.Get("Retry-After") == "" {
				t.Errorf("one more: got %d %s, Retry-After %q", r.status, r.body, r.header.Get("Retry-After"))
			}
			if s.metric("hullbeam_limits_total", "limit", row.limit) != 1 {
				t.Error("it was not counted")
			}
			close(g.open)
			under.Wait()
			s.letIn(row.ask, 4)
		})
	}
}

// Sizes are refused above their edge, and what is at it is taken.
func TestLimitsOfSizes(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) {
		c.Limits.Body, c.Limits.AnonymousIDs, c.Limits.ClaimLength, c.Limits.NotificationBody = 1024, 3, 21, 65536
	}})
	token := func(body string) reply {
		return s.do("POST", tokenPath, body, "Origin: "+page, "Content-Type: application/json")
	}
	users := func(size int) reply {
		return s.do("POST", "/api/v1/connectors/"+ship+"/users", "[]"+strings.Repeat(" ", size-2), "Authorization: Bearer an admin key for tests")
	}
	body := claim("anonymous_id", anonymous)
	ids := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"anon-0123456789-%d"`, i)
		}
		return `{"claims":{"anonymous_id":[` + strings.Join(list, ",") + `]}}`
	}
	for name, row := range map[string]struct {
		at, above reply
		status    int
		code      string
		limit     string // counted
	}{
		"the body of a page": {token(body + strings.Repeat(" ", 1024-len(body))), token(body + strings.Repeat(" ", 1025-len(body))), 413, "body_too_large", "limits.body"},
		"anonymous ids":      {token(ids(3)), token(ids(4)), 400, "invalid_claims", ""},
		"a claim": {token(claim("anonymous_id", anonymous)), token(claim("anonymous_id", anonymous+"0")),
			400, "invalid_claims", ""},
		"what operators put": {users(65536), users(65537), 413, "body_too_large", "limits.notification_body"},
	} {
		if row.at.status >= 300 {
			t.Errorf("%s, at the edge: got %d %s", name, row.at.status, row.at.body)
		}
		if row.above.status != row.status || row.above.code() != row.code {
			t.Errorf("%s, above it: got %d %s, want %d %s", name, row.above.status, row.above.body, row.status, row.code)
		}
		if row.limit != "" && s.metric("hullbeam_limits_total", "limit", row.limit) != 1 {
			t.Errorf("%s: not counted as %s", name, row.limit)
		}
	}
}
