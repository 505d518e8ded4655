// Package tune compares chunkings and retrieval settings over a query set.
//
// A sweep is a [Grid]: every chunking with every retrieval setting. Each
// distinct chunking is built once, by the caller's [Builder]; each query is
// searched once per chunking, and all retrieval settings are ranked, packed
// and scored from what was found. Everything is compared at equal token
// budgets: at an equal number of chunks larger chunks and more overlap always
// seem to win.
//
// Package tune decides by the data or says that it can't: a setting wins only
// when its paired bootstrap interval against the current setting excludes 0
// and its p-value, corrected for the number of settings tried (max-T), is at
// most 0.05. It changes nothing; promoting a winner is somebody else's job.
package tune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Chunking is the part of a setting that needs an index of its own.
type Chunking struct {
	Strategy   chunk.Strategy `json:"strategy"`    // empty: chunk.Structure
	SizeTokens int            `json:"size_tokens"` // 16..8192
	Overlap    float64        `json:"overlap"`     // share of SizeTokens, 0..0.5
}

// String returns size and overlap, "256/0.15", with the strategy in front where
// it is not the default: "page 256/0".
func (c Chunking) String() string {
	return c.Size() + "/" + strconv.FormatFloat(c.Overlap, 'g', -1, 64)
}

// Size returns "256" or "page 256".
func (c Chunking) Size() string {
	if c.strategy() == chunk.Structure {
		return strconv.Itoa(c.SizeTokens)
	}
	return string(c.Strategy) + " " + strconv.Itoa(c.SizeTokens)
}

func (c Chunking) strategy() chunk.Strategy { return cmp.Or(c.Strategy, chunk.Structure) }

// Setting is one point of a grid.
type Setting struct {
	Chunking
	TopK   int // chunks given to the packer, 1..1000
	Fusion retrieve.Fusion
	Rerank int // as retrieve.Params.Rerank: 0 is off

	RerankWeight float64 // as retrieve.Params.RerankWeight, 0 where Rerank is; of Options.Current also 0: that of Options.Base
}

// String returns a short, unique name: "256/0.15 k10 zscore(w=0.6)", with
// "rerank(30)" at its end where 30 candidates are reranked, "rerank(30,w=0.7)"
// where the scores before count, too.
func (s Setting) String() string {
	return fmt.Sprintf("%s k%d %s", s.Chunking, s.TopK, s.Order())
}

// Order returns what decides the order of the chunks: "zscore(w=0.6)",
// "zscore(w=0.6) rerank(30)" or "zscore(w=0.6) rerank(30,w=0.7)".
func (s Setting) Order() string {
	switch {
	case s.Rerank == 0:
		return s.Fusion.String()
	case s.RerankWeight > 0 && s.RerankWeight < 1:
		return fmt.Sprintf("%s rerank(%d,w=%v)", s.Fusion, s.Rerank, s.RerankWeight)
	}
	return fmt.Sprintf("%s rerank(%d)", s.Fusion, s.Rerank)
}

// Grid is the settings to try: each combination once. An empty list stands for
// the current setting's value.
type Grid struct {
	Strategies []chunk.Strategy
	Sizes      []int
	Overlaps   []float64 // those above 0 with the strategies that repeat text; the others need a 0
	TopK       []int     // at an equal budget it caps the chunks that the packer may choose from
	Fusions    []retrieve.Fusion
	Reranks    []int // depths; 0: without the reranker
	Budgets    []int // token budgets; empty: evalret.DefaultBudgets

	RerankWeights []float64 // of the settings that rerank, above 0 to 1
}

// Built is a corpus indexed with one chunking.
type Built struct {
	Finder evalret.Finder
	Corpus string // evalret.CorpusFingerprint; equal for all chunkings of a sweep
	Recipe string // fingerprint
	Chunks int    // in the index
	// Texts returns a document's text, labels.ErrNoDocument when there is none.
	Texts func(context.Context, text.DocID) (string, error)
	// Close, when not nil, is called when the chunking has been evaluated.
	Close func() error
}

// Builder makes or opens the index of a chunking. Build is called once for
// each distinct chunking, one after the other; an index made for the sweep
// alone is removed by Built.Close.
type Builder interface {
	Build(ctx context.Context, c Chunking) (Built, error)
}

