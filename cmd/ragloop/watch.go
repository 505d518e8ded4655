package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/watch"
	"github.com/ragloop/ragloop/internal/index"
)

// watchHelp is what the help of "ingest" says about --watch.
const watchHelp = `--watch goes on until it is interrupted and keeps the collection in step with
PATH…, deletions included, as --prune does. A change is searchable within --quiet
after the file was last written to, a deletion within twice that, and the time
that it takes to look for changes and to embed; where the system does not tell of
changes, --rescan later. Between changes the index is closed: with the local mode
other commands can read it, and a change waits while one of them does.`

// watchFlags are the flags of "ingest" about watching.
type watchFlags struct{ on bool }

func (a *app) bindWatch(cmd *cobra.Command, f *watchFlags) {
	cmd.Flags().BoolVar(&f.on, "watch", false, "keep the collection in step with PATH…, until interrupted")
	a.bind(cmd, "quiet", "source.quiet", "--watch: a file is read once it has not changed for so long (default 2s)")
	a.bind(cmd, "rescan", "source.rescan", "--watch: everything is looked at again so often (default 5m)")
}

// check refuses flags that have no meaning together.
func (f *watchFlags) check(cmd *cobra.Command, paths []string) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	for _, name := range []string{"feed", "rebuild", "dry-run"} {
		if f.on && given(name) {
			return fmt.Errorf("%s: --watch and --%s have no meaning together", words(cmd), name)
		}
	}
	for _, name := range []string{"quiet", "rescan"} {
		if !f.on && given(name) {
			return fmt.Errorf("%s: --%s has no meaning without --watch", words(cmd), name)
		}
	}
	directories := false
	for _, name := range paths {
		info, err := os.Stat(name)
		directories = directories || err != nil || info.IsDir()
	}
	for _, name := range []string{"include", "exclude"} {
		if !directories && given(name) {
			return fmt.Errorf("%s: --%s is for directories, and none is given", words(cmd), name)
		}
	}
	return nil
}

// watching is one "ingest --watch".
type watching struct {
	a     *app
	plan  ingest.Plan
	o     ingest.Options
	paths []string
	tags  []string

	system     *watch.System // nil: nothing tells of changes
	close      func()        // closes the roots that the last scan opened
	generation string        // that the last round went into
	rounds     int
	dirs       map[string]bool // being watched
}

// watch keeps the collection in step with paths until ctx ends.
func (a *app) watch(ctx context.Context, plan ingest.Plan, paths, tags []string, o ingest.Options) (err error) {
	w := &watching{a: a, plan: plan, o: o, paths: paths, tags: tags, close: func() {}, dirs: map[string]bool{}}
	c := a.cfg.Config.Source
	options := watch.Options{Quiet: c.Quiet, Rescan: c.Rescan, Report: w.report}
	if w.system, err = watch.NewSystem(); err != nil {
		w.report(watch.Report{Warning: err})
	} else {
		options.Notifier = w.system
		defer closing(&err, w.system.Close)
	}
	defer func() { w.close() }()
	if err = watch.New(w, w.round, options).Run(ctx); err == nil {
		a.say("watching has ended; the same command goes on from there")
	}
	return err
}

// Items lists the paths as they are now: a directory may have been replaced by
// another one.
func (w *watching) Items(ctx context.Context) iter.Seq2[ingest.Item, error] {
	return func(yield func(ingest.Item, error) bool) {
		src, done, err := w.a.watchable(w.paths, w.tags, func(dir string) {
			w.dirs[dir] = true
			if w.system != nil {
				w.system.Watch(dir)
			}
		})
		if err != nil {
			yield(ingest.Item{}, err)
			return
		}
		w.close()
		w.close = done
		clear(w.dirs)
		for item, err := range src.Items(ctx) {
			if !yield(item, err) {
				return
			}
		}
	}
}

