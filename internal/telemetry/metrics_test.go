package telemetry

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/grpc/codes"
)

// full returns metrics in which every one of them has a value.
func full(t testing.TB) *Metrics {
	t.Helper()
	m := NewMetrics("v1.2.3", []string{"Retrieve", "Search"})
	if err := errors.Join(
		m.WatchAdmission(func() []Admission {
			return []Admission{{Class: ClassSearch, Limit: 20, Running: 3, Away: 7, Waiting: 2, Busy: 5, Late: 1}}
		}),
		m.WatchQueryCache(func() QueryCache { return QueryCache{Hits: 7, Shared: 1, Misses: 2, Bytes: 4096, Vectors: 2} }),
		m.WatchCollections(func(context.Context) []Collection {
			return []Collection{{Name: "docs", Generation: 3, Chunks: 90}, {Name: "gone", Generation: 1, Chunks: -1}}
		})); err != nil {
		t.Fatal(err)
	}
	m.Call("Retrieve", codes.OK, 2*time.Millisecond, "")
	m.Call("Retrieve", codes.DeadlineExceeded, 30*time.Second, "")
	m.Refused("Retrieve", codes.ResourceExhausted)
	m.Answered(Answer{
		Stages: []Stage{{Name: "embed", Elapsed: 1500 * time.Microsecond}, {Name: "pack", Elapsed: 200 * time.Microsecond}},
		Chunks: 4, Degraded: []string{"dense"}, Context: &Context{Tokens: 900, BudgetTokens: 1000},
	})
	m.Answered(Answer{})
	m.Embedded("passage", 64, time.Second, nil)
	m.Embedded("query", 1, time.Second, errors.New("down"))
	m.Document("indexed", 12)
	m.Document(OutcomeError, 0)
	m.exported(ResultExported, 4)
	m.exported(ResultLost, 2)
	return m
}

