package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every kernel of every set is held against its portable twin: by tables over
// lengths and extreme values, and by fuzzing. Both call the checks below, which
// put results between guards and start slices anywhere, so that vectors are not
// aligned.

// vectors are the sets of kernels of this machine without the portable one.
var vectors = available[:len(available)-1]

const guardLen = 64

// guarded returns n elements filled with fill, skew%8 elements off the start of
// a larger slice, and a function that fails if anything around them changed.
func guarded[T comparable](t *testing.T, n, skew int, fill T) (view []T, check func(what string)) {
	t.Helper()
	all := slices.Repeat([]T{fill}, n+2*guardLen+8)
	from := guardLen + skew%8
	return all[from : from+n : from+n], func(what string) {
		t.Helper()
		for i, v := range all {
			if (i < from || i >= from+n) && v != fill {
				t.Fatalf("%s of %d: element %d outside was written", what, n, i-from)
			}
		}
	}
}

// shifted returns a copy of x that starts skew%8 elements off.
func shifted[T any](x []T, skew int) []T {
	return append(make([]T, skew%8, skew%8+len(x)), x...)[skew%8:]
}

// unwritten is what a kernel must replace, or must leave alone.
const unwritten = -9.875e9

func checkDot(t *testing.T, x, y []float32, skew int) {
	t.Helper()
	for _, k := range vectors {
		wantBits(t, k.name+" dot", []float32{k.dot(shifted(x, skew), shifted(y, skew+3))}, []float32{dotPortable(x, y)})
	}
}

// checkRow holds an operation that replaces a row against its twin.
func checkRow(t *testing.T, what string, x []float32, skew int, op func(k kernels, row []float32)) {
	t.Helper()
	if len(x) == 0 {
		return
	}
	want := slices.Clone(x)
	op(portable, want)
	for _, k := range vectors {
		got, check := guarded[float32](t, len(x), skew, unwritten)
		copy(got, x)
		op(k, got)
		check(k.name + " " + what)
		wantBits(t, fmt.Sprintf("%s %s of %v", k.name, what, x), got, want)
	}
}

func checkGelu(t *testing.T, x []float32, skew int) {
	t.Helper()
	checkRow(t, "gelu", x, skew, func(k kernels, row []float32) { k.gelu(row) })
}

func checkAddNorm(t *testing.T, x, y []float32, skew int) {
	t.Helper()
	y, gain, bias := shifted(y, skew+1), shifted(y, skew+2), shifted(x, skew+3)
	checkRow(t, "addNorm", x, skew, func(k kernels, row []float32) { k.addNorm(row, y, gain, bias, 1e-12) })
}

// checkScaleBias cuts x to a multiple of 32, which rows of products are.
func checkScaleBias(t *testing.T, x, y []float32, row float32, skew int) {
	t.Helper()
	n := len(x) / MatrixRows * MatrixRows
	col, bias := shifted(y[:n], skew+1), shifted(x[:n], skew+3)
	checkRow(t, "scaleBias", x[:n], skew, func(k kernels, r []float32) { k.scaleBias(r, row, col, bias) })
}

func checkQuantise(t *testing.T, x []float32, skew int) {
	t.Helper()
	want := make([]uint8, len(x))
	wantScale, wantCentre := quantisePortable(want, x)
	for _, k := range vectors {
		got, check := guarded[uint8](t, len(x), skew, 77)
		scale, centre := k.quantise(got, shifted(x, skew+1))
		check(k.name + " quantise")
		wantBits(t, fmt.Sprintf("%s quantise of %v: scale and centre", k.name, x), []float32{scale, centre}, []float32{wantScale, wantCentre})
		if !slices.Equal(got, want) {
			t.Fatalf("%s quantise of %v = %v, want %v", k.name, x, got, want)
		}
		if slices.Contains(got, 0) {
			t.Fatalf("%s quantise of %v gives 0, which stands for -128", k.name, x)
		}
	}
}

