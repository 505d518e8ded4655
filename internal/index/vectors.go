package index

import (
	"context"
	"fmt"

	"github.com/qdrant/go-client/qdrant"
)

// Vectors returns the dense vectors of chunks by id, of unit length as they are
// stored. A chunk that is not stored, not any more, is left out.
func (g *Generation) Vectors(ctx context.Context, ids []ChunkID) (map[ChunkID][]float32, error) {
	out := make(map[ChunkID][]float32, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	wanted := make([]*qdrant.PointId, len(ids))
	for i, id := range ids {
		wanted[i] = qdrant.NewIDUUID(string(id))
	}
	what := "read vectors in " + g.String()
	points, err := call(ctx, g.c, true, what, func(ctx context.Context) ([]*qdrant.RetrievedPoint, error) {
		return g.c.qc.Get(ctx, &qdrant.GetPoints{
			CollectionName: g.chunks(),
			Ids:            wanted,
			WithPayload:    qdrant.NewWithPayload(false),
			WithVectors:    qdrant.NewWithVectorsInclude(denseVector),
		})
	})
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		v := p.GetVectors().GetVectors().GetVectors()[denseVector].GetDense().GetData()
		if err := checkDense(v, g.Recipe.Embedder.Dimension); err != nil {
			return nil, fmt.Errorf("%s: %w: chunk %s: %w", what, ErrDamaged, p.GetId().GetUuid(), err)
		}
		out[ChunkID(p.GetId().GetUuid())] = v
	}
	return out, nil
}
