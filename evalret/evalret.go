// Package evalret measures retrieval over labelled query sets.
//
// [Evaluate] asks each query once, ranks what was found under every [Setting],
// packs the ranking into contexts at token budgets, scores all of it and
// summarises the scores with intervals. It does not search or embed: a
// [Finder], such as retrieve.Retriever, does. It prints nothing; package
// evalret/report does.
//
// Nouns. A setting is a name with retrieval and packing parameters. A [Run] is
// the per-query results of one setting over one query set with the
// [Fingerprints] of everything that decided them. An [Evaluation] is the runs
// of one call, side by side over the same queries.
//
// What is scored: documents in the order of the ranking, the first chunk of a
// document standing for it (MaxP); the first chunks against evidence spans;
// and the context packed from the first TopK chunks at each token budget that
// a metric names. Ties have the order that retrieval gave them.
//
// What counts how: a query that failed or returned nothing counts 0 and is
// listed as missing. A query without the labels that a metric needs has no part
// in its mean and is counted as not applicable. Queries marked unanswerable
// have no part in any of this; how well scores tell them from answerable ones
// is reported apart ([Separation]).
//
// Equal input gives equal output whatever the concurrency.
package evalret

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Finder returns the candidates of both legs for a query; implemented by
// *retrieve.Retriever. It must be safe for concurrent use.
type Finder interface {
	Find(ctx context.Context, query string, p retrieve.Params) (retrieve.Found, error)
	// Rerank adds the scores that settings with Params.Rerank need. It is not
	// called where there is none.
	Rerank(ctx context.Context, query string, found retrieve.Found, ps ...retrieve.Params) (retrieve.Found, error)
}

// Setting is one way to rank and pack what was found.
type Setting struct {
	Name   string          // unique in an evaluation
	Params retrieve.Params // TopK is the number of chunks given to the packer
	Pack   pack.Options    // without BudgetTokens: the metrics name the budgets
}

// Names of the settings that [Standard] returns.
const (
	Lexical  = "lexical"
	Dense    = "dense"
	Hybrid   = "hybrid"
	Reranked = "reranked" // only where base reranks
)

// singleLegDepth is how deep a single leg is ranked at least, so that R@100
// sees 100 documents where documents have about two chunks each. Fused
// settings rank the union of both legs and need no more than their own depth.
const singleLegDepth = 200

// Standard returns the settings of an ordinary evaluation: each leg alone and
// base itself under the name hybrid. The single legs are ranked at least 200
// deep and otherwise share every parameter with base. Where base reranks, none
// of these does, and base itself comes last under the name reranked.
func Standard(base retrieve.Params, o pack.Options) []Setting {
	hybrid := base
	hybrid.Rerank = 0
	single := func(name, method string) Setting {
		p := hybrid
		p.Fusion = retrieve.Fusion{Method: method}
		p.Candidates = max(p.Candidates, singleLegDepth)
		return Setting{Name: name, Params: p, Pack: o}
	}
	all := []Setting{
		single(Lexical, retrieve.Lexical),
		single(Dense, retrieve.Dense),
		{Name: Hybrid, Params: hybrid, Pack: o},
	}
	if base.Rerank > 0 {
		all = append(all, Setting{Name: Reranked, Params: base, Pack: o})
	}
	return all
}

// DefaultBudgets are the token budgets that contexts are packed with unless
// metrics name others.
func DefaultBudgets() []int { return []int{512, 1024, 2048, 4096} }

// Detail says what an evaluation keeps of each query.
type Detail uint8

const (
	// Values keeps metric values only.
	Values Detail = iota
	// Rows also keeps the first documents and the segments of each context.
	Rows
	// Contexts also keeps the text of the contexts at the primary budget.
	Contexts
)

// Options of [Evaluate].
type Options struct {
	Settings []Setting // nil: Standard of the retrieval defaults
	// Metrics to compute. Nil: metric.Defaults at DefaultBudgets when a query
	// has labelled evidence, otherwise metric.DefaultDocuments.
	Metrics []metric.Metric
	// Also are computed besides Metrics; those that Metrics has are not repeated.
	Also []metric.Metric
	// Primary is the metric that verdicts are about; it is computed whether or
	// not Metrics has it. Zero: evidence_recall at the budget nearest to 1,024
	// tokens among Metrics when a query has evidence, otherwise nDCG@10.
	Primary metric.Metric
	// Reference names the setting that the others are compared with. Empty:
	// "hybrid" where there is one, otherwise the last.
	Reference string

	Counter   pack.Counter // counts the budgets' tokens; needed when a metric has a token budget
	Tokenizer string       // the name of Counter's encoding

	// Texts returns the current text of a document, [labels.ErrNoDocument] for
	// one that the corpus does not have. Labels are checked against it before
	// anything is scored. Nil: labels are taken as they are, with a warning.
	Texts func(context.Context, text.DocID) (string, error)
	// Checked is the report of [labels.Check] about the set, for a caller that
	// has made it already; Texts is then not called.
	Checked *labels.Report

	// Spans returns the chunks of a document, [labels.ErrNoDocument] for one
	// that the corpus does not have. Needed for precision_omega alone.
	Spans func(context.Context, text.DocID) ([]text.RuneSpan, error)

	Seed        uint64
	Resamples   int // of each bootstrap and test; 0: 10,000
	Concurrency int // queries asked at a time; 0: the number of CPUs
	Detail      Detail
	Provenance  Provenance
	// Progress, when not nil, is called after each query with the number of
	// queries done and their total, never concurrently.
	Progress func(done, total int)
}

