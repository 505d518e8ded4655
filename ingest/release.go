package ingest

import (
	"cmp"
	"context"
	"errors"
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
//
// A record that cannot be read, or was altered behind the back of its checksum, is
// left as it is. The others are released all the same; the error, which wraps
// index.ErrDamaged, then comes beside them and names each that is not.
func Release(ctx context.Context, g *index.Generation, pick func(index.Record) bool) ([]text.DocID, error) {
	docs, err := release(ctx, g, pick)
	if err != nil {
		return docs, fmt.Errorf("release documents of %s: %w", g, err)
	}
	return docs, nil
}

func release(ctx context.Context, g *index.Generation, pick func(index.Record) bool) (docs []text.DocID, err error) {
	var records []index.Record
	var damaged []error
	for r, err := range g.List(ctx) {
		if errors.Is(err, index.ErrDamaged) {
			damaged = append(damaged, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if Quarantines(r) && pick(r) {
			r.FailedSHA256 = ""
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(a, b index.Record) int { return cmp.Compare(a.Doc, b.Doc) })
	for part := range slices.Chunk(records, maxBatchDocuments) {
		left := map[int]bool{}
		err := updateRecords(ctx, g, part, func(i int, err error) {
			left[i] = true
			damaged = append(damaged, err)
		})
		if err != nil { // which is no index.ErrDamaged, whatever was before it
			if len(damaged) > 0 {
				err = fmt.Errorf("%w; before that: %v", err, errors.Join(damaged...))
			}
			return docs, err
		}
		for i, r := range part {
			if !left[i] {
				docs = append(docs, r.Doc)
			}
		}
	}
	return docs, errors.Join(damaged...)
}
