package lexical

import (
	"math"
	"slices"
)

// Vector is a sparse vector: Indices ascending and distinct, Values parallel
// and finite. A text without terms has the empty vector.
type Vector struct {
	Indices []uint32
	Values  []float32
}

// Document returns the BM25-weighted vector of an indexed text: for a term that
// occurs n times among the dl terms of the text
//
//	n (k+1) / (n + k (1 - b + b dl / avg_len))
//
// Two terms of a text that hash to one dimension can't both be kept: the higher
// weight is (a server keeps either).
func (a *Analyzer) Document(s string) Vector {
	an := a.begin()
	defer an.end()
	terms, keys := an.terms[:0], an.keys[:0]
	a.each(an, s, func(t term) {
		keys = append(keys, uint64(t.id)<<32|uint64(len(terms)))
		terms = append(terms, t.text)
	})
	an.terms, an.keys = terms, keys
	slices.Sort(keys)
	distinct := 0
	for i, k := range keys {
		if i == 0 || k>>32 != keys[i-1]>>32 {
			distinct++
		}
	}
	if distinct == 0 {
		return Vector{}
	}
	v := Vector{Indices: make([]uint32, 0, distinct), Values: make([]float32, 0, distinct)}
	for i := 0; i < len(keys); {
		id, end := keys[i]>>32, i+1
		for end < len(keys) && keys[end]>>32 == id {
			end++
		}
		v.Indices = append(v.Indices, uint32(id))
		v.Values = append(v.Values, a.weight(highestCount(terms, keys[i:end]), len(terms)))
		i = end
	}
	return v
}

// highestCount returns how often the most frequent of the terms at keys occurs.
// Nearly always they are all the same.
func highestCount(terms []string, keys []uint64) int {
	at := func(k uint64) string { return terms[uint32(k)] }
	first := at(keys[0])
	if !slices.ContainsFunc(keys, func(k uint64) bool { return at(k) != first }) {
		return len(keys)
	}
	counts := map[string]int{}
	highest := 0
	for _, k := range keys {
		counts[at(k)]++
		highest = max(highest, counts[at(k)])
	}
	return highest
}

// Query returns the query vector: weight 1 for each distinct term.
func (a *Analyzer) Query(s string) Vector {
	terms := a.queryTerms(s)
	if len(terms) == 0 {
		return Vector{}
	}
	v := Vector{Indices: make([]uint32, 0, len(terms))}
	for _, t := range terms {
		v.Indices = append(v.Indices, termID(t))
	}
	slices.Sort(v.Indices)
	v.Indices = slices.Compact(v.Indices)
	v.Values = slices.Repeat([]float32{1}, len(v.Indices))
	return v
}

// weight is computed as the server does, in float64 with one fused multiply-add
// and rounded to float32 at the end, so that the bits are the same.
func (a *Analyzer) weight(count, length int) float32 {
	n := float64(count)
	norm := 1 - a.p.B + float64(a.p.B*float64(length))/a.p.AvgLen
	return float32(n * (a.p.K + 1) / math.FMA(a.p.K, norm, n))
}

// termID maps a term to its dimension: murmur3 with seed 0, taken as a signed
// integer, without its sign.
func termID(term string) uint32 {
	h := int32(murmur3(term))
	if h < 0 {
		return -uint32(h)
	}
	return uint32(h)
}