func checkQuantiseWide(t *testing.T, x []float32, skew int) {
	t.Helper()
	want := make([]uint8, 2*len(x))
	wantScale := quantiseWidePortable(want, x)
	for _, k := range vectors {
		got, check := guarded[uint8](t, len(want), skew, 77)
		scale := k.quantiseWide(got, shifted(x, skew+1))
		check(k.name + " quantiseWide")
		if math.Float32bits(scale) != math.Float32bits(wantScale) || !slices.Equal(got, want) {
			t.Fatalf("%s quantiseWide of %v = %v × %v, want %v × %v", k.name, x, scale, got, wantScale, want)
		}
		if slices.Contains(got, 0) {
			t.Fatalf("%s quantiseWide of %v gives 0, which stands for -128", k.name, x)
		}
	}
}

// checkJoin cuts x to a multiple of 32, which rows of products are.
func checkJoin(t *testing.T, x, y []float32, skew int) {
	t.Helper()
	n := len(x) / MatrixRows * MatrixRows
	upper, lower := shifted(x[:n], skew+1), shifted(y[:n], skew+3)
	checkRow(t, "join", x[:n], skew, func(k kernels, r []float32) { k.join(r, upper, lower) })
}

// checkGemm multiplies m×k by one panel. The twin of the vector kernels is one
// fused multiply-add per k, in order, which the portable kernel need not do.
func checkGemm(t *testing.T, m, k int, add bool, values func() float32, skew int) {
	t.Helper()
	lda, ldc := k+skew%3, PanelWidth+skew%5
	a, panel := make([]float32, (m-1)*lda+k), make([]float32, k*PanelWidth)
	before := make([]float32, (m-1)*ldc+PanelWidth)
	for _, x := range [][]float32{a, panel, before} {
		for i := range x {
			x[i] = values()
		}
	}
	want := slices.Clone(before)
	for i := range m {
		for j := range PanelWidth {
			var sum float32
			if add {
				sum = before[i*ldc+j]
			}
			for r := range k {
				sum = fma(a[i*lda+r], panel[r*PanelWidth+j], sum)
			}
			want[i*ldc+j] = sum
		}
	}
	for _, kernel := range vectors {
		got, check := guarded[float32](t, len(before), skew, unwritten)
		copy(got, before)
		kernel.gemm(got, ldc, shifted(a, skew+1), lda, shifted(panel, skew+3), m, k, add)
		what := fmt.Sprintf("%s gemm m=%d k=%d add=%v", kernel.name, m, k, add)
		check(what)
		wantBits(t, what, got, want)
	}
}

// checkMulInt8 multiplies n rows of quanta by a rows×cols matrix. One scratch
// serves all calls of a test: what the call before left must not matter.
func checkMulInt8(t *testing.T, n, rows, cols int, quantum func() uint8, weight func() int8, skew int, s *Scratch) {
	t.Helper()
	values := make([]byte, rows*cols)
	for i := range values {
		values[i] = byte(weight())
	}
	m, err := NewMatrix(values, make([]float32, rows), rows, cols, Exact{})
	if err != nil {
		t.Fatal(err)
	}
	q := make([]uint8, max(roundUp(n, 4), minQuantised)*cols)
	for i := range q {
		q[i] = max(quantum(), 1)
	}
	want := make([]float32, n*rows)
	mulInt8Portable(want, q, n, m, s)
	for _, k := range vectors {
		got, check := guarded[float32](t, n*rows, skew, unwritten)
		k.mulInt8(got, shifted(q, skew), n, m, s)
		what := fmt.Sprintf("%s mulInt8 n=%d %d×%d", k.name, n, rows, cols)
		check(what)
		wantBits(t, what, got, want)
	}
}

// patterns are rows that have broken kernels before, or could.
func patterns(n int, seed uint64) map[string][]float32 {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	each := func(f func(i int) float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = f(i)
		}
		return x
	}
	sign := func(i int) float32 { return float32(1 - 2*(i%2)) }
	return map[string][]float32{
		"zero":          each(func(int) float32 { return 0 }),
		"negative zero": each(func(int) float32 { return float32(math.Copysign(0, -1)) }),
		"denormal":      each(func(i int) float32 { return sign(i) * math.SmallestNonzeroFloat32 * float32(i+1) }),
		"threshold":     each(func(i int) float32 { return sign(i) * quantiseMin }),
		"huge":          each(func(i int) float32 { return sign(i) * 9e14 }),
		"one huge":      each(func(i int) float32 { return float32(i/(n-1)) * 9e14 }),
		"equal":         each(func(int) float32 { return 1.0 / 3 }),
		"steps":         each(func(i int) float32 { return sign(i) * (float32(i%127) + 0.5) }),
		"normal":        each(func(int) float32 { return float32(r.NormFloat64()) }),
		"bits":          each(func(int) float32 { return finite(r.Uint32(), 1e15) }),
		"descending":    each(func(i int) float32 { return -float32(i) }),
	}
}

