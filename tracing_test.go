package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"hullbeam/hull/hulltest"
	"hullbeam/store/storetest"
)

// collector receives spans as any backend does: protobuf over HTTP.
type collector struct {
	*httptest.Server
	connections atomic.Int64
	refuses     atomic.Bool

	mu      sync.Mutex
	raw     []byte // all bodies
	headers http.Header
	spans   []*tracepb.Span
	service map[string]bool
}

func newCollector(t *testing.T) *collector {
	c := &collector{service: map[string]bool{}}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.refuses.Load() {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.take(t, r)
	}))
	c.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.connections.Add(1)
		}
	}
	c.Start()
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(t *testing.T, r *http.Request) {
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		from, _ = gzip.NewReader(r.Body)
	}
	body, err := io.ReadAll(from)
	var request coltracepb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		t.Errorf("exported to %s: %v", r.URL.Path, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw, c.headers = append(c.raw, body...), r.Header
	for _, resource := range request.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			c.service[a.Key+"="+a.Value.GetStringValue()] = true
		}
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// named are the spans of that name in a trace; empty: in all.
func (c *collector) named(name string, traceID []byte) (spans []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name && (traceID == nil || bytes.Equal(s.TraceId, traceID)) {
			spans = append(spans, s)
		}
	}
	return spans
}

func attributeOf(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key != key {
			continue
		}
		switch {
		case a.Value.GetArrayValue() != nil:
			var all []string
			for _, v := range a.Value.GetArrayValue().Values {
				all = append(all, v.GetStringValue())
			}
			return strings.Join(all, ",")
		case a.Value.GetStringValue() != "":
			return a.Value.GetStringValue()
		}
		return fmt.Sprint(a.Value.GetIntValue())
	}
	return ""
}

const (
	tracedVisitor = "visitor-of-a-trace-0123456789"
	tracedEmail   = "traced-person@example.com"
	tracedSecret  = "connector-secret-of-a-trace"
	tracedUser    = "5c0fa1fbe6e53d5e4b1a2c3f"
	tracedTrait   = "a trait of a person who is traced"
)

// tracedNode is a node in this process whose connector demo Hull notifies.
type tracedNode struct {
	*node
	t   *testing.T
	URL string
	log *lockedBuffer
	key *hulltest.Key
}

func startTraced(t *testing.T, change func(*Config)) *tracedNode {
	t.Helper()
	n := &tracedNode{t: t, log: &lockedBuffer{}, key: hulltest.ProcessKey()}
	cfg := DefaultConfig()
	cfg.Listen, cfg.DataDir, cfg.Secret = "127.0.0.1:0", t.TempDir(), []string{"a secret of more than thirty-two characters"}
	cfg.AdminKey = []string{"an admin key of a trace"}
	cfg.Hull.PublicKeys = []string{n.key.PublicPEM()}
	cfg.Tracing.Headers = []string{"x-api-key=collector-key"}
	cfg.Connectors = []Connector{{ID: "demo", Organization: "demo.hullapp.io", Secret: tracedSecret, PrivateSettings: map[string]any{
		"whitelisted_domains": []string{"www.example.com"}, "public_traits": []string{"plan"},
	}}}
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	if n.node, err = newNode(ctx, cfg, nil, slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		n.close()
	})
	n.URL = "http://" + n.listener.Addr().String()
	storetest.Eventually(t, "the node is ready", func() bool { return n.do("GET", "/readyz", "").status == http.StatusOK })
	return n
}

type said struct {
	status int
	body   string
}

func (n *tracedNode) do(method, path, body string, headers ...string) said {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.URL+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return said{res.StatusCode, string(text)}
}

