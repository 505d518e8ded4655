package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
)

// scope is the name of what makes the spans of stages.
const scope = "github.com/ragloop/ragloop"

// Traces records spans of calls and their stages. Safe for concurrent use; all
// methods do nothing on a nil Traces.
//
// A call whose client sends a traceparent (W3C Trace Context) continues the client's
// trace and is sampled as the client says. Spans are handed over in the background:
// a collector that is slow, full or gone costs spans, never time of a call.
type Traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// TraceConfig configures [NewTraces].
type TraceConfig struct {
	Version  string           // of ragloop
	Exporter sdk.SpanExporter // required; is shut down with the traces
	Metrics  *Metrics         // counts what becomes of spans; nil: nothing does
	Log      *slog.Logger     // required; is told once when spans are lost, and when they are not any more
}

// OTLP returns what hands spans to a collector over OTLP/gRPC. It connects later,
// by itself, and again.
//
// Everything about the collector comes from OpenTelemetry's variables of the
// process: OTEL_EXPORTER_OTLP_ENDPOINT, …_HEADERS, …_CERTIFICATE, …_TIMEOUT and
// their …_TRACES_… forms. Without an endpoint it is http://localhost:4317. The error
// names a variable whose value cannot be honoured.
func OTLP(ctx context.Context) (sdk.SpanExporter, error) {
	if err := checkEnvironment(os.Getenv); err != nil {
		return nil, err
	}
	var o []otlptracegrpc.Option
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		// The SDK of Go would ask a local collector for TLS, which the specification does not.
		o = append(o, otlptracegrpc.WithEndpointURL("http://localhost:4317"))
	}
	e, err := otlptracegrpc.New(ctx, o...)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	return e, nil
}

// checkEnvironment returns an error where OpenTelemetry's SDK would go on without a
// value that it cannot read.
func checkEnvironment(get func(string) string) error {
	bad := func(name, value, allowed string) error {
		return fmt.Errorf("export traces: environment %s is %q, allowed are %s", name, value, allowed)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		v := get(name)
		if u, err := url.Parse(v); v != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return bad(name, v, "URLs such as http://HOST:4317, and https:// for TLS")
		}
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if v := get(name); v != "" && v != "grpc" {
			return bad(name, v, "grpc")
		}
	}
	sampler := strings.ToLower(strings.TrimSpace(get("OTEL_TRACES_SAMPLER")))
	known := []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
	if sampler != "" && !slices.Contains(known, sampler) {
		return bad("OTEL_TRACES_SAMPLER", sampler, strings.Join(known, ", "))
	}
	if arg := strings.TrimSpace(get("OTEL_TRACES_SAMPLER_ARG")); arg != "" && strings.HasSuffix(sampler, "traceidratio") {
		if x, err := strconv.ParseFloat(arg, 64); err != nil || !(x >= 0 && x <= 1) {
			return bad("OTEL_TRACES_SAMPLER_ARG", arg, "0 to 1")
		}
	}
	return nil
}

// NewTraces returns traces that go to an exporter. What is sampled is in
// OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, all where they are not set but
// what a client does not want; further attributes of the service in OTEL_SERVICE_NAME
// and OTEL_RESOURCE_ATTRIBUTES; the size of batches and queue in OTEL_BSP_….
func NewTraces(ctx context.Context, c TraceConfig) (*Traces, error) {
	if err := checkEnvironment(os.Getenv); err != nil {
		return nil, err
	}
	// What is in the environment comes last: it counts.
	described, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("ragloop"), semconv.ServiceVersion(c.Version)), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("export traces: describe this service: %w", err)
	}
	for _, result := range []string{ResultExported, ResultLost} {
		c.Metrics.exported(result, 0) // so that the first loss has a rate
	}
	p := sdk.NewTracerProvider(sdk.WithResource(described), sdk.WithBatcher(&reporting{SpanExporter: c.Exporter, metrics: c.Metrics, log: c.Log}))
	return &Traces{provider: p, tracer: p.Tracer(scope)}, nil
}

// Handler returns what records one span per call for which traced is true. Nil
// without traces.
func (t *Traces) Handler(traced func(method string) bool) stats.Handler {
	if t == nil {
		return nil
	}
	return otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.provider),
		otelgrpc.WithMeterProvider(noop.NewMeterProvider()), // metrics are Prometheus's
		otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(func(i *stats.RPCTagInfo) bool { return traced(i.FullMethodName) }),
	)
}

// Recorded reports whether the call of ctx is sampled: whether Answered has any use.
func (t *Traces) Recorded(ctx context.Context) bool {
	return t != nil && trace.SpanFromContext(ctx).IsRecording()
}

// ID returns the id of the trace of a call that is sampled, for logs; "" without.
func (t *Traces) ID(ctx context.Context) string {
	if !t.Recorded(ctx) {
		return ""
	}
	return trace.SpanContextFromContext(ctx).TraceID().String()
}

// Answered describes the call of ctx and makes a span below it for every stage.
func (t *Traces) Answered(ctx context.Context, a Answer) {
	if !t.Recorded(ctx) {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.String(AttrCollection, a.Collection), attribute.Int(AttrGeneration, a.Generation),
		attribute.String(AttrRetrievalID, a.RetrievalID), attribute.Int(AttrChunks, a.Chunks),
	}
	if c := a.Context; c != nil {
		attrs = append(attrs, attribute.Int(AttrTokens, c.Tokens), attribute.Int(AttrBudget, c.BudgetTokens))
	}
	if len(a.Degraded) > 0 {
		attrs = append(attrs, attribute.StringSlice(AttrDegraded, a.Degraded))
	}
	trace.SpanFromContext(ctx).SetAttributes(attrs...)
	for _, s := range a.Stages {
		_, span := t.tracer.Start(ctx, SpanStagePrefix+s.Name, trace.WithTimestamp(s.Begin))
		for _, c := range s.Counts {
			span.SetAttributes(attribute.Int(c.Name, c.N))
		}
		span.End(trace.WithTimestamp(s.Begin.Add(s.Elapsed)))
	}
}

// Flush hands over all spans that have ended, as far as ctx has time.
func (t *Traces) Flush(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.ForceFlush(ctx); err != nil {
		return fmt.Errorf("export traces: %w", err)
	}
	return nil
}

// flushTime is how long the end waits for a collector.
const flushTime = 5 * time.Second

// Close hands over the spans that are left, for five seconds at most, and ends the
// exporter. That a collector does not take them has been told already and is no
// error.
func (t *Traces) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime) // what ends is often over because its context is
	defer cancel()
	_ = t.provider.Shutdown(ctx) // its errors are those of the exporter, which reporting tells, and of ctx
}