// Options of [Run].
type Options struct {
	Grid    Grid
	Current Setting         // what is served now; always part of the sweep
	Base    retrieve.Params // parameters that the grid does not vary; its TopK, Fusion and Rerank are not used, RerankWeight where the grid has none
	Pack    pack.Options    // without BudgetTokens

	Counter   pack.Counter // required
	Tokenizer string       // required: the name of Counter's encoding

	// Primary decides. Zero: evidence_recall at the budget of the grid nearest
	// to 1,024 tokens, or nDCG@10 when no query has evidence.
	Primary metric.Metric
	// HoldOut is the share of the queries that has no part in the choice and
	// confirms the winner, in [0, 1); 0: none, everything is chosen on. The halves
	// share no document (labels.Split, by Seed).
	HoldOut float64
	// Margin is how much worse a cheaper setting may be to be called not
	// worse, on the scale of Primary; 0 means 0.02.
	Margin float64

	Seed        uint64
	Resamples   int // 0: 10,000
	Concurrency int // queries at a time; 0: the number of CPUs
	Code        string
	Expander    string         // fingerprint of what expands queries; required where Base does
	Reranker    string         // fingerprint of what reranks; required where a setting does
	Progress    func(Progress) // nil: none; never called concurrently
}

// Progress is the state of a sweep.
type Progress struct {
	Chunking  Chunking
	Number    int // of this chunking, from 1
	Chunkings int
	Queries   int // searched under this chunking; 0: it is about to be built
	Total     int // queries of the set
}

// ErrOptions is wrapped by errors about Options.
var ErrOptions = errors.New("invalid sweep")

const (
	defaultMargin = 0.02
	minSize       = 16
	maxSize       = 8192
	maxOverlap    = 0.5
	// MaxSettings bounds a sweep.
	MaxSettings = 500
)

