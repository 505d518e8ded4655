package retrieve

import (
	"cmp"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// rescore returns, in the room of final, fused + prior·(best fused score of the
// document) + boost·(deviation of the fused scores)·(share of the query in its title)
// + smoothing·(better fused score of the chunks before and after it, less the
// average of all) + smoothing/8·(the same of the chunks two before and two after it,
// as far as they are in the same section). A neighbour that is no candidate adds
// nothing: it counts as an average one, whether or not the scores of the fusion are
// around 0.
//
// With scores that may be negative both keep their meaning: a document whose
// best chunk is below average sinks. Within a document prior and title change no
// order, as they add the same to each of its chunks.
func (s *scratch) rescore(final []float64, cs []admitted, fused []float64, p Params) []float64 {
	docs := &s.docs
	docs.number(cs)
	best := s.best[:0] // by document
	for i, doc := range docs.of {
		if int(doc) == len(best) {
			best = append(best, fused[i])
		} else if fused[i] > best[doc] {
			best[doc] = fused[i]
		}
	}
	s.best = best
	final = append(final[:0], fused...)
	unit := deviation(fused)
	for i := range cs {
		final[i] += float64(p.DocumentPrior*best[docs.of[i]]) + finite(float64(p.TitleBoost*unit*cs[i].title))
	}
	if p.NeighbourSmoothing != 0 {
		s.smooth(cs, fused, final, p.NeighbourSmoothing)
	}
	return final
}

// documents numbers those of candidates in the order in which they first come, so
// that what is known of each may stand in a slice.
type documents struct {
	of    []int32 // by candidate
	known map[text.DocID]int32
}

func (d *documents) number(cs []admitted) {
	d.of = sized(d.of, len(cs))
	clear(d.known)
	for i := range cs {
		doc := cs[i].Chunk.Doc
		n, ok := d.known[doc]
		if !ok {
			n = int32(len(d.known))
			d.known[doc] = n
		}
		d.of[i] = n
	}
}

// secondWeight is what a chunk two away counts for against an adjacent one. Large
// budgets gain, which have room for evidence that goes on for several chunks: 0.3
// points at 2,048 tokens on the four sets that README names. Twice the weight gains
// 0.1 more there, and costs answers of a few words in 512 tokens half a point.
// Another section is about something else.
const secondWeight = 0.125

// spot is where a candidate stands.
type spot struct {
	doc     int32 // number of the document
	of      int32 // the candidate
	ordinal int
}

// smooth adds to final what the scores beside a chunk are worth. s.docs are the
// documents of cs.
func (s *scratch) smooth(cs []admitted, fused, final []float64, weight float64) {
	spots := sized(s.spots, len(cs))
	s.spots = spots
	for i := range cs {
		spots[i] = spot{s.docs.of[i], int32(i), cs[i].Chunk.Ordinal}
	}
	slices.SortFunc(spots, func(a, b spot) int {
		switch {
		case a.doc != b.doc:
			return int(a.doc - b.doc)
		case a.ordinal != b.ordinal:
			return cmp.Compare(a.ordinal, b.ordinal)
		}
		return int(a.of - b.of)
	})
	average := 0.0
	if len(fused) > 0 {
		average = mean(fused)
	}
	for k := range spots {
		i := spots[k].of
		if better, ok := beside(spots, k, 1, cs, fused); ok {
			final[i] += float64(weight * (better - average))
		}
		if better, ok := beside(spots, k, 2, cs, fused); ok {
			final[i] += float64(secondWeight * weight * (better - average))
		}
	}
}

// beside returns the better score of the chunks so far away from that of spots[k],
// spots being sorted by document, ordinal and candidate. Where several candidates
// say that they stand at the same place, the last of them does.
func beside(spots []spot, k, distance int, cs []admitted, fused []float64) (better float64, ok bool) {
	here := spots[k]
	before, after := int32(-1), int32(-1)
	for e := k - 1; e >= 0 && spots[e].doc == here.doc && spots[e].ordinal >= here.ordinal-distance; e-- {
		if spots[e].ordinal == here.ordinal-distance {
			before = spots[e].of
			break
		}
	}
	for e := k + 1; e < len(spots) && spots[e].doc == here.doc && spots[e].ordinal <= here.ordinal+distance; e++ {
		if spots[e].ordinal == here.ordinal+distance {
			after = spots[e].of
		}
	}
	for _, i := range [...]int32{before, after} {
		if i < 0 || distance > 1 && section(cs[i].Chunk) != section(cs[here.of].Chunk) {
			continue
		}
		if !ok || fused[i] > better {
			better, ok = fused[i], true
		}
	}
	return better, ok
}

// section returns the outermost heading of c, "" where there is none.
func section(c *index.Chunk) string {
	if len(c.Heading) == 0 {
		return ""
	}
	return c.Heading[0]
}