// notify posts what Hull says of the traced person, signed.
func (n *tracedNode) notify(plan string, headers ...string) {
	n.t.Helper()
	id := rand.Text()
	for name, values := range n.key.Headers(id, "https://demo.hullapp.io/key", time.Now()) {
		headers = append(headers, name+": "+values[0])
	}
	r := n.do("POST", "/smart-notifier", `{"notification_id":"`+id+`","configuration":{"id":"demo","organization":"demo.hullapp.io","secret":"`+tracedSecret+`"},
		"channel":"user:update","messages":[{"user":{"id":"`+tracedUser+`","email":"`+tracedEmail+`","anonymous_ids":["`+tracedVisitor+`"],
		"plan":"`+plan+`","bio":"`+tracedTrait+`"},"segments":[],"changes":{},"events":[]}]}`, headers...)
	if r.status != http.StatusOK {
		n.t.Fatalf("notification: %d %s", r.status, r.body)
	}
}

// page is a stream of the traced person.
type tracedPage struct {
	t     *testing.T
	token string
	lines chan string
}

func (n *tracedNode) open() *tracedPage {
	n.t.Helper()
	r := n.do("POST", "/api/v1/connectors/demo/token", `{"claims":{"anonymous_id":"`+tracedVisitor+`"}}`, "Origin: https://www.example.com", "traceparent: "+parentOf(newID(16)))
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || answer.Token == "" {
		n.t.Fatalf("token: %d %s", r.status, r.body)
	}
	p := &tracedPage{t: n.t, token: answer.Token, lines: make(chan string, 1000)}
	req, err := http.NewRequestWithContext(n.t.Context(), "GET", n.URL+"/api/v1/stream?token="+p.token, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { res.Body.Close() })
	go func() {
		for scan := bufio.NewScanner(res.Body); scan.Scan(); {
			p.lines <- scan.Text()
		}
	}()
	p.until("room.joined")
	return p
}

// until reads the stream as far as a line with text.
func (p *tracedPage) until(text string) {
	p.t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-late:
			p.t.Fatalf("no %s in 30 s", text)
		}
	}
}

func newID(size int) []byte {
	id := make([]byte, size)
	rand.Read(id)
	return id
}

// parentOf is a traceparent of that trace which is sampled.
func parentOf(traceID []byte) string { return fmt.Sprintf("00-%x-%x-01", traceID, newID(8)) }

