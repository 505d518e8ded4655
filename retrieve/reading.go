package retrieve

import (
	"cmp"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
)

// Reading is what was made of a query before and beside the search for it: for
// people who want to know why they got what they got.
type Reading struct {
	Written  []string       // searched for beside the query, as Params.Expand says
	Phrases  []Phrase       // in the order of the query, quoted ones first; nil where they count for nothing
	Feedback []*index.Chunk // that the dense query was moved towards, best first; see Params.Feedback
}

// Added is what a candidate's score has beyond the fused one, by where it is from.
type Added struct {
	Document   float64 // Params.DocumentPrior
	Title      float64 // Params.TitleBoost
	Neighbours float64 // Params.NeighbourSmoothing
	Phrases    float64 // Params.PhraseBoost
}

// Additions takes the scores of all candidates of a search with p apart, in their
// order: Ranked.Score is Ranked.Fused and what was added to it, up to rounding. It
// is made when asked for: no search needs it.
func Additions(all []Ranked, p Params) []Added {
	places := make([]int, len(all)) // by chunk id, in which order sums were made
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int { return cmp.Compare(all[i].Chunk.ID, all[j].Chunk.ID) })
	cs, fused := make([]admitted, len(all)), make([]float64, len(all))
	for k, i := range places {
		r := &all[i]
		cs[k], fused[k] = admitted{Candidate: r.Candidate, title: r.Title}, r.Fused
	}
	s := newScratch()
	defer s.free()
	unit := deviation(fused)
	out := make([]Added, len(all))
	for k, a := range s.added(cs, fused, p) {
		i := places[k]
		out[i] = a
		out[i].Phrases = phraseWorth(p.PhraseBoost, unit, all[i].Phrases)
	}
	return out
}

// added takes apart what [scratch.rescore] adds to the scores of cs.
func (s *scratch) added(cs []admitted, scores []float64, p Params) []Added {
	document := s.rescore(nil, cs, scores, Params{DocumentPrior: p.DocumentPrior})
	title := s.rescore(nil, cs, scores, Params{TitleBoost: p.TitleBoost})
	near := s.rescore(nil, cs, scores, Params{NeighbourSmoothing: p.NeighbourSmoothing})
	out := make([]Added, len(cs))
	for i, x := range scores {
		out[i] = Added{Document: document[i] - x, Title: title[i] - x, Neighbours: near[i] - x}
	}
	return out
}
