package stats

import (
	"fmt"
	"math"
)

// Comparison is the paired difference of two systems over the same queries.
type Comparison struct {
	Diff     float64  // mean of challenger minus baseline
	CI       Interval // 95 % percentile bootstrap of Diff
	P        float64  // two-sided sign-flip randomization test of Diff = 0
	PExact   bool     // P enumerates all sign patterns
	PFamily  float64  // P adjusted for all comparisons of a sweep (max-T); P itself outside a sweep
	Effect   float64  // d_z: Diff over the standard deviation of the differences; 0 when that is 0
	Wins     int      // queries where the challenger is better
	Ties     int
	Losses   int
	MDE      float64 // the smallest true difference that would be found with 80 % power at 5 %
	N        int
	Clusters int
	Warnings []Warning
}

// Verdict is what a comparison says about two systems.
type Verdict string

const (
	// Better: the interval lies above 0 and the family-wise p is at most 0.05.
	Better Verdict = "better"
	// Worse: the interval lies below 0 and the family-wise p is at most 0.05.
	Worse Verdict = "worse"
	// Unclear: the data cannot tell the two apart.
	Unclear Verdict = "no clear difference"
	// TooFew: fewer than MinVerdict independent queries.
	TooFew Verdict = "too few queries"
)

// Verdict returns what c says.
func (c Comparison) Verdict() Verdict {
	switch {
	case c.Clusters < MinVerdict:
		return TooFew
	case c.CI.Lo > 0 && c.PFamily <= 1-level:
		return Better
	case c.CI.Hi < 0 && c.PFamily <= 1-level:
		return Worse
	default:
		return Unclear
	}
}

// Compare compares challenger with baseline, whose values belong to the same
// queries in the same order. It panics when the lengths differ.
func Compare(baseline, challenger []float64, o Options) Comparison {
	return Sweep(baseline, [][]float64{challenger}, o)[0]
}

// Sweep compares every challenger with one baseline. All vectors belong to
// the same queries in the same order; Sweep panics when lengths differ.
// PFamily controls the chance of any false finding among all of them.
func Sweep(baseline []float64, challengers [][]float64, o Options) []Comparison {
	out := make([]Comparison, len(challengers))
	sums := make([][]float64, len(challengers))
	for i, challenger := range challengers {
		if len(challenger) != len(baseline) {
			panic(fmt.Sprintf("stats: %d values of a challenger for %d of the baseline", len(challenger), len(baseline)))
		}
		out[i], sums[i] = difference(baseline, challenger, o)
	}
	p, family, exact := flipTest(sums, o)
	for i := range out {
		out[i].P, out[i].PFamily, out[i].PExact = p[i], family[i], exact
	}
	return out
}

func difference(baseline, challenger []float64, o Options) (Comparison, []float64) {
	d := make([]float64, len(baseline))
	var c Comparison
	for i := range d {
		d[i] = challenger[i] - baseline[i]
		switch {
		case d[i] > tolerance:
			c.Wins++
		case d[i] < -tolerance:
			c.Losses++
		default:
			c.Ties++
			d[i] = 0
		}
	}
	g := group(d, o.Clusters)
	c.Diff, c.N, c.Clusters = g.mean(), g.n, len(g.sums)
	c.CI = g.bootstrap(o)
	if sd := group(d, nil).standardError() * math.Sqrt(float64(g.n)); sd > 0 {
		c.Effect = c.Diff / sd
	}
	c.MDE = detectable(g.standardError(), len(g.sums))
	c.Warnings = g.warnings()
	return c, g.sums
}

// NonInferior reports whether challenger is not worse than baseline by more
// than margin: the lower end of the interval of the difference lies above
// -margin. False when there are too few queries for a verdict.
func (c Comparison) NonInferior(margin float64) bool {
	return c.Clusters >= MinVerdict && c.CI.Lo > -margin
}

// detectable is the minimum detectable effect for a standard error with n
// independent observations: (t(.975) + t(.80)) · se; 0 for fewer than 2.
func detectable(se float64, n int) float64 {
	if n < 2 {
		return 0
	}
	df := float64(n - 1)
	return (studentQuantile(1-(1-level)/2, df) + studentQuantile(power, df)) * se
}

// MDE returns the minimum detectable effect of a paired comparison of n
// queries whose differences have standard deviation sd: the true mean
// difference that a two-sided test at 5 % finds with 80 % power; about
// 2.80·sd/√n. 0 for n < 2.
func MDE(sd float64, n int) float64 {
	if n < 2 {
		return 0
	}
	return detectable(sd/math.Sqrt(float64(n)), n)
}

// QueriesFor returns how many queries like those of c would be needed to
// detect a true difference of delta with 80 % power at 5 %, at least c.N; 0
// when c can't tell (no spread, or delta is 0).
func (c Comparison) QueriesFor(delta float64) int {
	if c.MDE <= 0 || delta == 0 {
		return 0
	}
	ratio := c.MDE / math.Abs(delta)
	n := math.Ceil(float64(c.N) * ratio * ratio)
	return int(min(max(n, float64(c.N)), 1e9))
}
