// Package quality compares ways to index and retrieve over labelled sets: the
// configured recipe, its legs alone, and what frameworks do by default.
//
// Every system goes the same way: a [Builder] indexes the documents with its
// chunking, evalret.Evaluate searches, packs and scores. So systems differ in
// what [System] says and in nothing else: in chunks, fusion and rescoring. All
// index titles and headings with the text, all contexts are packed with the same
// options, the first chunk that does not fit is cut, and evidence that its document
// has twice counts at either place. Chunks of frameworks are delivered whole
// otherwise: they do not ask for how rare words are, which focused contexts need. The package searches and embeds nothing itself.
//
// Nouns. A [Set] is a labelled collection; a set with evidence is measured by
// evidence recall at token budgets, another one by nDCG@10 and R@100. A system is
// a chunking with retrieval parameters.
package quality

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// System is a chunking and the settings that are evaluated on it.
type System struct {
	Name    string
	Chunker index.ChunkerRecipe
	// Cut: a chunk may be larger than the embedder's window, which then sees its
	// beginning only, as with frameworks.
	Cut       bool
	Settings  []evalret.Setting
	Framework bool // one of those of which the best is compared with the default
}

// Frameworks returns what three widely used setups do by default, with titles,
// which they don't have by themselves: the dense leg alone, nothing rescored.
//
//   - LangChain's RecursiveCharacterTextSplitter with the 1,000 characters and an
//     overlap of 200 of its tutorials; bytes stand for characters
//   - windows of 512 tokens that repeat 20 % of the one before
//   - LlamaIndex's SentenceSplitter: 1,024 tokens with an overlap of 200
//
// Sizes in tokens are those of tokenizer. Contexts are packed with o, as those of
// what they are compared with should be.
func Frameworks(topK int, tokenizer string, o pack.Options) []System {
	dense := retrieve.Params{TopK: topK, Candidates: max(topK, frameworkDepth), Fusion: retrieve.Fusion{Method: retrieve.Dense}, IDFPower: 1}
	system := func(name, strategy, tokenizer string, size int, overlap float64) System {
		return System{
			Name:      name,
			Chunker:   index.ChunkerRecipe{Strategy: strategy, SizeTokens: size, Overlap: overlap, Tokenizer: tokenizer, IndexPrefix: true},
			Cut:       true,
			Settings:  []evalret.Setting{{Name: name, Params: dense, Pack: o}},
			Framework: true,
		}
	}
	return []System{
		system("LangChain 1000/200 characters", "recursive", "bytes/1", 1000, 0.2),
		system("512 tokens/20 %", "fixed", tokenizer, 512, 0.2),
		system("LlamaIndex 1024/200 tokens", "sentence", tokenizer, 1024, 200./1024),
	}
}

// frameworkDepth is how deep the dense leg is ranked, so that R@100 sees 100
// documents.
const frameworkDepth = 200

// Built is the documents of a set as a system indexes them.
type Built struct {
	Finder evalret.Finder
	Chunks int
	Texts  func(context.Context, text.DocID) (string, error)
	Close  func() error // nil: nothing to close
}

// Builder indexes a set for a system. Build is called for one at a time.
type Builder interface {
	Build(ctx context.Context, s Set, system System) (Built, error)
}

// Options of [Run].
type Options struct {
	Systems   []System // the first is the default, with evalret.Standard's settings; the names of all settings differ
	Counter   pack.Counter
	Tokenizer string
	Reranker  string // fingerprint of what Built.Finder reranks with; needed where a setting reranks
	Expander  string // fingerprint of what it expands queries with; needed where a setting expands
	Seed      uint64
	Resamples int                      // 0: 10,000
	Progress  func(set, system string) // before each; nil: none
}

// Row is one setting on one set, or on the sets of a mean.
type Row struct {
	System string             `json:"system"`
	Chunks int                `json:"chunks"` // of all sets together
	Values map[string]float64 `json:"values"` // by metric, 0..1
}

// SetResult is all systems on one set.
type SetResult struct {
	Set         string       `json:"set"`
	Choice      string       `json:"choice"`
	Evidence    bool         `json:"evidence"`
	Metrics     []string     `json:"metrics"`
	Queries     int          `json:"queries"` // in the means
	Broken      int          `json:"broken"`  // labels that no longer fit and are left out
	Rows        []Row        `json:"rows"`
	Differences []Difference `json:"differences"` // by contrast, in the order of Metrics
}

