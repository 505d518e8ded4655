//go:build !purego

package simd

import "golang.org/x/sys/cpu"

// detect lists the vector kernels that this processor and operating system can
// run, best first.
func detect() []kernels {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	avx2 := kernels{
		name:      "avx2",
		dot:       dotVector,
		gemm:      gemmVector,
		widen:     widenVector,
		mulInt8:   mulInt8Float,
		quantise:  quantiseVector,
		scaleBias: scaleBiasVector,
		softmax:   softmaxVector,
		gelu:      geluVector,
		addNorm:   addNormVector,
	}
	if !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512VL || !x.HasAVX512VNNI {
		return []kernels{avx2}
	}
	vnni := avx2
	vnni.name = "avx512vnni"
	vnni.mulInt8 = mulInt8VNNI
	return []kernels{vnni, avx2}
}

// Tile sizes of the assembly: rows × columns computed together.
const (
	tileRows     = 6  // tileAVX2: 6×16
	tileRowsVNNI = 12 // tileVNNI: 12×32
	tileColsVNNI = 2 * PanelWidth
)

// dotAVX2 requires n, a multiple of 32, to be at least 32.
//
//go:noescape
func dotAVX2(a, b *float32, n int) float32

// tileAVX2 computes c = a·b, or with add c += a·b, for 6 rows of a, lda
// elements apart, and a panel b of k×16.
//
//go:noescape
func tileAVX2(k int, a *float32, lda int, b, c *float32, ldc int, add bool)

// tileVNNI computes c = float32(offsets + a·b) for 12 rows of a, lda bytes
// apart, and two panels b that are stride bytes apart, over 4·groups columns.
//
//go:noescape
func tileVNNI(groups int, a *uint8, lda int, b *uint32, stride int, offsets *int32, c *float32, ldc int)

//go:noescape
func widenAVX2(dst *float32, src *uint32, groups int)

// Of the following, n is the number of elements, a multiple of 8 (of 32 for
// quantiseAVX2) and not 0.

//go:noescape
func maxAVX2(x *float32, n int) float32

//go:noescape
func absMaxAVX2(x *float32, n int) float32

//go:noescape
func quantiseAVX2(q *uint8, x *float32, n int, inverse float32)

//go:noescape
func scaleBiasAVX2(y *float32, n int, row float32, col, bias *float32)

// expSumAVX2 replaces x by exp(scale·(x-largest)) and returns the lane sum.
//
//go:noescape
func expSumAVX2(x *float32, n int, largest, scale float32) float32

//go:noescape
func scaleAVX2(x *float32, n int, factor float32)

//go:noescape
func geluAVX2(x *float32, n int)

// addSumAVX2 replaces x by x+y and returns the lane sum.
//
//go:noescape
func addSumAVX2(x, y *float32, n int) float32

// squaresAVX2 returns the lane sum of (x-mean)².
//
//go:noescape
func squaresAVX2(x *float32, n int, mean float32) float32

//go:noescape
func normAVX2(x *float32, n int, mean, inverse float32, gain, bias *float32)

func dotVector(a, b []float32) float32 {
	n := len(a) / dotLanes * dotLanes
	if n == 0 {
		return dotTail(0, a, b)
	}
	return dotTail(dotAVX2(&a[0], &b[0], n), a[n:], b[n:])
}

func gemmVector(c []float32, ldc int, a []float32, lda int, panel []float32, m, k int, add bool) {
	full := m / tileRows * tileRows
	for i := 0; i < full; i += tileRows {
		tileAVX2(k, &a[i*lda], lda, &panel[0], &c[i*ldc], ldc, add)
	}
	switch {
	case full == m:
	case full > 0 && !add:
		// A tile that overlaps the one before: it computes the same values again.
		i := m - tileRows
		tileAVX2(k, &a[i*lda], lda, &panel[0], &c[i*ldc], ldc, false)
	default:
		// Six times the same row: wasteful, but rare or short.
		for i := full; i < m; i++ {
			tileAVX2(k, &a[i*lda], 0, &panel[0], &c[i*ldc], 0, add)
		}
	}
}

func widenVector(dst []float32, src []uint32) {
	widenAVX2(&dst[0], &src[0], len(src)/PanelWidth)
}

// exactCols is the number of products of two int8 values whose sum is exact in
// float32: 1024 × 127 × 128 < 2²⁴.
const exactCols = 1024

