package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

func normals(rng *rand.Rand, n int, mean float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = mean + rng.NormFloat64()
	}
	return x
}

func TestMeanAgreesWithNormalTheory(t *testing.T) {
	x := normals(rand.New(rand.NewPCG(3, 4)), 400, 2)
	e := Mean(x, Options{Seed: 1})
	se := group(x, nil).standardError()
	if !near(e.CI.Lo, e.Mean-1.96*se, 0.1*se) || !near(e.CI.Hi, e.Mean+1.96*se, 0.1*se) {
		t.Errorf("Mean = %+v, want about %v ± %v", e, e.Mean, 1.96*se)
	}
	if e.N != 400 || e.Clusters != 400 || len(e.Warnings) != 0 {
		t.Errorf("Mean = %+v, want n 400 without warnings", e)
	}
}

func TestMeanIsDeterministicAndSeeded(t *testing.T) {
	x := normals(rand.New(rand.NewPCG(5, 6)), 60, 0)
	a, b, c := Mean(x, Options{Seed: 1}), Mean(x, Options{Seed: 1}), Mean(x, Options{Seed: 2})
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("same seed, other estimate (-first +second):\n%s", diff)
	}
	if a.CI == c.CI {
		t.Error("another seed gives the same interval")
	}
}

func TestMeanEdges(t *testing.T) {
	tests := []struct {
		name string
		x    []float64
		want Estimate
		code string
	}{
		{"empty", nil, Estimate{}, "no_verdict"},
		{"one", []float64{0.5}, Estimate{Mean: 0.5, CI: Interval{0.5, 0.5}, N: 1, Clusters: 1}, "no_verdict"},
		{"constant", make([]float64, 30), Estimate{N: 30, Clusters: 30}, "few_queries"},
	}
	for _, tt := range tests {
		got := Mean(tt.x, Options{})
		if len(got.Warnings) != 1 || got.Warnings[0].Code != tt.code {
			t.Errorf("%s: warnings = %v, want %s", tt.name, got.Warnings, tt.code)
		}
		got.Warnings = nil
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestClustersWidenTheInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var x []float64
	var clusters []int
	for c := range 60 {
		shared := rng.NormFloat64()
		for range 1 + c%5 {
			x = append(x, shared)
			clusters = append(clusters, 1000-c)
		}
	}
	alone, clustered := Mean(x, Options{Seed: 1}), Mean(x, Options{Seed: 1, Clusters: clusters})
	if clustered.Clusters != 60 || !near(clustered.Mean, alone.Mean, 1e-12) {
		t.Errorf("Mean with clusters = %+v, without %+v", clustered, alone)
	}
	if w, a := clustered.CI.Hi-clustered.CI.Lo, alone.CI.Hi-alone.CI.Lo; w < 1.5*a {
		t.Errorf("interval with clusters is %v wide, without %v: want at least 1.5 times", w, a)
	}
}

// TestCoverage simulates: 95 % intervals of skewed values cover their true
// mean about as often as they say.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	const trials, n = 400, 100
	covered := 0
	for trial := range trials {
		x := make([]float64, n)
		for i := range x {
			x[i] = 1 / float64(1+rng.IntN(5)) // reciprocal ranks
		}
		if Mean(x, Options{Seed: uint64(trial), Resamples: 500}).CI.Contains((1 + 1./2 + 1./3 + 1./4 + 1./5) / 5) {
			covered++
		}
	}
	if share := float64(covered) / trials; share < 0.91 || share > 0.98 {
		t.Errorf("intervals cover the mean in %.3f of %d trials, want about 0.95", share, trials)
	}
}

func TestProportion(t *testing.T) {
	ones := make([]float64, 60)
	for i := range ones {
		ones[i] = 1
	}
	e := Proportion(ones, Options{})
	if e.Mean != 1 || e.CI.Hi != 1 || !near(e.CI.Lo, 0.9398, 1e-4) {
		t.Errorf("Proportion of 60 of 60 = %+v, want [0.9398, 1]", e)
	}
	// 15 of 50: centre and half width of Wilson's formula, by hand.
	x := make([]float64, 50)
	for i := range 15 {
		x[i] = 1
	}
	e = Proportion(x, Options{})
	if !near(e.CI.Lo, 0.1910, 1e-4) || !near(e.CI.Hi, 0.4375, 1e-4) {
		t.Errorf("Proportion of 15 of 50 = %+v, want [0.1910, 0.4375]", e)
	}
	pairs := make([]int, 50)
	for i := range pairs {
		pairs[i] = i / 2
	}
	if got, want := Proportion(x, Options{Clusters: pairs}), Mean(x, Options{Clusters: pairs}); got.CI != want.CI {
		t.Errorf("Proportion with clusters = %v, want the bootstrap's %v", got.CI, want.CI)
	}
	// 50 ones in 25 pairs are known as well as 25 ones.
	if got, want := Proportion(ones[:50], Options{Clusters: pairs}), Proportion(ones[:25], Options{}); got.CI != want.CI {
		t.Errorf("Proportion of ones in clusters = %v, want %v", got.CI, want.CI)
	}
}