func TestTraceFromNotificationToPagesOfTwoNodes(t *testing.T) {
	c, redis := newCollector(t), storetest.Redis(t)
	asked := make(chan string, 100)
	report := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(report.Close)
	change := func(cfg *Config) {
		cfg.RedisURL, cfg.Redis.URL = redis.URL(), redis.URL()
		cfg.Tracing.Endpoint, cfg.Tracing.ServiceName = c.URL, "beam"
		cfg.Hull.APIURL = report.URL
	}
	here, there := startTraced(t, change), startTraced(t, change)
	pages := []*tracedPage{here.open(), there.open(), there.open()}
	for _, p := range pages {
		p.until("cache.miss")
	}

	trace := newID(16)
	// Until both nodes listen to whom the topic leads, an update may come from the store.
	here.notify("warm", "traceparent: "+parentOf(trace), "X-Request-Id: request-of-the-first")
	for _, p := range pages {
		p.until(`"plan":"warm"`)
	}
	trace = newID(16)
	here.notify("pro", "traceparent: "+parentOf(trace), "X-Request-Id: request-of-a-trace")
	for _, p := range pages {
		p.until(`"plan":"pro"`)
	}

	storetest.Eventually(t, "all spans were exported", func() bool {
		return len(c.named("deliver", trace)) == 2 && len(c.named("POST /smart-notifier", trace)) == 1 && len(c.named("look up user", nil)) == 3 && len(c.named("GET me/user_report", nil)) > 0
	})
	root := c.named("POST /smart-notifier", trace)[0]
	put := c.named("put users", trace)
	if len(put) != 1 || !bytes.Equal(put[0].ParentSpanId, root.SpanId) || len(c.named("verify signature", trace)) != 1 {
		t.Fatalf("below the notification: put %v, verify %v", put, c.named("verify signature", trace))
	}
	written := []string{}
	for _, d := range c.named("deliver", trace) {
		received := slices.IndexFunc(c.named("receive update", trace), func(r *tracepb.Span) bool {
			return bytes.Equal(r.SpanId, d.ParentSpanId) && bytes.Equal(r.ParentSpanId, put[0].SpanId)
		})
		if received < 0 {
			t.Errorf("a delivery is not below an update that was received: %v", d)
		}
		if d.EndTimeUnixNano < d.StartTimeUnixNano || attributeOf(d, "hullbeam.request_id") != "request-of-a-trace" || attributeOf(d, "hullbeam.result") != "sent" {
			t.Errorf("a delivery: %v", d)
		}
		if kinds := attributeOf(d, "hullbeam.topic_kinds"); kinds != "id,email,anonymous_id" {
			t.Errorf("kinds of topics: %s", kinds)
		}
		written = append(written, attributeOf(d, "hullbeam.streams.written"))
	}
	if slices.Sort(written); !slices.Equal(written, []string{"1", "2"}) {
		t.Errorf("written to %v streams of the nodes", written)
	}
	for key, want := range map[string]string{"hullbeam.request_id": "request-of-a-trace", "hullbeam.result": "ok", "hullbeam.connector": "demo", "http.response.status_code": "200"} {
		if got := attributeOf(root, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for range len(c.named("GET me/user_report", nil)) {
		if parent := <-asked; parent != "" {
			t.Errorf("Hull was told of the trace: %s", parent)
		}
	}
	for _, name := range []string{"GET /api/v1/stream", "POST /api/v1/connectors/:connector/token"} {
		if len(c.named(name, nil)) != 3 {
			t.Errorf("%d spans %s, want one for each page", len(c.named(name, nil)), name)
		}
	}
	if line := "route=/smart-notifier status=200"; !strings.Contains(lineWith(here.log.String(), line, fmt.Sprintf("trace_id=%x", trace)), "request_id=request-of-a-trace") {
		t.Errorf("no line of the log with %s has the id of the trace:\n%s", line, here.log)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headers.Get("X-Api-Key") != "collector-key" || !c.service["service.name=beam"] {
		t.Errorf("headers %v, of %v", c.headers, c.service)
	}
	for _, private := range []string{tracedVisitor, tracedEmail, tracedSecret, tracedUser, tracedTrait, "www.example.com", "token=", pages[0].token, "collector-key", report.URL} {
		if bytes.Contains(c.raw, []byte(private)) {
			t.Errorf("%q was exported", private)
		}
	}
}

// lineWith is the first line that has all parts.
func lineWith(text string, parts ...string) string {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return line
		}
	}
	return ""
}

func TestTraceOfOneNode(t *testing.T) {
	c := newCollector(t)
	asked := make(chan string, 100)
	user := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(user.Close)
	n := startTraced(t, func(cfg *Config) {
		cfg.Tracing.Endpoint, cfg.Tracing.SendToHull, cfg.Hull.APIURL = c.URL, true, user.URL
	})
	p := n.open()
	p.until("user.error") // Hull does not know them
	if parent := <-asked; !strings.HasPrefix(parent, "00-") {
		t.Errorf("Hull was told of the trace %q", parent)
	}
	trace := newID(16)
	n.notify("pro", "traceparent: "+parentOf(trace))
	p.until(`"plan":"pro"`)
	n.notify("team", "traceparent: "+strings.TrimSuffix(parentOf(trace), "1")+"0") // not sampled
	p.until(`"plan":"team"`)
	offer := n.do("POST", "/api/v1/connectors/demo/offers", `{"to":{"all":true},"data":{"text":"hello"}}`, "Authorization: Bearer an admin key of a trace")
	if offer.status != http.StatusAccepted {
		t.Fatal(offer)
	}
	p.until("hello")
	storetest.Eventually(t, "all spans were exported", func() bool {
		return len(c.named("deliver", trace)) == 1 && len(c.named("send offer", nil)) == 1
	})
	published := c.named("publish users", trace)
	if len(published) != 1 || !bytes.Equal(c.named("deliver", trace)[0].ParentSpanId, published[0].SpanId) || len(c.named("POST /smart-notifier", nil)) != 1 {
		t.Errorf("published %v, notifications %v", published, c.named("POST /smart-notifier", nil))
	}
	if sent := c.named("send offer", nil)[0]; attributeOf(sent, "hullbeam.persons") != "1" {
		t.Errorf("the offer: %v", sent)
	}
}

func TestNothingIsTracedByDefault(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL) // switches nothing on
	n := startTraced(t, func(*Config) {})
	p := n.open()
	n.notify("pro", "traceparent: "+parentOf(newID(16)))
	p.until(`"plan":"pro"`)
	if n.tracing != nil || c.connections.Load() != 0 || strings.Contains(n.log.String(), "trace_id") {
		t.Errorf("%d connections, log:\n%s", c.connections.Load(), n.log)
	}
}

