// Package simd holds the numeric kernels of the program: inner products, matrix
// products with int8 weights, and the row operations of a transformer. Each has
// a vector form for the machine at hand and a portable twin in Go; [Kernel]
// tells which set is in use. It knows nothing of models, texts or indexes.
//
// # What is reproducible
//
// A function always gives the same bits for the same arguments on the same
// kernel. Beyond that:
//
//   - [Dot], [Gelu] and [AddNorm] give the same bits on every kernel and every
//     machine: the order of their operations is part of their definition, and
//     nothing is fused.
//   - So do the sums of integers in the products of a [Matrix], which are exact.
//   - The products of exact columns and of centres, which are added to them, and
//     those in [Attend] are summed in order. All vector kernels do it with fused
//     multiply-adds, so they give the same bits as each other whatever their
//     width; the portable one leaves that to the compiler and differs in the
//     last digits.
//
// In no function does the result for one row depend on the other rows.
//
// # Integers
//
// Activations are bytes from 1 to 255 that stand for -127 to 127 steps, weights
// bytes from -128 to 127; the centre that steps count from is no part of the
// sums. Sums are 32 bits wide: with at most 65,536 columns, 65,536 ·
// 255 · 128 is below 2³¹, so that no sum can wrap even before the offset of the
// activations is taken back, in whatever order it is formed. The instructions
// that multiply bytes and add to 32 bits (VPDPBUSD, SDOT) do not saturate; the
// assembly of tiles that go through 16 bits says why theirs cannot.
//
// # Which kernels run where
//
// The first set that the processor and the operating system support is used:
//
//	avx512vnni  amd64 with AVX-512 F, BW, VL and VNNI: servers since Ice Lake, Zen 4 and later
//	avxvnni     amd64 with AVX-VNNI: laptops since Alder Lake
//	avx2        amd64 with AVX2 and FMA: since Haswell and Zen
//	neondot     arm64 with the int8 dot product: Apple's since the M1, Neoverse N1, Cortex-A76 and later
//	neon        any other arm64: Cortex-A72 and the like
//	portable    other processors, and builds with the tag purego
//
// To see how a lesser processor fares, hide features of the one at hand by the
// option that golang.org/x/sys/cpu has for it: GODEBUG=cpu.avx512vnni=off leaves
// avxvnni, with cpu.avxvnni=off it is avx2, and cpu.avx2=off leaves portable.
// (The Go runtime reports features that it does not know itself; that is
// harmless.)
package simd

// kernels is one implementation of everything below the exported functions,
// which have checked the lengths.
type kernels struct {
	name string

	dot func(a, b []float32) float32

	// gemm writes the m×16 product of a and one panel, see gemmPortable; with add it
	// goes on from what c holds.
	gemm func(c []float32, ldc int, a []float32, lda int, panel []float32, m, k int, add bool)

	// mulInt8 writes the m×rows integer product of q-128 and w as floats. No
	// element of q is 0. q has room for whole fours of rows, and for minQuantised.
	mulInt8 func(dst []float32, q []uint8, m int, w *Matrix, s *Scratch)

	// quantise writes round((x-centre)/scale)+128: the range of x and 0 has 254
	// steps, centre is its middle.
	quantise func(q []uint8, x []float32) (scale, centre float32)

	// scaleBias computes y[j] = (y[j]·row)·col[j] + bias[j].
	scaleBias func(y []float32, row float32, col, bias []float32)

	gelu    func(x []float32)
	addNorm func(x, y, gain, bias []float32, eps float64)

	// What follows may be nil in a set: complete says what then serves.

	// quantiseWide writes round(x/scale) in two halves, see Matrix.MulInt16.
	quantiseWide func(q []uint8, x []float32) float32

	// join computes y = 128·upper + lower.
	join func(y, upper, lower []float32)

	// quantiseRows and linear are the two parts of a product: see
	// composeQuantiseRows and composeLinear, which define them.
	quantiseRows rowsQuantiser
	linear       func(dst, bias []float32, m *Matrix, n int, wide bool, s *Scratch)

	// The following serve attention: see there.

	transpose  func(dst, x []float32, ldx, rows, n int)
	copyRows   func(dst []float32, ldd int, x []float32, ldx, rows, n int)
	scaleRows  func(dst []float32, ldd int, x []float32, ldx, rows, n int, factors []float32)
	gemmPanels func(c []float32, ldc int, a []float32, lda int, panels []float32, stride, m, n, k int, add bool)
	expRows    func(scores []float32, ld, rows, n int, scale float32, s *streams)
}

type rowsQuantiser = func(m *Matrix, x []float32, n int, wide bool, s *Scratch)

var portable = kernels{
	name:         "portable",
	dot:          dotPortable,
	gemm:         gemmPortable,
	mulInt8:      mulInt8Portable,
	quantise:     quantisePortable,
	quantiseWide: quantiseWidePortable,
	join:         joinPortable,
	scaleBias:    scaleBiasPortable,
	gelu:         geluPortable,
	addNorm:      addNormPortable,
	transpose:    transposePortable,
	copyRows:     copyRowsPortable,
	scaleRows:    scaleRowsPortable,
	expRows:      expRowsPortable,
}

// complete returns k with a portable twin, or a composition of what k has, in
// the place of what it lacks.
func (k kernels) complete() kernels {
	if k.quantiseWide == nil {
		k.quantiseWide = quantiseWidePortable
	}
	if k.join == nil {
		k.join = joinPortable
	}
	if k.transpose == nil {
		k.transpose = transposePortable
	}
	if k.copyRows == nil {
		k.copyRows = copyRowsPortable
	}
	if k.scaleRows == nil {
		k.scaleRows = scaleRowsPortable
	}
	if k.expRows == nil {
		k.expRows = expRowsPortable
	}
	if k.quantiseRows == nil {
		k.quantiseRows = k.composeQuantiseRows()
	}
	if k.linear == nil {
		k.linear = k.composeLinear()
	}
	if k.gemmPanels == nil {
		k.gemmPanels = k.composeGemmPanels()
	}
	return k
}

// available lists what this machine can run, best first; portable is last.
var available = func() []kernels {
	sets := append(detect(), portable)
	for i := range sets {
		sets[i] = sets[i].complete()
	}
	return sets
}()

// active is chosen once at start. Only tests change it.
var active = available[0]

// Kernel names the kernels in use, one of those in the package comment.
func Kernel() string { return active.name }
