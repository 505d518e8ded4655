package simd

import (
	"fmt"
	"math"
)

// rowLanes is the number of partial sums of a row: lane l adds elements l, l+32,
// l+64, …; lanes are added in halves, l to l+16, l to l+8 and so on, and the
// elements after the last full group of 32 are added at the end, in order.
const rowLanes = 32

// Gelu replaces each element by x·Φ(x), Φ the normal distribution function:
// the exact, erf form.
//
// Source: erfc by formula 7.1.26 of Abramowitz and Stegun, Handbook of
// Mathematical Functions; the error of Φ is below 1e-6.
func Gelu(x []float32) { active.gelu(x) }

// AddNorm replaces x by the layer normalisation of x+y: mean 0, variance 1,
// then times gain plus bias. All four have one length, or it panics.
func AddNorm(x, y, gain, bias []float32, eps float64) {
	if len(y) != len(x) || len(gain) != len(x) || len(bias) != len(x) {
		panic(fmt.Sprintf("simd.AddNorm: lengths x %d, y %d, gain %d, bias %d", len(x), len(y), len(gain), len(bias)))
	}
	if len(x) > 0 {
		active.addNorm(x, y, gain, bias, eps)
	}
}

// laneSum adds f of each element in the order stated at rowLanes.
func laneSum(row []float32, f func(float32) float32) float32 {
	var sums [rowLanes]float32
	n := len(row) / rowLanes * rowLanes
	for i := 0; i < n; i += rowLanes {
		for l := range sums {
			sums[l] += f(row[i+l])
		}
	}
	for half := rowLanes / 2; half > 0; half /= 2 {
		for l := range half {
			sums[l] += sums[l+half]
		}
	}
	sum := sums[0]
	for _, v := range row[n:] {
		sum += f(v)
	}
	return sum
}

func addNormPortable(x, y, gain, bias []float32, eps float64) {
	for i, v := range y {
		x[i] += v
	}
	mean := laneSum(x, func(v float32) float32 { return v }) / float32(len(x))
	squares := laneSum(x, func(v float32) float32 { d := v - mean; return float32(d * d) })
	inverse := inverseDeviation(squares, len(x), eps)
	for i, v := range x {
		x[i] = float32(float32((v-mean)*inverse)*gain[i]) + bias[i]
	}
}

func inverseDeviation(squares float32, n int, eps float64) float32 {
	return float32(1 / math.Sqrt(float64(squares)/float64(n)+eps))
}

const (
	log2e   = 1.44269504088896341
	exp2Min = -125 // below it exp2 is taken as 0
)

// exp2Terms are the coefficients of (2ˣ-1)/x, the highest first, and 1: the
// polynomial of degree 5 that is 1 at 0 and has the least relative error within
// ±1/2, 9e-8 (found by Lawson's weighted least squares). The assembly reads the
// tables of this file, too.
var (
	exp2Terms  = [6]float32{0.0013264727206493063, 0.00967151265009665, 0.05550733743324779, 0.2402224208521571, 0.6931469775990662, 1}
	exp2Limits = [1]float32{exp2Min}
)

// exp2 returns 2ˣ for x ≤ 127 with a relative error below 2e-7, and 0 below
// exp2Min.
func exp2(x float32) float32 {
	if x < exp2Min {
		return 0
	}
	n := float32(math.RoundToEven(float64(x)))
	r := x - n // exact
	p := exp2Terms[0]
	for _, c := range exp2Terms[1:] {
		p = float32(p*r) + c
	}
	// p is in [0.7, 1.42]: adding n to its exponent multiplies by 2ⁿ.
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}

// erfcTerms are a5 … a1 of formula 7.1.26, halved because Φ(-x) = erfc(x/√2)/2.
var (
	erfcTerms  = [5]float32{1.061405429 / 2, -1.453152027 / 2, 1.421413741 / 2, -0.284496736 / 2, 0.254829592 / 2}
	erfcScales = [2]float32{geluPower, geluP}
)

const (
	geluPower = 0.84932180028801905            // √(½·log₂e), because exp(-x²/2) = 2^-(geluPower·x)²
	geluP     = 0.3275911 * 0.7071067811865476 // p of formula 7.1.26 over √2
)

func geluPortable(x []float32) {
	for i, v := range x {
		z := float32(abs(v) * geluPower)
		t := 1 / (1 + float32(abs(v)*geluP))
		p := erfcTerms[0]
		for _, c := range erfcTerms[1:] {
			p = float32(p*t) + c
		}
		// tail is Φ(-|x|), so x·Φ(x) is max(x, 0) - |x|·tail on both sides.
		tail := float32(float32(p*t) * exp2(-float32(z*z)))
		x[i] = max(v, 0) - float32(abs(v)*tail)
	}
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
