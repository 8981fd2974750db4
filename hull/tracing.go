package hull

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceCall begins the span of a request to Hull's API, if ctx is traced. It ends with what
// the request came to. Neither host nor query is in it, which tell of whom is asked.
func traceCall(ctx context.Context, connectorID, path string) (context.Context, func(error)) {
	within := trace.SpanFromContext(ctx)
	if !within.SpanContext().IsSampled() {
		return ctx, func(error) {}
	}
	ctx, span := within.TracerProvider().Tracer("hullbeam/hull").Start(ctx, "GET "+path, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", http.MethodGet), attribute.String("hullbeam.connector", connectorID),
	))
	return ctx, func(err error) {
		result := callResult(err)
		span.SetAttributes(attribute.String("hullbeam.result", result))
		if result != "ok" && result != "not_found" {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// sendTrace tells Hull which trace a request is part of.
func sendTrace(ctx context.Context, h http.Header) {
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
}
