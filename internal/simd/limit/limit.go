// Package limit measures what one core can do at most: multiply-adds between
// registers, with nothing to load and nothing to wait for. Benchmarks state
// their results as a share of it, which stays meaningful on a shared or slower
// machine. The program itself does not use it.
package limit

import "time"

// probe is a loop of independent multiply-adds.
type probe struct {
	name string
	// run goes through the loop n times.
	run func(n int)
	// ops is the number of operations of one pass; a multiply-add is two.
	ops int
}

// Int8 returns the rate of products of bytes added to 32-bit sums, in 10⁹
// operations a second, and the name of the instruction set; the rate is 0 where
// no probe exists.
func Int8() (gops float64, name string) { return measure(int8Probe()) }

// Float32 returns the rate of float32 multiply-adds, in 10⁹ operations a second,
// and the name of the instruction set; the rate is 0 where no probe exists.
func Float32() (gops float64, name string) { return measure(float32Probe()) }

// measure returns the best of several short runs, because other load can only
// slow a run down.
func measure(p probe) (gops float64, name string) {
	if p.run == nil {
		return 0, "none"
	}
	const passes, rounds = 20_000, 40 // a fraction of a millisecond each
	for range rounds {
		start := time.Now()
		p.run(passes)
		gops = max(gops, float64(passes*p.ops)/float64(time.Since(start).Nanoseconds()))
	}
	return gops, p.name
}
