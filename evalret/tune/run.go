package tune

import (
	"context"
	"errors"
	"fmt"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/internal/text"
)

// Run builds each chunking of the grid, scores every setting and compares all
// with the current one.
//
// Labels are checked against the texts of the first chunking built, and the
// same labels are used for all. Errors: [ErrOptions], those of the builder and
// of [evalret.Evaluate], and an error when the builder's chunkings do not hold
// the same documents.
func Run(ctx context.Context, set labels.Set, b Builder, o Options) (Result, error) {
	r, err := run(ctx, set, b, o)
	if err != nil {
		return Result{}, fmt.Errorf("tune over %s: %w", set.Name, err)
	}
	return r, nil
}

func run(ctx context.Context, set labels.Set, b Builder, o Options) (Result, error) {
	o, err := o.resolve()
	if err != nil {
		return Result{}, err
	}
	if err := set.Validate(); err != nil {
		return Result{}, err
	}
	s := sweep{options: o, set: set, builder: b, settings: o.settings()}
	if o.HoldOut > 0 {
		if s.set, s.heldOut.set, err = labels.Split(set, 1-o.HoldOut, o.Seed); err != nil {
			return Result{}, fmt.Errorf("hold out %v of the queries: %w", o.HoldOut, err)
		}
		s.set.Name = set.Name
	}
	for from := 0; from < len(s.settings); {
		to := from
		for to < len(s.settings) && s.settings[to].Chunking == s.settings[from].Chunking {
			to++
		}
		s.chunkings = append(s.chunkings, s.settings[from:to])
		from = to
	}
	for i := range s.chunkings {
		if err := s.chunking(ctx, i); err != nil {
			return Result{}, fmt.Errorf("chunking %s: %w", s.chunkings[i][0].Chunking, err)
		}
	}
	return s.result(), nil
}

// sweep is the state of a run.
type sweep struct {
	options   Options
	set       labels.Set
	builder   Builder
	settings  []Setting
	chunkings [][]Setting // settings by chunking

	checked  *labels.Report
	primary  metric.Metric
	first    evalret.Evaluation // of the first chunking
	infos    []ChunkingInfo
	outcomes []Outcome
	vectors  [][]float64 // primary values of each outcome
	warnings []stats.Warning
	heldOut  heldOut
}

// heldOut is what has no part in the choice; its set is empty where everything
// has.
type heldOut struct {
	set     labels.Set
	checked *labels.Report
	first   evalret.Evaluation // of the first chunking
	vectors [][]float64        // as in sweep
}

// evaluate scores the held-out queries as o says, which the others were.
func (h *heldOut) evaluate(ctx context.Context, built Built, o evalret.Options) error {
	if len(h.set.Queries) == 0 {
		return nil
	}
	if h.checked == nil {
		report, err := checkLabels(ctx, h.set, built)
		if err != nil {
			return err
		}
		h.checked = &report
	}
	o.Checked, o.Progress = h.checked, nil
	e, err := evalret.Evaluate(ctx, h.set, built.Finder, o)
	if err != nil {
		return fmt.Errorf("held-out queries: %w", err)
	}
	if h.first.Runs == nil {
		h.first = e
	}
	for _, run := range e.Runs {
		h.vectors = append(h.vectors, values(run, o.Primary))
	}
	return nil
}

// confirm compares a setting with the baseline on the held-out queries; nil
// where there are none.
func (h *heldOut) confirm(setting, baseline int, primary metric.Metric, o stats.Options) *Confirmation {
	if len(h.vectors) == 0 {
		return nil
	}
	queries := applicable(h.first, primary)
	o.Clusters, _ = evalret.Clusters(queries)
	return &Confirmation{Queries: len(queries), Comparison: stats.Compare(h.vectors[baseline], h.vectors[setting], o)}
}

