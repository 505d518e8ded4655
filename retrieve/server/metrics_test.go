package server

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/telemetry"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// scraped returns ragloop's samples by name and labels, histograms as count and sum.
func scraped(t testing.TB, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(func() error { return nil }, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("GET /metrics = %d, %v", w.Code, err)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, sample := range f.Metric {
			key := strings.TrimPrefix(name, "ragloop_")
			for _, l := range sample.Label {
				key += " " + l.GetValue()
			}
			switch {
			case sample.Counter != nil:
				out[key] = sample.Counter.GetValue()
			case sample.Gauge != nil:
				out[key] = sample.Gauge.GetValue()
			case sample.Histogram != nil:
				out[key+" count"], out[key+" sum"] = float64(sample.Histogram.GetSampleCount()), sample.Histogram.GetSampleSum()
			}
		}
	}
	return out
}

// want compares some samples.
func want(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	some := map[string]float64{}
	for key := range want {
		if v, ok := got[key]; ok {
			some[key] = v
		}
	}
	if d := cmp.Diff(want, some); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
}

// TestMethods: a method is known by its name alone.
func TestMethods(t *testing.T) {
	names := Methods()
	slices.Sort(names)
	if len(names) < 9 || len(slices.Compact(slices.Clone(names))) != len(names) || !slices.Contains(names, "PutDocuments") {
		t.Errorf("Methods() = %q, want all, each once", names)
	}
}

// TestMetrics: over the real stack, calls, stages and tokens are counted as the
// answers tell them.
func TestMetrics(t *testing.T) {
	m := telemetry.NewMetrics("", Methods())
	c := serve(t, realCollection(t), func(c *Config) { c.Metrics = m })
	budget, stages := int32(200), map[string]float64{}
	tokens := 0.0
	for range 3 {
		out, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: "hotel in London", BudgetTokens: &budget})
		if err != nil {
			t.Fatal(err)
		}
		tokens += float64(out.ContextTokens)
		for _, s := range out.Stages {
			stages[s.Name] += s.Elapsed.AsDuration().Seconds()
		}
	}
	found, err := c.RetrievalClient.Search(t.Context(), &ragloopv1.SearchRequest{Query: "badge"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found.Stages {
		stages[s.Name] += s.Elapsed.AsDuration().Seconds()
	}
	none, err := c.RetrievalClient.Search(t.Context(), &ragloopv1.SearchRequest{Query: "badge",
		Search: &ragloopv1.SearchOptions{Filter: &ragloopv1.Filter{Documents: []string{"absent"}}}})
	if err != nil || len(none.Chunks) != 0 {
		t.Fatalf("Search of no document = %v, %v", none, err)
	}
	for _, s := range none.Stages {
		stages[s.Name] += s.Elapsed.AsDuration().Seconds()
	}
	if _, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Fatalf("Retrieve without a query = %v", err)
	}
	if _, err := healthv1.NewHealthClient(c.conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := c.conn.Invoke(t.Context(), "/ragloop.v1.Retrieval/Unheard", &ragloopv1.SearchRequest{}, &ragloopv1.SearchResponse{}); status.Code(err) != codes.Unimplemented {
		t.Fatalf("Unheard = %v", err)
	}
	got := scraped(t, m)
	want(t, got, map[string]float64{
		"requests_total OK Retrieve": 3, "requests_total INVALID_ARGUMENT Retrieve": 1, "requests_total OK Search": 2,
		"requests_total OK PutDocument": 0, "request_duration_seconds Retrieve count": 4, "request_duration_seconds Search count": 2,
		"context_tokens_total": tokens, "context_budget_tokens_total": 600, "empty_answers_total": 1,
		"stage_duration_seconds embed count": 5, "stage_duration_seconds fuse count": 5, "stage_duration_seconds pack count": 3,
		"admission_running search": 0, "admission_refused_total search busy": 0, "admission_limit ingestion": 256,
	})
	for name, sum := range stages {
		if told := got["stage_duration_seconds "+name+" sum"]; math.Abs(told-sum) > 1e-9 {
			t.Errorf("stage %s: %v s in the metrics, %v s in the answers", name, told, sum)
		}
	}
	for key := range got {
		if strings.Contains(key, "Unheard") || strings.Contains(key, "Check") {
			t.Errorf("%s is counted", key)
		}
	}
}

// TestMetricsOfRefusals: refused calls are counted, but have no time.
func TestMetricsOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began, release, _ := waiting()
		m := telemetry.NewMetrics("", Methods())
		c := serve(t, f.collection(), func(c *Config) { c.MaxConcurrent, c.Metrics = 1, m })
		done := make(chan error)
		go func() { _, err := c.Retrieve(t.Context(), retrieveRequest); done <- err }()
		<-began
		for range 4 { // one of them waits
			go func() { _, err := c.Retrieve(t.Context(), retrieveRequest); done <- err }()
		}
		for range 3 {
			if err := <-done; status.Code(err) != codes.ResourceExhausted {
				t.Errorf("call that is too many = %v", err)
			}
		}
		synctest.Wait() // the fourth waits
		want(t, scraped(t, m), map[string]float64{
			"admission_limit search": 1, "admission_running search": 1, "admission_waiting search": 1,
			"admission_refused_total search busy": 3, "admission_refused_total search late": 0,
			"requests_total RESOURCE_EXHAUSTED Retrieve": 3, "request_duration_seconds Retrieve count": 0,
		})
		close(release)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		want(t, scraped(t, m), map[string]float64{
			"admission_running search": 0, "requests_total OK Retrieve": 2, "request_duration_seconds Retrieve count": 2,
		})
	})
}

