package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/evalret/tune"
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/tokens"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/expand"
)

type tuneFlags struct {
	set, out, metric               string
	strategies                     []string
	sizes, overlaps, topK, budgets []string
	reranks, rerankWeights         []string
	fusions                        []string
	margin, holdOut                float64
	seed                           uint64
}

func (a *app) tuneCmd() *cobra.Command {
	var f tuneFlags
	cmd := &cobra.Command{
		Use:   "tune --set FILE [PATH…]",
		Short: "Compare chunking strategies, sizes, overlaps, top-k and fusions at equal token budgets",
		Long: `tune builds each chunking of the grid once in a scratch index, asks every query
once per chunking, and scores all settings at the same token budgets. It names a
winner only where the data can tell one from the setting that is served now.

PATH… are the files and directories of the corpus; without them tune reads
again the files that the collection was ingested from.`,
		RunE: func(cmd *cobra.Command, paths []string) error { return a.tune(cmd.Context(), f, paths) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.set, "set", "", "query set (JSON Lines)")
	fl.StringSliceVar(&f.strategies, "strategies", nil, "chunking strategies; row and page are tried without overlap only (default: the current one)")
	fl.StringSliceVar(&f.sizes, "sizes", nil, "chunk sizes in tokens (default: the current one)")
	fl.StringSliceVar(&f.overlaps, "overlaps", nil, "overlaps, 0 to 0.5 (default: the current one)")
	fl.StringSliceVar(&f.topK, "top-k", nil, "chunks given to the packer (default: the configured number)")
	fl.StringArrayVar(&f.fusions, "fusion", nil, "fusions to try (default: the configured one)")
	fl.StringSliceVar(&f.reranks, "rerank", nil, "how many of the best chunks are reranked, 0 for none (default: the configured number)")
	fl.StringSliceVar(&f.rerankWeights, "rerank-weight", nil, "weights of the reranker's scores against those before, above 0 to 1 (default: the configured one)")
	fl.StringSliceVar(&f.budgets, "budgets", nil, "token budgets (default: 512,1024,2048,4096)")
	fl.StringVar(&f.metric, "metric", "", "metric that decides (default: evidence_recall at the budget nearest to 1024 tokens)")
	fl.Float64Var(&f.holdOut, "hold-out", 0, "share of the queries that has no part in the choice and confirms the winner, such as 0.5; the two parts share no document")
	fl.Float64Var(&f.margin, "margin", 0.02, "how much worse a cheaper setting may be to be called not worse")
	fl.StringVar(&f.out, "out", "tune.html", `file of the HTML report; "" writes none`)
	fl.Uint64Var(&f.seed, "seed", defaultSeed, "seed of the intervals and tests")
	return cmd
}

func (a *app) tune(ctx context.Context, f tuneFlags, paths []string) (err error) {
	if f.set == "" {
		return errors.New(`tune needs --set FILE; see "ragloop tune --help"`)
	}
	if err := checkOut("--out", f.out); err != nil {
		return err
	}
	if !(f.holdOut >= 0 && f.holdOut < 1) {
		return fmt.Errorf("tune: --hold-out is %v, allowed is 0, for none, to less than 1", f.holdOut)
	}
	if !(f.margin > 0 && f.margin < 1) {
		return fmt.Errorf("tune: --margin is %v, allowed is more than 0 and less than 1", f.margin)
	}
	grid, err := f.grid()
	if err != nil {
		return err
	}
	var primary metric.Metric
	if f.metric != "" {
		if primary, err = metric.Parse(f.metric); err != nil {
			return fmt.Errorf("tune: --metric: %w", err)
		}
	}
	set, err := labels.ReadFile(f.set)
	if err != nil {
		return err
	}
	params, err := a.params()
	if err != nil {
		return err
	}
	recipe, records, err := a.current(ctx)
	if err != nil {
		return err
	}
	src := reopened(records)
	if len(paths) > 0 {
		var done func()
		if src, done, err = a.paths(paths, nil); err != nil {
			return err
		}
		defer done()
	}
	reranker, err := a.reranker()
	if err != nil {
		return err
	}
	if reranker == nil && slices.ContainsFunc(grid.Reranks, func(n int) bool { return n > 0 }) {
		return errors.New("tune: --rerank needs a reranker, which retrieve.rerank.model or retrieve.rerank.kind names")
	}
	expander, err := a.expander()
	if err != nil {
		return err
	}
	packing, err := a.packing()
	if err != nil {
		return err
	}
	counter, err := tokens.New(recipe.Chunker.Tokenizer)
	if err != nil {
		return err
	}
	s, err := a.scratch(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if got, want := s.embedder.Info().Fingerprint, recipe.Embedder.Fingerprint; got != want {
		return fmt.Errorf("tune: %w: collection %s has embedder %s, configured is %s", index.ErrRecipe, a.cfg.Config.Collection, recipe.Embedder.Name, s.embedder.Info().Name)
	}
	p := a.progress()
	defer p.done()
	result, err := tune.Run(ctx, set, &builder{s: s, reranker: reranker, expander: expander, chunker: recipe.Chunker, src: src, complete: len(paths) == 0}, tune.Options{
		Grid: grid,
		Current: tune.Setting{
			Chunking: tune.Chunking{Strategy: chunk.Strategy(recipe.Chunker.Strategy), SizeTokens: recipe.Chunker.SizeTokens, Overlap: recipe.Chunker.Overlap},
			TopK:     params.TopK, Fusion: params.Fusion, Rerank: params.Rerank,
		},
		Base: params, Pack: packing, Counter: counter, Tokenizer: counter.Name(),
		Primary: primary, Margin: f.margin, HoldOut: f.holdOut, Seed: f.seed, Code: codeVersion(), Reranker: rerankerFingerprint(reranker), Expander: expanderFingerprint(expander),
		Progress: func(tp tune.Progress) {
			p.count(fmt.Sprintf("queries on chunking %s (%d of %d)", tp.Chunking, tp.Number, tp.Chunkings))(tp.Queries, tp.Total)
		},
	})
	if err != nil {
		return err
	}
	p.done()
	if f.out != "" {
		o := report.Options{Command: "ragloop tune --collection " + a.cfg.Config.Collection + " --set " + f.set}
		if err := writeFile(f.out, func(w io.Writer) error { return report.TuneHTML(w, result, o) }); err != nil {
			return err
		}
	}
	if a.json {
		err = report.TuneJSON(a.out, result)
	} else {
		err = report.TuneText(a.out, result)
	}
	if err == nil && f.out != "" {
		a.say("report: %s", f.out)
	}
	return err
}

// current returns the recipe that is served and the records of its documents,
// by id. It closes the index again: the sweep does not need it.
func (a *app) current(ctx context.Context) (recipe index.Recipe, records []index.Record, err error) {
	err = a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		recipe = gen.Recipe
		for r, err := range gen.List(ctx) {
			if err != nil {
				return err
			}
			if r.State == index.Indexed {
				records = append(records, r)
			}
		}
		return nil
	})
	slices.SortFunc(records, func(x, y index.Record) int { return cmp.Compare(x.Doc, y.Doc) })
	return recipe, records, err
}