// resolve fills in defaults and checks o.
func (o Options) resolve() (Options, error) {
	bad := func(format string, args ...any) (Options, error) {
		return o, fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	g := &o.Grid
	o.Current.Strategy = o.Current.strategy()
	if len(g.Strategies) == 0 {
		g.Strategies = []chunk.Strategy{o.Current.Strategy}
	}
	if len(g.Sizes) == 0 {
		g.Sizes = []int{o.Current.SizeTokens}
	}
	if len(g.Overlaps) == 0 {
		g.Overlaps = []float64{o.Current.Overlap}
	}
	if len(g.TopK) == 0 {
		g.TopK = []int{o.Current.TopK}
	}
	if len(g.Fusions) == 0 {
		g.Fusions = []retrieve.Fusion{o.Current.Fusion}
	}
	if len(g.Reranks) == 0 {
		g.Reranks = []int{o.Current.Rerank}
	}
	if len(g.RerankWeights) == 0 {
		g.RerankWeights = []float64{o.Base.RerankWeight}
	} else if o.Current.Rerank == 0 && !slices.ContainsFunc(g.Reranks, func(n int) bool { return n > 0 }) {
		return bad("rerank weights %v, but no setting reranks", g.RerankWeights)
	}
	switch {
	case o.Current.Rerank == 0:
		o.Current.RerankWeight = 0
	case o.Current.RerankWeight == 0:
		o.Current.RerankWeight = o.Base.RerankWeight
	}
	if len(g.Budgets) == 0 {
		g.Budgets = evalret.DefaultBudgets()
	}
	if o.Margin == 0 {
		o.Margin = defaultMargin
	}
	for _, size := range append(slices.Clone(g.Sizes), o.Current.SizeTokens) {
		if size < minSize || size > maxSize {
			return bad("chunk size %d tokens; allowed: %d to %d", size, minSize, maxSize)
		}
	}
	for _, overlap := range append(slices.Clone(g.Overlaps), o.Current.Overlap) {
		if !(overlap >= 0 && overlap <= maxOverlap) {
			return bad("overlap %v; allowed: 0 to %v, a share of the chunk size", overlap, maxOverlap)
		}
	}
	for _, s := range append(slices.Clone(g.Strategies), o.Current.Strategy) {
		if !slices.Contains(chunk.Strategies(), s) {
			return bad("chunking strategy %q; allowed: %q", s, chunk.Strategies())
		}
		if !s.Overlaps() && !slices.Contains(g.Overlaps, 0) {
			return bad("overlap %v with chunking strategy %q, which repeats nothing; allowed: 0, also beside others", g.Overlaps[0], s)
		}
	}
	for _, k := range append(slices.Clone(g.TopK), o.Current.TopK) {
		if k < 1 || k > retrieve.MaxCandidates {
			return bad("top-k %d; allowed: 1 to %d", k, retrieve.MaxCandidates)
		}
	}
	for _, b := range g.Budgets {
		if b < 1 || b > metric.MaxTokens {
			return bad("token budget %d; allowed: 1 to %d", b, metric.MaxTokens)
		}
	}
	g.Budgets = slices.Clone(g.Budgets)
	slices.Sort(g.Budgets)
	g.Budgets = slices.Compact(g.Budgets)
	if o.Counter == nil || o.Tokenizer == "" {
		return bad("a token counter and its name are needed")
	}
	if !(o.HoldOut >= 0 && o.HoldOut < 1) {
		return bad("hold-out %v; allowed: 0, for none, to less than 1", o.HoldOut)
	}
	if !(o.Margin > 0 && o.Margin < 1) {
		return bad("margin %v; allowed: greater than 0, less than 1", o.Margin)
	}
	if n := len(g.Strategies) * len(g.Sizes) * len(g.Overlaps) * len(g.TopK) * len(g.Fusions) * len(g.Reranks) * len(g.RerankWeights); n > MaxSettings {
		return bad("%d settings; allowed: up to %d", n, MaxSettings)
	}
	for _, s := range o.settings() {
		if err := o.params(s).Validate(); err != nil {
			return bad("setting %s: %w", s, err)
		}
	}
	return o, nil
}

// chunkings returns the grid's chunkings; with a strategy that repeats nothing
// only those without an overlap.
func (g Grid) chunkings() []Chunking {
	var all []Chunking
	for _, strategy := range g.Strategies {
		for _, size := range g.Sizes {
			for _, overlap := range g.Overlaps {
				if overlap == 0 || strategy.Overlaps() {
					all = append(all, Chunking{strategy, size, overlap})
				}
			}
		}
	}
	return all
}

// settings returns the grid's settings with the current one, each once:
// grouped by chunking, in the order of chunk.Strategies and smaller first, then
// by top-k, then by fusion, rerank depth and weight as given.
func (o Options) settings() []Setting {
	var all []Setting
	for _, chunking := range o.Grid.chunkings() {
		for _, k := range o.Grid.TopK {
			for _, fusion := range o.Grid.Fusions {
				for _, depth := range o.Grid.Reranks {
					for _, w := range o.Grid.RerankWeights {
						all = append(all, Setting{chunking, k, fusion, depth, w})
					}
				}
			}
		}
	}
	all = append(all, o.Current)
	slices.SortStableFunc(all, func(a, b Setting) int {
		return cmp.Or(
			cmp.Compare(slices.Index(chunk.Strategies(), a.Strategy), slices.Index(chunk.Strategies(), b.Strategy)),
			cmp.Compare(a.SizeTokens, b.SizeTokens),
			cmp.Compare(a.Overlap, b.Overlap),
			cmp.Compare(a.TopK, b.TopK))
	})
	var unique []Setting
	for _, s := range all {
		if s.Rerank == 0 {
			s.RerankWeight = 0 // makes no difference, and so no other setting
		}
		if !slices.Contains(unique, s) {
			unique = append(unique, s)
		}
	}
	return unique
}

// params returns the retrieval parameters of s.
func (o Options) params(s Setting) retrieve.Params {
	p := o.Base
	p.TopK, p.Fusion, p.Rerank = s.TopK, s.Fusion, s.Rerank
	if s.Rerank > 0 {
		p.RerankWeight = s.RerankWeight
	}
	// A search needs at least top-k candidates per leg.
	p.Candidates = max(p.Candidates, s.TopK)
	return p
}
