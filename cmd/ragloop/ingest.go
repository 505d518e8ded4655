package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
)

func (a *app) ingestCmd() *cobra.Command {
	var rebuild, dryRun bool
	var o ingest.Options
	var tags []string
	var fed feedFlags
	var watched watchFlags
	cmd := &cobra.Command{
		Use:   "ingest PATH…",
		Short: "Bring a collection up to date with files and directories",
		Long: `ingest extracts, chunks and embeds the files at PATH… and stores what is new or
changed. A document's id is its path below the PATH that was given. Hidden files
and symbolic links are left out. A file that cannot be read does not stop the
others: it is listed, recorded and makes the exit code 1. One that is damaged, or
takes its parser too much time or memory, is quarantined: it is listed again, but
not tried again until it has changed or --retry-failed asks for it.

--prune removes what came from PATH… before and is not there any more, or is named
by a .ragloopignore file now; documents from elsewhere stay, and so does what
--include and --exclude leave out. --rebuild makes the collection anew from PATH…
alone, and is refused where other documents would be lost, unless --prune says
that they may be. --dry-run prints what would be done. An interrupt (Ctrl-C) lets
the documents in hand be finished, and the same command goes on from there; a
second one ends it at once, which loses nothing but time.

` + watchHelp + "\n\n" + feedHelp,
		Args: fed.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkTags(cmd, tags), fed.limit(cmd, &o, rebuild), watched.check(cmd, args)); err != nil {
				return err
			}
			if watched.on {
				plan := ingest.Plan{Collection: a.cfg.Config.Collection, Chunker: a.chunker()}
				return a.watch(cmd.Context(), plan, args, tags, o)
			}
			src, done, err := a.source(cmd.Context(), args, tags, fed)
			if err != nil {
				return err
			}
			defer done()
			plan := ingest.Plan{Collection: a.cfg.Config.Collection, Chunker: a.chunker(), Rebuild: rebuild}
			if !fed.given() {
				selection, err := a.selection()
				if err != nil {
					return err
				}
				o.Scope = scope(args, selection)
			}
			if dryRun {
				return a.dryRun(cmd.Context(), plan, src, o)
			}
			built, err := a.build(cmd.Context(), plan, src, o)
			return a.ingested(built, err)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Prune, "prune", false, "remove documents that came from PATH… and are not there any more, or that the feed does not name")
	f.BoolVar(&o.RetryFailed, "retry-failed", false, "try quarantined documents again though they have not changed")
	f.BoolVar(&rebuild, "rebuild", false, "build a new generation and serve it when it is complete")
	f.StringSliceVar(&tags, "tag", nil, "tags of all these documents, for filters, parted by commas; may be repeated")
	f.BoolVar(&dryRun, "dry-run", false, "print what would be done, and write nothing")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "print what becomes of every document that is not unchanged; with --dry-run, of all")
	fed.bind(cmd)
	a.bindSelection(cmd)
	a.bindWatch(cmd, &watched)
	a.bindChunking(cmd)
	return cmd
}

// ingested reports what a build did and how it ended.
func (a *app) ingested(built ingest.Built, err error) error {
	s := built.Summary
	partial := errors.Is(err, ingest.ErrInterrupted) || errors.Is(err, ingest.ErrUnlisted)
	if built.Generation != nil && (err == nil || partial) {
		if err := a.printSummary(built); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, ingest.ErrInterrupted):
		return fmt.Errorf("ingest %w: %d documents done; the same command goes on from there", ingest.ErrInterrupted, s.Documents)
	case errors.Is(err, ingest.ErrUnlisted):
		return fmt.Errorf("ingest %w: %w", errFailed, err)
	case advised(err) != nil:
		return advised(err)
	case err != nil && !partial && s.Documents > 0:
		return fmt.Errorf("%w; %d documents were done before, and the same command goes on from there", err, s.Documents)
	case err != nil:
		return err
	case s.Failed > 0:
		return fmt.Errorf("ingest %w: %d of %d documents could not be read; the others are indexed", errFailed, s.Failed, s.Documents)
	case len(s.Unlisted) > 0:
		return fmt.Errorf("ingest %w: %d parts of the source could not be listed; what could be is indexed", errFailed, len(s.Unlisted))
	}
	return nil
}

// advised adds to an error of a build what helps; nil where there is no advice.
func advised(err error) error {
	switch {
	case errors.Is(err, index.ErrRecipe):
		return fmt.Errorf("%w: \"ragloop ingest --rebuild PATH…\"", err)
	case errors.Is(err, ingest.ErrElsewhere):
		return fmt.Errorf("%w; give every PATH…, or --prune to make it of these alone", err)
	case errors.Is(err, index.ErrDamaged):
		return fmt.Errorf("%w; \"ragloop verify --repair\" lists what is damaged and mends what it can, and then the same command goes on", err)
	}
	return nil
}

