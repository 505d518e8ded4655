package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// MaxLimit is the largest Search.Limit.
const MaxLimit = 1000

// completionGroup is the number of ids in one has_id condition.
const completionGroup = 500

// Legs searches both legs in one batch and completes the scores in a second.
//
// Candidates come ordered by chunk id, whatever the server did with ties; ranks
// order equal scores by chunk id too. A leg that was not asked for leaves its
// score and rank 0. Candidates may belong to superseded revisions: compare them
// with their records. A chunk that vanished between the two batches is left
// out, which can leave a gap in the ranks. The candidates are the caller's, their
// chunks are shared with later results: nobody may change them.
func (g *Generation) Legs(ctx context.Context, s Search) (Legs, error) {
	l, err := g.legs(ctx, s)
	if err != nil {
		return Legs{}, fmt.Errorf("search %s: %w", g, err)
	}
	return l, nil
}

func (g *Generation) legs(ctx context.Context, s Search) (Legs, error) {
	legs, err := g.ask(s)
	if err != nil {
		return Legs{}, err
	}
	user, err := s.Filter.conditions()
	if err != nil {
		return Legs{}, err
	}
	queries := make([]*qdrant.QueryPoints, len(legs))
	for i, l := range legs {
		queries[i] = g.query(l, g.c.scope(user...), s.Limit)
	}
	results, err := g.batch(ctx, queries)
	if err != nil {
		return Legs{}, err
	}
	f := newFound(results)
	for i, l := range legs {
		for rank, p := range byScore(results[i]) {
			if err := g.read(l, p, f.of(p), rank+1); err != nil {
				return Legs{}, err
			}
		}
	}
	if len(legs) > 1 {
		if err := g.completeScores(ctx, legs, f); err != nil {
			return Legs{}, err
		}
	}
	return Legs{Candidates: f.sorted()}, nil
}

// found holds candidates by id.
type found struct {
	all []Candidate       // those whose chunk is not known yet have none
	ids []*qdrant.PointId // of all
	at  map[ChunkID]int
}

// newFound returns one with room for all results.
func newFound(results [][]*qdrant.ScoredPoint) *found {
	n := 0
	for _, r := range results {
		n += len(r)
	}
	return &found{make([]Candidate, 0, n), make([]*qdrant.PointId, 0, n), make(map[ChunkID]int, n)}
}

// of returns the candidate of a point, until the next call.
func (f *found) of(p *qdrant.ScoredPoint) *Candidate {
	id := ChunkID(p.GetId().GetUuid())
	i, ok := f.at[id]
	if !ok {
		i = len(f.all)
		f.at[id] = i
		f.all, f.ids = append(f.all, Candidate{}), append(f.ids, p.GetId())
	}
	return &f.all[i]
}

// sorted returns the candidates whose chunk is known, by id. f must not be used
// afterwards.
func (f *found) sorted() []Candidate {
	known := slices.DeleteFunc(f.all, func(c Candidate) bool { return c.Chunk == nil })
	if len(known) == 0 {
		return nil
	}
	slices.SortFunc(known, func(a, b Candidate) int { return cmp.Compare(a.Chunk.ID, b.Chunk.ID) })
	return known
}

// leg is one of the two searches.
type leg struct {
	using string
	query *qdrant.Query
	// carries says that the leg's results bring the chunks themselves, not only
	// ids and scores. One leg does: in the end it returns every candidate, those
	// of the other leg when the scores are completed.
	carries bool
}

// read takes a result of l into c; rank 0 means that the leg was asked for it.
func (g *Generation) read(l leg, p *qdrant.ScoredPoint, c *Candidate, rank int) error {
	if l.using == denseVector {
		c.Dense, c.DenseRank = float64(p.GetScore()), rank
	} else {
		c.Lexical, c.LexicalRank = float64(p.GetScore()), rank
	}
	if l.carries {
		chunk, err := g.c.chunks.read(p.GetId(), p.GetPayload(), decodeChunk)
		if err != nil {
			return err
		}
		c.Chunk = chunk
	}
	return nil
}

func (l leg) rank(c *Candidate) int {
	if l.using == denseVector {
		return c.DenseRank
	}
	return c.LexicalRank
}

