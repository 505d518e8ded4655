//go:build (amd64 || arm64) && !purego

package simd

import "math"

// vector returns the kernels that are made alike of AVX2 and FMA on amd64 and of
// NEON on arm64: the assembly of either has the functions below.
func vector(name string, mulInt8 func(dst []float32, q []uint8, n int, w *Matrix, s *Scratch)) kernels {
	return kernels{
		name:         name,
		dot:          dotVector,
		gemm:         floatVector.gemm,
		mulInt8:      mulInt8,
		quantise:     quantiseVector,
		quantiseWide: quantiseWideVector,
		join:         joinVector,
		scaleBias:    scaleBiasVector,
		gelu:         geluVector,
		addNorm:      addNormVector,
		gemmPanels:   floatVector.gemmPanels,
		expRows:      expRowsVector,
	}
}

// vecDot requires n, a multiple of 32, to be at least 32.
//
//go:noescape
func vecDot(a, b *float32, n int) float32

// vecTile computes c = a·b, or with add c += a·b, for 6 rows of a, lda
// elements apart, and a panel b of k×16.
//
//go:noescape
func vecTile(k int, a *float32, lda int, b, c *float32, ldc int, add bool)

// vecTile4 is vecTile for 4 rows.
//
//go:noescape
func vecTile4(k int, a *float32, lda int, b, c *float32, ldc int, add bool)

var floatVector = floatTiles{six: vecTile, four: vecTile4}

// Of the following, n is the number of elements, a multiple of 8 (of 32 for
// sums and quantising) and not 0.

//go:noescape
func vecMax(x *float32, n int) float32

// vecExtent is extentPortable, but for the sign of a least element of 0.
//
//go:noescape
func vecExtent(x *float32, n int) (least, largest float32)

//go:noescape
func vecQuantise(q *uint8, x *float32, n int, centre, inverse float32)

//go:noescape
func vecQuantiseWide(q *uint8, x *float32, n int, inverse float32)

//go:noescape
func vecJoin(y, upper, lower *float32, n int)

//go:noescape
func vecScaleBias(y *float32, n int, row float32, col, bias *float32)

// vecExp2 replaces x by exp2(scale·(x-largest)).
//
//go:noescape
func vecExp2(x *float32, n int, largest, scale float32)

// vecSum returns the lane sum.
//
//go:noescape
func vecSum(x *float32, n int) float32

//go:noescape
func vecGelu(x *float32, n int)

// vecAddSum replaces x by x+y and returns the lane sum.
//
//go:noescape
func vecAddSum(x, y *float32, n int) float32

// vecSquares returns the lane sum of (x-mean)².
//
//go:noescape
func vecSquares(x *float32, n int, mean float32) float32

//go:noescape
func vecNorm(x *float32, n int, mean, inverse float32, gain, bias *float32)

func dotVector(a, b []float32) float32 {
	n := len(a) / dotLanes * dotLanes
	if n == 0 {
		return dotTail(0, a, b)
	}
	return dotTail(vecDot(&a[0], &b[0], n), a[n:], b[n:])
}

func quantiseVector(q []uint8, x []float32) (scale, centre float32) {
	n := len(x) / 32 * 32
	if n == 0 {
		return quantisePortable(q, x)
	}
	least, largest := vecExtent(&x[0], n)
	for _, v := range x[n:] {
		least, largest = min(least, v), max(largest, v)
	}
	centre, half := middle(least, largest)
	if half < quantiseMin {
		return quantisePortable(q, x)
	}
	inverse := 127 / half
	vecQuantise(&q[0], &x[0], n, centre, inverse)
	for i, v := range x[n:] {
		q[n+i] = quantum(v-centre, inverse)
	}
	return half / 127, centre
}

func quantiseWideVector(q []uint8, x []float32) float32 {
	n := len(x)
	if n%32 != 0 || n == 0 {
		return quantiseWidePortable(q, x)
	}
	largest := magnitude(vecExtent(&x[0], n))
	if largest < quantiseMin {
		return quantiseWidePortable(q, x)
	}
	vecQuantiseWide(&q[0], &x[0], n, wideSteps/largest)
	return largest / wideSteps
}

func joinVector(y, upper, lower []float32) {
	vecJoin(&y[0], &upper[0], &lower[0], len(y))
}

func scaleBiasVector(y []float32, row float32, col, bias []float32) {
	vecScaleBias(&y[0], len(y), row, &col[0], &bias[0])
}

func expRowsVector(scores []float32, ld, rows, n int, scale float32, s *streams) {
	padded := roundUp(n, rowLanes)
	for i := range rows {
		row := scores[i*ld:][:padded]
		for j := n; j < padded; j++ {
			row[j] = -math.MaxFloat32 // becomes exactly 0
		}
		largest := max(s.largest[i], vecMax(&row[0], padded))
		s.factors[i] = exp2(float32((s.largest[i] - largest) * scale))
		s.largest[i] = largest
		vecExp2(&row[0], padded, largest, scale)
		s.sums[i] = float32(s.sums[i]*s.factors[i]) + vecSum(&row[0], padded)
	}
}

func geluVector(x []float32) {
	n := len(x) / 8 * 8
	if n > 0 {
		vecGelu(&x[0], n)
	}
	geluPortable(x[n:])
}

func addNormVector(x, y, gain, bias []float32, eps float64) {
	n := len(x)
	if n%rowLanes != 0 {
		addNormPortable(x, y, gain, bias, eps)
		return
	}
	mean := vecAddSum(&x[0], &y[0], n) / float32(n)
	inverse := inverseDeviation(vecSquares(&x[0], n, mean), n, eps)
	vecNorm(&x[0], n, mean, inverse, &gain[0], &bias[0])
}
