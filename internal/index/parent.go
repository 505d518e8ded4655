package index

import (
	"context"
	"fmt"
	"strings"

	"github.com/qdrant/go-client/qdrant"
)

// Parents returns the parents of chunks that have one, by the id of the chunk.
//
// A parent is the chunk that the chunks ParentFirst to ParentLast of a revision
// would be together: it begins like the first, with its ID, Ordinal and Heading,
// and ends like the last. Tokens is 0. Chunks with the same parent share it. One
// that is not stored as a whole is left out: the document was changed since the
// chunk was read. ErrDamaged where the chunks of a parent leave a hole.
func (g *Generation) Parents(ctx context.Context, chunks []Chunk) (map[ChunkID]*Chunk, error) {
	what := "read parents in " + g.String()
	var wanted []ChunkID
	asked := map[ChunkID]bool{}
	for _, c := range chunks {
		if c.ParentLast == 0 || asked[g.sibling(c, c.ParentFirst)] {
			continue
		}
		for ord := c.ParentFirst; ord <= c.ParentLast; ord++ {
			id := g.sibling(c, ord)
			asked[id] = true
			wanted = append(wanted, id)
		}
	}
	stored, err := g.get(ctx, what, wanted)
	if err != nil {
		return nil, err
	}
	out := make(map[ChunkID]*Chunk)
	made := map[ChunkID]*Chunk{} // by the id of the first
	for _, c := range chunks {
		if c.ParentLast == 0 {
			continue
		}
		first := g.sibling(c, c.ParentFirst)
		p, ok := made[first]
		if !ok {
			if p, err = g.parent(c, stored); err != nil {
				return nil, fmt.Errorf("%s: of chunk %s: %w", what, c.ID, err)
			}
			made[first] = p
		}
		if p != nil {
			out[c.ID] = p
		}
	}
	return out, nil
}

// parent returns the parent of c, nil where a part of it is not stored.
func (g *Generation) parent(c Chunk, stored map[ChunkID]Chunk) (*Chunk, error) {
	var parts []Chunk
	size := 0
	for ord := c.ParentFirst; ord <= c.ParentLast; ord++ {
		part, ok := stored[g.sibling(c, ord)]
		if !ok {
			return nil, nil
		}
		parts = append(parts, part)
		size += len(part.Text) + len(part.Gap)
	}
	p, last := parts[0], parts[len(parts)-1]
	s, err := stitch(p.Span.Start, parts, size)
	if err != nil {
		return nil, err
	}
	p.Span.End, p.Text, p.Gap = last.Span.End, strings.TrimSuffix(s, last.Gap), last.Gap
	p.PageEnd, p.Tokens = last.PageEnd, 0
	return &p, nil
}

// sibling returns the id of another chunk of c's revision.
func (g *Generation) sibling(c Chunk, ordinal int) ChunkID {
	return chunkID(g.c.tenant, c.Doc, c.Rev, g.fingerprint, ordinal)
}

// get reads chunks by id; those that are not stored are left out.
func (g *Generation) get(ctx context.Context, what string, ids []ChunkID) (map[ChunkID]Chunk, error) {
	out := make(map[ChunkID]Chunk, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), idPage)
		page := make([]*qdrant.PointId, n)
		for i, id := range ids[:n] {
			page[i] = qdrant.NewIDUUID(string(id))
		}
		ids = ids[n:]
		points, err := call(ctx, g.c, true, what, func(ctx context.Context) ([]*qdrant.RetrievedPoint, error) {
			return g.c.qc.Get(ctx, &qdrant.GetPoints{
				CollectionName: g.chunks(),
				Ids:            page,
				WithPayload:    g.c.chunkPayload(),
				WithVectors:    qdrant.NewWithVectors(false),
			})
		})
		if err != nil {
			return nil, err
		}
		for _, p := range points {
			c, err := decodeChunk(p.GetId(), p.GetPayload())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", what, err)
			}
			out[c.ID] = c
		}
	}
	return out, nil
}