// TestMetricsOfDegraded: each part that is missing is counted.
func TestMetricsOfDegraded(t *testing.T) {
	for degraded, want := range map[string][]string{
		"":                               nil,
		"dense: embedder unavailable":    {"dense"},
		"dense: a|dense: b|rerank: late": {"dense", "rerank"},
		"the moon: is full":              {"other"},
	} {
		var in []string
		if degraded != "" {
			in = strings.Split(degraded, "|")
		}
		if d := cmp.Diff(want, degradedParts(in)); d != "" {
			t.Errorf("degradedParts(%q) (-want +got):\n%s", in, d)
		}
	}
}

// recorded is a server whose spans are kept.
func recorded(t testing.TB, c Collection) (*clients, *telemetry.Traces, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	traces, err := telemetry.NewTraces(t.Context(), telemetry.TraceConfig{Exporter: exporter, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traces.Close)
	return serve(t, c, func(c *Config) { c.Traces = traces }), traces, exporter
}

// ended returns the spans that have ended, by name. The span of a call ends a
// moment after its answer, so the server is stopped first.
func ended(t *testing.T, c *clients, traces *telemetry.Traces, exporter *tracetest.InMemoryExporter) map[string]tracetest.SpanStub {
	t.Helper()
	c.stop()
	if err := c.stopped(); err != nil {
		t.Fatal(err)
	}
	if err := traces.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := map[string]tracetest.SpanStub{}
	for _, s := range exporter.GetSpans() {
		if _, twice := out[s.Name]; twice {
			t.Errorf("two spans %s", s.Name)
		}
		out[s.Name] = s
	}
	return out
}

// attributes returns those of a span that are ragloop's, and the code.
func attributes(s tracetest.SpanStub) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes {
		if k := string(a.Key); strings.HasPrefix(k, "ragloop.") || k == "rpc.response.status_code" {
			out[k] = a.Value.Emit()
		}
	}
	return out
}

const (
	clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
)

func traceparent(ctx context.Context, flags string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "traceparent", "00-"+clientTrace+"-"+clientSpan+"-"+flags)
}

