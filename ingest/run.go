package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/failpoint"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// run is one Worker.Run. The stages are goroutines joined by bounded channels:
//
//	list → look up → extract (several) → order and embed → store (two batches at once) → count
//
// so that documents are extracted while earlier ones are embedded, and a slow
// stage holds the ones before it back. Documents leave in the order in which
// they were listed. What a run remembers of each document is a few bytes.
type run struct {
	w       *Worker
	held    int                 // documents that the index held before
	stored  int                 // of them, those in scope
	damaged map[text.DocID]bool // of what the index held before
	recent  *recent             // the embed stage's alone
	repeats chan struct{}       // of capacity 1: taken by the extractor that repeats what failed
	away    atomic.Bool         // as prepared.away, of any document: the others would wait for the same
	sum     Summary             // the count stage's alone while the pipeline runs
	progress

	// The list stage's alone until it ends.
	seen     idSet // what the source listed, deleted ones included
	live     int   // of them, those that are not deleted
	unlisted []Unlisted

	found int // of the stored, those that the source listed; the look-up stage's alone until it ends

	complete bool // everything that the source listed is committed; the embed stage's until it ends
}

// job is a listed document; done receives it once it is prepared.
type job struct {
	item  Item
	err   error // of listing it
	again bool  // listed before
	old   prior
	done  chan prepared
}

// batch is what is embedded and committed together, in source order.
type batch struct {
	docs     []prepared
	chunks   int
	embedded int // texts given to the embedder

	stored chan error // receives the result of storing it
}

// takeStock reads what the index holds and, where it holds chunks that no
// record accounts for or too few of them, repairs it.
func (r *run) takeStock(ctx context.Context) error {
	var mismatch bool
	err := r.outlast(ctx, func() (err error) {
		r.held, r.stored = 0, 0
		mismatch, err = stock(ctx, r.w.g, func(rec index.Record) {
			r.held++
			if r.inScope(rec) {
				r.stored++
			}
		})
		return err
	})
	if err != nil || !mismatch {
		return err
	}
	var repaired index.Repaired
	err = r.outlast(ctx, func() (err error) {
		repaired, err = r.w.g.Repair(ctx)
		return err
	})
	if err != nil {
		return err
	}
	r.sum.Repaired = repaired.Removed
	for _, doc := range repaired.Damaged {
		r.damaged[doc] = true
	}
	return nil
}

