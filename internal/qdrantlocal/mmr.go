package qdrantlocal

import (
	"math"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// mmr selects limit points by maximal marginal relevance among the nearest
// ones. Hits keep their score but come in the order of selection.
func (x execution) mmr(p *qdrant.PrefetchQuery, in *qdrant.NearestInputWithMmr, from candidates, limit int) ([]hit, error) {
	m := in.GetMmr()
	diversity := float32(0.5)
	if m != nil && m.Diversity != nil {
		diversity = *m.Diversity
	}
	if !(diversity >= 0 && diversity <= 1) {
		return nil, status.Errorf(codes.InvalidArgument, "mmr.diversity: value %v invalid, must be from 0.0 to 1.0", diversity)
	}
	pool := limit
	if m != nil && m.CandidatesLimit != nil {
		if pool = int(*m.CandidatesLimit); pool > maxMMRCandidates {
			return nil, status.Errorf(codes.InvalidArgument, "mmr.candidates_limit: value %d invalid, must be at most %d", pool, maxMMRCandidates)
		}
	}
	q, err := x.input(in.GetNearest(), p.GetUsing())
	if err != nil {
		return nil, err
	}
	hits, err := x.nearest(q, p.GetUsing(), from, p.ScoreThreshold, pool)
	if err != nil || len(hits) < 2 {
		return hits[:min(limit, len(hits))], err
	}
	return x.diversify(q, p.GetUsing(), hits, 1-diversity, limit)
}

const maxMMRCandidates = 16384

// diversify picks greedily the hit with the largest
// λ·sim(query, hit) − (1−λ)·max sim(hit, picked); the earlier hit wins a tie.
func (x execution) diversify(q vector, using string, hits []hit, lambda float32, limit int) ([]hit, error) {
	vs := make([]vector, len(hits))
	relevance := make([]float32, len(hits))
	redundancy := make([]float32, len(hits))
	for i, h := range hits {
		vs[i], _ = x.c.vector(h.slot, using) // hits of a nearest query have the vector
		relevance[i] = x.c.rawSimilarity(using, q, vs[i])
		redundancy[i] = float32(math.Inf(-1))
	}
	best := 0
	for i := range hits {
		if relevance[i] > relevance[best] {
			best = i
		}
	}
	picked := make([]bool, len(hits))
	var out []hit
	for {
		picked[best] = true
		out = append(out, hits[best])
		if len(out) == min(limit, len(hits)) {
			return out, nil
		}
		if err := contextError(x.ctx); err != nil {
			return nil, err
		}
		last, next := best, -1
		var nextScore float32
		for i := range hits {
			if picked[i] {
				continue
			}
			redundancy[i] = max(redundancy[i], x.c.rawSimilarity(using, vs[i], vs[last]))
			score := lambda*relevance[i] - (1-lambda)*redundancy[i]
			if next < 0 || score > nextScore {
				next, nextScore = i, score
			}
		}
		best = next
	}
}

// rawSimilarity compares two prepared vectors of one name; larger is nearer.
// Sparse vectors are compared without IDF.
func (c *collection) rawSimilarity(name string, a, b vector) float32 {
	switch {
	case a.sparse != nil:
		s, _ := dotSparse(*a.sparse, *b.sparse)
		return s
	case a.multi != nil:
		return c.multi[name].rawSimilarity(a.multi, b.multi)
	}
	return c.dense[name].rawSimilarity(a.dense, b.dense)
}
