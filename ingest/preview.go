package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// Preview says what a Build would do.
type Preview struct {
	// Generation is the one that the documents were compared with, nil where
	// all of them would go into a new or empty one.
	Generation *index.Generation
	Resumed    bool // Generation is that of an interrupted build, which would be finished and served

	// Recipe names each difference between the recipe of what is served and the
	// wanted one. Refused says that Build would therefore fail with
	// index.ErrRecipe: the documents are then those of Plan.Rebuild.
	Recipe  []string
	Refused bool

	// Damaged says that stored chunks and records do not fit together: a run
	// repairs that first, and may store more documents again than are listed.
	Damaged bool

	Documents []Planned    // in source order, then those that Prune removes, in ascending order
	Vanished  []text.DocID // stored, in scope, not in the source, and kept because Prune is off
	Unlisted  []Unlisted
	Unmatched int // as in Summary
}

// Planned is what would become of a document.
type Planned struct {
	Doc text.DocID
	URI string

	// Outcome is Indexed, Replaced, Unchanged, Removed, Failed or Quarantined.
	// Whether a document that is Indexed or Replaced can be extracted is not
	// known before it is.
	Outcome Outcome
	Err     error          // with Failed and Quarantined: why
	Reason  extract.Reason // with Quarantined

	Bytes int64 // of the source; 0 where it was not read
}

// Count returns the number of documents with an outcome, and their bytes.
func (p Preview) Count(o Outcome) (documents int, bytes int64) {
	for _, d := range p.Documents {
		if d.Outcome == o {
			documents++
			bytes += d.Bytes
		}
	}
	return documents, bytes
}

// Look works out what Build would do with the same arguments, and writes
// nothing: it lists the records, and reads and hashes every document. c is nil
// where there is no index yet. Of o.Embedder only Info is used, of o.Situator only
// its fingerprint; o.Extractor may be nil, then its settings count as the usual ones.
//
// A document id that src lists twice, and a part that cannot be listed, are
// treated as Build does.
func Look(ctx context.Context, c *index.Client, plan Plan, src Source, o Options) (Preview, error) {
	p, err := look(ctx, c, plan, src, o)
	if err != nil {
		return Preview{}, fmt.Errorf("preview collection %q: %w", plan.Collection, err)
	}
	return p, nil
}

func look(ctx context.Context, c *index.Client, plan Plan, src Source, o Options) (Preview, error) {
	if o.Extractor == nil {
		o.Extractor = InProcess{}
	}
	o, err := o.complete()
	if err != nil {
		return Preview{}, err
	}
	want := plan.recipe(o.Embedder.Info())
	if _, err := newPreparer(measurable(want), o); err != nil {
		return Preview{}, err
	}
	t := target{how: created}
	if c != nil {
		if t, err = choose(ctx, c, plan, want, o); err != nil {
			return Preview{}, err
		}
	}
	var p Preview
	old := map[text.DocID]prior{}
	if t.how == inPlace || t.how == created && t.generation != nil && plan.Rebuild {
		p.Recipe = t.generation.Recipe.Diff(want)
	}
	switch {
	case t.how == resumed:
		p.Generation, p.Resumed = t.generation, true
		o = plan.finishing(o)
	case t.how == inPlace && p.Recipe == nil:
		p.Generation = t.generation
	case t.how == inPlace:
		p.Refused = true
	}
	if p.Generation != nil {
		p.Damaged, err = stock(ctx, p.Generation, func(rec index.Record) {
			old[rec.Doc] = prior{record: rec, known: true}
		})
		if err != nil {
			return Preview{}, err
		}
	}
	asks := p.Generation != nil && o.Situator != nil && checkSituator(p.Generation.Recipe, o.Situator) == nil
	err = p.compare(ctx, src, old, o, asks)
	return p, err
}

// compare fills in the documents; asks as in assess.
func (p *Preview) compare(ctx context.Context, src Source, old map[text.DocID]prior, o Options, asks bool) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(o.Workers)
	var docs []*Planned
	seen := map[text.DocID]bool{}
	live := 0
	list := func() error {
		for item, err := range src.Items(gctx) {
			if item.ID == "" {
				part := (*Unlisted)(nil)
				switch {
				case err == nil:
					return errNoID
				case !errors.As(err, &part):
					return err
				}
				p.Unlisted = append(p.Unlisted, *part)
				continue
			}
			d := &Planned{Doc: item.ID, URI: item.URI}
			docs = append(docs, d)
			if item.unmatched {
				p.Unmatched++
			}
			switch {
			case seen[item.ID]:
				d.Outcome, d.Err = Failed, listedTwice(item.ID)
			case err != nil:
				d.Outcome, d.Err = Failed, err
			case item.Deleted:
				d.Outcome = deleted(item, old[item.ID]).outcome
			default:
				was := old[item.ID]
				group.Go(func() error {
					d.assess(item, was, o, asks)
					return gctx.Err()
				})
			}
			if !seen[item.ID] && !item.Deleted {
				live++
			}
			seen[item.ID] = true
		}
		return gctx.Err()
	}
	if err := errors.Join(list(), group.Wait()); err != nil {
		return err
	}
	for _, d := range docs {
		p.Documents = append(p.Documents, *d)
	}
	if len(p.Unlisted) > 0 {
		return nil
	}
	gone := vanished(old, seen, o.Scope)
	if !o.Prune {
		p.Vanished = gone
		return nil
	}
	if live == 0 && len(gone) > 0 && !p.Resumed {
		return lostAll(len(gone))
	}
	for _, doc := range gone {
		p.Documents = append(p.Documents, Planned{Doc: doc, URI: old[doc].record.URI, Outcome: Removed})
	}
	return nil
}

// assess says what a run would make of a document.
func (d *Planned) assess(item Item, old prior, o Options, asks bool) {
	in, as, known := assess(item, old, o.Extractor, o.RetryFailed, asks)
	d.Bytes = int64(len(in.data))
	switch {
	case known:
		d.Outcome, d.Err, d.Reason = as.outcome, as.err, extract.Reason(as.record.Reason)
	case old.known && old.record.State == index.Indexed:
		d.Outcome = Replaced
	default:
		d.Outcome = Indexed
	}
}

// vanished returns the documents that are stored and in scope, but that a source
// did not list, in ascending order.
func vanished(old map[text.DocID]prior, seen map[text.DocID]bool, scope func(index.Record) bool) []text.DocID {
	var gone []text.DocID
	for doc, p := range old {
		if !seen[doc] && (scope == nil || scope(p.record)) {
			gone = append(gone, doc)
		}
	}
	slices.Sort(gone)
	return gone
}

// stock calls each with the records of a generation. mismatch: it holds chunks
// that no record accounts for, or too few.
func stock(ctx context.Context, g *index.Generation, each func(index.Record)) (mismatch bool, err error) {
	chunks := 0
	for rec, err := range g.List(ctx) {
		if err != nil {
			return false, err
		}
		each(rec)
		chunks += rec.ChunkCount
	}
	stored, _, err := g.CountChunks(ctx)
	return stored != chunks, err
}