// ask checks a search and returns the legs it wants.
func (g *Generation) ask(s Search) ([]leg, error) {
	if s.Limit < 1 || s.Limit > MaxLimit {
		return nil, fmt.Errorf("%w: limit %d, allowed are 1 to %d", ErrInvalid, s.Limit, MaxLimit)
	}
	var legs []leg
	if s.Dense != nil {
		if err := checkDense(s.Dense, g.Recipe.Embedder.Dimension); err != nil {
			return nil, err
		}
		legs = append(legs, leg{using: denseVector, query: qdrant.NewQueryDense(s.Dense)})
	}
	if err := checkSparse(s.Sparse.Indices, s.Sparse.Values); err != nil {
		return nil, err
	}
	if len(s.Sparse.Indices) > 0 {
		legs = append(legs, leg{using: sparseVector, query: qdrant.NewQuerySparse(s.Sparse.Indices, s.Sparse.Values)})
	}
	if len(legs) > 0 {
		legs[0].carries = true
	} else {
		return nil, fmt.Errorf("%w: neither a dense nor a sparse query vector", ErrInvalid)
	}
	return legs, nil
}

func (g *Generation) query(l leg, filter *qdrant.Filter, limit int) *qdrant.QueryPoints {
	with := qdrant.NewWithPayload(false)
	if l.carries {
		with = g.c.chunkPayload()
	}
	return &qdrant.QueryPoints{
		CollectionName: g.chunks(),
		Query:          l.query,
		Using:          qdrant.PtrOf(l.using),
		Filter:         filter,
		Limit:          qdrant.PtrOf(uint64(limit)),
		WithPayload:    with,
		WithVectors:    qdrant.NewWithVectors(false),
	}
}

// chunkPayload selects what decodeChunk reads: all of it in local mode, which hands
// out its payloads as they are, and only that from a server.
func (c *Client) chunkPayload() *qdrant.WithPayloadSelector {
	if c.info.Local {
		return qdrant.NewWithPayload(true)
	}
	return qdrant.NewWithPayloadInclude(chunkKeys...)
}

// completeScores asks each leg for the scores of the candidates that only the
// other leg returned.
func (g *Generation) completeScores(ctx context.Context, legs []leg, f *found) error {
	var queries []*qdrant.QueryPoints
	var asked []leg // parallel to queries
	for _, l := range legs {
		var missing []*qdrant.PointId
		for i := range f.all {
			if l.rank(&f.all[i]) == 0 {
				missing = append(missing, f.ids[i])
			}
		}
		for group := range slices.Chunk(missing, completionGroup) {
			q := g.query(l, g.c.scope(qdrant.NewHasID(group...)), len(group))
			q.Params = &qdrant.SearchParams{Exact: qdrant.PtrOf(true)}
			queries = append(queries, q)
			asked = append(asked, l)
		}
	}
	if queries == nil {
		return nil
	}
	results, err := g.batch(ctx, queries)
	if err != nil {
		return fmt.Errorf("complete the scores: %w", err)
	}
	for i, l := range asked {
		for _, p := range results[i] {
			id := ChunkID(p.GetId().GetUuid())
			at, ok := f.at[id]
			if !ok {
				return fmt.Errorf("complete the scores: %w: the server answers with chunk %s, which was not asked for", ErrDamaged, id)
			}
			if err := g.read(l, p, &f.all[at], 0); err != nil {
				return err
			}
		}
	}
	// Every chunk has a dense vector: one that the dense leg, which carries the
	// chunks, does not know is gone, and left out. One without a lexical score
	// shares no term, and 0 is its score.
	return nil
}

func (g *Generation) batch(ctx context.Context, queries []*qdrant.QueryPoints) ([][]*qdrant.ScoredPoint, error) {
	res, err := call(ctx, g.c, true, fmt.Sprintf("ask %d queries", len(queries)), func(ctx context.Context) ([]*qdrant.BatchResult, error) {
		return g.c.qc.QueryBatch(ctx, &qdrant.QueryBatchPoints{CollectionName: g.chunks(), QueryPoints: queries})
	})
	if err != nil {
		return nil, err
	}
	if len(res) != len(queries) {
		return nil, fmt.Errorf("the server answers %d of %d queries", len(res), len(queries))
	}
	out := make([][]*qdrant.ScoredPoint, len(res))
	for i, r := range res {
		out[i] = r.GetResult()
	}
	return out, nil
}

// byScore orders a leg's result by score, equal scores by chunk id: a server
// returns those in any order.
func byScore(points []*qdrant.ScoredPoint) []*qdrant.ScoredPoint {
	slices.SortStableFunc(points, func(a, b *qdrant.ScoredPoint) int {
		return cmp.Or(cmp.Compare(b.GetScore(), a.GetScore()), cmp.Compare(a.GetId().GetUuid(), b.GetId().GetUuid()))
	})
	return points
}
