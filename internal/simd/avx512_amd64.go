//go:build !purego

package simd

import (
	"math"
	"unsafe"
)

// avx512VNNI returns the kernels for processors with AVX-512 F, BW, VL and VNNI,
// given those for AVX2. Only shapes that models have in practice are fast here;
// for others the functions fall back on those for AVX2.
func avx512VNNI(avx2 kernels) kernels {
	k := avx2
	k.name = "avx512vnni"
	k.mulInt8 = mulInt8AVX512
	k.gelu = geluAVX512Rows
	k.addNorm = addNormAVX512
	k.quantiseRows = quantiseRowsAVX512(k.composeQuantiseRows())
	k.linear = linearAVX512
	k.transpose = transpose512
	k.copyRows = copyRows512
	k.scaleRows = scaleRows512
	k.gemmPanels = gemmPanels512
	k.expRows = expRows512
	return k
}

// int8Block is a product of a few rows of bytes and 32 outputs. Sizes of rows
// are in bytes.
type int8Block struct {
	groups int    // groups of 4 columns
	a      *uint8 // quantised activations
	lda    int
	b      *uint32 // two panels, stride bytes apart
	stride int
	// next is the address of the panels to be fetched meanwhile. After the last
	// ones it is where the next matrix mostly lies: a number, because a pointer
	// to what may be no memory would upset the garbage collector.
	next    uintptr
	offsets *int32 // of 32 outputs, as the next two
	scales  *float32
	bias    *float32

	rowScales    *float32
	exact        *float32 // rows of exactCols activations
	exactWeights *float32 // two panels
	exactCols    int

	c    *float32
	ldc  int
	rows int // to be written, at least 1
	wide bool
}

// tileInt8x12 computes up to 12 rows of bytes, all of which can be read.
//
//go:noescape
func tileInt8x12(t *int8Block)

//go:noescape
func tileInt8x8(t *int8Block)

//go:noescape
func tileInt8x4(t *int8Block)

// tileRows512 returns how many of n rows to compute next, at most 12. A tile of
// 4 rows takes as long as one of 6, so 13 to 16 rows are 8 and the rest.
func tileRows512(n int) int {
	if n > 12 && n <= 16 {
		return 8
	}
	return min(n, 12)
}

func (t *int8Block) compute(rows int) {
	switch {
	case rows > 8:
		tileInt8x12(t)
	case rows > 4:
		tileInt8x8(t)
	default:
		tileInt8x4(t)
	}
}

func linearAVX512(dst, bias []float32, m *Matrix, n int, wide bool, s *Scratch) {
	exact := m.exactWidth()
	t := int8Block{
		groups: m.cols / groupCols, lda: m.cols, stride: PanelWidth * m.cols,
		exactCols: exact, ldc: 4 * m.rows, wide: wide,
	}
	size := 1
	if wide {
		size = 2
	}
	for r := 0; r < m.rows; r += 2 * PanelWidth {
		t.b, t.offsets = &m.panel(r / PanelWidth)[0], &m.offsets[r]
		t.scales, t.bias = &m.scales[r], &bias[r]
		t.exactWeights = &m.exact[r*exact]
		for i := 0; i < n; i += t.rows {
			t.next = uintptr(unsafe.Pointer(t.b))
			if i == 0 {
				t.next += uintptr(2 * t.stride)
			}
			t.a, t.rowScales, t.c = &s.quantised[i*size*m.cols], &s.rowScales[i], &dst[i*m.rows+r]
			t.exact = &s.exact[i*exact]
			t.rows = tileRows512((n-i)*size) / size
			t.compute(t.rows * size)
		}
	}
}

// ones and zeros make linear a product without scales and bias.
var (
	ones  = repeated(1)
	zeros = repeated(0)
)

func repeated(x float32) (out [2 * PanelWidth]float32) {
	for i := range out {
		out[i] = x
	}
	return out
}

// mulInt8AVX512 has the integers alone, for tests to compare: linearAVX512 does
// not need it.
func mulInt8AVX512(dst []float32, q []uint8, n int, w *Matrix, _ *Scratch) {
	t := int8Block{
		groups: w.cols / groupCols, lda: w.cols, stride: PanelWidth * w.cols,
		scales: &ones[0], bias: &zeros[0], rowScales: &ones[0], ldc: 4 * w.rows,
	}
	for r := 0; r < w.rows; r += 2 * PanelWidth {
		t.b, t.offsets = &w.panel(r / PanelWidth)[0], &w.offsets[r]
		for i := 0; i < n; i += attendRows {
			// The last tile overlaps the one before, because q may have no room
			// for more: it computes the same values again.
			i := max(0, min(i, n-attendRows))
			t.next = uintptr(unsafe.Pointer(t.b))
			t.a, t.c, t.rows = &q[i*w.cols], &dst[i*w.rows+r], min(attendRows, n)
			t.compute(t.rows)
		}
	}
}

// floatBlock is a product of a few rows and two panels. Sizes of rows are in
// bytes.
type floatBlock struct {
	k      int
	a      *float32
	lda    int
	b      *float32 // two panels, stride bytes apart
	stride int
	c      *float32
	ldc    int
	add    bool
}

//go:noescape
func tileFloatx12(t *floatBlock)

//go:noescape
func tileFloatx8(t *floatBlock)

//go:noescape
func tileFloatx4(t *floatBlock)

