package stats

import (
	"math"
	"slices"
)

// exactClusters is the number of clusters up to which all sign patterns are
// enumerated.
const exactClusters = 20

// tolerance for comparing a flipped sum with the observed one: sums of the
// same numbers in another order differ in their last bits, and a tie counts as
// at least as extreme.
const tolerance = 1e-9

// flipTest returns the two-sided p-value of the sign-flip randomization test
// of mean zero for each row of cluster sums, and the p-values adjusted for
// testing all rows at once by the max-T method: in every draw all rows flip
// the same signs, and each observed statistic is compared with the largest of
// the draw. The statistic is |Σs| / √Σs²; the usual t is a monotone function
// of it. Rows that are zero throughout get 1.
//
// With up to 20 clusters all patterns are enumerated and p is exact. Otherwise
// p = (1 + number of draws as extreme) / (draws + 1), which is never 0.
func flipTest(rows [][]float64, o Options) (p, adjusted []float64, exact bool) {
	p, adjusted = make([]float64, len(rows)), make([]float64, len(rows))
	if len(rows) == 0 {
		return p, adjusted, true
	}
	clusters := len(rows[0])
	flips := make([]flipper, len(rows))
	observed := make([]float64, len(rows))
	for r, row := range rows {
		flips[r] = newFlipper(row)
		observed[r] = math.Abs(flips[r].statistic(make([]uint64, (clusters+63)/64))) - tolerance
	}
	exact = clusters <= exactClusters
	draws := o.resamples()
	if exact {
		// A pattern and its complement have the same |statistic|.
		draws = 1 << max(0, clusters-1)
	}
	signs := make([]uint64, (clusters+63)/64)
	rng := o.rng(streamFlip)
	single, family := make([]int, len(rows)), make([]int, len(rows))
	stats := make([]float64, len(rows))
	for d := range draws {
		if exact {
			if len(signs) > 0 {
				signs[0] = uint64(d)
			}
		} else {
			for i := range signs {
				signs[i] = rng.Uint64()
			}
		}
		largest := 0.0
		for r := range rows {
			stats[r] = math.Abs(flips[r].statistic(signs))
			largest = max(largest, stats[r])
		}
		for r := range rows {
			if stats[r] >= observed[r] {
				single[r]++
			}
			if largest >= observed[r] {
				family[r]++
			}
		}
	}
	for r := range rows {
		if flips[r].scale == 0 {
			p[r], adjusted[r] = 1, 1
			continue
		}
		if exact {
			p[r], adjusted[r] = float64(single[r])/float64(draws), float64(family[r])/float64(draws)
		} else {
			p[r], adjusted[r] = float64(1+single[r])/float64(draws+1), float64(1+family[r])/float64(draws+1)
		}
	}
	return p, adjusted, exact
}

// flipper sums values under sign patterns, eight at a time from a table.
type flipper struct {
	tables [][256]float64 // tables[i][pattern]: the signed sum of values 8i..8i+7; a set bit flips
	scale  float64        // 1/√Σx²; 0 when all are 0
}

func newFlipper(x []float64) flipper {
	f := flipper{tables: make([][256]float64, (len(x)+7)/8)}
	ss := 0.0
	for i, v := range x {
		ss += v * v
		t := &f.tables[i/8]
		for pattern := range t {
			if pattern>>(i%8)&1 == 1 {
				t[pattern] -= v
			} else {
				t[pattern] += v
			}
		}
	}
	if ss > 0 {
		f.scale = 1 / math.Sqrt(ss)
	}
	return f
}

func (f *flipper) statistic(signs []uint64) float64 {
	sum := 0.0
	for i := range f.tables {
		sum += f.tables[i][uint8(signs[i/8]>>(8*(i%8)))]
	}
	return sum * f.scale
}

// Holm returns the step-down adjusted p-values of a family of tests (Holm
// 1979), in the order of p. It holds under any dependence; max-T, which uses
// the dependence, is sharper where it applies.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(p))
	running := 0.0
	for rank, i := range order {
		running = max(running, min(1, float64(len(p)-rank)*p[i]))
		adjusted[i] = running
	}
	return adjusted
}