// scrape reads what m tells Prometheus.
func scrape(t testing.TB, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(func() error { return nil }, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET /metrics = %d: %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// samples returns ragloop's own samples as text, histograms as count and sum.
func samples(families map[string]*dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for name, f := range families {
		if !strings.HasPrefix(name, "ragloop_") || name == MetricBuildInfo {
			continue
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			key := name + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.Counter != nil:
				out[key] = m.Counter.GetValue()
			case m.Gauge != nil:
				out[key] = m.Gauge.GetValue()
			case m.Histogram != nil:
				out[key+" count"], out[key+" sum"] = float64(m.Histogram.GetSampleCount()), m.Histogram.GetSampleSum()
			}
		}
	}
	return out
}

func TestScrape(t *testing.T) {
	want := map[string]float64{
		"ragloop_requests_total{code=OK,method=Retrieve}":                 1,
		"ragloop_requests_total{code=DEADLINE_EXCEEDED,method=Retrieve}":  1,
		"ragloop_requests_total{code=RESOURCE_EXHAUSTED,method=Retrieve}": 1,
		"ragloop_requests_total{code=OK,method=Search}":                   0,
		"ragloop_request_duration_seconds{method=Retrieve} count":         2,
		"ragloop_request_duration_seconds{method=Retrieve} sum":           30.002,
		"ragloop_request_duration_seconds{method=Search} count":           0,
		"ragloop_request_duration_seconds{method=Search} sum":             0,
		"ragloop_stage_duration_seconds{stage=embed} count":               1,
		"ragloop_stage_duration_seconds{stage=embed} sum":                 0.0015,
		"ragloop_stage_duration_seconds{stage=pack} count":                1,
		"ragloop_stage_duration_seconds{stage=pack} sum":                  0.0002,
		"ragloop_admission_limit{class=search}":                           20,
		"ragloop_admission_running{class=search}":                         3,
		"ragloop_admission_away{class=search}":                            7,
		"ragloop_admission_waiting{class=search}":                         2,
		"ragloop_admission_refused_total{class=search,reason=busy}":       5,
		"ragloop_admission_refused_total{class=search,reason=late}":       1,
		"ragloop_degraded_answers_total{part=dense}":                      1,
		"ragloop_empty_answers_total{}":                                   1,
		"ragloop_context_tokens_total{}":                                  900,
		"ragloop_context_budget_tokens_total{}":                           1000,
		"ragloop_query_cache_lookups_total{result=hit}":                   7,
		"ragloop_query_cache_lookups_total{result=shared}":                1,
		"ragloop_query_cache_lookups_total{result=miss}":                  2,
		"ragloop_query_cache_bytes{}":                                     4096,
		"ragloop_query_cache_vectors{}":                                   2,
		"ragloop_embedding_duration_seconds{task=passage} count":          1,
		"ragloop_embedding_duration_seconds{task=passage} sum":            1,
		"ragloop_embedding_duration_seconds{task=query} count":            1,
		"ragloop_embedding_duration_seconds{task=query} sum":              1,
		"ragloop_embedded_texts_total{task=passage}":                      64,
		"ragloop_embedding_errors_total{task=query}":                      1,
		"ragloop_ingest_documents_total{outcome=indexed}":                 1,
		"ragloop_ingest_documents_total{outcome=failed}":                  0,
		"ragloop_ingest_documents_total{outcome=quarantined}":             0,
		"ragloop_ingest_documents_total{outcome=error}":                   1,
		"ragloop_ingest_chunks_total{}":                                   12,
		"ragloop_index_chunks{collection=docs}":                           90,
		"ragloop_index_generation{collection=docs}":                       3,
		"ragloop_index_generation{collection=gone}":                       1,
		"ragloop_trace_spans_total{result=exported}":                      4,
		"ragloop_trace_spans_total{result=lost}":                          2,
	}
	// What may come is there before it does.
	ahead := func(name string) {
		if _, ok := want[name]; !ok {
			want[name] = 0
		}
	}
	for _, method := range []string{"Retrieve", "Search"} {
		for _, code := range []string{"RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED"} {
			ahead("ragloop_requests_total{code=" + code + ",method=" + method + "}")
		}
	}
	for _, part := range []string{"dense", "lexical", "terms", "expand", "feedback", "parents", "neighbours", "rerank", "rewrite", "other"} {
		ahead("ragloop_degraded_answers_total{part=" + part + "}")
	}
	for _, task := range []string{"query", "passage", "raw"} {
		ahead("ragloop_embedded_texts_total{task=" + task + "}")
		ahead("ragloop_embedding_errors_total{task=" + task + "}")
	}
	m := full(t)
	m.Call("DropTables", codes.OK, time.Second, "") // a name that a stranger made up
	m.Refused("DropTables", codes.Unimplemented)
	families := scrape(t, m)
	if d := cmp.Diff(want, samples(families)); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
	info := families[MetricBuildInfo].GetMetric()[0]
	if got := info.Label[1].GetValue(); got != "v1.2.3" || info.GetGauge().GetValue() != 1 {
		t.Errorf("build info = %v", info)
	}
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total"} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestExemplar: with a format that has them, a bucket names the trace of a call.
func TestExemplar(t *testing.T) {
	m := NewMetrics("", []string{"Retrieve"})
	m.Call("Retrieve", codes.OK, 9*time.Millisecond, "4bf92f3577b34da6a3ce929d0e0e4736")
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text")
	w := httptest.NewRecorder()
	m.Handler(nil, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
	const want = `ragloop_request_duration_seconds_bucket{method="Retrieve",le="0.01"} 1 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.009 `
	if !strings.Contains(w.Body.String(), want) {
		t.Errorf("no %s in\n%s", want, w.Body)
	}
}

// TestNames: the metrics are those of names.go, and each has its docstring.
func TestNames(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Metric") {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
		if !strings.HasPrefix(spec.Doc.Text(), spec.Names[0].Name+" ") {
			t.Errorf("%s has no docstring", spec.Names[0].Name)
		}
		return true
	})
	families := scrape(t, full(t))
	var got []string
	for name, f := range families {
		if !strings.HasPrefix(name, "ragloop_") {
			continue
		}
		got = append(got, name)
		if counter := f.GetType() == dto.MetricType_COUNTER; counter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, f.GetType())
		}
		if f.GetType() == dto.MetricType_HISTOGRAM && !strings.HasSuffix(name, "_seconds") {
			t.Errorf("%s has no unit", name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metrics (-names.go +scrape):\n%s", d)
	}
}

// TestBuckets: bounds rise, none is far from the one before, and what the service
// promises is one.
func TestBuckets(t *testing.T) {
	for name, bounds := range map[string][]float64{"calls": callBuckets, "stages": stageBuckets} {
		for i := 1; i < len(bounds); i++ {
			if ratio := bounds[i] / bounds[i-1]; ratio < 1.3 || ratio > 1.67 {
				t.Errorf("%s: %v is %.2f times %v", name, bounds[i], ratio, bounds[i-1])
			}
		}
		for _, target := range []float64{.002, .01, 1, 10} {
			if !slices.Contains(bounds, target) {
				t.Errorf("%s: %v is no bound", name, target)
			}
		}
	}
}

// TestWatchOnce: one registry shows one service.
func TestWatchOnce(t *testing.T) {
	m := full(t)
	for what, err := range map[string]error{
		"admission":   m.WatchAdmission(func() []Admission { return nil }),
		"query cache": m.WatchQueryCache(func() QueryCache { return QueryCache{} }),
		"collections": m.WatchCollections(func(context.Context) []Collection { return nil }),
	} {
		if err == nil || !strings.Contains(err.Error(), "watch ") {
			t.Errorf("%s: second watch = %v", what, err)
		}
	}
}

// TestOff: without metrics and traces every report is taken.
func TestOff(t *testing.T) {
	var m *Metrics
	var traces *Traces
	allocated := testing.AllocsPerRun(10, func() {
		m.Call("Retrieve", codes.OK, time.Second, "")
		m.Refused("Retrieve", codes.ResourceExhausted)
		m.Answered(Answer{})
		m.Embedded("query", 1, time.Second, nil)
		m.Document("indexed", 1)
		m.exported(ResultLost, 1)
		traces.Answered(t.Context(), Answer{})
		if traces.Recorded(t.Context()) || traces.ID(t.Context()) != "" || traces.Handler(nil) != nil {
			t.Error("no traces, but they are recorded")
		}
		traces.Close()
	})
	if allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
	if err := errors.Join(m.WatchAdmission(nil), m.WatchQueryCache(nil), m.WatchCollections(nil), traces.Flush(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestHealth(t *testing.T) {
	var problem error
	h := NewMetrics("", nil).Handler(func() error { return problem }, slog.New(slog.DiscardHandler))
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		body, _ := io.ReadAll(w.Body)
		return w.Code, string(body)
	}
	if code, body := get(http.MethodGet, "/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("GET /healthz = %d %q", code, body)
	}
	problem = errors.New("stopping")
	if code, body := get(http.MethodGet, "/healthz"); code != http.StatusServiceUnavailable || body != "stopping\n" {
		t.Errorf("GET /healthz while stopping = %d %q", code, body)
	}
	for _, bad := range []struct {
		method, path string
		want         int
	}{{http.MethodGet, "/", http.StatusNotFound}, {http.MethodPost, "/metrics", http.StatusMethodNotAllowed}} {
		if code, _ := get(bad.method, bad.path); code != bad.want {
			t.Errorf("%s %s = %d, want %d", bad.method, bad.path, code, bad.want)
		}
	}
}

// TestPart: what is not known has no label of its own.
func TestPart(t *testing.T) {
	for name, want := range map[string]string{"dense": "dense", "rerank": "rerank", "": PartOther, "what a stranger wrote": PartOther} {
		if got := Part(name); got != want {
			t.Errorf("Part(%q) = %q, want %q", name, got, want)
		}
	}
}

// labelsOf returns the labels of every metric, as a query may name them.
func labelsOf(families map[string]*dto.MetricFamily) map[string][]string {
	out := map[string][]string{}
	for name, f := range families {
		labels := map[string]bool{}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				labels[l.GetName()] = true
			}
		}
		all := slices.Sorted(maps.Keys(labels))
		if f.GetType() == dto.MetricType_HISTOGRAM || f.GetType() == dto.MetricType_SUMMARY {
			out[name+"_sum"], out[name+"_count"] = all, all
			out[name+"_bucket"] = append(slices.Clone(all), "le")
			continue
		}
		out[name] = all
	}
	return out
}
