package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What is read at a scrape costs nothing between scrapes.

// Admission is what the admission of one class of calls is at.
type Admission struct {
	Class                         string // ClassSearch or ClassIngestion
	Limit, Running, Away, Waiting int
	Busy, Late                    int64 // calls refused so far, by reason
}

// QueryCache is what the cache of query vectors counted so far.
type QueryCache struct {
	Hits, Shared, Misses int64
	Bytes                int64 // taken now
	Vectors              int   // kept now
}

// Collection is a collection that is served.
type Collection struct {
	Name       string
	Generation int
	Chunks     int // below 0: not known
}

// watched is a collector of values that are read at a scrape.
type watched struct {
	descs   []*prometheus.Desc
	collect func(chan<- prometheus.Metric)
}

func (w watched) Describe(to chan<- *prometheus.Desc) {
	for _, d := range w.descs {
		to <- d
	}
}

func (w watched) Collect(to chan<- prometheus.Metric) { w.collect(to) }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, v int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// WatchAdmission reads the admission of all classes at every scrape. It fails where
// one is watched already. state is called concurrently.
func (m *Metrics) WatchAdmission(state func() []Admission) error {
	if m == nil {
		return nil
	}
	limit := desc(MetricAdmissionLimit, "Calls that may be at work at once.", LabelClass)
	running := desc(MetricAdmissionRunning, "Calls at work.", LabelClass)
	away := desc(MetricAdmissionAway, "Calls that wait for another machine.", LabelClass)
	waiting := desc(MetricAdmissionWaiting, "Calls that wait for their turn.", LabelClass)
	refused := desc(MetricRefused, "Calls that were not let in.", LabelClass, LabelReason)
	return m.watch("admission", watched{[]*prometheus.Desc{limit, running, away, waiting, refused}, func(to chan<- prometheus.Metric) {
		for _, a := range state() {
			to <- gauge(limit, float64(a.Limit), a.Class)
			to <- gauge(running, float64(a.Running), a.Class)
			to <- gauge(away, float64(a.Away), a.Class)
			to <- gauge(waiting, float64(a.Waiting), a.Class)
			to <- counter(refused, a.Busy, a.Class, ReasonBusy)
			to <- counter(refused, a.Late, a.Class, ReasonLate)
		}
	}})
}

// WatchQueryCache reads the cache of query vectors at every scrape. It fails where
// one is watched already. stats is called concurrently.
func (m *Metrics) WatchQueryCache(stats func() QueryCache) error {
	if m == nil {
		return nil
	}
	lookups := desc(MetricQueryCache, "Lookups of query vectors.", LabelResult)
	bytes := desc(MetricQueryCacheBytes, "Memory of the query vectors that are kept.")
	vectors := desc(MetricQueryCacheVectors, "Query vectors that are kept.")
	return m.watch("the query cache", watched{[]*prometheus.Desc{lookups, bytes, vectors}, func(to chan<- prometheus.Metric) {
		s := stats()
		to <- counter(lookups, s.Hits, ResultHit)
		to <- counter(lookups, s.Shared, ResultShared)
		to <- counter(lookups, s.Misses, ResultMiss)
		to <- gauge(bytes, float64(s.Bytes))
		to <- gauge(vectors, float64(s.Vectors))
	}})
}

// countTimeout is how long a scrape waits for an index that may be elsewhere.
const countTimeout = 2 * time.Second

// WatchCollections reads the collections that are served at every scrape, each named
// once. It fails where they are watched already. served is called concurrently, and
// has two seconds.
func (m *Metrics) WatchCollections(served func(context.Context) []Collection) error {
	if m == nil {
		return nil
	}
	chunks := desc(MetricIndexChunks, "Chunks that a collection holds.", LabelCollection)
	generation := desc(MetricIndexGeneration, "Number of the generation that a collection serves.", LabelCollection)
	return m.watch("collections", watched{[]*prometheus.Desc{chunks, generation}, func(to chan<- prometheus.Metric) {
		ctx, cancel := context.WithTimeout(context.Background(), countTimeout) // a collector is given none
		defer cancel()
		for _, c := range served(ctx) {
			if c.Chunks >= 0 {
				to <- gauge(chunks, float64(c.Chunks), c.Name)
			}
			to <- gauge(generation, float64(c.Generation), c.Name)
		}
	}})
}
