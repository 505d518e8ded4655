package stats

import (
	"cmp"
	"slices"
)

// Separation says how well a score tells two groups apart.
type Separation struct {
	AUROC    float64  // chance that a random positive scores higher than a random negative, ties half; 0..1
	CI       Interval // 95 % percentile bootstrap, both groups resampled; where the groups do not overlap, that of [Bounded] for the smaller one
	Positive int
	Negative int
}

// Separate returns the area under the ROC curve of a score (Mann-Whitney U
// over n·m; Hanley & McNeil 1982). Scores must be finite. False when one of the
// groups is empty.
func Separate(positive, negative []float64, o Options) (Separation, bool) {
	if len(positive) == 0 || len(negative) == 0 {
		return Separation{}, false
	}
	// Scores are sorted once; a resample is a weight for each of them.
	type scored struct {
		score float64
		pos   bool
		index int
	}
	all := make([]scored, 0, len(positive)+len(negative))
	for i, s := range positive {
		all = append(all, scored{s, true, i})
	}
	for i, s := range negative {
		all = append(all, scored{s, false, i})
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(a.score, b.score) })
	wp, wn := make([]float64, len(positive)), make([]float64, len(negative))
	area := func() float64 {
		below, sum := 0.0, 0.0
		for i := 0; i < len(all); {
			var p, n float64
			j := i
			for ; j == i || j < len(all) && all[j].score == all[i].score; j++ {
				if all[j].pos {
					p += wp[all[j].index]
				} else {
					n += wn[all[j].index]
				}
			}
			sum += p * (below + n/2)
			below += n
			i = j
		}
		return sum / (float64(len(positive)) * float64(len(negative)))
	}
	fill := func(w []float64, x float64) {
		for i := range w {
			w[i] = x
		}
	}
	fill(wp, 1)
	fill(wn, 1)
	s := Separation{AUROC: area(), Positive: len(positive), Negative: len(negative)}
	smaller := min(len(positive), len(negative))
	if s.AUROC == 0 || s.AUROC == 1 {
		// Every resample says the same. The area is the mean, over the smaller group,
		// of the share of the other one that each score lies above.
		s.CI = Bounded(slices.Repeat([]float64{s.AUROC}, smaller), Options{}).CI
		return s, true
	}
	areas := make([]float64, o.resamples())
	rng := o.rng(streamROC)
	for b := range areas {
		for _, w := range [][]float64{wp, wn} {
			fill(w, 0)
			for range w {
				w[rng.Uint64()>>32*uint64(len(w))>>32]++
			}
		}
		areas[b] = area()
	}
	s.CI = percentiles(areas, tail(smaller))
	return s, true
}
