package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// enumerate computes the exact sign-flip p-values of one or more rows directly.
func enumerate(rows [][]float64) (p, family []float64) {
	n := len(rows[0])
	statistic := func(row []float64, pattern int) float64 {
		sum, ss := 0.0, 0.0
		for i, v := range row {
			ss += v * v
			if pattern>>i&1 == 1 {
				v = -v
			}
			sum += v
		}
		if ss == 0 {
			return 0
		}
		return math.Abs(sum) / math.Sqrt(ss)
	}
	p, family = make([]float64, len(rows)), make([]float64, len(rows))
	for pattern := range 1 << n {
		largest := 0.0
		for _, row := range rows {
			largest = max(largest, statistic(row, pattern))
		}
		for r, row := range rows {
			if statistic(row, pattern) >= statistic(row, 0)-1e-9 {
				p[r] += 1 / float64(int(1)<<n)
			}
			if largest >= statistic(row, 0)-1e-9 {
				family[r] += 1 / float64(int(1)<<n)
			}
		}
	}
	return p, family
}

func TestFlipTestIsExactForFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 5, 9, 12} {
		rows := [][]float64{normals(rng, n, 0.5), normals(rng, n, 0)}
		for i := range rows[0] {
			rows[0][i] = math.Round(rows[0][i]*2) / 2 // ties
		}
		wantP, wantFamily := enumerate(rows)
		p, family, exact := flipTest(rows, Options{})
		for r := range rows {
			if !exact || !near(p[r], wantP[r], 1e-9) || !near(family[r], wantFamily[r], 1e-9) {
				t.Errorf("n = %d, row %d: p = %v, family %v, exact %v, want %v, %v", n, r, p[r], family[r], exact, wantP[r], wantFamily[r])
			}
			if family[r] < p[r] {
				t.Errorf("n = %d: adjusted p %v is below p %v", n, family[r], p[r])
			}
		}
	}
}

func TestFlipTestSampledAgreesWithExact(t *testing.T) {
	x := normals(rand.New(rand.NewPCG(2, 2)), 20, 0.4)
	exact, _, isExact := flipTest([][]float64{x}, Options{})
	// One more cluster of zeros changes nothing but the method.
	sampled, _, isSampled := flipTest([][]float64{append(x, 0)}, Options{Seed: 3})
	if !isExact || isSampled || !near(exact[0], sampled[0], 0.01) {
		t.Errorf("p = %v (exact %v) and %v (exact %v), want about equal", exact[0], isExact, sampled[0], isSampled)
	}
}

func TestFlipTestIsNeverZero(t *testing.T) {
	x := make([]float64, 100)
	for i := range x {
		x[i] = 1
	}
	p, _, _ := flipTest([][]float64{x}, Options{Resamples: 999})
	if p[0] != 0.001 {
		t.Errorf("p = %v, want 1/1000", p[0])
	}
}

func TestCompare(t *testing.T) {
	baseline, challenger := make([]float64, 100), make([]float64, 100)
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range baseline {
		baseline[i] = rng.Float64()
		challenger[i] = baseline[i]
		if i%2 == 0 {
			challenger[i] += 0.2 + 0.1*rng.Float64()
		}
		if i%10 == 1 {
			challenger[i] -= 0.1
		}
	}
	c := Compare(baseline, challenger, Options{Seed: 1})
	if c.Wins != 50 || c.Losses != 10 || c.Ties != 40 || c.N != 100 {
		t.Errorf("Compare = %+v, want 50 wins, 10 losses, 40 ties", c)
	}
	if c.Verdict() != Better || !c.CI.Contains(c.Diff) || c.P > 0.001 || c.PFamily != c.P || c.PExact {
		t.Errorf("Compare = %+v, want better", c)
	}
	if r := Compare(challenger, baseline, Options{Seed: 1}); r.Verdict() != Worse || !near(r.Diff, -c.Diff, 1e-12) {
		t.Errorf("Compare the other way = %+v, want worse", r)
	}
	if s := Compare(baseline, baseline, Options{}); s.Verdict() != Unclear || s.P != 1 || s.MDE != 0 || s.Effect != 0 {
		t.Errorf("Compare of equals = %+v, want no clear difference with p 1", s)
	}
	if few := Compare(baseline[:24], challenger[:24], Options{}); few.Verdict() != TooFew || few.NonInferior(1) {
		t.Errorf("Compare of 24 queries = %+v, want too few", few)
	}
	if !c.NonInferior(0) || Compare(challenger, baseline, Options{}).NonInferior(0.05) {
		t.Error("NonInferior: want true for the better system, false for the worse one")
	}
}

