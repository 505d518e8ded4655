package ingest

import (
	"context"
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// Quarantines reports whether a record is about a document that no run tries
// again while nothing changes. An older version of it may be indexed.
func Quarantines(r index.Record) bool { return r.Reason != "" && r.FailedSHA256 != "" }

// Release makes the next run try quarantined documents of g again: those that
// pick returns true for. Until then their records keep state, reason and error.
// It returns the documents in ascending order. Nobody else may write to them
// meanwhile.
func Release(ctx context.Context, g *index.Generation, pick func(index.Record) bool) ([]text.DocID, error) {
	what := fmt.Sprintf("release documents of %s", g)
	var records []index.Record
	var docs []text.DocID
	for r, err := range g.List(ctx) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if Quarantines(r) && pick(r) {
			r.FailedSHA256 = ""
			records = append(records, r)
			docs = append(docs, r.Doc)
		}
	}
	for part := range slices.Chunk(records, maxBatchDocuments) {
		if err := g.UpdateRecords(ctx, part); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	slices.Sort(docs)
	return docs, nil
}
