package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// run is one Worker.Run. The stages are goroutines joined by bounded channels:
//
//	list → extract (several) → order and embed → commit
//
// so that documents are extracted while earlier ones are embedded, and a slow
// stage holds the ones before it back. Documents leave in the order in which
// they were listed.
type run struct {
	w    *Worker
	old  map[text.DocID]prior // what the index held before
	seen map[text.DocID]bool  // what the source listed; the list stage's alone until it ends
	sum  Summary              // the commit stage's alone while the pipeline runs
	progress
}

// job is a listed document; done receives it once it is prepared.
type job struct {
	item Item
	done chan prepared
}

// batch is what is embedded and committed together, in source order.
type batch struct {
	docs   []prepared
	chunks int
}

// takeStock reads what the index holds and, where it holds chunks that no
// record accounts for or too few of them, repairs it.
func (r *run) takeStock(ctx context.Context) error {
	chunks := 0
	for rec, err := range r.w.g.List(ctx) {
		if err != nil {
			return err
		}
		r.old[rec.Doc] = prior{record: rec, known: true}
		chunks += rec.ChunkCount
	}
	stored, _, err := r.w.g.CountChunks(ctx)
	if err != nil || stored == chunks {
		return err
	}
	repaired, err := r.w.g.Repair(ctx)
	if err != nil {
		return err
	}
	r.sum.Repaired = repaired.Removed
	for _, doc := range repaired.Damaged {
		p := r.old[doc]
		p.damaged = true
		r.old[doc] = p
	}
	return nil
}