// finite returns the number with these bits, or a smaller one if its magnitude
// is not below limit.
func finite(bits uint32, limit float64) float32 {
	v := math.Float32frombits(bits)
	if !(math.Abs(float64(v)) < limit) {
		return float32(int32(bits) >> 20)
	}
	return v
}

func TestKernelsExtremes(t *testing.T) {
	for n := 2; n < 140; n += 1 + n/40 {
		reversed := patterns(n, 31)
		for name, x := range patterns(n, 30) {
			y := reversed[name]
			slices.Reverse(y)
			checkDot(t, x, y, n)
			checkGelu(t, x, n)
			checkAddNorm(t, x, y, n)
			checkQuantise(t, x, n)
			checkQuantiseWide(t, x, n)
			checkJoin(t, x, y, n)
			if name != "huge" && name != "one huge" && name != "bits" { // products stay finite
				checkScaleBias(t, x, y, 3e-3, n)
			}
		}
	}
}

// TestSumOrder checks the order of sums with many rows, because a wrong one
// changes few results, and those in the last bit.
func TestSumOrder(t *testing.T) {
	for seed := range 300 {
		n := rowLanes * (1 + seed%12)
		x, y := random(n, 1, uint64(seed)), random(n, 1, uint64(seed+1000))
		checkDot(t, x, y, seed)
		checkAddNorm(t, x, y, seed)
	}
}

func TestGemmKernels(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 1))
	normal := func() float32 { return float32(r.NormFloat64()) }
	zeros := func() float32 { return float32(math.Copysign(0, r.NormFloat64())) }
	denormal := func() float32 { return math.SmallestNonzeroFloat32 * float32(r.IntN(200)-100) }
	for m := 1; m <= 26; m++ {
		for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 9, 31, 64} {
			for _, add := range []bool{false, true} {
				checkGemm(t, m, k, add, normal, m+k)
			}
		}
		checkGemm(t, m, 9, true, zeros, m)
		checkGemm(t, m, 9, false, denormal, m)
	}
}

func TestMulInt8Kernels(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 1))
	quanta := map[string]func() uint8{
		"any": func() uint8 { return uint8(r.IntN(255) + 1) }, "127": func() uint8 { return 255 },
		"-127": func() uint8 { return 1 }, "0": func() uint8 { return 128 },
		"±127": func() uint8 { return uint8(1 + 254*r.IntN(2)) },
	}
	weights := map[string]func() int8{
		"any": func() int8 { return int8(r.IntN(256) - 128) }, "127": func() int8 { return 127 },
		"-128": func() int8 { return -128 }, "-127": func() int8 { return -127 }, "0": func() int8 { return 0 },
		"-128 or 127": func() int8 { return int8(255*r.IntN(2) - 128) },
	}
	var s Scratch
	for _, quantum := range quanta {
		for _, weight := range weights {
			for _, n := range []int{1, 3, 4, 5, 6, 7, 12, 13} {
				for _, cols := range []int{4, 8, 12, 36, 64} {
					checkMulInt8(t, n, 32, cols, quantum, weight, n, &s)
				}
			}
			checkMulInt8(t, 7, 64, 2056, quantum, weight, 2, &s)
		}
	}
	for n := 1; n <= 40; n++ {
		checkMulInt8(t, n, 96, 20, quanta["any"], weights["any"], n, &s)
	}
	// The widest matrix there can be: sums come near the ends of int32.
	for _, q := range []string{"127", "-127"} {
		for _, w := range []string{"127", "-128"} {
			checkMulInt8(t, 1, 32, maxCols, quanta[q], weights[w], 1, &s)
		}
	}
}