func TestBounded(t *testing.T) {
	mixed := []float64{1, 1, 0.5, 1, 0, 1, 1, 0.25}
	if got, want := Bounded(mixed, Options{Seed: 1}), Mean(mixed, Options{Seed: 1}); got.CI != want.CI {
		t.Errorf("Bounded = %v, want Mean's %v", got.CI, want.CI)
	}
	half := []float64{0.5, 0.5, 0.5}
	if got := Bounded(half, Options{}); got.CI != (Interval{0.5, 0.5}) {
		t.Errorf("Bounded of equal values = %v, want no width", got.CI)
	}
	for _, x := range []float64{0, 1} {
		same := []float64{x, x, x, x, x}
		got := Bounded(same, Options{})
		if got.Mean != x || !got.CI.Contains(x) || !near(got.CI.Hi-got.CI.Lo, 0.4345, 1e-4) {
			t.Errorf("Bounded of five times %v = %+v, want an interval of width 0.4345", x, got)
		}
		one := Bounded(same, Options{Clusters: make([]int, 5)})
		if want := Bounded(same[:1], Options{}); one.CI != want.CI || one.N != 5 || one.Clusters != 1 {
			t.Errorf("Bounded of one cluster = %+v, want the interval of one observation, %v", one, want.CI)
		}
	}
	if got := Bounded(nil, Options{}); got.N != 0 || len(got.Warnings) != 1 {
		t.Errorf("Bounded of nothing = %+v", got)
	}
}

func TestStudentQuantile(t *testing.T) {
	// Table values of the t distribution.
	for _, tt := range []struct{ p, df, want float64 }{
		{0.975, 1, 12.7062}, {0.975, 4, 2.7764}, {0.975, 30, 2.0423}, {0.975, 1000, 1.9623},
		{0.80, 1, 1.3764}, {0.80, 10, 0.8791}, {0.80, 120, 0.8446},
	} {
		if got := studentQuantile(tt.p, tt.df); !near(got, tt.want, 6e-5) {
			t.Errorf("studentQuantile(%v, %v) = %.5f, want %.4f", tt.p, tt.df, got, tt.want)
		}
	}
	if got := MDE(0.28, 100); !near(got, 0.079, 0.001) {
		t.Errorf("MDE(0.28, 100) = %v, want 0.079", got)
	}
	if got := MDE(1, 1); got != 0 {
		t.Errorf("MDE of one query = %v, want 0", got)
	}
}

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.04, 0.01, 0.03, 0.5})
	want := []float64{0.09, 0.04, 0.09, 0.5}
	for i := range want {
		if !near(got[i], want[i], 1e-12) {
			t.Errorf("Holm = %v, want %v", got, want)
			break
		}
	}
}

func TestSeparate(t *testing.T) {
	s, ok := Separate([]float64{3, 2, 2}, []float64{1, 2}, Options{Seed: 1})
	// Pairs: 3>1, 3>2, 2>1, 2=2 twice over, 2>1: (4 + 2·½) / 6.
	if !ok || !near(s.AUROC, 5./6, 1e-12) || s.Positive != 3 || s.Negative != 2 || !s.CI.Contains(s.AUROC) {
		t.Errorf("Separate = %+v, %v, want AUROC 0.8333", s, ok)
	}
	if s, _ := Separate([]float64{1, 1}, []float64{1, 1, 1}, Options{}); s.AUROC != 0.5 || s.CI != (Interval{0.5, 0.5}) {
		t.Errorf("Separate of equal scores = %+v, want 0.5", s)
	}
	// Five scores above one: nobody knows of the second one.
	want := Bounded([]float64{1}, Options{}).CI
	if s, _ := Separate([]float64{5, 2, 3, 4, 6}, []float64{1}, Options{}); s.AUROC != 1 || s.CI != want {
		t.Errorf("Separate of groups apart = %+v, want 1 in %v", s, want)
	}
	if s, _ := Separate([]float64{1}, []float64{5, 2, 3, 4, 6}, Options{}); s.AUROC != 0 || s.CI.Lo != 0 || !near(s.CI.Hi, 1-want.Lo, 1e-12) {
		t.Errorf("Separate of groups the wrong way round = %+v, want 0", s)
	}
	if _, ok := Separate(nil, []float64{1}, Options{}); ok {
		t.Error("Separate without positives reports a value")
	}
}
