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
//   - [Dot], [Softmax], [Gelu] and [AddNorm] give the same bits on every kernel
//     and every machine: the order of their operations is part of their
//     definition, and nothing is fused.
//   - [Gemm] and the products of [Matrix] sum over k in order. All vector
//     kernels do it with fused multiply-adds, so they give the same bits as
//     each other whatever their width; the portable one leaves that to the
//     compiler and differs in the last digits.
//
// In no function does the result for one row depend on the other rows.
//
// Build with the tag purego to leave the assembly out.
package simd

// kernels is one implementation of everything below the exported functions,
// which have checked the lengths.
type kernels struct {
	name string

	dot func(a, b []float32) float32

	// gemm writes the m×16 product of a and one panel, see Gemm; with add it
	// goes on from what c holds.
	gemm func(c []float32, ldc int, a []float32, lda int, panel []float32, m, k int, add bool)

	// widen turns one packed panel of k×16 integers into floats, k-major.
	widen func(dst []float32, src []uint32)

	// mulInt8 writes the m×rows integer product of q-128 and w as floats.
	mulInt8 func(dst []float32, q []uint8, m int, w *Matrix, s *Scratch)

	// quantise writes round(x/scale)+128 and returns scale = max|x|/127.
	quantise func(q []uint8, x []float32) float32

	// scaleBias computes y[j] = (y[j]·row)·col[j] + bias[j].
	scaleBias func(y []float32, row float32, col, bias []float32)

	softmax func(row []float32, scale float32)
	gelu    func(x []float32)
	addNorm func(x, y, gain, bias []float32, eps float64)
}

var portable = kernels{
	name:      "portable",
	dot:       dotPortable,
	gemm:      gemmPortable,
	widen:     widenPortable,
	mulInt8:   mulInt8Portable,
	quantise:  quantisePortable,
	scaleBias: scaleBiasPortable,
	softmax:   softmaxPortable,
	gelu:      geluPortable,
	addNorm:   addNormPortable,
}

// available lists what this machine can run, best first; portable is last.
var available = append(detect(), portable)

// active is chosen once at start. Only tests change it.
var active = available[0]

// Kernel names the kernels in use: "avx512vnni", "avx2" or "portable".
func Kernel() string { return active.name }
