package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/failpoint"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
)

// Plan says what a collection is to be.
type Plan struct {
	Collection string
	Chunker    index.ChunkerRecipe // an empty strategy stands for chunk.Structure

	// Lexical holds the BM25 parameters. An AvgLen of 0 is measured when a
	// generation is created and stays fixed for its life. The zero value stands
	// for lexical.ForChunks with a measured AvgLen.
	Lexical lexical.Params

	// Rebuild makes a new generation even where the collection exists.
	Rebuild bool
}

// Built is the result of [Build].
type Built struct {
	Generation *index.Generation
	Served     bool // Generation is; false with an error that left a new one incomplete
	Created    bool // by this call
	Resumed    bool // an interrupted build was finished
	Summary    Summary
}

// ErrUnlisted: a generation was not served because a part of its source could
// not be listed; Summary.Unlisted names all such parts.
var ErrUnlisted = errors.New("the source is not complete")

// ErrElsewhere: a rebuild would lose documents that its source does not answer
// for. Nothing was changed.
var ErrElsewhere = errors.New("the source is not the whole collection")

// sampleDocuments is the number of documents that AvgLen is measured on.
const sampleDocuments = 1000

// Build brings a collection up to date with src, creating it where needed.
//
// A collection that exists is updated in place, if it was built by the same
// recipe: otherwise Build fails with index.ErrRecipe, naming every difference,
// and changes nothing. With Plan.Rebuild, or where the collection does not exist
// or holds no chunk, a new generation is built beside it from all of src and
// served when it is complete: until then readers see the old generation, or no
// collection at all. A build that was interrupted goes on where it stopped, if
// the recipe is still the same, and then removes what src no longer lists, as far
// as Options.Scope goes; a rebuild removes whatever src does not list.
//
// A rebuild that would leave out what the old generation holds beyond
// Options.Scope fails with ErrElsewhere, unless Options.Prune says that src is
// the whole.
//
// src is read twice where AvgLen is measured, on the first 1,000 documents.
// Documents that fail do not keep a generation from being served; a part of src
// that cannot be listed does, with ErrUnlisted, and so does Options.Stop, with
// ErrInterrupted. The result is valid with these errors, too.
func Build(ctx context.Context, c *index.Client, plan Plan, src Source, o Options) (Built, error) {
	b, err := build(ctx, c, plan, src, o)
	if err != nil {
		return b, fmt.Errorf("build collection %q: %w", plan.Collection, err)
	}
	return b, nil
}

func build(ctx context.Context, c *index.Client, plan Plan, src Source, o Options) (Built, error) {
	o, err := o.complete()
	if err != nil {
		return Built{}, err
	}
	o.rejected = &rejections{}
	want := plan.recipe(o.Embedder.Info())
	// Before anything is created: this also refuses parameters out of range.
	prep, err := newPreparer(measurable(want), o)
	if err != nil {
		return Built{}, err
	}
	var t target
	err = outlast(ctx, o, &progress{on: o.OnEvent}, func() (err error) {
		t, err = choose(ctx, c, plan, want, o)
		return err
	})
	if err != nil {
		return Built{}, err
	}
	switch t.how {
	case inPlace:
		return update(ctx, t.generation, want, src, o)
	case resumed:
		if err := ready(ctx, t.generation, o); err != nil {
			return Built{Generation: t.generation}, err
		}
		return fill(ctx, c, Built{Generation: t.generation, Resumed: true}, src, plan.finishing(o))
	}
	if want.Lexical.AvgLen == 0 {
		if want.Lexical.AvgLen, err = measure(ctx, prep, src, o); err != nil {
			return Built{}, err
		}
	}
	if t.generation != nil && !plan.Rebuild && t.generation.Recipe.Check(want) == nil {
		return update(ctx, t.generation, want, src, o) // empty, and to be filled as it is
	}
	g, err := c.Create(ctx, plan.Collection, want)
	if err != nil {
		return Built{}, err
	}
	return fill(ctx, c, Built{Generation: g, Created: true}, src, o)
}

