package index

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/failpoint"
	"github.com/ragloop/ragloop/internal/text"
)

// Repaired says what a Repair found.
type Repaired struct {
	Removed int          // chunks that no record named, now deleted
	Damaged []text.DocID // documents that miss chunks, sorted; storing them again mends them
}

// Repair compares all chunks with all records: chunks of interrupted writes are
// removed, documents that miss chunks are named. It costs one pass over the ids
// and revisions of all chunks; no writer of this client is at work meanwhile,
// and none of another process may be.
//
// It looks no further: what the chunks hold is for [Generation.Verify].
func (g *Generation) Repair(ctx context.Context) (Repaired, error) {
	what := "repair " + g.String()
	done, err := g.c.turn(ctx, g.chunks())
	if err != nil {
		return Repaired{}, fmt.Errorf("%s: %w", what, err)
	}
	defer done()

	type truth struct {
		rev     string
		missing int
	}
	records := make(map[text.DocID]*truth)
	for r, err := range g.List(ctx) {
		if err != nil {
			return Repaired{}, fmt.Errorf("%s: %w", what, err)
		}
		records[r.Doc] = &truth{rev: r.Rev, missing: r.ChunkCount}
	}
	var stale []*qdrant.PointId
	for p, err := range g.c.scan(ctx, g.chunks(), g.c.scope(), idPage, keyDoc, keyRev, keyOrd) {
		if err != nil {
			return Repaired{}, fmt.Errorf("%s: %w", what, err)
		}
		read := &reader{p: p.GetPayload()}
		doc, rev, ord := text.DocID(read.str(keyDoc)), read.str(keyRev), read.num(keyOrd)
		r := records[doc]
		// A point of the right revision under another id would outlive every
		// storing of the document again.
		if read.err != nil || r == nil || r.rev != rev || ord < 0 || p.GetId().GetUuid() != string(chunkID(g.c.tenant, doc, rev, g.fingerprint, ord)) {
			stale = append(stale, p.GetId())
			continue
		}
		records[doc].missing--
	}
	if err := g.c.deleteIDs(ctx, g.chunks(), stale); err != nil {
		return Repaired{}, fmt.Errorf("%s: %w", what, err)
	}
	failpoint.Hit(failpoint.StaleDeleted)
	out := Repaired{Removed: len(stale)}
	for _, doc := range slices.Sorted(maps.Keys(records)) {
		if records[doc].missing != 0 {
			out.Damaged = append(out.Damaged, doc)
		}
	}
	return out, nil
}
