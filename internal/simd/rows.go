package simd

import (
	"fmt"
	"math"
)

// rowLanes is the number of partial sums of a row: lane l adds elements l, l+8,
// l+16, …; lanes are added in halves, and the elements after the last full
// group of 8 are added at the end, in order.
const rowLanes = 8

// Softmax replaces row by exp(scale·(row[i]-max)) / Σ. Elements below the
// largest by more than about 87/scale become 0. scale must not be negative. An
// empty row stays empty.
func Softmax(row []float32, scale float32) {
	if len(row) > 0 {
		active.softmax(row, scale)
	}
}

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

func softmaxPortable(row []float32, scale float32) {
	largest := row[0]
	for _, v := range row {
		largest = max(largest, v)
	}
	for i, v := range row {
		row[i] = exp(float32((v - largest) * scale))
	}
	inverse := 1 / laneSum(row, func(v float32) float32 { return v })
	for i, v := range row {
		row[i] = v * inverse
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

// Constants of exp: 1/ln 2, and ln 2 in two parts of which the first has few
// enough bits that its product with a small integer is exact.
const (
	log2e  = 1.44269504088896341
	ln2Hi  = 0.693359375
	ln2Lo  = -2.12194440054690582e-4
	expMin = -87 // below it exp is taken as 0
)

// expTerms are 1/7!, 1/6!, … 1/0!: the Taylor polynomial of degree 7 is exact
// to float32 within ±(ln 2)/2. The assembly reads these tables, too.
var (
	expTerms  = [8]float32{1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1}
	expLimits = [4]float32{log2e, ln2Hi, ln2Lo, expMin}
)

// exp returns eˣ for x ≤ 88 with a relative error below 3e-7, and 0 below expMin.
func exp(x float32) float32 {
	if x < expMin {
		return 0
	}
	n := float32(math.RoundToEven(float64(float32(x * log2e))))
	r := x - float32(n*ln2Hi)
	r -= float32(n * ln2Lo)
	p := expTerms[0]
	for _, c := range expTerms[1:] {
		p = float32(p*r) + c
	}
	// p is in [0.7, 1.42]: adding n to its exponent multiplies by 2ⁿ.
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}

// erfcTerms are a5 … a1 of formula 7.1.26, halved because Φ(-x) = erfc(x/√2)/2.
// The assembly reads these tables, too.
var (
	erfcTerms  = [5]float32{1.061405429 / 2, -1.453152027 / 2, 1.421413741 / 2, -0.284496736 / 2, 0.254829592 / 2}
	erfcScales = [2]float32{halfSqrt2, erfcP}
)

const (
	halfSqrt2 = 0.70710678118654752
	erfcP     = 0.3275911
)

func geluPortable(x []float32) {
	for i, v := range x {
		z := float32(abs(v) * halfSqrt2)
		t := 1 / (1 + float32(z*erfcP))
		p := erfcTerms[0]
		for _, c := range erfcTerms[1:] {
			p = float32(p*t) + c
		}
		// tail is Φ(-|x|), so x·Φ(x) is max(x, 0) - |x|·tail on both sides.
		tail := float32(float32(p*t) * exp(-float32(z*z)))
		x[i] = max(v, 0) - float32(abs(v)*tail)
	}
}
