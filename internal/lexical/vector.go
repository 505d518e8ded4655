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
	terms, length := an.terms[:0], 0
	a.each(an, s, func(t *term) {
		if t.count == 0 {
			terms = append(terms, t)
		}
		t.count++
		length++
	})
	keys := an.keys[:0]
	for i, t := range terms {
		keys = append(keys, uint64(t.id)<<32|uint64(i))
	}
	an.terms, an.keys = terms, keys
	slices.Sort(keys)
	var v Vector
	if distinct := countIDs(keys); distinct > 0 {
		v = Vector{Indices: make([]uint32, 0, distinct), Values: make([]float32, 0, distinct)}
	}
	for i := 0; i < len(keys); {
		id, end := keys[i]>>32, i+1
		for end < len(keys) && keys[end]>>32 == id {
			end++
		}
		v.Indices = append(v.Indices, uint32(id))
		v.Values = append(v.Values, a.weight(highestCount(terms, keys[i:end]), length))
		i = end
	}
	for _, t := range terms {
		t.count = 0
	}
	return v
}

// Has returns which of ids, ascending and distinct, are dimensions of the vector
// that Document makes of s: bit i for ids[i], of the first 64.
func (a *Analyzer) Has(s string, ids []uint32) uint64 {
	an := a.begin()
	defer an.end()
	ids = ids[:min(len(ids), 64)]
	var has uint64
	a.each(an, s, func(t *term) {
		if i, ok := slices.BinarySearch(ids, t.id); ok {
			has |= 1 << i
		}
	})
	return has
}

// countIDs returns the number of dimensions of sorted keys.
func countIDs(keys []uint64) (n int) {
	for i, k := range keys {
		if i == 0 || k>>32 != keys[i-1]>>32 {
			n++
		}
	}
	return n
}

// highestCount returns how often the most frequent of the terms at keys occurs.
// Mostly there is one, or the same term of several words.
func highestCount(terms []*term, keys []uint64) int {
	at := func(k uint64) *term { return terms[uint32(k)] }
	if len(keys) == 1 {
		return at(keys[0]).count
	}
	counts := map[string]int{}
	highest := 0
	for _, k := range keys {
		t := at(k)
		counts[t.text] += t.count
		highest = max(highest, counts[t.text])
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
