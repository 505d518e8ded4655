// Package quality compares ways to index and retrieve over labelled sets: the
// configured recipe, its legs alone, and what frameworks do by default.
//
// Every system goes the same way: a [Builder] indexes the documents with its
// chunking, evalret.Evaluate searches, packs and scores. So systems differ in
// what [System] says and in nothing else: in chunks, fusion and rescoring. All
// index titles and headings with the text, all contexts are packed alike, the
// first chunk that does not fit is cut, and evidence that its document has twice
// counts at either place. The package searches and embeds nothing itself.
//
// Nouns. A [Set] is a labelled collection; a set with evidence is measured by
// evidence recall at token budgets, another one by nDCG@10 and R@100. A system is
// a chunking with retrieval parameters.
package quality

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
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
	Framework bool // what the default is compared with
}

// Frameworks returns what three widely used setups do by default, with titles,
// which they don't have by themselves: the dense leg alone, nothing rescored.
//
//   - LangChain's RecursiveCharacterTextSplitter with the 1,000 characters and an
//     overlap of 200 of its tutorials; bytes stand for characters
//   - windows of 512 tokens that repeat 20 % of the one before
//   - LlamaIndex's SentenceSplitter: 1,024 tokens with an overlap of 200
//
// Sizes in tokens are those of tokenizer.
func Frameworks(topK int, tokenizer string) []System {
	dense := retrieve.Params{TopK: topK, Candidates: max(topK, framesDepth), Fusion: retrieve.Fusion{Method: retrieve.Dense}}
	system := func(name, strategy, tokenizer string, size int, overlap float64) System {
		return System{
			Name:      name,
			Chunker:   index.ChunkerRecipe{Strategy: strategy, SizeTokens: size, Overlap: overlap, Tokenizer: tokenizer, IndexPrefix: true},
			Cut:       true,
			Settings:  []evalret.Setting{{Name: name, Params: dense}},
			Framework: true,
		}
	}
	return []System{
		system("LangChain 1000/200 characters", "recursive", "bytes/1", 1000, 0.2),
		system("512 tokens/20 %", "fixed", tokenizer, 512, 0.2),
		system("LlamaIndex 1024/200 tokens", "sentence", tokenizer, 1024, 200./1024),
	}
}

// framesDepth is how deep the dense leg is ranked, so that R@100 sees 100
// documents.
const framesDepth = 200

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
	Systems   []System // the first is the default: its setting evalret.Hybrid is what others are compared with
	Counter   pack.Counter
	Tokenizer string
	Seed      uint64
	Resamples int                      // 0: 10,000
	Progress  func(set, system string) // before each; nil: none
}

// Row is one setting on one set.
type Row struct {
	System string             `json:"system"`
	Chunks int                `json:"chunks"`
	Values map[string]float64 `json:"values"` // by metric, 0..1
}

// Difference is the default minus the framework that is best by that metric on
// that set.
type Difference struct {
	Metric   string     `json:"metric"`
	Against  string     `json:"against"`
	Diff     float64    `json:"diff"`
	CI95     [2]float64 `json:"ci95"` // paired bootstrap over queries, or over documents where they share them
	Clusters int        `json:"clusters"`
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
	Differences []Difference `json:"differences"`
}

// Result of [Run]. Mean and MeanDifferences are unweighted means over the sets
// with evidence; the differences are against the framework whose mean is best.
type Result struct {
	Sets            []SetResult  `json:"sets"`
	Skipped         []Skipped    `json:"skipped"`
	Mean            []Row        `json:"mean"`
	MeanDifferences []Difference `json:"mean_differences"`
}

// Run measures every system on every set. An error names the set and the system.
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

type measuredSet struct {
	result   SetResult
	columns  []column
	clusters []int
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
	})
	if err != nil {
		return err
	}
	m.result.Broken = len(e.Labels.Broken)
	for _, run := range e.Runs {
		c := column{name: run.Name, framework: system.Framework, values: map[string][]float64{}}
		row := Row{System: run.Name, Chunks: built.Chunks, Values: map[string]float64{}}
		var queries []evalret.Query
		for i, q := range run.PerQuery {
			v, ok := q.Values[ms[0].String()]
			if !ok || v.State() == metric.NotApplicable {
				continue
			}
			queries = append(queries, e.Queries[i])
			for _, x := range ms {
				f, _ := q.Values[x.String()].Float() // a failed query counts 0
				c.values[x.String()] = append(c.values[x.String()], f)
			}
		}
		for name, values := range c.values {
			row.Values[name] = mean(values)
		}
		m.clusters, _ = evalret.Clusters(queries)
		m.result.Queries = len(queries)
		m.result.Rows = append(m.result.Rows, row)
		m.columns = append(m.columns, c)
	}
	return nil
}

// of returns the column of the default, nil where there is none.
func (m measuredSet) of(name string) *column {
	for i := range m.columns {
		if m.columns[i].name == name {
			return &m.columns[i]
		}
	}
	return nil
}

func (m measuredSet) differences(o Options) []Difference {
	base := m.of(evalret.Hybrid)
	if base == nil {
		return nil
	}
	var out []Difference
	for _, name := range m.result.Metrics {
		best := -1
		for i, c := range m.columns {
			if c.framework && (best < 0 || mean(c.values[name]) > mean(m.columns[best].values[name])) {
				best = i
			}
		}
		if best >= 0 {
			out = append(out, m.difference(base, &m.columns[best], name, o))
		}
	}
	return out
}

func (m measuredSet) difference(base, other *column, name string, o Options) Difference {
	c := stats.Compare(other.values[name], base.values[name], stats.Options{Seed: o.Seed, Resamples: o.Resamples, Clusters: m.clusters})
	return Difference{Metric: name, Against: other.name, Diff: c.Diff, CI95: [2]float64{c.CI.Lo, c.CI.Hi}, Clusters: c.Clusters}
}

// means averages the sets with evidence. They share no query, so the interval of
// a mean of differences is that of independent estimates: half its width is the
// root of the sum of squares of theirs, divided by their number.
func means(all []measuredSet, o Options) ([]Row, []Difference) {
	var sets []measuredSet
	for _, m := range all {
		if m.result.Evidence {
			sets = append(sets, m)
		}
	}
	if len(sets) < 2 {
		return nil, nil
	}
	n := float64(len(sets))
	rows := make([]Row, len(sets[0].columns))
	for i, c := range sets[0].columns {
		rows[i] = Row{System: c.name, Values: map[string]float64{}}
		for _, m := range sets {
			rows[i].Chunks += m.result.Rows[i].Chunks
			for name, v := range m.result.Rows[i].Values {
				rows[i].Values[name] += v / n
			}
		}
	}
	var out []Difference
	for _, name := range sets[0].result.Metrics {
		best := -1
		for i, c := range sets[0].columns {
			if c.framework && (best < 0 || rows[i].Values[name] > rows[best].Values[name]) {
				best = i
			}
		}
		if best < 0 || sets[0].of(evalret.Hybrid) == nil {
			return rows, nil
		}
		d := Difference{Metric: name, Against: rows[best].System}
		squares := 0.0
		for _, m := range sets {
			one := m.difference(m.of(evalret.Hybrid), &m.columns[best], name, o)
			d.Diff += one.Diff / n
			d.Clusters += one.Clusters
			half := (one.CI95[1] - one.CI95[0]) / 2
			squares += float64(half * half)
		}
		half := math.Sqrt(squares) / n
		d.CI95 = [2]float64{d.Diff - half, d.Diff + half}
		out = append(out, d)
	}
	return rows, out
}

func mean(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}
