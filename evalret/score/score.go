// Package score scores result files: TREC runs against TREC judgements, and
// ranked spans against labelled evidence.
//
// It retrieves nothing and draws no conclusions: it is the part of the
// evaluator that can be checked against trec_eval
// (https://github.com/usnistgov/trec_eval), line by line, and that scores what
// other systems returned. Definitions are those of package metric.
//
// Nouns. A [Table] has one row per judged query, in byte order of the query
// ids, and one column per metric. What the mean of a column runs over is said
// in the table: see [Table.Mean].
package score

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
)

// ErrNothing: judgements and results have no query in common.
var ErrNothing = errors.New("no query has both judgements and results")

// Options of a scoring.
type Options struct {
	Metrics []metric.Metric // at least one

	// Rel is the smallest grade that counts as relevant, for metrics that take
	// the parameter and do not have it set, and for the counts; 0: 1.
	Rel int

	// SkipMissing leaves judged queries without results out, as trec_eval does
	// without -c. By default they count 0, since a system that answers fewer
	// queries must not score better for it.
	SkipMissing bool
}

// Row is one judged query.
type Row struct {
	Query   string
	Missing bool           // it has no results
	Values  []metric.Value // in the order of the metrics; not applicable where a label is missing

	// Counts of documents, of spans for [Spans].
	Retrieved, Relevant, RelevantRetrieved int
}

// Table is the result.
type Table struct {
	Tag     string // of the run; empty for spans
	Metrics []metric.Metric
	Rows    []Row // of every judged query; without the missing ones with SkipMissing

	Missing  int // judged queries without results, left out or not
	Unjudged int // queries with results and no judgements, which nothing can be said about
}

// Mean is the mean of one metric.
type Mean struct {
	Value metric.Value // not applicable when there is no row

	N             int // rows
	Missing       int // of them: without results, counted as 0
	NotApplicable int // of them: without the label that the metric needs, counted as 0 in Value

	// Applicable is the mean over the N - NotApplicable other rows.
	Applicable metric.Value
}

// Mean returns the mean of the metric in column i. Value follows trec_eval: a
// query that the metric does not apply to, such as one without a relevant
// document, counts 0. Applicable leaves such queries out, as evaluations of this
// program do. Both are geometric means for metrics that are defined so.
func (t Table) Mean(i int) Mean {
	m := Mean{N: len(t.Rows), Value: metric.NoValue("no query"), Applicable: metric.NoValue("the metric applies to no query")}
	var all, applicable []float64
	for _, r := range t.Rows {
		x, ok := r.Values[i].Float()
		switch {
		case !ok:
			m.NotApplicable++
		case r.Missing:
			m.Missing++
		}
		all = append(all, x)
		if ok {
			applicable = append(applicable, x)
		}
	}
	mean := average
	if d, _ := t.Metrics[i].Definition(); d.Geometric {
		mean = metric.GeometricMean
	}
	if len(all) > 0 {
		m.Value = metric.Of(mean(all))
	}
	if len(applicable) > 0 {
		m.Applicable = metric.Of(mean(applicable))
	}
	return m
}