// Result of [Run]. Mean and MeanDifferences are unweighted means over the sets
// with evidence, nil where there are fewer than two; whom MeanDifferences compare
// with is chosen by the means.
type Result struct {
	Sets            []SetResult  `json:"sets"`
	Skipped         []Skipped    `json:"skipped"`
	Mean            []Row        `json:"mean"`
	MeanDifferences []Difference `json:"mean_differences"`
}

// Run measures every system on every set. An error names the set and the system;
// a set none of whose labels can be scored is one.
func Run(ctx context.Context, sets []Set, b Builder, o Options) (Result, error) {
	var r Result
	if len(o.Systems) == 0 {
		return r, errors.New("compare systems: there are none")
	}
	var measured []measuredSet
	for _, s := range sets {
		m, err := measure(ctx, s, b, o)
		if err != nil {
			return r, fmt.Errorf("measure %s: %w", s.Name, err)
		}
		measured = append(measured, m)
		r.Sets = append(r.Sets, m.result)
	}
	r.Mean, r.MeanDifferences = means(measured, o)
	return r, nil
}

// column is the values of one setting, query by query.
type column struct {
	name      string
	framework bool
	values    map[string][]float64
}

// measuredSet has a column for each row of its result.
type measuredSet struct {
	result   SetResult
	columns  []column
	queries  []string // those in the means, the same for all columns
	clusters []int    // parallel to queries; nil: each is one
}

// metricsOf returns what a set is measured by.
func metricsOf(s Set) []metric.Metric {
	if !s.Evidence() {
		return []metric.Metric{{Name: "nDCG", At: 10}, {Name: "R", At: 100}}
	}
	var ms []metric.Metric
	for _, budget := range evalret.DefaultBudgets() {
		ms = append(ms, metric.Metric{Name: "evidence_recall", At: budget, Unit: metric.Tokens})
	}
	return ms
}

func measure(ctx context.Context, s Set, b Builder, o Options) (measuredSet, error) {
	m := measuredSet{result: SetResult{Set: s.Name, Choice: s.Choice, Evidence: s.Evidence()}}
	ms := metricsOf(s)
	for _, x := range ms {
		m.result.Metrics = append(m.result.Metrics, x.String())
	}
	for _, system := range o.Systems {
		if o.Progress != nil {
			o.Progress(s.Name, system.Name)
		}
		if err := m.add(ctx, s, system, ms, b, o); err != nil {
			return m, fmt.Errorf("%s: %w", system.Name, err)
		}
	}
	m.result.Differences = m.differences(o)
	return m, nil
}

// add measures one system.
func (m *measuredSet) add(ctx context.Context, s Set, system System, ms []metric.Metric, b Builder, o Options) (err error) {
	built, err := b.Build(ctx, s, system)
	if err != nil {
		return err
	}
	if built.Close != nil {
		defer func() { err = errors.Join(err, built.Close()) }()
	}
	e, err := evalret.Evaluate(ctx, s.Queries, built.Finder, evalret.Options{
		Settings: system.Settings, Metrics: ms, Primary: ms[0], Reference: system.Settings[0].Name,
		Counter: o.Counter, Tokenizer: o.Tokenizer, Texts: built.Texts, Seed: o.Seed, Resamples: 1,
		Provenance: evalret.Provenance{Reranker: o.Reranker, Expander: o.Expander},
	})
	if err != nil {
		return err
	}
	m.result.Broken = len(e.Labels.Broken)
	for _, run := range e.Runs {
		c := column{name: run.Name, framework: system.Framework, values: map[string][]float64{}}
		row := Row{System: run.Name, Chunks: built.Chunks, Values: map[string]float64{}}
		var queries []evalret.Query
		var ids []string
		for i, q := range run.PerQuery {
			v, ok := q.Values[ms[0].String()]
			if !ok || v.State() == metric.NotApplicable {
				continue
			}
			queries, ids = append(queries, e.Queries[i]), append(ids, q.ID)
			for _, x := range ms {
				f, _ := q.Values[x.String()].Float() // a failed query counts 0
				c.values[x.String()] = append(c.values[x.String()], f)
			}
		}
		switch {
		case len(queries) == 0:
			return fmt.Errorf("no query has a label that %s can be computed for", ms[0])
		case m.queries == nil:
			m.queries, m.result.Queries = ids, len(ids)
			m.clusters, _ = evalret.Clusters(queries)
		case !slices.Equal(m.queries, ids):
			return fmt.Errorf("%s: %s can be scored, not the same as the %d before: its documents differ", run.Name, count(len(ids), "query", "queries"), len(m.queries))
		}
		for name, values := range c.values {
			row.Values[name] = mean(values)
		}
		m.result.Rows = append(m.result.Rows, row)
		m.columns = append(m.columns, c)
	}
	return nil
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(max(len(xs), 1))
}