// chunking builds and evaluates chunking i.
func (s *sweep) chunking(ctx context.Context, i int) (err error) {
	settings := s.chunkings[i]
	progress := Progress{Chunking: settings[0].Chunking, Number: i + 1, Chunkings: len(s.chunkings), Total: len(s.set.Queries)}
	if s.options.Progress != nil {
		s.options.Progress(progress)
	}
	built, err := s.builder.Build(ctx, progress.Chunking)
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if built.Close != nil {
		defer func() {
			if closeErr := built.Close(); closeErr != nil {
				err = errors.Join(err, fmt.Errorf("close: %w", closeErr))
			}
		}()
	}
	if i > 0 && built.Corpus != s.infos[0].corpus {
		return fmt.Errorf("its documents (fingerprint %s) are not those of chunking %s (%s); settings can't be compared",
			built.Corpus, s.infos[0].Chunking, s.infos[0].corpus)
	}
	s.infos = append(s.infos, ChunkingInfo{Chunking: progress.Chunking, Recipe: built.Recipe, Chunks: built.Chunks, corpus: built.Corpus})
	if err := s.check(ctx, built); err != nil {
		return err
	}
	o := evalret.Options{
		Metrics: s.metrics(), Primary: s.primary, Checked: s.checked,
		Counter: s.options.Counter, Tokenizer: s.options.Tokenizer,
		Seed: s.options.Seed, Resamples: s.options.Resamples, Concurrency: s.options.Concurrency, Detail: evalret.Values,
		Provenance: evalret.Provenance{Corpus: built.Corpus, Recipe: built.Recipe, Code: s.options.Code, Reranker: s.options.Reranker, Expander: s.options.Expander},
	}
	if s.options.Progress != nil {
		o.Progress = func(done, _ int) {
			progress.Queries = done
			s.options.Progress(progress)
		}
	}
	for _, setting := range settings {
		o.Settings = append(o.Settings, evalret.Setting{Name: setting.String(), Params: s.options.params(setting), Pack: s.options.Pack})
	}
	e, err := evalret.Evaluate(ctx, s.set, built.Finder, o)
	if err != nil {
		return err
	}
	if i == 0 {
		s.first = e
	}
	s.add(settings, e, built)
	return s.heldOut.evaluate(ctx, built, o)
}

// check compares the labels with the texts of the first chunking, and settles
// the primary metric.
func (s *sweep) check(ctx context.Context, built Built) error {
	if s.checked != nil {
		return nil
	}
	report, err := checkLabels(ctx, s.set, built)
	if err != nil {
		return err
	}
	s.checked = &report
	s.primary = s.options.Primary
	if s.primary != (metric.Metric{}) {
		return nil
	}
	s.primary = metric.Metric{Name: "nDCG", At: 10}
	for _, q := range report.Set.Queries {
		if len(q.Evidence) > 0 {
			s.primary = metric.Metric{Name: "evidence_recall", At: nearest(s.options.Grid.Budgets, 1024), Unit: metric.Tokens}
			break
		}
	}
	return nil
}

func checkLabels(ctx context.Context, set labels.Set, built Built) (labels.Report, error) {
	if built.Texts == nil {
		return labels.Report{}, errors.New("the builder gives no texts to check the labels with")
	}
	report := labels.Check(set, func(doc text.DocID) (string, error) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		return built.Texts(ctx, doc)
	})
	if report.Err != nil {
		return labels.Report{}, fmt.Errorf("check labels: %w", report.Err)
	}
	return report, nil
}

// nearest returns the budget nearest to want, the first of two equally near; 0
// for none.
func nearest(budgets []int, want int) int {
	best := 0
	for i, b := range budgets {
		if i == 0 || distance(b, want) < distance(best, want) {
			best = b
		}
	}
	return best
}

func distance(a, b int) int { return max(a-b, b-a) }

// metrics returns what is measured: evidence recall at every budget and the
// ranking of documents.
func (s *sweep) metrics() []metric.Metric {
	var ms []metric.Metric
	for _, b := range s.options.Grid.Budgets {
		ms = append(ms, metric.Metric{Name: "evidence_recall", At: b, Unit: metric.Tokens})
	}
	ms = append(ms, metric.Metric{Name: "nDCG", At: 10})
	for _, m := range ms {
		if m == s.primary {
			return ms
		}
	}
	return append(ms, s.primary)
}