func gemmPanels512(c []float32, ldc int, a []float32, lda int, panels []float32, stride, m, n, k int, add bool) {
	t := floatBlock{k: k, lda: 4 * lda, stride: 4 * stride, ldc: 4 * ldc, add: add}
	for i, rows := 0, 0; i < m; i += rows {
		t.a = &a[i*lda]
		rows = tileRows512(m - i)
		for j := 0; j < n; j += 2 * PanelWidth {
			t.b, t.c = &panels[j/PanelWidth*stride], &c[i*ldc+j]
			switch {
			case rows > 8:
				tileFloatx12(&t)
			case rows > 4:
				tileFloatx8(&t)
			default:
				tileFloatx4(&t)
			}
		}
	}
}

// Of the following, n is the number of elements, a multiple of 32 (of 16 for
// functions of rows) and not 0.

//go:noescape
func extentAVX512(x *float32, n int, keep *uint16) (least, largest float32)

//go:noescape
func quantiseAVX512(q *uint8, x *float32, n int, keep *uint16, centre, inverse float32)

//go:noescape
func quantiseWideAVX512(q *uint8, x *float32, n int, keep *uint16, inverse float32)

//go:noescape
func geluAVX512(x *float32, n int)

//go:noescape
func addSumAVX512(x, y *float32, n int) float32

//go:noescape
func squaresAVX512(x *float32, n int, mean float32) float32

//go:noescape
func normAVX512(x *float32, n int, mean, inverse float32, gain, bias *float32)

//go:noescape
func scaleRowsAVX512(dst *float32, ldd int, x *float32, ldx int, rows, n int, factors *float32)

//go:noescape
func copyRowsAVX512(dst *float32, ldd int, x *float32, ldx int, rows, n int)

//go:noescape
func transposeAVX512(dst, x *float32, ldx int)

// expBlock is a step of the softmax of some rows. ld is in bytes.
type expBlock struct {
	scores                 *float32
	ld, rows               int
	groups                 int     // of 32 scores, the last one included
	last                   uint64  // a bit for each of its scores that counts
	scale, least           float32 // least stands for the others
	largest, sums, factors *float32
}

//go:noescape
func expRowsAVX512(t *expBlock)

// quantiseRowsAVX512 returns the kernel, which leaves odd widths to other.
func quantiseRowsAVX512(other rowsQuantiser) rowsQuantiser {
	return func(m *Matrix, x []float32, n int, wide bool, s *Scratch) {
		if m.cols%rowLanes != 0 {
			other(m, x, n, wide, s)
			return
		}
		cols, keep := m.cols, &m.quantised[0]
		for i := range n {
			row := x[i*cols : (i+1)*cols]
			exact := s.exact[i*m.exactWidth():][:m.exactWidth()]
			for j, c := range m.exactColumns {
				exact[j] = row[c]
			}
			least, largest := extentAVX512(&row[0], cols, keep)
			centre, steps, half := float32(0), float32(wideSteps), magnitude(least, largest)
			if !wide {
				steps = 127
				centre, half = middle(least, largest)
			}
			scale, inverse := half/steps, steps/half
			if half < quantiseMin { // not so if it is no number
				scale, centre, inverse = 0, 0, 0
			}
			s.rowScales[i], exact[len(m.exactColumns)] = scale, centre
			if wide {
				quantiseWideAVX512(&s.quantised[2*i*cols], &row[0], cols, keep, inverse)
			} else {
				quantiseAVX512(&s.quantised[i*cols], &row[0], cols, keep, centre, inverse)
			}
		}
	}
}

func geluAVX512Rows(x []float32) {
	n := len(x) / 16 * 16
	if n > 0 {
		geluAVX512(&x[0], n)
	}
	geluPortable(x[n:])
}

func addNormAVX512(x, y, gain, bias []float32, eps float64) {
	n := len(x)
	if n%rowLanes != 0 {
		addNormPortable(x, y, gain, bias, eps)
		return
	}
	mean := addSumAVX512(&x[0], &y[0], n) / float32(n)
	inverse := inverseDeviation(squaresAVX512(&x[0], n, mean), n, eps)
	normAVX512(&x[0], n, mean, inverse, &gain[0], &bias[0])
}

func transpose512(dst, x []float32, ldx, rows, n int) {
	if rows != 16 || n%16 != 0 {
		transposePortable(dst, x, ldx, rows, n)
		return
	}
	for j := 0; j < n; j += 16 {
		transposeAVX512(&dst[j*rows], &x[j], ldx)
	}
}

func copyRows512(dst []float32, ldd int, x []float32, ldx, rows, n int) {
	if n%16 != 0 {
		copyRowsPortable(dst, ldd, x, ldx, rows, n)
		return
	}
	copyRowsAVX512(&dst[0], ldd, &x[0], ldx, rows, n)
}

func scaleRows512(dst []float32, ldd int, x []float32, ldx, rows, n int, factors []float32) {
	if n%16 != 0 {
		scaleRowsPortable(dst, ldd, x, ldx, rows, n, factors)
		return
	}
	scaleRowsAVX512(&dst[0], ldd, &x[0], ldx, rows, n, &factors[0])
}

func expRows512(scores []float32, ld, rows, n int, scale float32, s *streams) {
	groups := roundUp(n, rowLanes) / rowLanes
	expRowsAVX512(&expBlock{
		scores: &scores[0], ld: 4 * ld, rows: rows, groups: groups,
		last: 1<<(n-(groups-1)*rowLanes) - 1, scale: scale, least: -math.MaxFloat32,
		largest: &s.largest[0], sums: &s.sums[0], factors: &s.factors[0],
	})
}
