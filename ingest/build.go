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

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
)

// Plan says what a collection is to be.
type Plan struct {
	Collection string
	Chunker    index.ChunkerRecipe // an empty strategy stands for chunk.Structure

	// Lexical holds the BM25 parameters. An AvgLen of 0 is measured when a
	// generation is created and stays fixed for its life. The zero value stands
	// for lexical.Default with a measured AvgLen.
	Lexical lexical.Params

	// Rebuild makes a new generation even where the collection exists.
	Rebuild bool
}

// Built is the result of [Build].
type Built struct {
	Generation *index.Generation // being served
	Created    bool              // by this call
	Resumed    bool              // an interrupted build was finished
	Summary    Summary
}

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
// the recipe is still the same, and then removes what src no longer lists.
//
// src is read twice where AvgLen is measured, on the first 1,000 documents.
// Documents that fail do not keep a generation from being served.
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
	if reflect.ValueOf(plan.Lexical).IsZero() {
		plan.Lexical = lexical.Default()
		plan.Lexical.AvgLen = 0
	}
	o.rejected = &rejections{}
	want := recipeOf(o.Embedder.Info(), plan.Chunker, plan.Lexical)
	// Before anything is created: this also refuses parameters out of range.
	probe := want
	probe.Lexical.AvgLen = cmp.Or(want.Lexical.AvgLen, lexical.Default().AvgLen)
	prep, err := newPreparer(probe, o)
	if err != nil {
		return Built{}, err
	}

	served, err := c.Open(ctx, plan.Collection)
	if err != nil && !errors.Is(err, index.ErrNoCollection) {
		return Built{}, err
	}
	if err == nil {
		inPlace, err := keep(ctx, served, plan.Rebuild)
		if err != nil {
			return Built{}, err
		}
		if inPlace {
			return update(ctx, served, want, src, o)
		}
	} else {
		served = nil
	}
	g, err := interrupted(ctx, c, plan.Collection, served, want)
	if err != nil {
		return Built{}, err
	}
	if g != nil {
		if err := g.Prepare(ctx); err != nil {
			return Built{Generation: g}, err
		}
		o.Prune = true
		return fill(ctx, c, Built{Generation: g, Resumed: true}, src, o)
	}
	if want.Lexical.AvgLen == 0 {
		if want.Lexical.AvgLen, err = measure(ctx, prep, src, o.Workers); err != nil {
			return Built{}, err
		}
	}
	if served != nil && !plan.Rebuild && served.Recipe.Check(want) == nil {
		return update(ctx, served, want, src, o) // empty, and to be filled as it is
	}
	if g, err = c.Create(ctx, plan.Collection, want); err != nil {
		return Built{}, err
	}
	return fill(ctx, c, Built{Generation: g, Created: true}, src, o)
}

// keep says whether a served generation is updated in place. An empty one is in
// nobody's way: its recipe, average length included, is no reason to refuse.
func keep(ctx context.Context, g *index.Generation, rebuild bool) (bool, error) {
	own, all, err := g.CountChunks(ctx)
	if err != nil {
		return false, err
	}
	if rebuild && all > own {
		return false, fmt.Errorf("rebuild: %s also holds %d chunks of other tenants, which would be lost", g, all-own)
	}
	return !rebuild && all > 0, nil
}

// update brings the served generation up to date.
func update(ctx context.Context, g *index.Generation, want index.Recipe, src Source, o Options) (Built, error) {
	b := Built{Generation: g}
	if err := g.Recipe.Check(want); err != nil {
		return b, fmt.Errorf("%w; rebuild the collection to change it", err)
	}
	w, err := NewWorker(g, o)
	if err != nil {
		return b, err
	}
	b.Summary, err = w.run(ctx, src, false)
	return b, err
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
	return b, c.Serve(ctx, b.Generation)
}

// interrupted returns the newest generation that was never served and has the
// wanted recipe, or nil. One that is older than the served generation was
// replaced by it and stays for rollback.
func interrupted(ctx context.Context, c *index.Client, collection string, served *index.Generation, want index.Recipe) (*index.Generation, error) {
	all, err := c.Generations(ctx, collection)
	if err != nil {
		return nil, err
	}
	var found *index.Generation
	for _, g := range all {
		if (served == nil || g.Number > served.Number) && g.Recipe.Check(want) == nil {
			found = g
		}
	}
	return found, nil
}

// measure returns the mean number of analysed terms per chunk over the first
// documents of src, rounded to hundredths; lexical.Default's where they hold no
// chunk. Documents that fail here are left to the run to report.
func measure(ctx context.Context, p *preparer, src Source, workers int) (float64, error) {
	var terms, chunks atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for item, err := range first(gctx, src, sampleDocuments) {
		if err != nil {
			if item.ID == "" {
				return 0, errors.Join(err, group.Wait())
			}
			continue
		}
		group.Go(func() error {
			data, err := read(item)
			if err != nil {
				return gctx.Err()
			}
			_, cs, _, err := p.split(gctx, item, data, inputDigest(item, contentDigest(data)))
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
	if err := group.Wait(); err != nil {
		return 0, err
	}
	if terms.Load() == 0 {
		return lexical.Default().AvgLen, nil
	}
	return max(0.01, math.Round(100*float64(terms.Load())/float64(chunks.Load()))/100), nil
}
