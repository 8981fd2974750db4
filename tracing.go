package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/http/httpguts"
)

// TracingConfig says what is traced, and who is told (docs/tracing.md).
type TracingConfig struct {
	// Endpoint is the URL that spans are sent to by OTLP over HTTP. Without a path
	// /v1/traces is meant. Default "": nothing is traced.
	Endpoint string `mapstructure:"endpoint"`
	// Headers go with each export, as name=value; they are secrets. Default none.
	Headers []string `mapstructure:"headers"`
	// SampleRatio is which part of the requests is traced that do not come with a trace of
	// their own, 0 to 1. Default 1.
	SampleRatio float64 `mapstructure:"sample_ratio"`
	// ContinueTraces has the requests of Hull and of operators go on with the traceparent
	// that they bring, and be traced if that says so. Default true.
	ContinueTraces bool `mapstructure:"continue_traces"`
	// SendToHull sends a traceparent with the requests to Hull's API. Default false.
	SendToHull bool `mapstructure:"send_to_hull"`
	// ServiceName is what the spans are shown under. Default hullbeam.
	ServiceName string `mapstructure:"service_name"`
	// Queue is how many spans wait for the export at most, 1 to 1,000,000; more are
	// dropped. Default 2048.
	Queue int `mapstructure:"queue"`
	// Timeout bounds an export with its repetitions, 100ms to 1m, and the one that is
	// waited for at the end. Default 5s.
	Timeout time.Duration `mapstructure:"timeout"`
}

// DefaultTracingConfig is what holds when nothing is configured.
func DefaultTracingConfig() TracingConfig {
	return TracingConfig{SampleRatio: 1, ContinueTraces: true, ServiceName: "hullbeam", Queue: 2048, Timeout: 5 * time.Second}
}

// Validate names the first key whose value is out of its range.
func (c TracingConfig) Validate() error {
	if err := c.validateEndpoint(); err != nil {
		return err
	}
	for _, header := range c.Headers {
		if name, value, found := strings.Cut(header, "="); !found || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return errors.New("tracing.headers: one is out of range: name=value")
		}
	}
	switch {
	case !(c.SampleRatio >= 0 && c.SampleRatio <= 1):
		return fmt.Errorf("tracing.sample_ratio: %v is out of range: 0 to 1", c.SampleRatio)
	case c.ServiceName == "":
		return errors.New(`tracing.service_name: "" is out of range: a name`)
	case c.Queue < 1 || c.Queue > 1_000_000:
		return fmt.Errorf("tracing.queue: %d is out of range: 1 to 1000000", c.Queue)
	case c.Timeout < 100*time.Millisecond || c.Timeout > time.Minute:
		return fmt.Errorf("tracing.timeout: %v is out of range: 100ms to 1m", c.Timeout)
	}
	return nil
}

func (c TracingConfig) validateEndpoint() error {
	if c.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("tracing.endpoint: it is out of range: an http or https URL without user, query and fragment")
	}
	return nil
}

// target is where spans are posted to.
func (c TracingConfig) target() string {
	u, _ := url.Parse(c.Endpoint) // Validate has seen it
	u.Path = cmp.Or(strings.TrimSuffix(u.Path, "/"), "/v1/traces")
	return u.String()
}

// headerMap are the headers by their names.
func (c TracingConfig) headerMap() map[string]string {
	headers := map[string]string{}
	for _, header := range c.Headers {
		name, value, _ := strings.Cut(header, "=")
		headers[name] = value
	}
	return headers
}

// masked is the configuration without what may let somebody in.
func (c TracingConfig) masked() TracingConfig {
	headers := make([]string, len(c.Headers))
	for i, header := range c.Headers {
		name, _, _ := strings.Cut(header, "=")
		headers[i] = name + "=" + mask
	}
	c.Headers = headers
	return c
}

// tracing is where a node's spans go: through a bounded queue to a collector. What becomes
// of them is counted, and no request waits for them.
type tracing struct {
	provider *sdktrace.TracerProvider
	spans    *prometheus.CounterVec
}

const tracerName = "hullbeam"

// newTracing connects to nobody yet. What c leaves open, certificates and compression, the
// exporter takes from the OTEL_EXPORTER_OTLP_… variables.
func newTracing(ctx context.Context, c TracingConfig, log *slog.Logger) (*tracing, error) {
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(c.target()),
		otlptracehttp.WithTimeout(c.Timeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: c.Timeout, MaxElapsedTime: c.Timeout,
		}),
	}
	if len(c.Headers) > 0 {
		options = append(options, otlptracehttp.WithHeaders(c.headerMap()))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := c.resource(ctx)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	t := &tracing{spans: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hullbeam_trace_spans_total",
		Help: "Spans of traced requests, by result: exported, dropped (tracing.queue was full), failed (the collector did not take them).",
	}, []string{"result"})}
	// The library has one for the whole process: of several nodes in it the last has it.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("tracing", "error", err) }))
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
		sdktrace.WithResource(about),
		sdktrace.WithSpanProcessor(newSpanQueue(exporter, c, t.spans, log)),
	)
	return t, nil
}

// resource says whose spans they are. OTEL_RESOURCE_ATTRIBUTES may say more.
func (c TracingConfig) resource(ctx context.Context) (*resource.Resource, error) {
	about := []attribute.KeyValue{attribute.String("service.name", c.ServiceName), attribute.String("service.version", buildVersion())}
	return resource.New(ctx, resource.WithService(), resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(about...))
}

// tracer makes spans; nil: nothing is traced.
func (t *tracing) tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer(tracerName, trace.WithInstrumentationVersion(buildVersion()))
}

// metrics are the collectors.
func (t *tracing) metrics() []prometheus.Collector {
	if t == nil {
		return nil
	}
	return []prometheus.Collector{t.spans}
}

// lastExport bounds how long a node that stops waits for its last spans to be taken: it is to be
// gone before who has stopped it kills it.
const lastExport = time.Second

// close exports what waits.
func (t *tracing) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastExport)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what could not be exported is counted
}
