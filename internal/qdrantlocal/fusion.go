package qdrantlocal

import (
	"math"
	"sort"
)

// defaultRRFK is the k of Fusion.RRF and of an Rrf without k.
const defaultRRFK = 2

// rrf fuses ranked lists: 1/((pos+1)/w + k - 1) summed over the lists that have
// the point, pos counted from 0 and w the list's weight (1 without weights; a
// weight of 0 or less adds 0).
func rrf(c *collection, lists [][]hit, k uint32, weights []float32) []hit {
	return fuse(c, lists, func(list, pos int) float32 {
		w := float32(1)
		if weights != nil {
			w = weights[list]
		}
		if !(w > 0) {
			return 0
		}
		return 1 / (float32(pos+1)/w + float32(k) - 1)
	})
}

// dbsf fuses by distribution: scores are mapped so that mean-3σ and mean+3σ of
// their list become 0 and 1 (a list of one, or of equal scores, counts 0.5),
// then summed. Mean and sample variance are Welford's, in float32.
func dbsf(c *collection, lists [][]hit) []hit {
	scaled := make([][]float32, len(lists))
	for i, l := range lists {
		scaled[i] = normaliseScores(l)
	}
	return fuse(c, lists, func(list, pos int) float32 { return scaled[list][pos] })
}

func normaliseScores(l []hit) []float32 {
	out := make([]float32, len(l))
	var mean, m2 float32
	for i, h := range l {
		d := h.score - mean
		mean += d / float32(i+1)
		m2 += d * (h.score - mean)
	}
	var lo, hi float32
	if len(l) > 1 {
		sd := float32(math.Sqrt(float64(m2 / float32(len(l)-1))))
		lo, hi = mean-3*sd, mean+3*sd
	}
	for i, h := range l {
		if lo == hi {
			out[i] = 0.5
		} else {
			out[i] = (h.score - lo) / (hi - lo)
		}
	}
	return out
}

// fuse sums part(list, position) per point. Ties: best rank in any list, then
// the earlier list, then id.
func fuse(c *collection, lists [][]hit, part func(list, pos int) float32) []hit {
	type fused struct {
		hit
		rank, list int
	}
	at := map[slot]int{}
	var all []fused
	for li, l := range lists {
		for pos, h := range l {
			i, seen := at[h.slot]
			if !seen {
				i = len(all)
				at[h.slot] = i
				all = append(all, fused{hit: hit{slot: h.slot, version: h.version}, rank: pos, list: li})
			}
			f := &all[i]
			f.score += part(li, pos)
			if pos < f.rank {
				f.rank, f.list = pos, li
			}
		}
	}
	r := ranker{c: c}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.score != b.score || a.rank == b.rank && a.list == b.list {
			return r.better(a.hit, b.hit)
		}
		if a.rank != b.rank {
			return a.rank < b.rank
		}
		return a.list < b.list
	})
	out := make([]hit, len(all))
	for i, f := range all {
		out[i] = f.hit
	}
	return out
}
