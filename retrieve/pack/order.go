package pack

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// settleTies returns chunks in the order without accidents, and where in chunks each
// of that order is, nil where there are no ties: chunks that follow each other with
// equal ranks are ordered by document, revision, span and the rest of what they hold.
func settleTies(chunks []Chunk) (ranked []Chunk, order []int) {
	tie := func(a, b *Chunk) bool { return a.Rank != 0 && a.Rank == b.Rank && a.Neighbour == b.Neighbour }
	for from := 0; from < len(chunks); {
		to := from + 1
		for to < len(chunks) && tie(&chunks[from], &chunks[to]) {
			to++
		}
		if to > from+1 && order == nil {
			order = places(len(chunks))
		}
		if order != nil {
			slices.SortStableFunc(order[from:to], func(i, j int) int { return compare(&chunks[i], &chunks[j]) })
		}
		from = to
	}
	if order == nil {
		return chunks, nil
	}
	ranked = make([]Chunk, len(chunks))
	for i, at := range order {
		ranked[i] = chunks[at]
	}
	return ranked, order
}

// places returns 0, 1, … n-1.
func places(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// compare orders chunks by what they hold.
func compare(a, b *Chunk) int {
	return cmp.Or(
		cmp.Compare(a.Doc, b.Doc), cmp.Compare(a.Rev, b.Rev),
		cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Span.End, b.Span.End),
		cmp.Compare(a.Found.Start, b.Found.Start), cmp.Compare(a.Found.End, b.Found.End),
		cmp.Compare(a.Ordinal, b.Ordinal), strings.Compare(a.Text, b.Text), strings.Compare(a.Gap, b.Gap),
		strings.Compare(a.Title, b.Title), strings.Compare(a.URI, b.URI), slices.Compare(a.Heading, b.Heading),
		cmp.Compare(a.PageStart, b.PageStart), cmp.Compare(a.PageEnd, b.PageEnd), cmp.Compare(b.Score, a.Score),
	)
}

// competing returns the chunks that were found in the order in which they
// compete for the budget: best first, or, with Options.Diversity, by maximal
// marginal relevance. Of equals the better chunk comes first.
func (p *packing) competing() []int {
	found := 0
	for _, ch := range p.chunks {
		if !ch.Neighbour {
			found++
		}
	}
	if found == 0 {
		return nil
	}
	rest := places(found) // neighbours come after all others
	d := p.options.Diversity
	if d == 0 || found < 2 {
		return rest
	}
	relevance := relevances(found)
	sketches := make([]sketch, found)
	for i := range sketches {
		sketches[i] = sketchOf(p.chunks[i].Text)
	}
	likeness := make([]float64, found) // of the most like chunk that was chosen
	out := make([]int, 0, found)
	for len(rest) > 0 {
		best, value := 0, 0.0
		for k, i := range rest {
			if v := (1-d)*relevance[i] - d*likeness[i]; k == 0 || v > value {
				best, value = k, v
			}
		}
		chosen := rest[best]
		out = append(out, chosen)
		rest = slices.Delete(rest, best, best+1)
		for _, i := range rest {
			likeness[i] = max(likeness[i], sketches[i].like(sketches[chosen]))
		}
	}
	return out
}

// relevances returns the ranks of n chunks as numbers from 1, the best, down to
// nearly 0: scores of a reranker and of the legs don't compare.
func relevances(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1 - float64(i)/float64(len(out))
	}
	return out
}

// sketch is the smallest hashes of the shingles of a text, ascending: a sample
// by which the share of equal shingles of two texts is estimated (Broder, "On the
// resemblance and containment of documents", 1997).
type sketch []uint64

const (
	shingleRunes = 5
	sketchSize   = 128
)

// sketchOf returns the sketch of s. Its shingles are runs of letters and digits,
// whatever stands between them, in lower case.
func sketchOf(s string) sketch {
	var window [shingleRunes]rune
	var all sketch
	n := 0
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			continue
		}
		copy(window[:], window[1:])
		window[shingleRunes-1] = unicode.ToLower(r)
		if n++; n < shingleRunes {
			continue
		}
		h := uint64(14695981039346656037) // FNV-1a by code point, and a mixing step
		for _, w := range window {
			h = (h ^ uint64(w)) * 1099511628211
		}
		all = append(all, h^h>>32)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.Clone(all[:min(len(all), sketchSize)])
}

// like estimates which share of the shingles of both texts is in each, 0 to 1;
// 0 where one of them has none.
func (a sketch) like(b sketch) float64 {
	both, n := 0, 0
	for i, j := 0, 0; n < sketchSize && i < len(a) && j < len(b); n++ {
		switch {
		case a[i] == b[j]:
			both, i, j = both+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	if n == 0 {
		return 0
	}
	return float64(both) / float64(n)
}
