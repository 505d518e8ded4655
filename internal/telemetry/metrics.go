package telemetry

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
)

// Buckets of the histograms, upper bounds in seconds.
//
// They are classic buckets: every Prometheus and every dashboard reads them, and
// targets such as "99 % within 10 ms" are counted exactly, since each is a bound.
// Native histograms would be finer, but are read only by servers that are told to.
// Bounds are at most 1.67 times as far as the one before, so that a percentile that
// Prometheus interpolates is off by a third at most.
var (
	// callBuckets cover 1 ms to 10 s: an answer whose query vector is known takes
	// about 2 ms, and after 30 s a search is over in any case.
	callBuckets = []float64{
		.001, .0015, .002, .003, .005, .007,
		.01, .015, .02, .03, .05, .07,
		.1, .15, .2, .3, .5, .7,
		1, 1.5, 2, 3, 5, 7, 10,
	}
	// stageBuckets begin at 100 µs, which fusing and packing take.
	stageBuckets = append([]float64{.0001, .00015, .0002, .0003, .0005, .0007}, callBuckets...)
)

// Metrics counts and measures for Prometheus. Safe for concurrent use; all methods
// do nothing on a nil Metrics.
type Metrics struct {
	registry *prometheus.Registry

	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	stageDuration   *prometheus.HistogramVec
	degraded        *prometheus.CounterVec
	empty           prometheus.Counter
	contextTokens   prometheus.Counter
	contextBudget   prometheus.Counter
	embedding       *prometheus.HistogramVec
	embedded        *prometheus.CounterVec
	embedErrors     *prometheus.CounterVec
	documents       *prometheus.CounterVec
	chunks          prometheus.Counter
	spans           *prometheus.CounterVec

	methods map[string]bool
}