// round is a watch.Round. Index, embedder and cache are open no longer than it
// takes.
func (w *watching) round(ctx context.Context, src ingest.Source, full bool) (sum ingest.Summary, err error) {
	a, o := w.a, w.o
	client, err := a.dial(ctx)
	if err != nil {
		return ingest.Summary{}, err
	}
	defer closing(&err, client.Close)
	if full {
		selection, err := a.selection()
		if err != nil {
			return ingest.Summary{}, err
		}
		o.Prune, o.Scope = true, scope(w.paths, selection)
	} else {
		o.RetryFailed = false
		o.Scope = func(index.Record) bool { return false }
		if err := w.stale(ctx, client); err != nil {
			return ingest.Summary{}, err
		}
	}
	e, done, err := a.embedder()
	if err != nil {
		return ingest.Summary{}, err
	}
	defer closing(&err, done)
	plan, err := a.following(ctx, client, w.plan)
	if err != nil {
		return ingest.Summary{}, err
	}
	o.Stop = ctx.Done()
	began := time.Now()
	built, err := a.buildOn(context.WithoutCancel(ctx), client, e, plan, src, o)
	if errors.Is(err, index.ErrRecipe) {
		return built.Summary, fmt.Errorf("%w: %w: \"ragloop ingest --rebuild PATH…\"", watch.ErrFatal, err)
	}
	if built.Generation != nil && (err == nil || errors.Is(err, ingest.ErrInterrupted) || errors.Is(err, ingest.ErrUnlisted)) {
		err = errors.Join(err, w.print(built, time.Since(began)))
	}
	if err != nil {
		return built.Summary, err
	}
	before := w.generation
	w.generation = built.Generation.String()
	if !full && before != w.generation {
		return built.Summary, watch.ErrStale
	}
	return built.Summary, nil
}

// stale returns watch.ErrStale where another generation is served than the one
// that the last round went into: what has changed since is too little for it.
func (w *watching) stale(ctx context.Context, client *index.Client) error {
	gen, err := client.Open(ctx, w.plan.Collection)
	switch {
	case errors.Is(err, index.ErrNoCollection):
		return watch.ErrStale
	case err != nil:
		return err
	case gen.String() != w.generation:
		return watch.ErrStale
	}
	return nil
}

// print tells of a round: the first one as any ingest, later ones in a line. A
// round that found nothing to do is not told.
func (w *watching) print(b ingest.Built, took time.Duration) error {
	a, s := w.a, b.Summary
	first := w.rounds == 0
	w.rounds++
	// A young file is read twice, and its failure is not told again.
	s.Failures = slices.DeleteFunc(slices.Clone(s.Failures), func(f ingest.Failure) bool { return f.Skipped })
	idle := s.Unchanged+s.Skipped == s.Documents && s.Removed == 0 && len(s.Unlisted) == 0
	switch {
	case first:
		if err := a.printSummary(b); err != nil || s.Interrupted {
			return err
		}
		a.say("watching %s: %d directories; a change is searchable about %v after a file was last written to, and at the latest %v later; an interrupt ends this",
			printable(strings.Join(w.paths, ", ")), len(w.dirs), a.cfg.Config.Source.Quiet, a.cfg.Config.Source.Rescan)
		return nil
	case idle:
		return nil
	case a.json:
		return a.printSummary(b)
	}
	a.printFailures(s.Failures)
	a.printUnmatched(s.Unmatched)
	a.printUnlisted(s.Unlisted)
	_, err := fmt.Fprintf(a.out, "%d indexed, %d replaced, %d removed, %d failed, %d chunks, in %v\n",
		s.Indexed, s.Replaced, s.Removed, len(s.Failures), s.Chunks, took.Round(10*time.Millisecond))
	return err
}

func (w *watching) report(r watch.Report) {
	if r.Warning != nil {
		w.a.say("warning: %s; such changes are found every %v", printable(r.Warning.Error()), w.a.cfg.Config.Source.Rescan)
		return
	}
	w.a.say("%s; trying again in %v", printable(r.Failed.Error()), r.Wait)
}