func (r *run) pipeline(ctx context.Context, src Source) error {
	// What is embedded is stored although something else has failed: a write that is
	// called off may still be applied, and that when the run is over.
	whole := ctx
	group, ctx := errgroup.WithContext(ctx)
	// A stop ends what runs ahead of embedding, and nothing else.
	ahead, cancel := stopping(ctx, r.w.o.Stop)
	defer cancel()
	// The context hears of a stop a little later.
	ended := func() bool { return (ahead.Err() != nil || stopped(r.w.o.Stop)) && ctx.Err() == nil }
	workers := r.w.o.Workers
	listed := make(chan *job, lookUpBatch)
	known := make(chan []*job, 1)
	work := make(chan *job)
	ordered := make(chan *job, 2*workers) // bounds how far extraction runs ahead
	batches := make(chan batch, 1)
	// While a batch is stored the next one is prepared for the index and sent:
	// the one that is waited for, and one that waits here.
	storing := make(chan batch)

	unlessEnded := func(stage func() error) func() error {
		return func() error {
			if err := stage(); !ended() {
				return err
			}
			return nil
		}
	}
	group.Go(unlessEnded(func() error {
		defer close(listed)
		return r.list(ahead, src, listed)
	}))
	group.Go(unlessEnded(func() error {
		defer close(known)
		return r.lookUp(ahead, listed, known)
	}))
	group.Go(unlessEnded(func() error {
		defer close(work)
		defer close(ordered)
		return r.dispatch(ahead, known, work, ordered)
	}))
	for range workers {
		group.Go(func() error {
			for j := range work {
				j.old.asIs = r.away.Load()
				p, err := r.w.prep.prepare(ahead, j.item, j.old, r.inTurn)
				if err != nil && ended() {
					return nil
				}
				if err != nil {
					return err
				}
				if p.away {
					r.away.Store(true)
				}
				j.done <- p
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(batches)
		return r.embed(ctx, ahead, ordered, batches)
	})
	group.Go(func() error {
		defer close(storing)
		for b := range batches {
			group.Go(func() error {
				err := r.outlast(ctx, func() error { return r.w.store(whole, b.docs) })
				b.stored <- err
				return err
			})
			if !send(ctx, storing, b) {
				break
			}
		}
		return ctx.Err()
	})
	group.Go(func() error {
		for b := range storing {
			if err := <-b.stored; err != nil {
				return err
			}
			r.count(b)
		}
		return ctx.Err()
	})
	err := group.Wait()
	r.sum.Unlisted = r.unlisted
	if err == nil && !r.complete {
		err = ErrInterrupted
	}
	r.sum.Interrupted = errors.Is(err, ErrInterrupted)
	return err
}

// list sends on what the source lists.
func (r *run) list(ctx context.Context, src Source, listed chan<- *job) error {
	for item, err := range src.Items(ctx) {
		if item.ID == "" {
			if err == nil {
				return errNoID
			}
			if part := (*Unlisted)(nil); errors.As(err, &part) {
				r.unlisted = append(r.unlisted, *part)
				continue
			}
			return err
		}
		j := &job{item: item, err: err, again: !r.seen.add(item.ID), done: make(chan prepared, 1)}
		if !j.again && !item.Deleted {
			r.live++
		}
		if !send(ctx, listed, j) {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// dispatch sends every document first to where the order is kept, then to the
// extractors. What has failed already, or is deleted, is done at once.
func (r *run) dispatch(ctx context.Context, known <-chan []*job, work, ordered chan<- *job) error {
	for jobs := range known {
		for _, j := range jobs {
			ready := true
			switch {
			case j.again:
				j.done <- prepared{doc: j.item.ID, outcome: Failed, err: listedTwice(j.item.ID)}
			case j.err != nil:
				j.done <- failed(j.item, j.old, "", "", j.err)
			case j.item.Deleted:
				j.done <- deleted(j.item, j.old)
			default:
				ready = false
			}
			if !send(ctx, ordered, j) || !ready && !send(ctx, work, j) {
				return ctx.Err()
			}
		}
	}
	return ctx.Err()
}

var errNoID = errors.New("the source lists a document without an id")

func listedTwice(doc text.DocID) error {
	return fmt.Errorf("document id %q is listed twice; the first one counts", doc)
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
// so that small ones share a batch, and embeds them. When ahead ends before ctx,
// the batch being embedded is the last one.
func (r *run) embed(ctx, ahead context.Context, ordered <-chan *job, batches chan<- batch) error {
	b := batch{stored: make(chan error, 1)}
	// The context hears of a stop a little later.
	ended := func() bool { return ahead.Err() != nil || stopped(r.w.o.Stop) }
	flush := func() (err error) {
		if len(b.docs) == 0 {
			return nil
		}
		b.embedded, err = r.w.embed(ctx, b.docs, r.recent, r.outlast, func(chunks, tokens int) {
			r.report(func(e *Event) { e.ChunksEmbedded += chunks; e.TokensEmbedded += tokens })
		})
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.BatchEmbedded)
		if !send(ctx, batches, b) {
			return ctx.Err()
		}
		b = batch{stored: make(chan error, 1)}
		return nil
	}
	for j := range ordered {
		select {
		case p := <-j.done:
			p.unmatched = j.item.unmatched
			b.docs = append(b.docs, p)
			b.chunks += len(p.points)
			if len(p.points) > 0 {
				r.report(func(e *Event) { e.ChunksFound += len(p.points) })
			}
		case <-ahead.Done():
			return ctx.Err()
		}
		if ended() {
			return ctx.Err()
		}
		if b.chunks >= r.w.o.BatchChunks || len(b.docs) >= maxBatchDocuments {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if ended() {
		return ctx.Err() // the list may be incomplete
	}
	r.complete = true
	return flush()
}

// count adds a stored batch to the summary and reports its documents.
func (r *run) count(b batch) {
	failpoint.Hit(failpoint.BatchCommitted)
	r.sum.Embedded += b.embedded
	for _, p := range b.docs {
		r.sum.add(p)
		r.report(func(e *Event) {
			e.Doc, e.Outcome, e.Err = p.doc, p.outcome, p.err
			e.Chunks, e.Tokens = p.record.ChunkCount, p.record.Tokens
			e.Documents++
		})
	}
}

// add adds a finished document.
func (s *Summary) add(p prepared) {
	s.Documents++
	switch p.outcome {
	case Indexed:
		s.Indexed++
	case Replaced:
		s.Replaced++
	case Unchanged:
		s.Unchanged++
	case Removed:
		s.Removed++
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
	s.WindowSplits += p.windowSplits
	if p.mended {
		s.Mended++
	}
	if p.unmatched {
		s.Unmatched++
	}
	for _, pt := range p.points {
		s.Tokens += pt.Chunk.Tokens
	}
	for _, text := range p.warnings {
		s.Warnings = append(s.Warnings, Warning{Doc: p.doc, Text: text})
	}
}
