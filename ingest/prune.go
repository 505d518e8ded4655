package ingest

import (
	"context"
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/internal/failpoint"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// pruneBatch is the number of documents removed together.
const pruneBatch = 256

// vanished removes or counts what is stored and in scope but was not listed. A
// source that lists nothing at all is more likely a wrong path than a wish to
// lose everything, and one that could not list a part may hold it all.
func (r *run) vanished(ctx context.Context, mayEmpty bool) error {
	if len(r.unlisted) > 0 {
		return nil
	}
	if !r.w.o.Prune {
		r.sum.Vanished = max(0, r.stored-r.found) // less than none: somebody stored documents meanwhile
		return nil
	}
	var gone []text.DocID
	if r.stored > r.found {
		for rec, err := range r.w.g.List(ctx) {
			if err != nil {
				return fmt.Errorf("prune: %w", err)
			}
			if r.inScope(rec) && !r.seen.has(rec.Doc) {
				gone = append(gone, rec.Doc)
			}
		}
		slices.Sort(gone)
	}
	if r.live == 0 && len(gone) > 0 && !mayEmpty {
		return lostAll(len(gone))
	}
	failpoint.Hit(failpoint.PruneNext)
	for docs := range slices.Chunk(gone, pruneBatch) {
		if stopped(r.w.o.Stop) {
			r.sum.Interrupted = true
			return ErrInterrupted
		}
		err := r.outlast(ctx, func() error {
			_, err := r.w.g.DeleteAll(ctx, docs)
			return err
		})
		if err != nil {
			return fmt.Errorf("prune: %w", err)
		}
		r.sum.Removed += len(docs)
		for _, doc := range docs {
			r.report(func(e *Event) { e.Doc, e.Outcome = doc, Removed })
		}
	}
	return nil
}

func lostAll(n int) error {
	return fmt.Errorf("prune: the source lists no documents at all, refusing to remove all %d", n)
}

func (r *run) inScope(rec index.Record) bool { return r.w.o.Scope == nil || r.w.o.Scope(rec) }
