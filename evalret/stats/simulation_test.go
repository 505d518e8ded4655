package stats

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
)

// With -simulate the simulations are long enough for the figures in README.
var simulate = flag.Bool("simulate", false, "run the simulations at full length")

// world draws per-query values of a metric whose true mean is known.
type world struct {
	name string
	mean float64
	draw func(*rand.Rand) float64
}

var worlds = []world{
	{"nDCG-like", 0.2*0 + 0.5*1 + 0.3*0.5, func(r *rand.Rand) float64 {
		switch u := r.Float64(); {
		case u < 0.2:
			return 0
		case u < 0.7:
			return 1
		}
		return r.Float64()
	}},
	{"reciprocal rank", (1 + 1./2 + 1./3 + 1./4 + 1./5) / 5, func(r *rand.Rand) float64 { return 1 / float64(1+r.IntN(5)) }},
	{"recall of few spans", 0.8*1 + 0.1*0.5, func(r *rand.Rand) float64 {
		switch u := r.Float64(); {
		case u < 0.1:
			return 0
		case u < 0.2:
			return 0.5
		}
		return 1
	}},
	// Two systems agree on most queries.
	{"difference with ties", 0, func(r *rand.Rand) float64 {
		switch u := r.Float64(); {
		case u < 0.6:
			return 0
		case u < 0.8:
			return 0.5 + 0.3*r.NormFloat64()
		}
		return -0.5 + 0.3*r.NormFloat64()
	}},
}

// simulated runs trials and returns the share that holds, in percent.
func simulated(trials int, holds func(trial int) bool) float64 {
	n := 0
	for trial := range trials {
		if holds(trial) {
			n++
		}
	}
	return 100 * float64(n) / float64(trials)
}

// TestSimulatedCoverage: nominal 95 % intervals cover the true mean in 95 ± 1 %
// of samples of 50 queries and more, of skewed values as much as of symmetric
// ones.
func TestSimulatedCoverage(t *testing.T) {
	trials, resamples, slack := 500, 400, 3.0
	if *simulate {
		trials, resamples, slack = 20_000, 2000, 1.0
	}
	rng := rand.New(rand.NewPCG(11, 12))
	for _, w := range worlds {
		for _, n := range []int{50, 100, 300} {
			if !*simulate && n > 50 {
				continue
			}
			x := make([]float64, n)
			share := simulated(trials, func(trial int) bool {
				for i := range x {
					x[i] = w.draw(rng)
				}
				return Mean(x, Options{Seed: uint64(trial), Resamples: resamples}).CI.Contains(w.mean)
			})
			t.Logf("%-22s n %3d: %.1f %%", w.name, n, share)
			if math.Abs(share-95) > slack {
				t.Errorf("intervals for %s, n = %d, cover the mean in %.1f %% of %d samples, want 95 ± %v", w.name, n, share, trials, slack)
			}
		}
	}
}

// TestSimulatedNull: of two systems that are equally good, one is called better
// in at most 5.5 % of comparisons. The differences are symmetric, as they are
// when the two are the same system with other random choices.
func TestSimulatedNull(t *testing.T) {
	trials, resamples, limit := 500, 400, 8.0
	if *simulate {
		trials, resamples, limit = 20_000, 2000, 5.5
	}
	rng := rand.New(rand.NewPCG(13, 14))
	zero := make([]float64, 100)
	for _, n := range []int{25, 50, 100} {
		if !*simulate && n > 50 {
			continue
		}
		x := make([]float64, n)
		rejected, called := 0, 0
		for trial := range trials {
			for i := range x {
				x[i] = worlds[3].draw(rng)
			}
			c := Compare(zero[:n], x, Options{Seed: uint64(trial), Resamples: resamples})
			if c.P <= 0.05 {
				rejected++
			}
			if v := c.Verdict(); v == Better || v == Worse {
				called++
			}
		}
		r, v := 100*float64(rejected)/float64(trials), 100*float64(called)/float64(trials)
		t.Logf("n %3d: rejected %.1f %%, called better or worse %.1f %%", n, r, v)
		if r > limit || v > limit {
			t.Errorf("n = %d: equal systems are told apart in %.1f %% of %d comparisons, the verdict in %.1f %%, want at most %v", n, r, trials, v, limit)
		}
	}
}

// TestSimulatedPower: a true difference of the size of the minimum detectable
// effect is found in about 80 % of comparisons.
func TestSimulatedPower(t *testing.T) {
	trials, resamples, least := 500, 400, 73.0
	if *simulate {
		trials, resamples, least = 20_000, 2000, 78
	}
	rng := rand.New(rand.NewPCG(15, 16))
	// The standard deviation of the differences.
	spread := math.Sqrt(0.4 * (0.25 + 0.09))
	for _, n := range []int{50, 100} {
		zero, x := make([]float64, n), make([]float64, n)
		effect := MDE(spread, n)
		share := simulated(trials, func(trial int) bool {
			for i := range x {
				x[i] = worlds[3].draw(rng) + effect
			}
			return Compare(zero, x, Options{Seed: uint64(trial), Resamples: resamples}).P <= 0.05
		})
		t.Logf("n %3d: a difference of %.3f is found in %.1f %%", n, effect, share)
		if share < least {
			t.Errorf("n = %d: a difference of the size of the MDE is found in %.1f %% of %d comparisons, want at least %v", n, share, trials, least)
		}
	}
}
