package evalret

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// summarise turns outcomes into runs with means and intervals.
func summarise(set, checked labels.Set, report *labels.Report, results []outcome, o Options) Evaluation {
	e := Evaluation{
		Warnings: []stats.Warning{}, Comparisons: []Comparison{},
		Primary: o.Primary, Reference: o.Reference, Metrics: o.Metrics, Budgets: o.budgets(), Tokenizer: o.Tokenizer,
		Labels: LabelCounts{Set: set.Name, Queries: len(set.Queries), Broken: []labels.Broken{}},
	}
	if e.Budgets == nil {
		e.Budgets = []int{}
	}
	numbers := sources(checked.Queries)
	for i, q := range checked.Queries {
		evaluated := Query{ID: q.ID, Text: q.Text, Tags: q.Tags, Unanswerable: q.Unanswerable, Answer: q.Answer, Grades: q.Grades(), Filter: q.Filter.String(), Source: numbers[i]}
		for _, ev := range q.Evidence {
			shown := Evidence{Doc: ev.Doc, Start: ev.Span.Start, End: ev.Span.End, Quote: ev.Quote}
			for _, c := range ev.Copies {
				shown.Copies = append(shown.Copies, c.Start)
			}
			evaluated.Evidence = append(evaluated.Evidence, shown)
		}
		e.Queries = append(e.Queries, evaluated)
		if q.Unanswerable {
			e.Labels.Unanswerable++
		}
	}
	notes := &notes{}
	notes.labels(&e.Labels, set, report)
	runs := make([]Run, len(o.Settings))
	found := make([]noticed, len(o.Settings))
	querySet := set.Fingerprint()
	var group sync.WaitGroup
	for i, s := range o.Settings {
		group.Go(func() { runs[i], found[i] = e.run(s, i, querySet, results, o) })
	}
	group.Wait()
	e.Runs = runs
	for i, n := range found {
		notes.run(runs[i].Name, n)
	}
	notes.degraded(e.Queries, results)
	for _, n := range found {
		notes.add(n.warnings...)
	}
	e.compare(o, notes)
	e.Warnings = append(e.Warnings, notes.warnings...)
	return e
}

// noticed is what is worth a warning about one run.
type noticed struct {
	warnings []stats.Warning // of its estimates
	missing  int
	tooSmall map[int]int // budget → queries
	shallow  int
	deepest  int
}

// run makes the run of setting s, which is number at.
func (e *Evaluation) run(s Setting, at int, querySet string, results []outcome, o Options) (Run, noticed) {
	r := Run{
		Name: s.Name, Parameters: parameters(s, o.Tokenizer, o.Provenance), Metrics: map[string]Summary{},
		Contexts: []ContextSummary{}, Tags: []TagSummary{}, Missing: []Missing{}, PerQuery: make([]QueryResult, len(results)),
	}
	p := o.Provenance
	r.Fingerprints = Fingerprints{
		Corpus: p.Corpus, Recipe: p.Recipe, Retrieval: r.Parameters.fingerprint(), QuerySet: querySet, Code: p.Code, Seed: o.Seed,
	}
	n := noticed{tooSmall: map[int]int{}, deepest: scorer{options: o}.deepest()}
	for i, res := range results {
		q, sc := e.Queries[i], res.settings[at]
		row := QueryResult{ID: q.ID, Query: q.Text, Missing: sc.missing}
		if sc.missing == "" {
			top := metric.Round(sc.top)
			row.TopScore = &top
		}
		if !q.Unanswerable {
			row.Values = make(map[string]metric.Value, len(o.Metrics))
			for k, m := range o.Metrics {
				row.Values[m.String()] = sc.values[k]
				if sc.values[k].State() == metric.NotApplicable {
					row.NotApplicable = append(row.NotApplicable, m.String())
				}
			}
			if sc.missing != "" {
				r.Missing = append(r.Missing, Missing{q.ID, sc.missing})
			}
		}
		row.Docs, row.Contexts, row.Losses = sc.docs, sc.contexts, sc.losses
		for _, b := range sc.tooSmall {
			n.tooSmall[b]++
		}
		if sc.shallow && !q.Unanswerable {
			n.shallow++
		}
		r.PerQuery[i] = row
	}
	n.missing = len(r.Missing)
	for k, m := range o.Metrics {
		summary, warnings := summarised(m, e.sample(k, at, results, ""), o)
		r.Metrics[m.String()] = summary
		n.warnings = append(n.warnings, warnings...)
	}
	for _, b := range e.Budgets {
		r.Contexts = append(r.Contexts, contextSummary(b, at, results, n.tooSmall[b]))
	}
	r.Losses = e.losses(at, results, o)
	primary := slices.Index(o.Metrics, o.Primary)
	for _, tag := range e.tags() {
		summary, _ := summarised(o.Primary, e.sample(primary, at, results, tag), o)
		r.Tags = append(r.Tags, TagSummary{tag, summary})
	}
	r.Unanswerable = e.separation(at, results, o)
	return r, n
}

