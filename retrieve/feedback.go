package retrieve

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
)

// feedbackDepth is the number of chunks that pseudo-relevance feedback takes for
// relevant, without looking: the first of the dense leg.
const feedbackDepth = 3

// feedback moves the dense query towards the chunks that the dense leg found
// first, and reports whether there were any: q becomes (1-b)·q + b·mean of their
// vectors, with b = Params.Feedback and every vector of unit length. That is
// Rocchio's formula as Li, Mourad, Zhuang, Koopman and Zuccon state it for
// dense retrieval ("Pseudo Relevance Feedback with Deep Language Models and Dense
// Retrievers", ACM TOIS 2023, Vector-PRF). It depends on the dense leg alone, so
// that a search under any fusion and depth takes the same chunks.
func (q *finding) feedback(ctx context.Context, visible []index.Candidate) (bool, error) {
	defer q.measure("feedback", q.r.now())
	var first []index.Candidate
	for _, c := range visible {
		if 0 < c.DenseRank && c.DenseRank <= feedbackDepth {
			first = append(first, c)
		}
	}
	if len(first) == 0 {
		return false, nil
	}
	slices.SortFunc(first, func(a, b index.Candidate) int { return a.DenseRank - b.DenseRank }) // sums depend on the order
	ids := make([]index.ChunkID, len(first))
	for i, c := range first {
		ids[i] = c.Chunk.ID
	}
	vectors, err := q.r.index.Vectors(ctx, ids)
	if err != nil {
		return false, fmt.Errorf("read the vectors of the first hits: %w", err)
	}
	sum, n := make([]float64, len(q.search.Dense)), 0
	var taken []*index.Chunk
	for i, id := range ids {
		v, ok := vectors[id]
		if !ok {
			continue // deleted meanwhile
		}
		n++
		taken = append(taken, first[i].Chunk)
		for i, x := range unit(v) {
			sum[i] += x
		}
	}
	if n == 0 {
		return false, nil
	}
	moved := make([]float32, len(sum))
	for i, x := range unit(q.search.Dense) {
		moved[i] = float32(float64((1-q.p.Feedback)*x) + float64(q.p.Feedback*sum[i]/float64(n)))
	}
	if !slices.ContainsFunc(moved, func(x float32) bool { return x != 0 }) {
		return false, nil // the chunks point the opposite way
	}
	q.search.Dense, q.reading.Feedback = moved, taken
	return true, nil
}

// unit returns v with the length 1; all zeros stay.
func unit(v []float32) []float64 {
	out, squares := make([]float64, len(v)), 0.0
	for i, x := range v {
		out[i] = float64(x)
		squares += float64(out[i] * out[i])
	}
	if squares == 0 {
		return out
	}
	length := math.Sqrt(squares)
	for i := range out {
		out[i] /= length
	}
	return out
}