// builder makes the chunkings of a sweep as scratch collections.
type builder struct {
	s        *scratch
	reranker reranker       // nil: none
	expander *expand.Writer // nil: none
	chunker  index.ChunkerRecipe
	src      ingest.Source
	// complete: src is the collection's documents, which could be read before.
	complete bool
}

func (b *builder) Build(ctx context.Context, c tune.Chunking) (tune.Built, error) {
	chunker := b.chunker
	chunker.Strategy, chunker.SizeTokens, chunker.Overlap = string(c.Strategy), c.SizeTokens, c.Overlap
	name := fmt.Sprintf("tune_%s_%d_%s", c.Strategy, c.SizeTokens, strings.ReplaceAll(strconv.FormatFloat(c.Overlap, 'f', -1, 64), ".", "_"))
	gen, err := b.s.build(ctx, name, chunker, b.src, b.complete)
	if err != nil {
		return tune.Built{}, err
	}
	r, err := retriever(gen, b.s.embedder, b.reranker, b.expander)
	if err != nil {
		return tune.Built{}, err
	}
	corpus, err := evalret.CorpusFingerprint(gen.List(ctx))
	if err != nil {
		return tune.Built{}, err
	}
	stats, err := gen.Stats(ctx)
	if err != nil {
		return tune.Built{}, err
	}
	return tune.Built{
		Finder: r, Corpus: corpus, Recipe: gen.Recipe.Fingerprint(), Chunks: stats.Chunks, Texts: texts(gen),
		Close: func() error { return b.s.drop(ctx, name) },
	}, nil
}

// grid parses the lists; tune.Run checks the ranges.
func (f tuneFlags) grid() (g tune.Grid, err error) {
	for _, s := range f.strategies {
		g.Strategies = append(g.Strategies, chunk.Strategy(strings.TrimSpace(s)))
	}
	if g.Sizes, err = parseList("--sizes", f.sizes, strconv.Atoi); err != nil {
		return g, err
	}
	if g.TopK, err = parseList("--top-k", f.topK, strconv.Atoi); err != nil {
		return g, err
	}
	if g.Reranks, err = parseList("--rerank", f.reranks, strconv.Atoi); err != nil {
		return g, err
	}
	if g.RerankWeights, err = parseList("--rerank-weight", f.rerankWeights, parseFloat); err != nil {
		return g, err
	}
	if g.Budgets, err = parseList("--budgets", f.budgets, strconv.Atoi); err != nil {
		return g, err
	}
	if g.Overlaps, err = parseList("--overlaps", f.overlaps, parseFloat); err != nil {
		return g, err
	}
	for _, s := range splitFusions(f.fusions) {
		fusion, err := retrieve.ParseFusion(s)
		if err != nil {
			return g, fmt.Errorf("tune: --fusion: %w", err)
		}
		g.Fusions = append(g.Fusions, fusion)
	}
	return g, nil
}

func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

// splitFusions splits lists at the commas outside parentheses:
// "dense,rrf(k=60,w=0.5)" holds two fusions.
func splitFusions(lists []string) []string {
	var out []string
	for _, list := range lists {
		depth, from := 0, 0
		for i, r := range list {
			switch {
			case r == '(':
				depth++
			case r == ')':
				depth--
			case r == ',' && depth == 0:
				out = append(out, strings.TrimSpace(list[from:i]))
				from = i + 1
			}
		}
		out = append(out, strings.TrimSpace(list[from:]))
	}
	return out
}

func parseList[T any](flag string, in []string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for _, s := range in {
		v, err := parse(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("tune: %s: %q is no number", flag, s)
		}
		out = append(out, v)
	}
	return out, nil
}