func TestCollectorIsDown(t *testing.T) {
	c := newCollector(t)
	c.refuses.Store(true)
	n := startTraced(t, func(cfg *Config) {
		cfg.Tracing.Endpoint, cfg.Tracing.Queue, cfg.Tracing.Timeout = c.URL, 10, 500*time.Millisecond
	})
	counted := func(result string) float64 { return testutil.ToFloat64(n.tracing.spans.WithLabelValues(result)) }
	p := n.open()
	for i := range 30 {
		n.notify(fmt.Sprintf("plan-%d", i))
	}
	p.until(`"plan":"plan-29"`)
	storetest.Eventually(t, "what could not be exported was counted", func() bool { return counted("failed") > 0 && counted("dropped") > 0 })
	n.notify("again")
	p.until(`"plan":"again"`)
	c.refuses.Store(false)
	storetest.Eventually(t, "spans are exported again", func() bool {
		n.notify("well")
		return counted("exported") > 0
	})
	storetest.Eventually(t, "that was logged", func() bool { return strings.Contains(n.log.String(), "spans are exported again") })
	if said := strings.Count(n.log.String(), "spans cannot be exported"); said != 1 {
		t.Errorf("it was said %d times:\n%s", said, n.log)
	}
}

func TestLastSpansAreExported(t *testing.T) {
	c := newCollector(t)
	trace := newID(16)
	t.Run("a node", func(t *testing.T) {
		n := startTraced(t, func(cfg *Config) { cfg.Tracing.Endpoint = c.URL })
		n.notify("pro", "traceparent: "+parentOf(trace))
	})
	if len(c.named("POST /smart-notifier", trace)) != 1 {
		t.Error("what waited when the node ended was not exported")
	}
}

func TestTracingSettings(t *testing.T) {
	for name, change := range map[string]func(*TracingConfig){
		"tracing.endpoint":     func(c *TracingConfig) { c.Endpoint = "http://user:secret@collector" },
		"tracing.headers":      func(c *TracingConfig) { c.Headers = []string{"no value"} },
		"tracing.sample_ratio": func(c *TracingConfig) { c.SampleRatio = 1.1 },
		"tracing.service_name": func(c *TracingConfig) { c.ServiceName = "" },
		"tracing.queue":        func(c *TracingConfig) { c.Queue = 0 },
		"tracing.timeout":      func(c *TracingConfig) { c.Timeout = time.Hour },
	} {
		c := DefaultTracingConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for endpoint, want := range map[string]string{
		"http://tempo:4318":            "http://tempo:4318/v1/traces",
		"https://otlp.example.com/a/b": "https://otlp.example.com/a/b",
		"http://jaeger:4318/":          "http://jaeger:4318/v1/traces",
	} {
		if got := (TracingConfig{Endpoint: endpoint}).target(); got != want {
			t.Errorf("%s: spans are posted to %s, want %s", endpoint, got, want)
		}
	}
	cfg := DefaultConfig()
	cfg.Tracing.Headers = []string{"authorization=Basic abcdef"}
	if text, err := cfg.masked(); err != nil || bytes.Contains(text, []byte("abcdef")) || !bytes.Contains(text, []byte("authorization=********")) {
		t.Errorf("%v\n%s", err, text)
	}
}
