package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestCheckEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want string // in the error; empty: none
	}{
		"nothing":  {nil, ""},
		"endpoint": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4317"}, ""},
		"all": {map[string]string{
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://10.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
			"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, ""},
		"argument that nobody reads": {map[string]string{"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "x"}, ""},
		"no scheme":                  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, `OTEL_EXPORTER_OTLP_ENDPOINT is "collector:4317", allowed are URLs`},
		"other scheme":               {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "grpc://c:4317"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is"},
		"protocol":                   {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, `OTEL_EXPORTER_OTLP_PROTOCOL is "http/protobuf", allowed are grpc`},
		"sampler":                    {map[string]string{"OTEL_TRACES_SAMPLER": "ratio"}, `OTEL_TRACES_SAMPLER is "ratio", allowed are always_on`},
		"ratio":                      {map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10"}, `OTEL_TRACES_SAMPLER_ARG is "10", allowed are 0 to 1`},
		"no number":                  {map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "NaN"}, "OTEL_TRACES_SAMPLER_ARG is"},
	} {
		err := checkEnvironment(func(name string) string { return tt.env[name] })
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestBadEnvironment: what the SDK would pass over is an error of ours.
func TestBadEnvironment(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "sometimes")
	if _, err := OTLP(t.Context()); err == nil {
		t.Error("OTLP = nil error")
	}
	if _, err := NewTraces(t.Context(), TraceConfig{Exporter: tracetest.NewInMemoryExporter(), Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("NewTraces = nil error")
	}
}

// receiver is a collector that keeps what it is sent.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex
	requests []*collector.ExportTraceServiceRequest
}

func (r *receiver) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, in)
	return &collector.ExportTraceServiceResponse{}, nil
}

// collect runs a collector until the test ends and returns its address.
func collect(t *testing.T, c collector.TraceServiceServer) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, c)
	done := make(chan error, 1)
	go func() { done <- s.Serve(lis) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return lis.Addr().String()
}

// oneSpan records a span with one stage.
func oneSpan(t *testing.T, traces *Traces) {
	ctx, span := traces.tracer.Start(t.Context(), "call")
	traces.Answered(ctx, Answer{
		Collection: "docs", Generation: 2, RetrievalID: "r1", Chunks: 3, Degraded: []string{"dense"},
		Context: &Context{Tokens: 10, BudgetTokens: 20},
		Stages:  []Stage{{Name: "legs", Begin: time.Unix(1000, 0), Elapsed: time.Second, Counts: []Count{{AttrCandidates, 9}}}},
	})
	span.End()
}

// TestOTLP: a collector gets the spans, with the attributes of the service, at the
// latest when the traces are closed.
func TestOTLP(t *testing.T) {
	r := &receiver{}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+collect(t, r))
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	exporter, err := OTLP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics("", nil)
	traces, err := NewTraces(t.Context(), TraceConfig{Version: "v1", Exporter: exporter, Metrics: m, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	oneSpan(t, traces)
	traces.Close()

	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) != 1 || len(r.requests[0].ResourceSpans) != 1 {
		t.Fatalf("the collector got %v", r.requests)
	}
	got := r.requests[0].ResourceSpans[0]
	service := texts(got.Resource.Attributes)
	for _, want := range []string{"service.name=ragloop", "service.version=v1", "deployment.environment.name=test"} {
		if !slices.Contains(service, want) {
			t.Errorf("the service is %q, want %s", service, want)
		}
	}
	spans := got.ScopeSpans[0].Spans
	slices.SortFunc(spans, func(a, b *otlp.Span) int { return strings.Compare(a.Name, b.Name) })
	if len(spans) != 2 || spans[0].Name != "call" || spans[1].Name != "ragloop.legs" {
		t.Fatalf("spans = %v", spans)
	}
	call, stage := spans[0], spans[1]
	if !bytes.Equal(stage.ParentSpanId, call.SpanId) || !bytes.Equal(stage.TraceId, call.TraceId) {
		t.Errorf("the stage is no child of the call: %v, %v", stage, call)
	}
	if stage.StartTimeUnixNano != 1000e9 || stage.EndTimeUnixNano != 1001e9 {
		t.Errorf("the stage lasts from %d to %d", stage.StartTimeUnixNano, stage.EndTimeUnixNano)
	}
	want := []string{
		"ragloop.chunks=3", "ragloop.collection=docs", "ragloop.context.budget_tokens=20", "ragloop.context.tokens=10",
		"ragloop.degraded=dense", "ragloop.generation=2", "ragloop.retrieval_id=r1",
	}
	if d := cmp.Diff(want, texts(call.Attributes)); d != "" {
		t.Errorf("attributes of the call (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"ragloop.candidates=9"}, texts(stage.Attributes)); d != "" {
		t.Errorf("attributes of the stage (-want +got):\n%s", d)
	}
	if got := samples(scrape(t, m))["ragloop_trace_spans_total{result=exported}"]; got != 2 {
		t.Errorf("%v spans exported, want 2", got)
	}
}

// texts returns attributes as sorted texts.
func texts(attrs []*common.KeyValue) []string {
	var out []string
	for _, a := range attrs {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out = append(out, a.Key+"="+v.StringValue)
		case *common.AnyValue_IntValue:
			out = append(out, a.Key+"="+strconv.FormatInt(v.IntValue, 10))
		case *common.AnyValue_ArrayValue:
			for _, e := range v.ArrayValue.Values {
				out = append(out, a.Key+"="+e.GetStringValue())
			}
		}
	}
	slices.Sort(out)
	return out
}

// refusing is a collector that takes nothing until it is told to.
type refusing struct {
	receiver
	taking bool
}

func (r *refusing) Export(ctx context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	taking := r.taking
	r.mu.Unlock()
	if !taking {
		return nil, status.Error(codes.PermissionDenied, "no key") // one that is not tried again
	}
	return r.receiver.Export(ctx, in)
}

// TestLost: a collector that takes nothing is told of once, and once more when it
// takes spans again; no call sees anything of it.
func TestLost(t *testing.T) {
	r := &refusing{}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+collect(t, r))
	exporter, err := OTLP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m := NewMetrics("", nil)
	traces, err := NewTraces(t.Context(), TraceConfig{Exporter: exporter, Metrics: m, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer traces.Close()
	for range 3 {
		oneSpan(t, traces)
		if err := traces.Flush(t.Context()); err != nil {
			t.Errorf("Flush = %v", err)
		}
	}
	if n := strings.Count(log.String(), "traces are lost"); n != 1 || !strings.Contains(log.String(), "no key") {
		t.Errorf("told %d times, want once:\n%s", n, log.String())
	}
	r.mu.Lock()
	r.taking = true
	r.mu.Unlock()
	oneSpan(t, traces)
	if err := traces.Flush(t.Context()); err != nil {
		t.Errorf("Flush = %v", err)
	}
	if !strings.Contains(log.String(), "traces reach the collector again") {
		t.Errorf("the recovery is not told:\n%s", log.String())
	}
	got := samples(scrape(t, m))
	if lost, exported := got["ragloop_trace_spans_total{result=lost}"], got["ragloop_trace_spans_total{result=exported}"]; lost != 6 || exported != 2 {
		t.Errorf("%v spans lost and %v exported, want 6 and 2", lost, exported)
	}
}

// TestUnreachable: nobody listens at the collector's address.
func TestUnreachable(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+lis.Addr().String())
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500") // milliseconds; all of them are waited for
	exporter, err := OTLP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m := NewMetrics("", nil)
	traces, err := NewTraces(t.Context(), TraceConfig{Exporter: exporter, Metrics: m, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer traces.Close()
	oneSpan(t, traces)
	if err := traces.Flush(t.Context()); err != nil {
		t.Errorf("Flush = %v", err)
	}
	if lost := samples(scrape(t, m))["ragloop_trace_spans_total{result=lost}"]; lost != 2 || !strings.Contains(log.String(), "connection refused") {
		t.Errorf("%v spans lost, want 2; the log says\n%s", lost, log.String())
	}
}

// stuck is a collector that answers nothing.
type stuck struct{}

func (stuck) ExportSpans(ctx context.Context, _ []sdk.ReadOnlySpan) error {
	<-ctx.Done()
	return ctx.Err()
}
func (stuck) Shutdown(context.Context) error { return nil }

// TestStuck: a collector that answers nothing keeps no call waiting, however many
// spans there are, and the end for five seconds.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		traces, err := NewTraces(t.Context(), TraceConfig{Exporter: stuck{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for range 5000 { // more than the queue holds
			oneSpan(t, traces)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("5000 calls waited %v for the collector", took)
		}
		traces.Close()
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the end waited %v, want 5s", took)
		}
		time.Sleep(10 * time.Minute) // of the test's own time: what is in the queue is given up, too
		synctest.Wait()
		if n := strings.Count(log.String(), "traces are lost"); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, log.String())
		}
	})
}