// ErrOptions is wrapped by errors about Options.
var ErrOptions = errors.New("invalid evaluation options")

// resolve fills in defaults and checks o.
func (o Options) resolve(evidence bool) (Options, error) {
	bad := func(format string, args ...any) (Options, error) {
		return o, fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	if len(o.Settings) == 0 {
		o.Settings = Standard(retrieve.DefaultParams(), pack.Options{})
	}
	seen := map[string]bool{}
	for _, s := range o.Settings {
		if s.Name == "" || seen[s.Name] {
			return bad("setting name %q is empty or used twice", s.Name)
		}
		seen[s.Name] = true
		if err := s.Params.Validate(); err != nil {
			return bad("setting %s: %w", s.Name, err)
		}
		if s.Params.Expands() && o.Provenance.Expander == "" {
			return bad("setting %s expands queries by %s, but the provenance names no expander", s.Name, s.Params.Expand)
		}
		first := o.Settings[0]
		if s.Params.Feedback != first.Params.Feedback || s.Params.Expand != first.Params.Expand || s.Params.IDFPower != first.Params.IDFPower {
			return bad("setting %s has another feedback, expansion or idf power than %s; a query is searched once for all settings", s.Name, first.Name)
		}
		if (s.Params.TitleBoost == 0) != (first.Params.TitleBoost == 0) {
			return bad("of the settings %s and %s one has a title boost, the other none; a query is searched once for all settings", first.Name, s.Name)
		}
		if s.Params.Rerank > 0 && o.Provenance.Reranker == "" {
			return bad("setting %s reranks %d candidates, but the provenance names no reranker", s.Name, s.Params.Rerank)
		}
		if s.Pack.BudgetTokens != 0 {
			return bad("setting %s: the budget %d is given by metrics, not by the packing options", s.Name, s.Pack.BudgetTokens)
		}
		if !reflect.DeepEqual(s.Params.Filter, first.Params.Filter) {
			return bad("setting %s has another filter than %s; a query is searched once for all settings", s.Name, first.Name)
		}
	}
	if o.Reference == "" {
		o.Reference = o.Settings[len(o.Settings)-1].Name
		if seen[Hybrid] {
			o.Reference = Hybrid
		}
	}
	if !seen[o.Reference] {
		return bad("reference %q is not among the settings", o.Reference)
	}
	switch {
	case len(o.Metrics) > 0:
	case evidence:
		o.Metrics = metric.Defaults(DefaultBudgets())
	default:
		o.Metrics = metric.DefaultDocuments()
	}
	if o.Primary == (metric.Metric{}) {
		o.Primary = primary(o.Metrics, evidence)
	}
	if !slices.Contains(o.Metrics, o.Primary) {
		o.Metrics = append([]metric.Metric{o.Primary}, o.Metrics...)
	}
	for _, m := range o.Also {
		if !slices.Contains(o.Metrics, m) {
			o.Metrics = append(slices.Clip(o.Metrics), m)
		}
	}
	if d, _ := o.Primary.Definition(); d.Better != metric.Higher {
		return bad("%s cannot decide between settings: higher is not better", o.Primary)
	}
	names := map[metric.Metric]bool{}
	for _, m := range o.Metrics {
		if err := m.Validate(); err != nil {
			return bad("metric %s: %w", m, err)
		}
		switch d, _ := m.Definition(); {
		case d.Level == metric.Answers:
			return bad("metric %s is about answers; an evaluation of retrieval has none", m)
		case d.Geometric:
			return bad("metric %s is a mean of a whole run and has no values of queries to compare; \"ragloop score\" computes it", m)
		}
		if names[m] {
			return bad("metric %s is given twice", m)
		}
		names[m] = true
		if m.Unit == metric.Tokens && (o.Counter == nil || o.Tokenizer == "") {
			return bad("metric %s needs a token counter and its name", m)
		}
		if m.Name == omega && o.Spans == nil {
			return bad("metric %s needs the chunks of the labelled documents, which are not at hand here", m)
		}
	}
	if o.Resamples < 0 || o.Concurrency < 0 {
		return bad("resamples %d and concurrency %d must not be negative", o.Resamples, o.Concurrency)
	}
	return o, nil
}

// omega is the metric of the chunking alone.
const omega = "precision_omega"

// primary chooses the metric that verdicts are about.
func primary(ms []metric.Metric, evidence bool) metric.Metric {
	const wanted = 1024
	best := metric.Metric{}
	for _, m := range ms {
		if m.Name == "evidence_recall" && m.Unit == metric.Tokens && m.Theta == 0 &&
			(best.At == 0 || abs(m.At-wanted) < abs(best.At-wanted)) {
			best = m
		}
	}
	if evidence && best.At > 0 {
		return best
	}
	return metric.Metric{Name: "nDCG", At: 10}
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// budgets returns the token budgets that o's metrics name, ascending.
func (o Options) budgets() []int {
	var bs []int
	for _, m := range o.Metrics {
		bs = append(bs, m.Budgets()...)
	}
	slices.Sort(bs)
	return slices.Compact(bs)
}

// search returns the parameters of the one search that serves every setting.
func (o Options) search() retrieve.Params {
	p := o.Settings[0].Params
	for _, s := range o.Settings {
		p.Candidates = max(p.Candidates, s.Params.Candidates)
		p.Neighbours = max(p.Neighbours, s.Params.Neighbours)
		p.RequireAll = p.RequireAll || s.Params.RequireAll
	}
	return p
}