// tags returns the tags of answerable queries, sorted.
func (e *Evaluation) tags() []string {
	var tags []string
	for _, q := range e.Queries {
		if !q.Unanswerable {
			tags = append(tags, q.Tags...)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// sample is the values of one metric in one run.
type sample struct {
	x             []float64
	queries       []Query // of x
	missing       int     // of x: counted as 0
	notApplicable int
	reasons       map[string]int
}

// sample collects the values of metric k under setting at over the answerable
// queries with a tag; every one has the tag "".
func (e *Evaluation) sample(k, at int, results []outcome, tag string) sample {
	s := sample{reasons: map[string]int{}}
	for i, res := range results {
		q := e.Queries[i]
		if q.Unanswerable || tag != "" && !slices.Contains(q.Tags, tag) {
			continue
		}
		v := res.settings[at].values[k]
		if v.State() != metric.Number {
			s.reasons[short(v.Reason())]++
		}
		value, ok := v.Float()
		if !ok {
			s.notApplicable++
			continue
		}
		if v.State() == metric.Failed {
			s.missing++
		}
		s.x, s.queries = append(s.x, value), append(s.queries, q)
	}
	return s
}

// short cuts a reason that is used as a key.
func short(reason string) string {
	const limit = 120
	if len(reason) <= limit {
		return reason
	}
	return strings.ToValidUTF8(reason[:limit], "") + "…"
}

// summarised returns the mean of a sample of m with its interval.
func summarised(m metric.Metric, from sample, o Options) (Summary, []stats.Warning) {
	s := Summary{N: len(from.x), Missing: from.missing, NotApplicable: from.notApplicable}
	if len(from.reasons) > 0 {
		s.Reasons = from.reasons
	}
	if len(from.x) == 0 {
		s.Value = metric.NoValue("no query has the labels that it needs")
		return s, nil
	}
	clusters, warnings := Clusters(from.queries)
	options := stats.Options{Seed: o.Seed, Resamples: o.Resamples, Clusters: clusters}
	estimate := stats.Bounded
	if d, _ := m.Definition(); d.Proportion {
		estimate = stats.Proportion
	}
	est := estimate(from.x, options)
	s.Value = metric.Of(est.Mean)
	s.CI95 = &[2]float64{metric.Round(est.CI.Lo), metric.Round(est.CI.Hi)}
	return s, append(warnings, est.Warnings...)
}

func contextSummary(budget, at int, results []outcome, tooSmall int) ContextSummary {
	s := ContextSummary{Budget: budget, TooSmall: tooSmall}
	n := 0
	for _, res := range results {
		for _, c := range res.settings[at].sizes {
			if c.budget == budget {
				s.Tokens += float64(c.tokens)
				s.Segments += float64(c.segments)
				n++
			}
		}
	}
	if n > 0 {
		s.Tokens, s.Segments = metric.Round(s.Tokens/float64(n)), metric.Round(s.Segments/float64(n))
	}
	return s
}

// separation compares the top scores of answerable and unanswerable queries.
// Queries without results have no score and no part in it.
func (e *Evaluation) separation(at int, results []outcome, o Options) *Separation {
	var answerable, unanswerable []float64
	for i, res := range results {
		sc := res.settings[at]
		switch {
		case sc.missing != "":
		case e.Queries[i].Unanswerable:
			unanswerable = append(unanswerable, sc.top)
		default:
			answerable = append(answerable, sc.top)
		}
	}
	s, ok := stats.Separate(answerable, unanswerable, stats.Options{Seed: o.Seed, Resamples: o.Resamples})
	if !ok {
		return nil
	}
	return &Separation{
		AUROC: metric.Round(s.AUROC), CI95: [2]float64{metric.Round(s.CI.Lo), metric.Round(s.CI.Hi)},
		Answerable: s.Positive, Unanswerable: s.Negative,
	}
}

// compare fills in the comparisons of the reference run with the others.
func (e *Evaluation) compare(o Options, notes *notes) {
	reference, ok := e.Run(o.Reference)
	if !ok || len(e.Runs) < 2 {
		return
	}
	// Queries that the primary metric applies to; labels alone decide, so they
	// are the same in every run.
	var queries []Query
	var rows []int
	for i, q := range e.Queries {
		if v, ok := reference.PerQuery[i].Values[o.Primary.String()]; ok && v.State() != metric.NotApplicable {
			queries, rows = append(queries, q), append(rows, i)
		}
	}
	if len(rows) == 0 {
		return
	}
	// Sweep gives challenger minus baseline; with both negated that is
	// reference minus other.
	negated := func(r Run) []float64 {
		x := make([]float64, len(rows))
		for k, i := range rows {
			v, _ := r.PerQuery[i].Values[o.Primary.String()].Float()
			x[k] = -v
		}
		return x
	}
	var others []string
	var vectors [][]float64
	for _, r := range e.Runs {
		if r.Name != o.Reference {
			others, vectors = append(others, r.Name), append(vectors, negated(r))
		}
	}
	clusters, warnings := Clusters(queries)
	notes.add(warnings...)
	for i, c := range stats.Sweep(negated(reference), vectors, stats.Options{Seed: o.Seed, Resamples: o.Resamples, Clusters: clusters}) {
		notes.add(c.Warnings...)
		e.Comparisons = append(e.Comparisons, Comparison{Metric: o.Primary, Reference: o.Reference, Other: others[i], Comparison: c})
	}
}

// notes collects warnings, each message once, in order.
type notes struct {
	warnings []stats.Warning
	seen     map[stats.Warning]bool
}

func (n *notes) add(ws ...stats.Warning) {
	if n.seen == nil {
		n.seen = map[stats.Warning]bool{}
	}
	for _, w := range ws {
		if !n.seen[w] {
			n.seen[w] = true
			n.warnings = append(n.warnings, w)
		}
	}
}

func (n *notes) addf(code, format string, args ...any) {
	n.add(stats.Warning{Code: code, Message: fmt.Sprintf(format, args...)})
}

// count says how many queries there are.
func count(n int) string {
	if n == 1 {
		return "1 query"
	}
	return fmt.Sprintf("%d queries", n)
}

func (n *notes) labels(c *LabelCounts, set labels.Set, r *labels.Report) {
	if r == nil {
		for _, q := range set.Queries {
			c.Spans += len(q.Evidence)
			c.Docs += len(q.Docs)
		}
		n.addf("labels_unchecked", "the labels of %s were not compared with the documents' texts", set.Name)
		return
	}
	c.Checked, c.Spans, c.Docs, c.Moved = true, r.Spans, r.Docs, r.Moved+r.Normalised
	if len(r.Broken) > 0 {
		c.Broken = r.Broken
		held, of := r.Held()
		n.addf("labels_broken", "%d of %d labels do not fit their documents and are left out; %d hold", len(r.Broken), of, held)
	}
	if c.Moved > 0 {
		n.addf("labels_moved", "%d of %d evidence spans were found at another place or in another form than labelled", c.Moved, c.Spans)
	}
	if r.Unquoted > 0 {
		n.addf("labels_unquoted", "%d of %d evidence spans have no quote, so that only their bounds were checked", r.Unquoted, c.Spans)
	}
	for _, w := range r.Warnings {
		n.addf(w.Code, "%s", w.Message)
	}
}

func (n *notes) run(name string, r noticed) {
	if r.missing > 0 {
		n.addf("missing", "run %s: %s failed or returned nothing; each counts 0", name, count(r.missing))
	}
	for _, b := range slices.Sorted(maps.Keys(r.tooSmall)) {
		n.addf("budget_too_small", "run %s: for %s not one chunk fits into %d tokens; the context is empty", name, count(r.tooSmall[b]), b)
	}
	if r.shallow > 0 {
		n.addf("shallow", "run %s: for %s a relevant document was not found, and the search was too shallow to rank %d documents; values at that cut-off are lower bounds",
			name, count(r.shallow), r.deepest)
	}
}

// degraded reports remarks that cost no leg, and failures that no metric shows.
func (n *notes) degraded(asked []Query, results []outcome) {
	counts := map[string]int{}
	failed := 0
	for i, r := range results {
		if r.err != nil && asked[i].Unanswerable {
			failed++
		}
		for _, d := range r.degraded {
			counts[short(d)]++
		}
	}
	for _, d := range slices.Sorted(maps.Keys(counts)) {
		n.addf("degraded", "%s answered with a remark: %s", count(counts[d]), d)
	}
	if failed > 0 {
		n.addf("missing", "%s marked unanswerable failed and have no part in the score separation", count(failed))
	}
}
