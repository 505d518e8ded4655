package index

import (
	"context"

	"github.com/qdrant/go-client/qdrant"
)

// A server counts deleted points in its inverse document frequencies until it
// vacuums their segment, which as shipped it never does for segments of fewer than
// 1,000 vectors. Lexical scores would then depend on what once was stored.
//
// minVacuum is the least that a server allows. What stays: a segment is vacuumed
// once more than deleted_threshold of it, as shipped a fifth, is deleted. Up to
// then, and in segments of fewer than minVacuum vectors always, what was deleted
// counts. Local mode counts what is there. A collection of an older version gets the
// setting with Prepare, which ingesting a source begins with: a service that takes
// documents one by one, or only reads, leaves it as it is.
const minVacuum = 100

// vacuum returns the optimizer settings of a chunk collection.
func vacuum() *qdrant.OptimizersConfigDiff {
	return &qdrant.OptimizersConfigDiff{VacuumMinVectorNumber: qdrant.PtrOf(uint64(minVacuum))}
}

// ensureVacuum gives an older chunk collection, described by info, the settings of vacuum.
func (g *Generation) ensureVacuum(ctx context.Context, info *qdrant.CollectionInfo) error {
	if info.GetConfig().GetOptimizerConfig().GetVacuumMinVectorNumber() == minVacuum {
		return nil
	}
	_, err := call(ctx, g.c, false, "set the optimizer of "+g.chunks(), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, g.c.qc.UpdateCollection(ctx, &qdrant.UpdateCollection{CollectionName: g.chunks(), OptimizersConfig: vacuum()})
	})
	return err
}
