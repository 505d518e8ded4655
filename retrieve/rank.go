package retrieve

import (
	"cmp"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// Rank fuses, rescores and cuts to p.TopK: the best first; equal scores by the
// better of the two leg ranks, then by chunk id. The first p.Rerank of that order
// are then put into another one, if f has the reranker's scores of all of them:
// by w·z(reranker's score) + (1-w)·z(score), where w is p.RerankWeight and z is
// as in ZScore, over these candidates; equal ones stay as they were. p must be
// valid. Pure: the order of f's candidates does not
// matter, and f may be shared.
//
// With a p.Candidates smaller than the one found, deeper hits are left out
// first, so the result is what a search with p would have returned.
func Rank(f Found, p Params) []Ranked { return top(rank(f, p), p.TopK) }

// rank orders every candidate that p admits, and reranks the first.
func rank(f Found, p Params) []Ranked {
	all := order(f, p)
	rerankOrder(all, f.Reranked, p)
	for i := range all {
		all[i].Rank = i + 1
	}
	expand(all, f, p.Neighbours)
	return all
}

func top(all []Ranked, k int) []Ranked { return slices.Clip(all[:min(len(all), max(k, 0))]) }

// order returns every candidate that p admits in the order before reranking,
// without ranks.
func order(f Found, p Params) []Ranked {
	cs := admit(f.Legs.Candidates, p)
	fused := p.Fusion.fuse(cs)
	final := rescore(cs, fused, p)
	boost(cs, fused, final, f.Phrases, p)
	all := make([]Ranked, len(cs))
	for i, c := range cs {
		all[i] = Ranked{Candidate: c, Score: final[i], Fused: fused[i], Phrases: f.Phrases[c.Chunk.ID], Record: f.Records[c.Chunk.Doc], Parent: f.Parents[c.Chunk.ID]}
	}
	places := make([]int, len(all)) // what is sorted: candidates are large
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(x, y int) int {
		a, b := &all[x], &all[y]
		return cmp.Or(
			cmp.Compare(b.Score, a.Score),
			cmp.Compare(bestRank(&a.Candidate), bestRank(&b.Candidate)),
			cmp.Compare(a.Chunk.ID, b.Chunk.ID))
	})
	sorted := make([]Ranked, len(all))
	for i, at := range places {
		sorted[i] = all[at]
	}
	return sorted
}

// admit returns a copy of the candidates that the legs used by p.Fusion
// returned among their first p.Candidates hits, by chunk id.
func admit(cs []index.Candidate, p Params) []index.Candidate {
	use := p.Fusion.uses()
	out := make([]index.Candidate, 0, len(cs))
	for _, c := range cs {
		if c.DenseRank > p.Candidates || !use.dense {
			c.DenseRank = 0
		}
		if c.LexicalRank > p.Candidates || !use.lexical {
			c.LexicalRank = 0
		}
		// A leg that is not used is not run by Search: its scores are unknown.
		if !use.dense {
			c.Dense = 0
		}
		if !use.lexical {
			c.Lexical = 0
		}
		if c.DenseRank > 0 || c.LexicalRank > 0 {
			out = append(out, c)
		}
	}
	// Sums depend on the order of their terms, so it is fixed here.
	byID := func(a, b index.Candidate) int { return cmp.Compare(a.Chunk.ID, b.Chunk.ID) }
	if !slices.IsSortedFunc(out, byID) {
		slices.SortFunc(out, byID)
	}
	return out
}

// rescore returns fused + prior·(best fused score of the document) +
// smoothing·(better fused score of the chunks before and after it). A
// neighbour that is no candidate adds nothing.
//
// With scores that may be negative both keep their meaning: a document whose
// best chunk is below average sinks. Within a document the prior changes no
// order, as it adds the same to each of its chunks.
func rescore(cs []index.Candidate, fused []float64, p Params) []float64 {
	type place struct {
		doc     text.DocID
		ordinal int
	}
	best := make(map[text.DocID]float64)
	at := make(map[place]float64, len(cs))
	for i, c := range cs {
		doc := c.Chunk.Doc
		if b, ok := best[doc]; !ok || fused[i] > b {
			best[doc] = fused[i]
		}
		at[place{doc, c.Chunk.Ordinal}] = fused[i]
	}
	final := slices.Clone(fused)
	for i, c := range cs {
		final[i] += float64(p.DocumentPrior * best[c.Chunk.Doc])
		before, hasBefore := at[place{c.Chunk.Doc, c.Chunk.Ordinal - 1}]
		after, hasAfter := at[place{c.Chunk.Doc, c.Chunk.Ordinal + 1}]
		if !hasBefore || hasAfter && after > before {
			before = after // 0 where there is neither
		}
		final[i] += float64(p.NeighbourSmoothing * before)
	}
	return final
}

// bestRank returns the better of the ranks that the legs gave to c.
func bestRank(c *index.Candidate) int {
	switch {
	case c.DenseRank == 0:
		return c.LexicalRank
	case c.LexicalRank == 0:
		return c.DenseRank
	}
	return min(c.DenseRank, c.LexicalRank)
}