// mulInt8Float multiplies small integers as floats, exactly: without VNNI
// instructions AVX2 has nothing faster that does not saturate.
func mulInt8Float(dst []float32, q []uint8, n int, w *Matrix, s *Scratch) {
	s.wide = resize(s.wide, n*w.cols)
	for i, v := range q[:n*w.cols] {
		s.wide[i] = float32(int32(v) - 128)
	}
	s.panel = resize(s.panel, PanelWidth*w.cols)
	s.product = resize(s.product, n*PanelWidth)
	s.sums = resize(s.sums, n*PanelWidth)
	for p := range w.rows / PanelWidth {
		widenVector(s.panel, w.panel(p))
		if w.cols <= exactCols {
			gemmVector(dst[p*PanelWidth:], w.rows, s.wide, w.cols, s.panel, n, w.cols, false)
			continue
		}
		clear(s.sums)
		for c := 0; c < w.cols; c += exactCols {
			k := min(exactCols, w.cols-c)
			gemmVector(s.product, PanelWidth, s.wide[c:], w.cols, s.panel[c*PanelWidth:], n, k, false)
			for i, v := range s.product {
				s.sums[i] += int32(v)
			}
		}
		for i := range n {
			row := dst[i*w.rows+p*PanelWidth:][:PanelWidth]
			for j := range row {
				row[j] = float32(s.sums[i*PanelWidth+j])
			}
		}
	}
}

func mulInt8VNNI(dst []float32, q []uint8, n int, w *Matrix, s *Scratch) {
	groups, stride := w.cols/groupCols, PanelWidth*w.cols
	for r := 0; r < w.rows; r += tileColsVNNI {
		b, offsets := &w.panel(r / PanelWidth)[0], &w.offsets[r]
		if n < tileRowsVNNI {
			// q has room for a whole tile, dst has not.
			s.product = resize(s.product, tileRowsVNNI*tileColsVNNI)
			tileVNNI(groups, &q[0], w.cols, b, stride, offsets, &s.product[0], tileColsVNNI)
			for i := range n {
				copy(dst[i*w.rows+r:], s.product[i*tileColsVNNI:(i+1)*tileColsVNNI])
			}
			continue
		}
		for i := 0; i < n; i += tileRowsVNNI {
			i := min(i, n-tileRowsVNNI)
			tileVNNI(groups, &q[i*w.cols], w.cols, b, stride, offsets, &dst[i*w.rows+r], w.rows)
		}
	}
}

func quantiseVector(q []uint8, x []float32) float32 {
	n := len(x) / 32 * 32
	if n == 0 {
		return quantisePortable(q, x)
	}
	largest := absMaxAVX2(&x[0], n)
	for _, v := range x[n:] {
		largest = max(largest, abs(v))
	}
	if largest < quantiseMin {
		return quantisePortable(q, x)
	}
	inverse := 127 / largest
	quantiseAVX2(&q[0], &x[0], n, inverse)
	for i, v := range x[n:] {
		q[n+i] = quantum(v, inverse)
	}
	return largest / 127
}

func scaleBiasVector(y []float32, row float32, col, bias []float32) {
	scaleBiasAVX2(&y[0], len(y), row, &col[0], &bias[0])
}

func softmaxVector(row []float32, scale float32) {
	n := len(row) / rowLanes * rowLanes
	if n == 0 {
		softmaxPortable(row, scale)
		return
	}
	largest := maxAVX2(&row[0], n)
	tail := row[n:]
	for _, v := range tail {
		largest = max(largest, v)
	}
	sum := expSumAVX2(&row[0], n, largest, scale)
	for i, v := range tail {
		tail[i] = exp(float32((v - largest) * scale))
		sum += tail[i]
	}
	inverse := 1 / sum
	scaleAVX2(&row[0], n, inverse)
	for i, v := range tail {
		tail[i] = v * inverse
	}
}

func geluVector(x []float32) {
	n := len(x) / rowLanes * rowLanes
	if n > 0 {
		geluAVX2(&x[0], n)
	}
	geluPortable(x[n:])
}

func addNormVector(x, y, gain, bias []float32, eps float64) {
	if len(x)%rowLanes != 0 {
		addNormPortable(x, y, gain, bias, eps)
		return
	}
	n := len(x)
	mean := addSumAVX2(&x[0], &y[0], n) / float32(n)
	inverse := inverseDeviation(squaresAVX2(&x[0], n, mean), n, eps)
	normAVX2(&x[0], n, mean, inverse, &gain[0], &bias[0])
}
