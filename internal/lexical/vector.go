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
	terms := a.Terms(s)
	if len(terms) == 0 {
		return Vector{}
	}
	counts := make(map[string]int, len(terms))
	for _, t := range terms {
		counts[t]++
	}
	// The weight grows with the count, so the higher count is the higher weight.
	dims := make(map[uint32]int, len(counts))
	for t, n := range counts {
		id := termID(t)
		dims[id] = max(dims[id], n)
	}
	v := Vector{Indices: make([]uint32, 0, len(dims)), Values: make([]float32, 0, len(dims))}
	for id := range dims {
		v.Indices = append(v.Indices, id)
	}
	slices.Sort(v.Indices)
	for _, id := range v.Indices {
		v.Values = append(v.Values, a.weight(dims[id], len(terms)))
	}
	return v
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