// recipe returns what plan asks for; its AvgLen is 0 where it is to be measured.
func (plan Plan) recipe(e embed.Info) index.Recipe {
	if reflect.ValueOf(plan.Lexical).IsZero() {
		plan.Lexical = lexical.ForChunks()
		plan.Lexical.AvgLen = 0
	}
	return recipeOf(e, plan.Chunker, plan.Lexical)
}

// finishing returns the options for the rest of an interrupted build. What it
// holds and its source no longer lists was never served, and goes. But where
// nothing is made anew, another source may have begun it: that one's documents
// stay.
func (plan Plan) finishing(o Options) Options {
	o.Prune = true
	if plan.Rebuild {
		o.Scope = nil
	}
	return o
}

// measurable returns r with some AvgLen.
func measurable(r index.Recipe) index.Recipe {
	r.Lexical.AvgLen = cmp.Or(r.Lexical.AvgLen, lexical.Default().AvgLen)
	return r
}

// update brings the served generation up to date.
func update(ctx context.Context, g *index.Generation, want index.Recipe, src Source, o Options) (Built, error) {
	b := Built{Generation: g, Served: true}
	if err := g.Recipe.Check(want); err != nil {
		return b, fmt.Errorf("%w; rebuild the collection to change it", err)
	}
	w, err := NewWorker(g, o)
	if err != nil {
		return b, err
	}
	// What earlier versions made lacks the newer indexes.
	if err := ready(ctx, g, o); err != nil {
		return b, err
	}
	b.Summary, err = w.run(ctx, src, false)
	return b, err
}

// ready makes what g still lacks before it can be written to.
func ready(ctx context.Context, g *index.Generation, o Options) error {
	return outlast(ctx, o, &progress{on: o.OnEvent}, func() error { return g.Prepare(ctx) })
}

// fill ingests into a generation that nobody reads yet, then serves it.
func fill(ctx context.Context, c *index.Client, b Built, src Source, o Options) (Built, error) {
	w, err := NewWorker(b.Generation, o)
	if err != nil {
		return b, err
	}
	if b.Summary, err = w.run(ctx, src, true); err != nil {
		return b, err
	}
	if parts := b.Summary.Unlisted; len(parts) > 0 {
		return b, fmt.Errorf("%w: %w; %s is not served, and the next build goes on with it", ErrUnlisted, &parts[0], b.Generation)
	}
	failpoint.Hit(failpoint.GenerationFilled)
	if err := c.Serve(ctx, b.Generation); err != nil {
		return b, err
	}
	b.Served = true
	return b, nil
}

// measure returns the mean number of analysed terms per chunk over the first
// documents of src, rounded to hundredths; lexical.Default's where they hold no
// chunk. Documents that fail here are left to the run to report.
func measure(ctx context.Context, p *preparer, src Source, o Options) (float64, error) {
	var terms, chunks atomic.Int64
	sctx, cancel := stopping(ctx, o.Stop)
	defer cancel()
	group, gctx := errgroup.WithContext(sctx)
	group.SetLimit(o.Workers)
	for item, err := range first(gctx, src, sampleDocuments) {
		if part := (*Unlisted)(nil); item.Deleted || errors.As(err, &part) {
			continue
		}
		if err != nil {
			if item.ID == "" {
				return 0, interruption(ctx, sctx, errors.Join(err, group.Wait()))
			}
			continue
		}
		group.Go(func() error {
			in, _, known := assess(item, prior{}, p.extractor, p.retryFailed, false)
			if known {
				return gctx.Err()
			}
			_, cs, _, err := p.split(gctx, item, in.data, in.digest)
			if fault := (*fault)(nil); errors.As(err, &fault) {
				return fault
			}
			if err != nil {
				return gctx.Err()
			}
			for _, c := range cs {
				terms.Add(int64(len(p.analyzer.Terms(c.Prefix + c.Text))))
			}
			chunks.Add(int64(len(cs)))
			return nil
		})
	}
	if err := interruption(ctx, sctx, group.Wait()); err != nil {
		return 0, err
	}
	if terms.Load() == 0 {
		return lexical.Default().AvgLen, nil
	}
	return max(0.01, math.Round(100*float64(terms.Load())/float64(chunks.Load()))/100), nil
}