// TestTraces: a call continues its client's trace, and its stages are below it.
func TestTraces(t *testing.T) {
	c, traces, exporter := recorded(t, realCollection(t))
	budget := int32(200)
	const query = "hotel in London"
	out, err := c.Retrieve(traceparent(t.Context(), "01"), &ragloopv1.RetrieveRequest{Query: query, BudgetTokens: &budget})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := healthv1.NewHealthClient(c.conn).Check(traceparent(t.Context(), "01"), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	spans := ended(t, c, traces, exporter)
	call, ok := spans["ragloop.v1.Retrieval/Retrieve"]
	if !ok || len(spans) != len(out.Stages)+1 {
		t.Fatalf("spans = %v, want one for the call and one for each of %v", spans, out.Stages)
	}
	if call.SpanKind != trace.SpanKindServer || call.SpanContext.TraceID().String() != clientTrace || call.Parent.SpanID().String() != clientSpan {
		t.Errorf("the call is no child of the client's span: %v, parent %v", call.SpanContext, call.Parent)
	}
	if d := cmp.Diff(map[string]string{
		"ragloop.collection": "handbook", "ragloop.generation": "1", "ragloop.retrieval_id": out.RetrievalId,
		"ragloop.chunks": fmt.Sprint(len(out.Dropped) + chunksIn(out)), "ragloop.context.tokens": fmt.Sprint(out.ContextTokens),
		"ragloop.context.budget_tokens": "200", "rpc.response.status_code": "OK",
	}, attributes(call)); d != "" {
		t.Errorf("attributes of the call (-want +got):\n%s", d)
	}
	for _, s := range out.Stages {
		stage, ok := spans["ragloop."+s.Name]
		if !ok {
			t.Errorf("stage %s has no span", s.Name)
			continue
		}
		if stage.Parent.SpanID() != call.SpanContext.SpanID() || stage.SpanContext.TraceID() != call.SpanContext.TraceID() {
			t.Errorf("stage %s is not below the call", s.Name)
		}
		if took := stage.EndTime.Sub(stage.StartTime); took != s.Elapsed.AsDuration() {
			t.Errorf("stage %s took %v in its span, %v in the answer", s.Name, took, s.Elapsed.AsDuration())
		}
		if stage.StartTime.Before(call.StartTime) || stage.EndTime.After(call.EndTime) {
			t.Errorf("stage %s from %v to %v is outside of the call, %v to %v", s.Name, stage.StartTime, stage.EndTime, call.StartTime, call.EndTime)
		}
	}
	packed := attributes(spans["ragloop.pack"])
	if d := cmp.Diff(map[string]string{
		"ragloop.segments": fmt.Sprint(len(out.Segments)), "ragloop.dropped": fmt.Sprint(len(out.Dropped)), "ragloop.context.tokens": fmt.Sprint(out.ContextTokens),
	}, packed); d != "" {
		t.Errorf("attributes of the packing (-want +got):\n%s", d)
	}
	for _, name := range []string{"legs", "fuse"} {
		if n := attributes(spans["ragloop."+name])["ragloop.candidates"]; n == "" || n == "0" {
			t.Errorf("stage %s has %q candidates", name, n)
		}
	}
	if !strings.Contains(c.log.String(), "trace_id="+clientTrace) {
		t.Errorf("the log does not name the trace:\n%s", c.log)
	}
	silent(t, spans, query, "140 euros")
}

// chunksIn counts the ranked chunks of a context.
func chunksIn(out *ragloopv1.RetrieveResponse) int {
	n := 0
	for _, s := range out.Segments {
		for _, c := range s.Chunks {
			if c.NeighbourOf == "" {
				n++
			}
		}
	}
	return n
}

// silent checks that no span holds a text.
func silent(t *testing.T, spans map[string]tracetest.SpanStub, texts ...string) {
	t.Helper()
	all := fmt.Sprintf("%+v", spans)
	for _, s := range texts {
		if strings.Contains(all, s) {
			t.Errorf("spans hold the text %q", s)
		}
	}
}

// TestTracesOfErrors: a call that fails has its code and no stages.
func TestTracesOfErrors(t *testing.T) {
	c, traces, exporter := recorded(t, realCollection(t))
	if _, err := c.GetDocument(t.Context(), &ragloopv1.GetDocumentRequest{Id: "absent"}); status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
	spans := ended(t, c, traces, exporter)
	call, ok := spans["ragloop.v1.Retrieval/GetDocument"]
	if !ok || len(spans) != 1 || call.Parent.IsValid() {
		t.Fatalf("spans = %v, want one without parent", spans)
	}
	if got := attributes(call)["rpc.response.status_code"]; got != "NOT_FOUND" {
		t.Errorf("code = %q", got)
	}
}

// TestUnsampled: what the client does not want is not recorded.
func TestUnsampled(t *testing.T) {
	c, traces, exporter := recorded(t, realCollection(t))
	if _, err := c.Retrieve(traceparent(t.Context(), "00"), &ragloopv1.RetrieveRequest{Query: "badge"}); err != nil {
		t.Fatal(err)
	}
	if spans := ended(t, c, traces, exporter); len(spans) != 0 {
		t.Errorf("spans = %v", spans)
	}
	if strings.Contains(c.log.String(), "trace_id") {
		t.Errorf("the log names a trace that is not recorded:\n%s", c.log)
	}
}

// discarding is an exporter without effort.
type discarding struct{}

func (discarding) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return nil }
func (discarding) Shutdown(context.Context) error                        { return nil }

// BenchmarkTelemetry is one Retrieve of almost no work over the real gRPC stack, and
// what it costs to watch it.
func BenchmarkTelemetry(b *testing.B) {
	traces := func(b *testing.B) *telemetry.Traces {
		traces, err := telemetry.NewTraces(b.Context(), telemetry.TraceConfig{Exporter: discarding{}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(traces.Close)
		return traces
	}
	for _, bb := range []struct {
		name   string
		watch  func(b *testing.B, c *Config)
		traced string
	}{
		{"off", func(*testing.B, *Config) {}, ""},
		{"metrics", func(_ *testing.B, c *Config) { c.Metrics = telemetry.NewMetrics("", Methods()) }, ""},
		{"traces-unsampled", func(b *testing.B, c *Config) { c.Traces = traces(b) }, "00"},
		{"traces", func(b *testing.B, c *Config) { c.Traces = traces(b) }, "01"},
		{"all", func(b *testing.B, c *Config) { c.Metrics, c.Traces = telemetry.NewMetrics("", Methods()), traces(b) }, "01"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := serve(b, realCollection(b), func(c *Config) { c.Log = nil; bb.watch(b, c) })
			ctx := b.Context()
			if bb.traced != "" {
				ctx = traceparent(ctx, bb.traced)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Retrieve(ctx, &ragloopv1.RetrieveRequest{Query: "hotel in London"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