// NewMetrics returns metrics of the program with a version, in a registry of their
// own, which also has those of the Go runtime and of the process. Methods are the
// names of all methods that calls may have: a call of another is not counted, since
// names that strangers make up must not become labels.
func NewMetrics(version string, methods []string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewPedanticRegistry(),

		requests:        counter(MetricRequests, "Calls that ended, refused ones included.", LabelMethod, LabelCode),
		requestDuration: histogram(MetricRequestDuration, "Time of calls that were let in, waiting included.", callBuckets, LabelMethod),
		stageDuration:   histogram(MetricStageDuration, "Time of one stage of an answer.", stageBuckets, LabelStage),
		degraded:        counter(MetricDegraded, "Answers that had to do without a part.", LabelPart),
		empty:           prometheus.NewCounter(prometheus.CounterOpts{Name: MetricEmpty, Help: "Answers in which nothing was found."}),
		contextTokens:   prometheus.NewCounter(prometheus.CounterOpts{Name: MetricContextTokens, Help: "Tokens of delivered contexts."}),
		contextBudget:   prometheus.NewCounter(prometheus.CounterOpts{Name: MetricContextBudget, Help: "Tokens that delivered contexts might have had."}),
		embedding:       histogram(MetricEmbeddingDuration, "Time of one call of the embedder.", stageBuckets, LabelTask),
		embedded:        counter(MetricEmbeddedTexts, "Texts that were embedded.", LabelTask),
		embedErrors:     counter(MetricEmbeddingErrors, "Calls of the embedder that failed.", LabelTask),
		documents:       counter(MetricIngestDocuments, "Documents that came over the wire, by what became of them.", LabelOutcome),
		chunks:          prometheus.NewCounter(prometheus.CounterOpts{Name: MetricIngestChunks, Help: "Chunks of documents that were indexed or replaced."}),
		spans:           counter(MetricSpans, "Spans handed to the collector of traces.", LabelResult),

		methods: map[string]bool{},
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: MetricBuildInfo, Help: "1; the labels say what is running.",
		ConstLabels: prometheus.Labels{LabelVersion: version, LabelGoVersion: runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(info, m.requests, m.requestDuration, m.stageDuration, m.degraded, m.empty, m.contextTokens, m.contextBudget,
		m.embedding, m.embedded, m.embedErrors, m.documents, m.chunks, m.spans,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// A series that is there before its first event has a rate from the first one on:
	// what begins with 1 has none until it is 2.
	for _, name := range methods {
		m.methods[name] = true
		for _, c := range expected {
			m.requests.WithLabelValues(name, codeName(c))
		}
		m.requestDuration.WithLabelValues(name)
	}
	for _, part := range append(slices.Clone(parts), PartOther) {
		m.degraded.WithLabelValues(part)
	}
	for _, task := range tasks {
		m.embedded.WithLabelValues(task)
		m.embedErrors.WithLabelValues(task)
	}
	for _, outcome := range []string{"indexed", "failed", "quarantined", OutcomeError} {
		m.documents.WithLabelValues(outcome)
	}
	return m
}

// expected are the codes of which every method has a series from the beginning:
// success, refusal, and the faults that deploy/alerts.yml looks for.
var expected = []codes.Code{
	codes.OK, codes.ResourceExhausted,
	codes.Internal, codes.Unknown, codes.DataLoss, codes.Unavailable, codes.DeadlineExceeded,
}

// codeName returns the name of a code as gRPC's documentation and traces have it.
func codeName(c codes.Code) string {
	if name, ok := code.Code_name[int32(c)]; ok {
		return name
	}
	return code.Code_UNKNOWN.String()
}

// Call reports a call that was let in and took elapsed, waiting included. traceID
// becomes the exemplar of its bucket, which leads from a percentile to a trace; ""
// where the call is not traced.
func (m *Metrics) Call(method string, c codes.Code, elapsed time.Duration, traceID string) {
	if m == nil || !m.methods[method] {
		return
	}
	m.requests.WithLabelValues(method, codeName(c)).Inc()
	d := m.requestDuration.WithLabelValues(method)
	if traced, ok := d.(prometheus.ExemplarObserver); ok && traceID != "" {
		traced.ObserveWithExemplar(elapsed.Seconds(), prometheus.Labels{ExemplarTrace: traceID})
		return
	}
	d.Observe(elapsed.Seconds())
}

// Refused reports a call that was not let in. [Admission] says why.
func (m *Metrics) Refused(method string, c codes.Code) {
	if m == nil || !m.methods[method] {
		return
	}
	m.requests.WithLabelValues(method, codeName(c)).Inc()
}

// Answered reports an answer.
func (m *Metrics) Answered(a Answer) {
	if m == nil {
		return
	}
	for _, s := range a.Stages {
		m.stageDuration.WithLabelValues(s.Name).Observe(s.Elapsed.Seconds())
	}
	for _, part := range a.Degraded {
		m.degraded.WithLabelValues(part).Inc()
	}
	if a.Chunks == 0 {
		m.empty.Inc()
	}
	if c := a.Context; c != nil {
		m.contextTokens.Add(float64(c.Tokens))
		m.contextBudget.Add(float64(c.BudgetTokens))
	}
}

// Embedded reports a call of the embedder for some texts, which failed where err is
// not nil.
func (m *Metrics) Embedded(task string, texts int, elapsed time.Duration, err error) {
	if m == nil {
		return
	}
	m.embedding.WithLabelValues(task).Observe(elapsed.Seconds())
	if err != nil {
		m.embedErrors.WithLabelValues(task).Inc()
		return
	}
	m.embedded.WithLabelValues(task).Add(float64(texts))
}

// Document reports what became of a document, and the chunks that were stored of it.
func (m *Metrics) Document(outcome string, chunks int) {
	if m == nil {
		return
	}
	m.documents.WithLabelValues(outcome).Inc()
	m.chunks.Add(float64(chunks))
}

// exported reports spans that the collector took, or that were lost.
func (m *Metrics) exported(result string, spans int) {
	if m != nil {
		m.spans.WithLabelValues(result).Add(float64(spans))
	}
}

// watch adds a collector, once of each kind.
func (m *Metrics) watch(what string, c prometheus.Collector) error {
	if err := m.registry.Register(c); err != nil {
		return fmt.Errorf("watch %s: %w", what, err)
	}
	return nil
}

// Parts that answers may have to do without, as LabelPart names them.
var parts = []string{"dense", "lexical", "terms", "expand", "feedback", "parents", "neighbours", "rerank", "rewrite"}

// Tasks of embedders, as LabelTask names them.
var tasks = []string{"query", "passage", "raw"}

// Part returns the value of LabelPart for a part, PartOther where it has none.
func Part(name string) string {
	if slices.Contains(parts, name) {
		return name
	}
	return PartOther
}
