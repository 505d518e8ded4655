package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/quality"
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/retrieve/expand"
)

type benchQualityFlags struct {
	labelled string
	work     string
	sets     []string
	full     bool
	markdown bool
	seed     uint64
}

func (a *app) benchQualityCmd() *cobra.Command {
	var f benchQualityFlags
	cmd := &cobra.Command{
		Use:   "quality --data DIR",
		Short: "Compare the configured retrieval with its legs and with frameworks' defaults on labelled sets",
		Long: `quality indexes each labelled set that DIR has, with the configured recipe and with
the defaults of frameworks, asks its queries, and prints evidence recall at token
budgets, or nDCG@10 and R@100 where documents are labelled. Where a reranker is
configured, it is a row of its own beside hybrid.

Under each table, hybrid is compared with the best framework and with the better of
its legs, with 95 % intervals: the one that has the best mean in that column.

DIR has the folders chroma_chunking, squad_long, legalbenchrag, scifact, cranfield
and clapnq in their own formats. Of squad_long and contractnli a fixed sample is
measured; --full takes all. Embeddings are kept in --work, so that an interrupted
run goes on and a second one is quick.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.labelled = a.flags["data_dir"]; f.labelled == "" {
				return errors.New(`bench quality needs --data DIR; see "ragloop bench quality --help"`)
			}
			if a.json && f.markdown {
				return errors.New("bench quality: --json and --markdown exclude each other")
			}
			return a.benchQuality(cmd.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.work, "work", ".ragloop", "directory of the embedding cache and of scratch indexes")
	fl.StringSliceVar(&f.sets, "sets", nil, "sets to measure, of chroma_chunking, squad_long, privacy_qa, contractnli, scifact, cranfield and clapnq (default: all that are there)")
	fl.BoolVar(&f.full, "full", false, "all queries and documents of squad_long and contractnli")
	fl.BoolVar(&f.markdown, "markdown", false, "print Markdown tables")
	fl.Uint64Var(&f.seed, "seed", defaultSeed, "seed of the intervals")
	a.bindRetrieval(cmd)
	a.bindChunking(cmd)
	return cmd
}

func (a *app) benchQuality(ctx context.Context, f benchQualityFlags) (err error) {
	begin := time.Now()
	sets, skipped, err := quality.Load(f.labelled, f.full, f.sets...)
	if err != nil {
		return err
	}
	params, err := a.params()
	if err != nil {
		return err
	}
	packing, err := a.packing()
	if err != nil {
		return err
	}
	counter, err := a.counter()
	if err != nil {
		return err
	}
	// --data is the labelled sets' here; what is written goes to --work.
	a.cfg.Config.DataDir = f.work
	s, err := a.scratch(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	b := qualityBuilder{s: s}
	if b.reranker, err = a.reranker(); err != nil {
		return err
	}
	if b.expander, err = a.expander(); err != nil {
		return err
	}
	systems := []quality.System{{Name: "default", Chunker: a.chunker(), Settings: evalret.Standard(params, packing)}}
	result, err := quality.Run(ctx, sets, b, quality.Options{
		Systems: append(systems, quality.Frameworks(params.TopK, counter.Name(), packing)...),
		Counter: counter, Tokenizer: counter.Name(), Seed: f.seed,
		Reranker: rerankerFingerprint(b.reranker), Expander: expanderFingerprint(b.expander),
		Progress: func(set, system string) { a.say("%s: %s", set, system) },
	})
	if err != nil {
		return err
	}
	result.Skipped = skipped
	switch {
	case a.json:
		err = json.NewEncoder(a.out).Encode(result)
	case f.markdown:
		err = quality.Markdown(a.out, result)
	default:
		err = quality.Text(a.out, result)
	}
	if err != nil {
		return err
	}
	a.say("%.0f s", time.Since(begin).Seconds())
	return nil
}

// qualityBuilder indexes sets as scratch collections.
type qualityBuilder struct {
	s        *scratch
	reranker reranker       // nil: none
	expander *expand.Writer // nil: none
}

func (b qualityBuilder) Build(ctx context.Context, set quality.Set, system quality.System) (quality.Built, error) {
	var items []ingest.Item
	for _, d := range set.Documents {
		item := ingest.Item{ID: d.ID, Title: d.Title, Open: ingest.Bytes([]byte(d.Text))}
		if d.Plain {
			item = ingest.Text(d.ID, d.Title, d.Text)
		}
		items = append(items, item)
	}
	e := b.s.embedder
	if system.Cut {
		e = unlimited{e}
	}
	const name = "quality"
	scratch := *b.s
	scratch.embedder = e
	gen, err := scratch.build(ctx, name, system.Chunker, ingest.Documents(items), true)
	if err != nil {
		return quality.Built{}, err
	}
	r, err := retriever(gen, e, b.reranker, b.expander)
	if err != nil {
		return quality.Built{}, err
	}
	stats, err := gen.Stats(ctx)
	if err != nil {
		return quality.Built{}, fmt.Errorf("count the chunks: %w", err)
	}
	return quality.Built{Finder: r, Chunks: stats.Chunks, Texts: texts(gen), Close: func() error { return b.s.drop(ctx, name) }}, nil
}

// unlimited is an embedder that does not tell its window: chunks are as large as
// they are asked to be, and the model sees their beginning.
type unlimited struct{ embed.Embedder }

func (u unlimited) Info() embed.Info {
	info := u.Embedder.Info()
	info.MaxTokens = 0
	return info
}
