package retrieve

import (
	"context"
	"fmt"

	"github.com/ragloop/ragloop/internal/index"
)

// parents returns the parents of those candidates that have one. A document may
// change between the search and this; a chunk whose parent is gone is delivered
// itself, which degraded tells.
func (q *finding) parents(ctx context.Context, cs []index.Candidate) (map[index.ChunkID]*index.Chunk, error) {
	var children []index.Chunk
	for i := range cs {
		if cs[i].Chunk.ParentLast > 0 {
			children = append(children, *cs[i].Chunk)
		}
	}
	if len(children) == 0 {
		return nil, nil
	}
	defer q.measure("parents", q.r.now())
	parents, err := q.r.index.Parents(ctx, children)
	if err != nil {
		return nil, fmt.Errorf("read the parents of the hits: %w", err)
	}
	if n := len(children) - len(parents); n > 0 {
		q.degraded = append(q.degraded, fmt.Sprintf("parents: %d of %d chunks stand for themselves, as their documents were changed during the search", n, len(children)))
	}
	return parents, nil
}
