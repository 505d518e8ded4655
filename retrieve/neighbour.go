package retrieve

import (
	"context"
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
)

// MaxNeighbours is the largest Params.Neighbours.
const MaxNeighbours = 4

// Neighbour is a chunk that is offered to the packer because it stands beside a
// ranked one.
type Neighbour struct {
	Chunk *index.Chunk
	Of    int // index of the ranked chunk
}

// Neighbours returns the chunks beside ranked ones, in the order in which the
// packer is offered them: those of the best ranked chunk first, of each the
// nearest first, of two equally near ones the later. A chunk that is ranked
// itself, or stands beside a better one, is not repeated.
func Neighbours(ranked []Ranked) []Neighbour {
	if !slices.ContainsFunc(ranked, func(r Ranked) bool { return len(r.Neighbours) > 0 }) {
		return nil
	}
	var out []Neighbour
	seen := make(map[index.ChunkID]bool, len(ranked))
	for i := range ranked {
		seen[ranked[i].Chunk.ID] = true
	}
	for i := range ranked {
		for _, c := range ranked[i].Neighbours {
			if !seen[c.ID] {
				seen[c.ID] = true
				out = append(out, Neighbour{c, i})
			}
		}
	}
	return out
}

// neighbours returns f with the neighbours of chunks up to n away, records being
// those of their documents. A document may change between the search and this; what
// is gone then, degraded tells.
func (r *Retriever) neighbours(ctx context.Context, f Found, chunks []index.Chunk, records []*index.Record, n int) (Found, error) {
	if n == 0 || len(chunks) == 0 {
		return f, nil
	}
	begin := r.now()
	near, err := r.index.Neighbours(ctx, chunks, n)
	if err != nil {
		return f, fmt.Errorf("read the neighbours of the hits: %w", err)
	}
	missing := 0
	for i := range chunks {
		if c := &chunks[i]; c.ParentLast == 0 {
			before, after := c.Ordinal, records[i].ChunkCount-1-c.Ordinal
			missing += max(min(n, before)+min(n, after)-len(near[c.ID]), 0)
		}
	}
	if missing > 0 {
		f.Degraded = append(slices.Clip(f.Degraded),
			fmt.Sprintf("neighbours: %d are gone, as their documents were changed during the search", missing))
	}
	f.Neighbours = near
	f.Stages = append(slices.Clip(f.Stages), Stage{"neighbours", r.now().Sub(begin), begin})
	return f, nil
}

// known returns the chunks that are ranked, and the records of their documents.
func known(ranked []Ranked) (chunks []index.Chunk, records []*index.Record) {
	for i := range ranked {
		chunks, records = append(chunks, *ranked[i].Chunk), append(records, ranked[i].Record)
	}
	return chunks, records
}

// expand gives ranked chunks their neighbours up to n away, as far as f has them.
func expand(ranked []Ranked, f *Found, n int) {
	for i := range ranked {
		at := ranked[i].Chunk.Ordinal
		ranked[i].Neighbours = nil
		for _, c := range f.Neighbours[ranked[i].Chunk.ID] {
			if max(c.Ordinal-at, at-c.Ordinal) <= n {
				ranked[i].Neighbours = append(ranked[i].Neighbours, c)
			}
		}
	}
}