func TestMDEAndQueriesFor(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	zero := make([]float64, 400)
	c := Compare(zero, normals(rng, 400, 0), Options{Seed: 1})
	if want := 2.81 / 20; !near(c.MDE, want, 0.15*want) {
		t.Errorf("MDE = %v, want about %v", c.MDE, want)
	}
	if n := c.QueriesFor(c.MDE / 2); !near(float64(n), 1600, 2) {
		t.Errorf("QueriesFor(MDE/2) = %d, want 1600", n)
	}
	if n := c.QueriesFor(0); n != 0 {
		t.Errorf("QueriesFor(0) = %d, want 0", n)
	}
}

// TestSweepKeepsTheFamilyError simulates null sweeps: any finding at all is
// made in about 5 % of them, where uncorrected tests find one far more often.
func TestSweepKeepsTheFamilyError(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	const trials, settings, n = 200, 12, 40
	corrected, single := 0, 0
	for trial := range trials {
		baseline := normals(rng, n, 0)
		var challengers [][]float64
		for range settings {
			challengers = append(challengers, normals(rng, n, 0))
		}
		anyFamily, anySingle := false, false
		for _, c := range Sweep(baseline, challengers, Options{Seed: uint64(trial), Resamples: 400}) {
			anyFamily = anyFamily || c.PFamily <= 0.05
			anySingle = anySingle || c.P <= 0.05
		}
		if anyFamily {
			corrected++
		}
		if anySingle {
			single++
		}
	}
	if share := float64(corrected) / trials; share > 0.10 {
		t.Errorf("false findings in %.3f of null sweeps, want about 0.05", share)
	}
	if single < 2*corrected {
		t.Errorf("uncorrected: %d, corrected: %d of %d; the simulation has no force", single, corrected, trials)
	}
}

func TestSweepFindsARealEffect(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	const trials, n = 100, 100
	found := 0
	for trial := range trials {
		baseline := make([]float64, n)
		effect := MDE(1, n)
		c := Compare(baseline, normals(rng, n, effect), Options{Seed: uint64(trial), Resamples: 1000})
		if c.P <= 0.05 {
			found++
		}
	}
	if found < 70 {
		t.Errorf("an effect of the size of the MDE is found in %d of %d trials, want about 80", found, trials)
	}
}

func TestClustersAreFlippedWhole(t *testing.T) {
	baseline := make([]float64, 60)
	challenger, clusters := make([]float64, 60), make([]int, 60)
	for i := range challenger {
		clusters[i] = i / 10
		challenger[i] = 1
	}
	c := Compare(baseline, challenger, Options{Clusters: clusters})
	if c.Clusters != 6 || !c.PExact || !near(c.P, 2./64, 1e-12) {
		t.Errorf("Compare = %+v, want the exact p 2/64 of 6 clusters", c)
	}
	if c.Verdict() != TooFew {
		t.Errorf("Verdict of 6 clusters = %q, want %q", c.Verdict(), TooFew)
	}
}

func BenchmarkMean(b *testing.B) {
	for _, n := range []int{100, 1000} {
		x := normals(rand.New(rand.NewPCG(1, 1)), n, 0)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Mean(x, Options{Seed: 1})
			}
		})
	}
}

func BenchmarkSweep(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	baseline := normals(rng, 1000, 0)
	var challengers [][]float64
	for range 20 {
		challengers = append(challengers, normals(rng, 1000, 0))
	}
	for b.Loop() {
		Sweep(baseline, challengers, Options{Seed: 1})
	}
}
