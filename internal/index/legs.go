package index

import (
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
	filter := g.c.scope(user...)
	queries := make([]*qdrant.QueryPoints, len(legs))
	for i, l := range legs {
		queries[i] = g.query(l, filter, s.Limit)
	}
	results, err := g.batch(ctx, queries)
	if err != nil {
		return Legs{}, err
	}
	f := unite(results)
	defer f.done()
	for i, h := range f.hits {
		for l, rank := range h.ranks[:len(legs)] {
			if rank == 0 {
				continue
			}
			if err := g.read(legs[l], f.point(l, rank), &f.all[i], int(rank)); err != nil {
				return Legs{}, err
			}
		}
	}
	if len(legs) > 1 {
		if err := g.completeScores(ctx, legs, f); err != nil {
			return Legs{}, err
		}
	}
	g.c.release(results)
	return Legs{Candidates: f.known()}, nil
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

// ask checks a search and returns the legs it wants.
func (g *Generation) ask(s Search) ([]leg, error) {
	if s.Limit < 1 || s.Limit > MaxLimit {
		return nil, fmt.Errorf("%w: limit %d, allowed are 1 to %d", ErrInvalid, s.Limit, MaxLimit)
	}
	legs := make([]leg, 0, maxLegs)
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
	queries := make([]*qdrant.QueryPoints, 0, len(legs))
	asked := make([]leg, 0, len(legs)) // parallel to queries
	for i, l := range legs {
		for group := range slices.Chunk(f.missing(i), completionGroup) {
			q := g.query(l, g.c.scope(qdrant.NewHasID(group...)), len(group))
			q.Params = &qdrant.SearchParams{Exact: qdrant.PtrOf(true)}
			queries = append(queries, q)
			asked = append(asked, l)
		}
	}
	if len(queries) == 0 {
		return nil
	}
	results, err := g.batch(ctx, queries)
	if err != nil {
		return fmt.Errorf("complete the scores: %w", err)
	}
	for i, l := range asked {
		for _, p := range results[i].GetResult() {
			at, ok := f.find(p.GetId().GetUuid())
			if !ok {
				return fmt.Errorf("complete the scores: %w: the server answers with chunk %s, which was not asked for", ErrDamaged, p.GetId().GetUuid())
			}
			if err := g.read(l, p, &f.all[at], 0); err != nil {
				return err
			}
		}
	}
	g.c.release(results)
	// Every chunk has a dense vector: one that the dense leg, which carries the
	// chunks, does not know is gone, and left out. One without a lexical score
	// shares no term, and 0 is its score.
	return nil
}

// batch asks all queries at once; the results are parallel to them.
func (g *Generation) batch(ctx context.Context, queries []*qdrant.QueryPoints) ([]*qdrant.BatchResult, error) {
	res, err := perform(ctx, g.c, true, func(ctx context.Context) ([]*qdrant.BatchResult, error) {
		return g.c.qc.QueryBatch(ctx, &qdrant.QueryBatchPoints{CollectionName: g.chunks(), QueryPoints: queries})
	})
	if err != nil {
		return nil, fmt.Errorf("ask %d queries: %w", len(queries), err)
	}
	if len(res) != len(queries) {
		return nil, fmt.Errorf("the server answers %d of %d queries", len(res), len(queries))
	}
	return res, nil
}