func average(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// Runs scores a run. The order of a query's documents is that of
// [labels.Run.Ranking]. Every metric must be about documents.
func Runs(qrels labels.Qrels, run labels.Run, o Options) (Table, error) {
	o, err := o.complete(metric.Documents)
	if err != nil {
		return Table{}, err
	}
	t := Table{Tag: run.Tag, Metrics: o.Metrics}
	for query := range run.Results {
		if _, ok := qrels[query]; !ok {
			t.Unjudged++
		}
	}
	return t.fill(slices.Sorted(maps.Keys(qrels)), o, func(query string) Row {
		ranking := run.Ranking(query)
		j := metric.JudgeDistinct(ranking, qrels[query])
		r := Row{Query: query, Retrieved: len(ranking), Missing: len(ranking) == 0}
		for _, g := range j.Ideal {
			if g >= o.Rel {
				r.Relevant++
			}
		}
		for _, g := range j.Grades {
			if g >= o.Rel {
				r.RelevantRetrieved++
			}
		}
		for _, m := range o.Metrics {
			r.Values = append(r.Values, m.Ranking(j))
		}
		return r
	})
}

// Spans scores ranked spans, best first, against the evidence of a query set.
// Every metric must be about passages and have a cut-off in items. Queries that
// are marked unanswerable have no row. Relevant counts labelled spans, and
// RelevantRetrieved those that are covered to at least a half.
func Spans(set labels.Set, results map[string][]labels.Found, o Options) (Table, error) {
	o, err := o.complete(metric.Passages)
	if err != nil {
		return Table{}, err
	}
	t := Table{Metrics: o.Metrics}
	gold := map[string][]metric.Place{}
	for _, q := range set.Queries {
		if q.Unanswerable {
			continue
		}
		gold[q.ID] = []metric.Place{}
		for _, e := range q.Evidence {
			gold[q.ID] = append(gold[q.ID], metric.Place{Doc: e.Doc, Span: e.Span})
		}
	}
	for query := range results {
		if _, ok := gold[query]; !ok {
			t.Unjudged++
		}
	}
	return t.fill(slices.Sorted(maps.Keys(gold)), o, func(query string) Row {
		var found []metric.Place
		for _, f := range results[query] {
			found = append(found, metric.Place{Doc: f.Doc, Span: f.Span})
		}
		r := Row{Query: query, Retrieved: len(found), Relevant: len(gold[query]), Missing: len(found) == 0}
		for i, n := range metric.Coverage(found, gold[query]) {
			if size := gold[query][i].Span.Len(); size > 0 && 2*n >= size {
				r.RelevantRetrieved++
			}
		}
		for _, m := range o.Metrics {
			r.Values = append(r.Values, m.Spans(found, gold[query]))
		}
		return r
	})
}

// complete checks o and gives the metrics the relevance level.
func (o Options) complete(level metric.Level) (Options, error) {
	if len(o.Metrics) == 0 {
		return o, errors.New("score: no metrics given")
	}
	if o.Rel < 0 {
		return o, fmt.Errorf("score: the relevance level is %d, allowed is 1 and up", o.Rel)
	}
	o.Metrics = slices.Clone(o.Metrics)
	for i, m := range o.Metrics {
		if err := m.Validate(); err != nil {
			return o, fmt.Errorf("score: metric %s: %w", m, err)
		}
		d, _ := m.Definition()
		if d.Rel && m.Rel == 0 && o.Rel > 1 {
			o.Metrics[i].Rel = o.Rel
		}
		switch {
		case d.Level == metric.Answers:
			return o, fmt.Errorf("score: %s is about answers; result files of retrieval have none", m)
		case d.Level != level && level == metric.Documents:
			return o, fmt.Errorf("score: %s is about spans; a TREC run has documents", m)
		case d.Level != level:
			return o, fmt.Errorf("score: %s is about documents; span labels need a metric of spans, as evidence_recall@5", m)
		case m.Unit == metric.Tokens:
			return o, fmt.Errorf("score: %s needs packed contexts; a file of ranked spans has a cut-off in spans, as %s@5", m, m.Name)
		case m.Name == "precision_omega":
			return o, fmt.Errorf("score: %s needs every chunk of the corpus, which a result file does not have", m)
		}
	}
	o.Rel = max(o.Rel, 1)
	return o, nil
}

// fill computes the rows of queries on all processors.
func (t Table) fill(queries []string, o Options, row func(query string) Row) (Table, error) {
	rows := make([]Row, len(queries))
	var group sync.WaitGroup
	next := make(chan int, len(queries))
	for i := range queries {
		next <- i
	}
	close(next)
	for range min(len(queries), runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := range next {
				rows[i] = row(queries[i])
			}
		})
	}
	group.Wait()
	for _, r := range rows {
		if r.Missing {
			t.Missing++
			if o.SkipMissing {
				continue
			}
		}
		t.Rows = append(t.Rows, r)
	}
	if t.Missing == len(rows) {
		return t, ErrNothing
	}
	return t, nil
}
