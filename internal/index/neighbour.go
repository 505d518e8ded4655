package index

import "context"

// Neighbours returns what stands before and after chunks in the text of their
// documents, up to n chunks away, by the id of the chunk: the nearest first, of
// two equally near ones the later. Both are of the revision of the chunk.
//
// A chunk that is delivered as its parent has none, and nothing has where n is
// not positive. A neighbour that is not stored is left out: the document ends
// there, or was changed since the chunk was read. Chunks that stand beside the
// same one share it, and what is among chunks already is not read again: the
// result points to it.
func (g *Generation) Neighbours(ctx context.Context, chunks []Chunk, n int) (map[ChunkID][]*Chunk, error) {
	near := make(map[ChunkID][]ChunkID, len(chunks))
	known := make(map[ChunkID]*Chunk, len(chunks))
	for i, c := range chunks {
		known[c.ID] = &chunks[i]
	}
	var wanted []ChunkID
	asked := map[ChunkID]bool{}
	for _, c := range chunks {
		if c.ParentLast > 0 || near[c.ID] != nil {
			continue
		}
		for distance := 1; distance <= n; distance++ {
			for _, ord := range []int{c.Ordinal + distance, c.Ordinal - distance} {
				if ord < 0 {
					continue
				}
				id := g.sibling(c, ord)
				near[c.ID] = append(near[c.ID], id)
				if known[id] == nil && !asked[id] {
					asked[id] = true
					wanted = append(wanted, id)
				}
			}
		}
	}
	stored, err := g.get(ctx, "read neighbours in "+g.String(), wanted)
	if err != nil {
		return nil, err
	}
	for id, c := range stored {
		known[id] = &c
	}
	out := make(map[ChunkID][]*Chunk, len(near))
	for id, ids := range near {
		for _, other := range ids {
			if c := known[other]; c != nil {
				out[id] = append(out[id], c)
			}
		}
	}
	return out, nil
}