// floats reads finite numbers with magnitudes below limit from raw bytes.
func floats(raw []byte, limit float64) []float32 {
	x := make([]float32, len(raw)/4)
	for i := range x {
		x[i] = finite(binary.LittleEndian.Uint32(raw[4*i:]), limit)
	}
	return x
}

// halves cuts x into two rows of one length.
func halves(x []float32) (a, b []float32) {
	n := len(x) / 2
	return x[:n], x[n : 2*n]
}

func addRows(f *testing.F) {
	for _, n := range []int{1, 7, 8, 9, 31, 32, 33, 67, 200} {
		for _, name := range []string{"denormal", "steps", "bits"} {
			var raw []byte
			for _, v := range patterns(n+1, 35)[name] {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			}
			f.Add(raw, uint8(n))
		}
	}
}

func FuzzDot(f *testing.F) {
	addRows(f)
	f.Fuzz(func(t *testing.T, raw []byte, skew uint8) {
		x, y := halves(floats(raw, 1e15)) // sums of products stay finite
		checkDot(t, x, y, int(skew))
	})
}

func FuzzGelu(f *testing.F) {
	addRows(f)
	f.Fuzz(func(t *testing.T, raw []byte, skew uint8) {
		checkGelu(t, floats(raw, math.Inf(1)), int(skew))
	})
}

func FuzzAddNorm(f *testing.F) {
	addRows(f)
	f.Fuzz(func(t *testing.T, raw []byte, skew uint8) {
		x, y := halves(floats(raw, 1e15)) // squares and sums stay finite
		checkAddNorm(t, x, y, int(skew))
	})
}

func FuzzQuantise(f *testing.F) {
	addRows(f)
	f.Fuzz(func(t *testing.T, raw []byte, skew uint8) {
		checkQuantise(t, floats(raw, math.Inf(1)), int(skew))
	})
}

func FuzzQuantiseWide(f *testing.F) {
	addRows(f)
	f.Fuzz(func(t *testing.T, raw []byte, skew uint8) {
		checkQuantiseWide(t, floats(raw, math.Inf(1)), int(skew))
	})
}

func FuzzJoin(f *testing.F) {
	addRows(f)
	f.Fuzz(func(t *testing.T, raw []byte, skew uint8) {
		x, y := halves(floats(raw, 1e30))
		checkJoin(t, x, y, int(skew))
	})
}

func FuzzScaleBias(f *testing.F) {
	addRows(f)
	f.Fuzz(func(t *testing.T, raw []byte, skew uint8) {
		x, y := halves(floats(raw, 1e12)) // products of three stay finite
		checkScaleBias(t, x, y, float32(skew)*1e9, int(skew))
	})
}

func FuzzGemm(f *testing.F) {
	f.Add([]byte("sixteen columns!"), uint8(7), uint8(9), true)
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0x80, 3, 0, 0x80, 0x3f}, uint8(13), uint8(4), false)
	f.Fuzz(func(t *testing.T, raw []byte, m, k uint8, add bool) {
		x, i := floats(raw, 1e15), 0
		if len(x) == 0 {
			return
		}
		next := func() float32 { i++; return x[i%len(x)] }
		checkGemm(t, int(m%32)+1, int(k%64)+1, add, next, len(raw)/4)
	})
}

func FuzzMulInt8(f *testing.F) {
	f.Add([]byte{0, 1, 127, 128, 129, 255}, uint8(5), uint8(1), uint8(9))
	f.Add([]byte{128, 1}, uint8(16), uint8(0), uint8(95))
	f.Add([]byte{127, 255, 128}, uint8(11), uint8(2), uint8(31))
	f.Fuzz(func(t *testing.T, raw []byte, n, panels, groups uint8) {
		if len(raw) == 0 {
			return
		}
		i := 0
		next := func() uint8 { i++; return raw[i%len(raw)] }
		checkMulInt8(t, int(n%32)+1, (int(panels%3)+1)*MatrixRows, (int(groups%96)+1)*groupCols,
			next, func() int8 { return int8(next()) }, len(raw), new(Scratch))
	})
}
