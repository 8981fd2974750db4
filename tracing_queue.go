package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// spanQueue is the library's batching, with a count of what becomes of each span, which it
// does not tell: what is above the bound is dropped here, so that there nothing is.
type spanQueue struct {
	sdktrace.SpanProcessor // what batches, and calls export

	exporter sdktrace.SpanExporter
	log      *slog.Logger
	room     atomic.Int64 // for so many more
	failing  atomic.Bool  // the last export has failed

	exported, dropped, failed prometheus.Counter
}

// spanBatch is the most spans of one export, and spanDelay how long the first of them waits.
const (
	spanBatch = 512
	spanDelay = time.Second
)

func newSpanQueue(exporter sdktrace.SpanExporter, c TracingConfig, spans *prometheus.CounterVec, log *slog.Logger) *spanQueue {
	q := &spanQueue{
		exporter: exporter, log: log,
		exported: spans.WithLabelValues("exported"), dropped: spans.WithLabelValues("dropped"), failed: spans.WithLabelValues("failed"),
	}
	q.room.Store(int64(c.Queue))
	q.SpanProcessor = sdktrace.NewBatchSpanProcessor(exports{q},
		sdktrace.WithMaxQueueSize(c.Queue), sdktrace.WithMaxExportBatchSize(min(spanBatch, c.Queue)),
		sdktrace.WithBatchTimeout(spanDelay), sdktrace.WithExportTimeout(c.Timeout))
	return q
}

// OnEnd implements [sdktrace.SpanProcessor]. It does not wait.
func (q *spanQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.room.Add(-1) < 0 {
		q.room.Add(1)
		q.dropped.Inc()
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// exports is what the batching exports to.
type exports struct{ *spanQueue }

// ExportSpans implements [sdktrace.SpanExporter]. It tells of no error: it has been counted
// and, if it is the first, logged.
func (q exports) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := q.exporter.ExportSpans(ctx, spans)
	q.room.Add(int64(len(spans)))
	if err != nil {
		q.failed.Add(float64(len(spans)))
		if !q.failing.Swap(true) {
			q.log.Warn("spans cannot be exported", "error", err)
		}
		return nil
	}
	q.exported.Add(float64(len(spans)))
	if q.failing.Swap(false) {
		q.log.Info("spans are exported again")
	}
	return nil
}

// Shutdown implements [sdktrace.SpanExporter].
func (q exports) Shutdown(ctx context.Context) error { return q.exporter.Shutdown(ctx) }

// tracedLog adds to each line of a traced request the id of the trace.
type tracedLog struct{ slog.Handler }

// Handle implements [slog.Handler].
func (l tracedLog) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (l tracedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tracedLog{l.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (l tracedLog) WithGroup(name string) slog.Handler { return tracedLog{l.Handler.WithGroup(name)} }
