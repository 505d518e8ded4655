package retrieve

import (
	"cmp"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
)

// Rank fuses, rescores and cuts to p.TopK: the best first; equal scores by the
// better of the two leg ranks, then by chunk id. The first p.Rerank of that order
// are then put into another one, that of Reranked.Final, if f has the reranker's
// scores of all of them: by the reranker's score alone where w, p.RerankWeight, is 1,
// and else by w·z(reranker's score) + (1-w)·z(fused score and phrases), to which the
// document, its title and the neighbours are added as before, all over these
// candidates; z is as in ZScore. Equal ones stay as they were. p must be valid. Pure:
// the order of f's candidates does not matter, and f may be shared.
//
// With a p.Candidates smaller than the one found, deeper hits are left out
// first, so the result is what a search with p would have returned.
func Rank(f Found, p Params) []Ranked {
	first, _ := rank(&f, p)
	return first
}

// rank is [Rank], and tells of how many candidates it returns the first.
func rank(f *Found, p Params) (first []Ranked, of int) {
	s := newScratch()
	defer s.free()
	s.order(f, p)
	s.rerank(f, p)
	return s.ranked(f, p), len(s.places)
}

// ranked returns the first p.TopK of s.places, which are in the final order.
func (s *scratch) ranked(f *Found, p Params) []Ranked {
	out := make([]Ranked, min(len(s.places), max(p.TopK, 0)))
	for to := range out {
		at := s.places[to]
		c := &s.admitted[at]
		out[to] = Ranked{
			Candidate: c.Candidate, Rank: to + 1, Score: s.final[at], Fused: s.fused[at], Title: c.title, Phrases: c.phrases,
			Rerank: c.reranked, Record: recordOf(c.record), Parent: f.Parents[c.Chunk.ID],
		}
	}
	expand(out, f, p.Neighbours)
	return out
}

// unknown stands for the record of a document of which there is none.
var unknown = &index.Record{}

func recordOf(r *index.Record) *index.Record { return cmp.Or(r, unknown) }

// order admits what p does, scores it, and puts it into the order before reranking.
func (s *scratch) order(f *Found, p Params) {
	s.admit(f, p)
	cs := s.admitted
	s.dense, s.lexical = sized(s.dense, len(cs)), sized(s.lexical, len(cs))
	s.fused = p.Fusion.fuse(cs, s.dense, s.lexical)
	s.final = s.rescore(s.final, cs, s.fused, p)
	unit := deviation(s.fused)
	for i := range cs {
		s.final[i] += phraseWorth(p.PhraseBoost, unit, cs[i].phrases)
	}
	s.places = sized(s.places, len(cs))
	for i := range s.places {
		s.places[i] = i
	}
	final := s.final
	slices.SortFunc(s.places, func(i, j int) int {
		if c := cmp.Compare(final[j], final[i]); c != 0 {
			return c
		}
		a, b := &cs[i], &cs[j]
		return cmp.Or(
			cmp.Compare(bestRank(a.DenseRank, a.LexicalRank), bestRank(b.DenseRank, b.LexicalRank)),
			cmp.Compare(a.Chunk.ID, b.Chunk.ID))
	})
}

// phraseWorth returns what a share of the query's phrases adds to a score, unit being
// the deviation of the fused ones.
func phraseWorth(boost, unit, share float64) float64 {
	return finite(float64(boost * unit * share))
}

// admitted is a candidate with the scores and ranks that count under some Params,
// and what else is known of it.
type admitted struct {
	index.Candidate
	record         *index.Record // of its document; nil: unknown
	title, phrases float64       // see Ranked
	reranked       *Reranked     // nil: it is not
}

// admit takes the candidates that the legs used by p.Fusion returned among their
// first p.Candidates hits, by chunk id.
func (s *scratch) admit(f *Found, p Params) {
	use := p.Fusion.uses()
	s.admitted = s.admitted[:0]
	sorted, last := true, index.ChunkID("")
	for i := range f.Legs.Candidates {
		// A leg that is not used is not run by Search: its scores are unknown.
		c := f.Legs.Candidates[i]
		if !use.dense {
			c.Dense = 0
		}
		if !use.dense || c.DenseRank > p.Candidates {
			c.DenseRank = 0
		}
		if !use.lexical {
			c.Lexical = 0
		}
		if !use.lexical || c.LexicalRank > p.Candidates {
			c.LexicalRank = 0
		}
		if c.DenseRank > 0 || c.LexicalRank > 0 {
			sorted, last = sorted && last <= c.Chunk.ID, c.Chunk.ID
			s.admitted = append(s.admitted, admitted{Candidate: c, record: at(f.Records, i), title: at(f.Titles, i), phrases: at(f.Phrases, i)})
		}
	}
	if !sorted { // sums depend on the order of their terms, so it is fixed here
		slices.SortFunc(s.admitted, func(a, b admitted) int { return cmp.Compare(a.Chunk.ID, b.Chunk.ID) })
	}
}

// at returns the value of the candidate i, of which those of Found may be missing
// altogether.
func at[T any](values []T, i int) (v T) {
	if values == nil {
		return v
	}
	return values[i]
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