func (r *run) pipeline(ctx context.Context, src Source) error {
	group, ctx := errgroup.WithContext(ctx)
	workers := r.w.o.Workers
	work := make(chan *job)
	ordered := make(chan *job, 2*workers) // bounds how far extraction runs ahead
	batches := make(chan batch, 1)

	group.Go(func() error {
		defer close(work)
		defer close(ordered)
		return r.list(ctx, src, work, ordered)
	})
	for range workers {
		group.Go(func() error {
			for j := range work {
				p, err := r.w.prep.prepare(ctx, j.item, r.old[j.item.ID])
				if err != nil {
					return err
				}
				j.done <- p
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(batches)
		return r.embed(ctx, ordered, batches)
	})
	group.Go(func() error {
		for b := range batches {
			if err := r.commit(ctx, b); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return group.Wait()
}

// list sends every document first to where the order is kept, then to the
// extractors. What has failed already is done at once.
func (r *run) list(ctx context.Context, src Source, work, ordered chan<- *job) error {
	for item, err := range src.Items(ctx) {
		if item.ID == "" {
			if err == nil {
				err = errors.New("the source lists a document without an id")
			}
			return err
		}
		j := &job{item: item, done: make(chan prepared, 1)}
		ready := true
		switch {
		case r.seen[item.ID]:
			j.done <- prepared{doc: item.ID, outcome: Failed, record: r.old[item.ID].record,
				err: fmt.Errorf("document id %q is listed twice; the first one counts", item.ID)}
		case err != nil:
			j.done <- failed(item, r.old[item.ID], "", "", err)
		default:
			ready = false
		}
		r.seen[item.ID] = true
		if !send(ctx, ordered, j) || !ready && !send(ctx, work, j) {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// embed puts documents back into source order, fills batches across documents,
// so that small ones share a batch, and embeds them.
func (r *run) embed(ctx context.Context, ordered <-chan *job, batches chan<- batch) error {
	var b batch
	flush := func() error {
		if len(b.docs) == 0 {
			return nil
		}
		err := r.w.embed(ctx, b.docs, func(n int) {
			r.report(func(e *Event) { e.ChunksEmbedded += n })
		})
		if err != nil {
			return err
		}
		if !send(ctx, batches, b) {
			return ctx.Err()
		}
		b = batch{}
		return nil
	}
	for j := range ordered {
		select {
		case p := <-j.done:
			b.docs = append(b.docs, p)
			b.chunks += len(p.points)
			if len(p.points) > 0 {
				r.report(func(e *Event) { e.ChunksFound += len(p.points) })
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.chunks >= r.w.o.BatchChunks || len(b.docs) >= maxBatchDocuments {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err // the list may be incomplete
	}
	return flush()
}

func (r *run) commit(ctx context.Context, b batch) error {
	if err := r.w.store(ctx, b.docs); err != nil {
		return err
	}
	for _, p := range b.docs {
		r.count(p)
		r.report(func(e *Event) {
			e.Doc, e.Outcome, e.Err = p.doc, p.outcome, p.err
			e.Chunks, e.Tokens = p.record.ChunkCount, p.record.Tokens
			e.Documents++
		})
	}
	return nil
}

// count adds a finished document to the summary.
func (r *run) count(p prepared) {
	s := &r.sum
	s.Documents++
	switch p.outcome {
	case Indexed:
		s.Indexed++
	case Replaced:
		s.Replaced++
	case Unchanged:
		s.Unchanged++
	case Failed, Quarantined:
		s.Failed++
		f := Failure{Doc: p.doc, Err: p.err, Kept: p.record.State == index.Indexed, Skipped: p.skipped}
		if p.outcome == Quarantined {
			s.Quarantined++
			f.Reason = extract.Reason(p.record.Reason)
		}
		if p.skipped {
			s.Skipped++
		}
		s.Failures = append(s.Failures, f)
	}
	s.Chunks += len(p.points)
	s.Embedded += len(p.texts)
	s.WindowSplits += p.windowSplits
	if p.mended {
		s.Mended++
	}
	for _, pt := range p.points {
		s.Tokens += pt.Chunk.Tokens
	}
	for _, text := range p.warnings {
		s.Warnings = append(s.Warnings, Warning{Doc: p.doc, Text: text})
	}
}

// pruneBatch is the number of documents removed together.
const pruneBatch = 256

// vanished removes or counts what is stored but was not listed. A source that
// lists nothing at all is more likely a wrong path than a wish to lose everything.
func (r *run) vanished(ctx context.Context, mayEmpty bool) error {
	var gone []text.DocID
	for _, doc := range slices.Sorted(maps.Keys(r.old)) {
		if !r.seen[doc] {
			gone = append(gone, doc)
		}
	}
	if !r.w.o.Prune {
		r.sum.Vanished = len(gone)
		return nil
	}
	if len(r.seen) == 0 && len(gone) > 0 && !mayEmpty {
		return fmt.Errorf("prune: the source lists no documents at all, refusing to remove all %d", len(gone))
	}
	for docs := range slices.Chunk(gone, pruneBatch) {
		if _, err := r.w.g.DeleteAll(ctx, docs); err != nil {
			return fmt.Errorf("prune: %w", err)
		}
		r.sum.Removed += len(docs)
		for _, doc := range docs {
			r.report(func(e *Event) { e.Doc, e.Outcome = doc, Removed })
		}
	}
	return nil
}

// embed gives docs their dense vectors; embedded is called with the number of
// texts after each call of the embedder.
func (w *Worker) embed(ctx context.Context, docs []prepared, embedded func(int)) error {
	var texts []string
	for _, p := range docs {
		texts = append(texts, p.texts...)
	}
	vectors := make([][]float32, 0, len(texts))
	for part := range slices.Chunk(texts, w.o.BatchChunks) {
		vs, err := w.o.Embedder.Embed(ctx, embed.Passage, part)
		if err != nil {
			return fmt.Errorf("embed %d chunks: %w", len(part), err)
		}
		if len(vs) != len(part) {
			return fmt.Errorf("embed %d chunks: the embedder %q returned %d vectors", len(part), w.o.Embedder.Info().Name, len(vs))
		}
		vectors = append(vectors, vs...)
		embedded(len(part))
	}
	for _, p := range docs {
		for i := range p.points {
			p.points[i].Dense = vectors[i]
		}
		vectors = vectors[len(p.points):]
	}
	return nil
}

// store commits docs, which leave it with their records as they are stored.
func (w *Worker) store(ctx context.Context, docs []prepared) error {
	var entries []index.Entry
	var updates []index.Record
	for i := range docs {
		p := &docs[i]
		switch p.write {
		case writeAll:
			p.record.IngestedAt = w.o.Now()
			p.record.ChunkCount, p.record.Tokens = len(p.points), 0
			for _, pt := range p.points {
				p.record.Tokens += pt.Chunk.Tokens
			}
			entries = append(entries, index.Entry{Record: p.record, Points: p.points})
		case writeRecord:
			if p.err == nil {
				p.record.IngestedAt = w.o.Now()
			}
			updates = append(updates, p.record)
		}
	}
	if err := w.g.PutAll(ctx, entries); err != nil {
		return err
	}
	return w.g.UpdateRecords(ctx, updates)
}
