package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	spancodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"hullbeam/stream"
)

// Names of attributes (docs/tracing.md lists them). None may hold a claim, a topic's value,
// a token, a trait or a URL.
const (
	attrMethod     = attribute.Key("http.request.method")
	attrRoute      = attribute.Key("http.route")
	attrStatus     = attribute.Key("http.response.status_code")
	attrRequestID  = attribute.Key("hullbeam.request_id")
	attrConnector  = attribute.Key("hullbeam.connector")
	attrChannel    = attribute.Key("hullbeam.channel")
	attrResult     = attribute.Key("hullbeam.result")
	attrUsers      = attribute.Key("hullbeam.users")
	attrStale      = attribute.Key("hullbeam.users.stale")
	attrTopicKinds = attribute.Key("hullbeam.topic_kinds")
	attrTaken      = attribute.Key("hullbeam.streams.taken")
	attrWritten    = attribute.Key("hullbeam.streams.written")
	attrPersons    = attribute.Key("hullbeam.persons")
)

// requestIDContext is the key of a request's id in its context.
type requestIDContext struct{}

// identified is a request's context with its id, for who is to say later where
// something came from.
func identified(c *gin.Context) context.Context {
	return context.WithValue(c.Request.Context(), requestIDContext{}, c.GetString(requestIDKey))
}

// traceID is that of the trace that ctx belongs to, in hex; "": it is not traced.
func traceID(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}

// traced begins the span of a request of Hull or an operator, who may bring the trace that
// it belongs to; tracedPage of a page, which anybody may be.
func (s *Server) traced(c *gin.Context)     { s.traceRequest(c, s.cfg.ContinueTraces) }
func (s *Server) tracedPage(c *gin.Context) { s.traceRequest(c, false) }

func (s *Server) traceRequest(c *gin.Context, goesOn bool) {
	if s.tracer == nil {
		return
	}
	ctx, id := c.Request.Context(), c.GetString(requestIDKey)
	if goesOn {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(c.Request.Header))
	}
	ctx, span := s.tracer.Start(ctx, c.Request.Method+" "+c.FullPath(), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attrMethod.String(c.Request.Method), attrRoute.String(c.FullPath()), attrRequestID.String(id),
	))
	c.Request = c.Request.WithContext(context.WithValue(ctx, requestIDContext{}, id))
	answered := false
	defer func() {
		status := c.Writer.Status()
		if !answered { // it panics
			status = http.StatusInternalServerError
		}
		endRequest(span, status)
	}()
	c.Next()
	answered = true
}

// endRequest ends the span of a request that is answered with status, unless it has ended.
func endRequest(span trace.Span, status int) {
	span.SetAttributes(attrStatus.Int(status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(spancodes.Error, "")
	}
	span.End()
}

// noSpan stands where nothing is traced.
var noSpan = trace.SpanFromContext(context.Background())

// step begins a part of what is traced; of what is not, noSpan. The caller ends it.
func step(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	within := trace.SpanFromContext(ctx)
	if !within.SpanContext().IsSampled() {
		return ctx, noSpan
	}
	return within.TracerProvider().Tracer(tracerName).Start(ctx, name, options...)
}

const tracerName = "hullbeam/api"

// endStep ends a step that has failed because of err, unless that is nil. What err says may
// name what is nobody's business, and stays out.
func endStep(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(spancodes.Error, "")
	}
	span.End()
}

// annotate adds attributes to the span of ctx, if there is one.
func annotate(ctx context.Context, attributes ...attribute.KeyValue) {
	trace.SpanFromContext(ctx).SetAttributes(attributes...)
}

// carrier is what goes over the bus with what is traced: the traceparent and the request's id.
// "": it is not traced.
func carrier(ctx context.Context) string {
	if traceID(ctx) == "" {
		return ""
	}
	fields := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, fields)
	id, _ := ctx.Value(requestIDContext{}).(string)
	return fields[traceparent] + " " + id
}

const traceparent = "traceparent"

// received begins the span of what came over the bus with carried. The context is that of
// nothing, and the span noSpan, if that is not traced, or nothing is here.
func (s *Server) received(carried, name string) (context.Context, trace.Span) {
	ctx := context.Background()
	if carried == "" || s.tracer == nil {
		return ctx, noSpan
	}
	parent, id, _ := strings.Cut(carried, " ")
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: parent})
	if traceID(ctx) == "" {
		return ctx, noSpan // it is damaged
	}
	if !saneID(id) {
		id = ""
	}
	return s.tracer.Start(context.WithValue(ctx, requestIDContext{}, id), name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attrRequestID.String(id)))
}

// annotateGrant says of the span of ctx what a token is for.
func annotateGrant(ctx context.Context, g stream.Grant) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attrConnector.String(g.Connector), attrTopicKinds.StringSlice(kindsOf(grantTopics(g))))
	}
}
