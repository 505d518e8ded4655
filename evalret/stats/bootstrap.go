package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Estimate is a mean with its uncertainty.
type Estimate struct {
	Mean     float64
	CI       Interval // 95 %; degenerate (Lo == Hi) when all values are equal
	N        int
	Clusters int // independent groups of observations; N when there is no clustering
	Warnings []Warning
}

// Mean estimates the mean of x with an expanded percentile bootstrap over
// clusters (Hesterberg, The American Statistician 69(4), 2015, section 3.3):
// plain percentile intervals are too narrow by the difference between n and n-1
// and between the normal and Student's distribution, so the tails that are cut
// off are made as much smaller.
// An empty x gives the zero estimate with a warning.
func Mean(x []float64, o Options) Estimate {
	g := group(x, o.Clusters)
	e := Estimate{Mean: g.mean(), N: g.n, Clusters: len(g.sums), Warnings: g.warnings()}
	e.CI = g.bootstrap(o)
	return e
}

// Bounded estimates the mean of x, whose values lie in [0, 1], as [Mean] does,
// unless all are 0 or all are 1. From such a sample nothing is learned of the
// spread, and a bootstrap of five perfect queries would be certain of the sixth:
// it gets the interval of [Proportion], which holds for the mean, too, as this is
// at least the share of ones and at most that of values above 0.
func Bounded(x []float64, o Options) Estimate {
	if extreme(x) {
		return Proportion(x, o)
	}
	return Mean(x, o)
}

// Proportion estimates the mean of x, whose values are all 0 or 1, with a
// Wilson score interval (Wilson 1927), which does not collapse when all values
// are equal. Clustered observations get the bootstrap of [Mean] instead, as
// the Wilson interval takes them for independent; where all are equal, it counts
// a cluster as one observation.
func Proportion(x []float64, o Options) Estimate {
	e := Mean(x, Options{Resamples: 1, Clusters: o.Clusters})
	n, p := float64(e.N), e.Mean
	switch {
	case e.N == 0 || e.Clusters < e.N && !extreme(x):
		return Mean(x, o)
	case e.Clusters < e.N:
		n = float64(e.Clusters)
	}
	const z = 1.959963984540054
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	// Rounding must not push the mean out of its own interval.
	e.CI = Interval{max(0, min(p, centre-half)), min(1, max(p, centre+half))}
	return e
}

// extreme reports whether x is nothing but zeros or nothing but ones.
func extreme(x []float64) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return len(x) > 0 && (x[0] == 0 || x[0] == 1)
}

// bootstrap returns the percentile interval of the mean. With clusters of
// unequal size the mean of a resample is its sum over its number of
// observations.
func (g groups) bootstrap(o Options) Interval {
	if len(g.sums) == 0 {
		return Interval{}
	}
	means := make([]float64, o.resamples())
	draw := indices{pcg: o.rng(streamBootstrap), n: uint64(len(g.sums))}
	equal := true
	for _, c := range g.counts {
		equal = equal && c == g.counts[0]
	}
	if equal {
		for b := range means {
			means[b] = draw.sum(g.sums) / float64(g.n)
		}
	} else {
		for b := range means {
			sum, count := draw.sums(g.sums, g.counts)
			means[b] = sum / count
		}
	}
	return percentiles(means, tail(len(g.sums)))
}

// tail is the share of resampled means of n observations to cut off at each
// end: Φ(-√(n/(n-1))·t), t the quantile of Student's distribution.
func tail(n int) float64 {
	if n < 2 {
		return (1 - level) / 2 // all resamples are equal
	}
	df := float64(n - 1)
	z := math.Sqrt(float64(n)/df) * studentQuantile(1-(1-level)/2, df)
	return math.Erfc(z/math.Sqrt2) / 2
}

// percentiles returns values, which it sorts, without the given share at each
// end.
func percentiles(values []float64, tail float64) Interval {
	slices.Sort(values)
	last := len(values) - 1
	lo := int(math.Floor(tail * float64(last)))
	return Interval{values[lo], values[last-lo]}
}

// indices draws from 0..n-1, two from each 64 random bits. The multiplication
// favours some indices by less than n/2³², which no interval can show.
type indices struct {
	pcg *rand.PCG
	n   uint64
}

// sum adds n values drawn from x with replacement, n = len(x).
func (d indices) sum(x []float64) float64 {
	a, b := 0.0, 0.0
	i := 0
	for ; i+1 < len(x); i += 2 {
		r := d.pcg.Uint64()
		a += x[(r>>32)*d.n>>32]
		b += x[(r&math.MaxUint32)*d.n>>32]
	}
	if i < len(x) {
		hi, _ := bits.Mul64(d.pcg.Uint64(), d.n)
		a += x[hi]
	}
	return a + b
}

// sums adds values of x and y at the same drawn indices.
func (d indices) sums(x, y []float64) (sx, sy float64) {
	for i := 0; i < len(x); i += 2 {
		r := d.pcg.Uint64()
		k := (r >> 32) * d.n >> 32
		sx, sy = sx+x[k], sy+y[k]
		if i+1 < len(x) {
			k = (r & math.MaxUint32) * d.n >> 32
			sx, sy = sx+x[k], sy+y[k]
		}
	}
	return sx, sy
}