// bindChunking adds the flags of the recipe of a new collection.
func (a *app) bindChunking(cmd *cobra.Command) {
	a.bind(cmd, "strategy", "chunk.strategy", "structure, fixed, row, page, parent, sentence or recursive")
	a.bind(cmd, "size", "chunk.size_tokens", "largest chunk, in tokens")
	a.bind(cmd, "overlap", "chunk.overlap", "share of the size repeated from the previous chunk")
	a.bind(cmd, "tokenizer", "chunk.tokenizer", "o200k_base, cl100k_base, p50k_base, p50k_edit or r50k_base")
	a.bindBool(cmd, "index-prefix", "chunk.index_prefix", "index title and heading path in front of each chunk")
}

// checkTags refuses what the service refuses, too.
func checkTags(cmd *cobra.Command, tags []string) error {
	if err := notEmpty(cmd, "tag", tags); err != nil {
		return err
	}
	for i, tag := range tags {
		if slices.Contains(tags[:i], tag) {
			return fmt.Errorf("ingest: --tag %q is given twice", tag)
		}
	}
	return nil
}

// chunker returns the chunking part of the configured recipe.
func (a *app) chunker() index.ChunkerRecipe {
	c := a.cfg.Config.Chunk
	return index.ChunkerRecipe{
		Strategy: c.Strategy, SizeTokens: c.SizeTokens, Overlap: c.Overlap, Tokenizer: c.Tokenizer, IndexPrefix: c.IndexPrefix, Context: a.situated,
	}
}

// build opens index and embedder for one build and closes them again.
func (a *app) build(ctx context.Context, plan ingest.Plan, src ingest.Source, o ingest.Options) (built ingest.Built, err error) {
	client, err := a.dial(ctx)
	if err != nil {
		return ingest.Built{}, err
	}
	defer closing(&err, client.Close)
	e, done, err := a.embedder()
	if err != nil {
		return ingest.Built{}, err
	}
	defer closing(&err, done)
	if plan, err = a.following(ctx, client, plan); err != nil {
		return ingest.Built{}, err
	}
	// An interrupt lets the documents in hand be finished; a second one ends
	// the process, which is as safe.
	o.Stop = ctx.Done()
	return a.buildOn(context.WithoutCancel(ctx), client, e, plan, src, o)
}

// following returns plan with the stored chunking where nobody set another one.
func (a *app) following(ctx context.Context, client *index.Client, plan ingest.Plan) (ingest.Plan, error) {
	if plan.Rebuild {
		return plan, nil
	}
	gen, err := client.Open(ctx, plan.Collection)
	switch {
	case err == nil:
		plan.Chunker = a.followed(gen.Recipe.Chunker)
	case !errors.Is(err, index.ErrNoCollection):
		return plan, err
	}
	return plan, nil
}

// followed returns the chunking to update a collection with: what the user set,
// and for the rest what is stored. Only a setting that somebody made can
// contradict a recipe.
func (a *app) followed(stored index.ChunkerRecipe) index.ChunkerRecipe {
	want := a.chunker()
	unset := func(key string) bool { return a.cfg.Origin[key] == config.OriginDefault }
	if unset("chunk.strategy") {
		want.Strategy = stored.Strategy
	}
	if unset("chunk.size_tokens") {
		want.SizeTokens = stored.SizeTokens
	}
	if unset("chunk.overlap") {
		want.Overlap = stored.Overlap
	}
	if unset("chunk.tokenizer") {
		want.Tokenizer = stored.Tokenizer
	}
	if unset("chunk.index_prefix") {
		want.IndexPrefix = stored.IndexPrefix
	}
	if unset("chunk.context") {
		want.Context = stored.Context
	}
	return want
}

// buildOn is ingest.Build with progress; it fills in what o needs.
func (a *app) buildOn(ctx context.Context, client *index.Client, e embed.Embedder, plan ingest.Plan, src ingest.Source, o ingest.Options) (ingest.Built, error) {
	p := a.progress()
	defer p.done()
	var err error
	if o.Extractor, err = a.extractor(); err != nil {
		return ingest.Built{}, err
	}
	if o.Situator, err = a.situator(); err != nil {
		return ingest.Built{}, err
	}
	o.Embedder, o.OnEvent = e, p.event
	if o.Stop != nil {
		ended, said := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(said)
			select {
			case <-o.Stop:
				p.say("stopping when the documents in hand are finished; another interrupt ends this at once")
			case <-ended:
			}
		}()
		defer func() { close(ended); <-said }()
	}
	p.list(ctx, src, o.Stop)
	return ingest.Build(ctx, client, plan, src, o)
}
