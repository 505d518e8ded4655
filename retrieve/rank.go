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
// by the reranker's score alone where w, p.RerankWeight, is 1, and else by
// w·z(reranker's score) + (1-w)·z(fused score and phrases), to which the document,
// its title and the neighbours are added as before, all over these candidates; z is
// as in ZScore. Equal ones stay as they were. p must be valid. Pure: the order of f's
// candidates does not matter, and f may be shared.
//
// With a p.Candidates smaller than the one found, deeper hits are left out
// first, so the result is what a search with p would have returned.
func Rank(f Found, p Params) []Ranked { return top(rank(f, p), p.TopK) }

// rank orders every candidate that p admits, and reranks the first.
func rank(f Found, p Params) []Ranked {
	all, own := order(f, p)
	rerankOrder(all, own, f, p)
	for i := range all {
		all[i].Rank = i + 1
	}
	expand(all, f, p.Neighbours)
	return all
}

func top(all []Ranked, k int) []Ranked { return slices.Clip(all[:min(len(all), max(k, 0))]) }

// order returns every candidate that p admits in the order before reranking,
// without ranks, and beside each its own score: without what its document, its
// title and its neighbours add.
func order(f Found, p Params) (sorted []Ranked, own []float64) {
	cs := admit(f.Legs.Candidates, p)
	fused := p.Fusion.fuse(cs)
	final := rescore(cs, fused, f.Titles, p)
	unit := deviation(fused)
	phrases := func(i int) float64 { return phraseWorth(p.PhraseBoost, unit, f.Phrases[cs[i].Chunk.ID]) }
	for i := range final {
		final[i] += phrases(i)
	}
	places := make([]int, len(cs)) // what is sorted: ranked candidates are large
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int {
		if c := cmp.Compare(final[j], final[i]); c != 0 {
			return c
		}
		a, b := &cs[i], &cs[j]
		return cmp.Or(
			cmp.Compare(bestRank(a.DenseRank, a.LexicalRank), bestRank(b.DenseRank, b.LexicalRank)),
			cmp.Compare(a.Chunk.ID, b.Chunk.ID))
	})
	sorted, own = make([]Ranked, len(cs)), make([]float64, len(cs))
	for to, i := range places {
		c, r := &cs[i], &sorted[to]
		r.Candidate = *c.Candidate
		r.Dense, r.Lexical, r.DenseRank, r.LexicalRank = c.Dense, c.Lexical, c.DenseRank, c.LexicalRank
		r.Score, r.Fused, r.Title, r.Phrases = final[i], fused[i], f.Titles[c.Chunk.Doc], f.Phrases[c.Chunk.ID]
		r.Record, r.Parent = f.record(c.Chunk.Doc), f.Parents[c.Chunk.ID]
		own[to] = fused[i] + phrases(i)
	}
	return sorted, own
}

// phraseWorth returns what a share of the query's phrases adds to a score, unit being
// the deviation of the fused ones.
func phraseWorth(boost, unit, share float64) float64 {
	return finite(float64(boost * unit * share))
}

// admitted is a candidate with the scores and ranks that count under some Params.
type admitted struct {
	*index.Candidate       // of which nothing may be changed
	Dense, Lexical         float64
	DenseRank, LexicalRank int
}

// admit returns the candidates that the legs used by p.Fusion returned among
// their first p.Candidates hits, by chunk id.
func admit(cs []index.Candidate, p Params) []admitted {
	use := p.Fusion.uses()
	out := make([]admitted, 0, len(cs))
	for i := range cs {
		// A leg that is not used is not run by Search: its scores are unknown.
		a, c := admitted{Candidate: &cs[i]}, &cs[i]
		if use.dense {
			a.Dense = c.Dense
			if c.DenseRank <= p.Candidates {
				a.DenseRank = c.DenseRank
			}
		}
		if use.lexical {
			a.Lexical = c.Lexical
			if c.LexicalRank <= p.Candidates {
				a.LexicalRank = c.LexicalRank
			}
		}
		if a.DenseRank > 0 || a.LexicalRank > 0 {
			out = append(out, a)
		}
	}
	// Sums depend on the order of their terms, so it is fixed here.
	byID := func(a, b admitted) int { return cmp.Compare(a.Chunk.ID, b.Chunk.ID) }
	if !slices.IsSortedFunc(out, byID) {
		slices.SortFunc(out, byID)
	}
	return out
}

// rescore returns fused + prior·(best fused score of the document) +
// boost·(deviation of the fused scores)·(share of the query in its title) +
// smoothing·(better fused score of the chunks before and after it, less the
// average of all) + smoothing/8·(the same of the chunks two before and two after it,
// as far as they are in the same section). A neighbour that is no candidate adds
// nothing: it counts as an average one, whether or not the scores of the fusion are
// around 0.
//
// With scores that may be negative both keep their meaning: a document whose
// best chunk is below average sinks. Within a document prior and title change no
// order, as they add the same to each of its chunks.
func rescore(cs []admitted, fused []float64, titles map[text.DocID]float64, p Params) []float64 {
	best := make(map[text.DocID]float64)
	for i := range cs {
		doc := cs[i].Chunk.Doc
		if b, ok := best[doc]; !ok || fused[i] > b {
			best[doc] = fused[i]
		}
	}
	final := slices.Clone(fused)
	unit := deviation(fused)
	for i := range cs {
		doc := cs[i].Chunk.Doc
		final[i] += float64(p.DocumentPrior*best[doc]) + finite(float64(p.TitleBoost*unit*titles[doc]))
	}
	if p.NeighbourSmoothing != 0 {
		smooth(cs, fused, final, p.NeighbourSmoothing)
	}
	return final
}

// secondWeight is what a chunk two away counts for against an adjacent one. Large
// budgets gain, which have room for evidence that goes on for several chunks: 0.3
// points at 2,048 tokens on the four sets that README names. Twice the weight gains
// 0.1 more there, and costs answers of a few words in 512 tokens half a point.
// Another section is about something else.
const secondWeight = 0.125

// smooth adds to final what the scores beside a chunk are worth.
func smooth(cs []admitted, fused, final []float64, weight float64) {
	type place struct {
		doc     text.DocID
		ordinal int
	}
	at := make(map[place]int, len(cs))
	for i := range cs {
		at[place{cs[i].Chunk.Doc, cs[i].Chunk.Ordinal}] = i
	}
	// beside returns the better score of the chunks so far away from c.
	beside := func(c *index.Chunk, distance int) (better float64, ok bool) {
		for _, ordinal := range [...]int{c.Ordinal - distance, c.Ordinal + distance} {
			k, found := at[place{c.Doc, ordinal}]
			if !found || distance > 1 && section(cs[k].Chunk) != section(c) {
				continue
			}
			if !ok || fused[k] > better {
				better, ok = fused[k], true
			}
		}
		return better, ok
	}
	average := 0.0
	if len(fused) > 0 {
		average = mean(fused)
	}
	for i := range cs {
		if better, ok := beside(cs[i].Chunk, 1); ok {
			final[i] += float64(weight * (better - average))
		}
		if better, ok := beside(cs[i].Chunk, 2); ok {
			final[i] += float64(secondWeight * weight * (better - average))
		}
	}
}

// section returns the outermost heading of c, "" where there is none.
func section(c *index.Chunk) string {
	if len(c.Heading) == 0 {
		return ""
	}
	return c.Heading[0]
}

// bestRank returns the better of the ranks that the legs gave to a candidate.
func bestRank(dense, lexical int) int {
	switch {
	case dense == 0:
		return lexical
	case lexical == 0:
		return dense
	}
	return min(dense, lexical)
}