// add keeps the outcomes of one chunking.
func (s *sweep) add(settings []Setting, e evalret.Evaluation, built Built) {
	for i, setting := range settings {
		run := e.Runs[i]
		s.outcomes = append(s.outcomes, Outcome{
			Setting: setting, Current: setting == s.options.Current,
			Metrics: run.Metrics, Contexts: run.Contexts, Chunks: built.Chunks, Retrieval: run.Fingerprints.Retrieval, Recipe: built.Recipe,
		})
		s.vectors = append(s.vectors, values(run, s.primary))
	}
	for _, w := range e.Warnings {
		known := false
		for _, have := range s.warnings {
			known = known || have == w
		}
		if !known {
			s.warnings = append(s.warnings, w)
		}
	}
}

// values returns a metric's values of the queries that it applies to.
func values(run evalret.Run, m metric.Metric) (x []float64) {
	for _, q := range run.PerQuery {
		if v, ok := q.Values[m.String()]; ok && v.State() != metric.NotApplicable {
			value, _ := v.Float()
			x = append(x, value)
		}
	}
	return x
}

// applicable returns the queries that a metric applies to; labels alone decide,
// so they are the same under every setting.
func applicable(e evalret.Evaluation, m metric.Metric) (queries []evalret.Query) {
	for i, q := range e.Queries {
		if v, ok := e.Runs[0].PerQuery[i].Values[m.String()]; ok && v.State() != metric.NotApplicable {
			queries = append(queries, q)
		}
	}
	return queries
}

// result compares all outcomes with the current one.
func (s *sweep) result() Result {
	r := Result{
		Primary: s.primary, Metrics: s.metrics(), Budgets: s.options.Grid.Budgets, Tokenizer: s.options.Tokenizer, Margin: s.options.Margin,
		Settings: s.outcomes, Chunkings: s.infos, Labels: s.first.Labels, Warnings: s.warnings,
		Fingerprints: evalret.Fingerprints{
			Corpus: s.infos[0].corpus, QuerySet: s.set.Fingerprint(), Code: s.options.Code, Seed: s.options.Seed,
		},
	}
	if r.Warnings == nil {
		r.Warnings = []stats.Warning{}
	}
	for i, o := range r.Settings {
		if o.Current {
			r.Current = i
		}
	}
	queries := applicable(s.first, s.primary)
	clusters, _ := evalret.Clusters(queries)
	options := stats.Options{Seed: s.options.Seed, Resamples: s.options.Resamples, Clusters: clusters}
	r.Queries = len(queries)
	against := func(baseline int) map[int]stats.Comparison {
		var rows []int
		var challengers [][]float64
		for i := range r.Settings {
			if i != baseline {
				rows, challengers = append(rows, i), append(challengers, s.vectors[i])
			}
		}
		out := map[int]stats.Comparison{}
		for k, c := range stats.Sweep(s.vectors[baseline], challengers, options) {
			out[rows[k]] = c
		}
		return out
	}
	for i, c := range against(r.Current) {
		r.Settings[i].Comparison = &c
	}
	r.Verdict = r.decide(against)
	if r.Verdict.Kind == Winner {
		r.Verdict.Confirmation = s.heldOut.confirm(r.Verdict.Winner, r.Current, s.primary, options)
	}
	switch c := r.Verdict.Confirmation; {
	case c != nil:
		r.Verdict.Sentence += " " + c.sentence(s.primary)
	case r.Verdict.Kind == Winner:
		r.Warnings = append(r.Warnings, stats.Warning{
			Code:    "selected",
			Message: "the winner was chosen and measured on the same queries, so its difference is somewhat too large; confirm it on queries that had no part in the choice (--hold-out)",
		})
	}
	return r
}
