package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// source returns numbers for a test, the same ones for the same seed.
func source(seed uint64) func() float32 {
	r := rand.New(rand.NewPCG(seed, 2))
	return func() float32 { return float32(r.NormFloat64()) }
}

func draw(n int, next func() float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = next()
	}
	return x
}

// checkGemmPanels multiplies m×k by panels that are further apart than they are
// long. Rows of c after m may be written up to a multiple of 4, nothing else.
func checkGemmPanels(t *testing.T, m, panels, k int, add bool, next func() float32, skew int) {
	t.Helper()
	n, room := panels*PanelWidth, roundUp(m, 4)
	lda, ldc, stride := k+skew%3, n+skew%5, k*PanelWidth+skew%7
	a, b := draw((room-1)*lda+k, next), draw((panels-1)*stride+k*PanelWidth, next)
	before := draw((room-1)*ldc+n, next)
	for _, kernel := range vectors {
		got, check := guarded[float32](t, len(before), skew, unwritten)
		copy(got, before)
		kernel.gemmPanels(got, ldc, shifted(a, skew+1), lda, shifted(b, skew+3), stride, m, n, k, add)
		what := fmt.Sprintf("%s gemmPanels m=%d n=%d k=%d add=%v", kernel.name, m, n, k, add)
		check(what)
		for i := range before {
			row, col := i/ldc, i%ldc
			want := before[i]
			switch {
			case row >= m && col < n:
				continue
			case col < n:
				if !add {
					want = 0
				}
				for r := range k {
					want = fma(a[row*lda+r], b[col/PanelWidth*stride+r*PanelWidth+col%PanelWidth], want)
				}
			}
			wantBits(t, fmt.Sprintf("%s: c(%d,%d)", what, row, col), got[i:i+1], []float32{want})
		}
	}
}

// checkExpRows takes two blocks of scores through the softmax of some rows. scale
// is not so small that it brings a masked score back.
func checkExpRows(t *testing.T, rows, n int, scale float32, next func() float32, skew int) {
	t.Helper()
	ld := roundUp(n, attendWidth) + skew%5
	blocks := [2][]float32{draw((rows-1)*ld+roundUp(n, attendWidth), next), draw((rows-1)*ld+roundUp(n, attendWidth), next)}
	step := func(k kernels, s *streams, scores []float32) {
		k.expRows(scores, ld, rows, n, scale, s)
	}
	var first streams
	for i := range first.largest {
		first.largest[i] = -math.MaxFloat32
	}
	wantStreams := first
	var want [2][]float32
	for i, scores := range blocks {
		want[i] = slices.Clone(scores)
		step(portable, &wantStreams, want[i])
	}
	for _, k := range vectors {
		s := first
		what := fmt.Sprintf("%s expRows rows=%d n=%d scale=%v", k.name, rows, n, scale)
		for i, scores := range blocks {
			got, check := guarded[float32](t, len(scores), skew+i, unwritten)
			copy(got, scores)
			step(k, &s, got)
			check(what)
			wantBits(t, what, got, want[i])
		}
		wantBits(t, what+" largest", s.largest[:], wantStreams.largest[:])
		wantBits(t, what+" sums", s.sums[:], wantStreams.sums[:])
		wantBits(t, what+" factors", s.factors[:], wantStreams.factors[:])
	}
}

// checkMoves transposes, copies and scales rows×n elements.
func checkMoves(t *testing.T, rows, n int, next func() float32, skew int) {
	t.Helper()
	ldx, ldd := n+skew%4, n+skew%3
	x, factors := shifted(draw((rows-1)*ldx+n, next), skew), shifted(draw(attendRows, next), skew+1)
	for _, op := range []struct {
		name string
		size int
		run  func(k kernels, dst []float32)
	}{
		{"transpose", rows * n, func(k kernels, dst []float32) { k.transpose(dst, x, ldx, rows, n) }},
		{"copyRows", (rows-1)*ldd + n, func(k kernels, dst []float32) { k.copyRows(dst, ldd, x, ldx, rows, n) }},
		{"scaleRows", (rows-1)*ldd + n, func(k kernels, dst []float32) {
			if rows <= attendRows {
				k.scaleRows(dst, ldd, x, ldx, rows, n, factors)
			}
		}},
	} {
		want := slices.Repeat([]float32{unwritten}, op.size)
		op.run(portable, want)
		for _, k := range vectors {
			got, check := guarded[float32](t, op.size, skew, unwritten)
			op.run(k, got)
			what := fmt.Sprintf("%s %s of %d×%d", k.name, op.name, rows, n)
			check(what)
			wantBits(t, what, got, want)
		}
	}
}

// checkProducts compares whole products of all sets, the vector sets' among
// each other: their sums over the exact columns are fused, the portable one's
// need not be.
func checkProducts(t *testing.T, n, rows, cols int, exact []int, next func() float32, skew int) {
	t.Helper()
	m, _ := matrix(t, rows, cols, exact, uint64(skew))
	x, bias := draw(n*cols, next), draw(rows, next)
	for name, mul := range map[string]mulFunc{"MulInt16": (*Matrix).MulInt16, "MulInt8": (*Matrix).MulInt8} {
		var want []float32
		for _, k := range vectors {
			use(t, k)
			got, check := guarded[float32](t, n*rows, skew, unwritten)
			mul(m, got, shifted(x, skew+1), shifted(bias, skew+2), n, new(Scratch))
			what := fmt.Sprintf("%s %s n=%d %d×%d exact %v", k.name, name, n, rows, cols, exact)
			check(what)
			if want == nil {
				want = got
			}
			wantBits(t, what, got, want)
		}
	}
}

func TestGemmPanelsKernels(t *testing.T) {
	for m := 1; m <= attendRows; m++ {
		for _, k := range []int{1, 2, 3, 8, 31} {
			checkGemmPanels(t, m, 4, k, m%2 == 0, source(uint64(m*k)), m+k)
			checkGemmPanels(t, m, 2, k, m%2 == 1, source(uint64(m*k)), m+k)
		}
	}
}

func TestExpRowsKernels(t *testing.T) {
	for rows := 1; rows <= attendRows; rows += 3 {
		for n := 1; n <= 100; n += 1 + n/9 {
			for _, scale := range []float32{0.04, 0.18, 30} {
				checkExpRows(t, rows, n, scale, source(uint64(n)), n+rows)
			}
		}
	}
	for name, x := range patterns(64, 36) {
		if name != "huge" && name != "one huge" && name != "bits" {
			i := 0
			checkExpRows(t, 3, 40, 0.5, func() float32 { i++; return x[i%len(x)] }, 1)
		}
	}
}

func TestMoveKernels(t *testing.T) {
	for _, rows := range []int{1, 2, 3, 4, 7, 8, 12, 15, 16} {
		for _, n := range []int{1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64} {
			checkMoves(t, rows, n, source(uint64(n)), n+rows)
		}
	}
}

func TestProductKernels(t *testing.T) {
	for n := 1; n <= 27; n++ {
		checkProducts(t, n, 64, 96, []int{3, 4, 95}, source(uint64(n)), n)
		checkProducts(t, n, 32, 4*n, nil, source(uint64(n)), n)
	}
	for _, x := range patterns(96, 37) {
		for _, cols := range []int{96, 36} {
			i := 0
			checkProducts(t, 5, 64, cols, []int{3, 4, 35}, func() float32 { i++; return x[i%len(x)] }, 1)
		}
	}
}

// cycle returns a function that gives the numbers in raw again and again.
func cycle(raw []byte, limit float64) func() float32 {
	x, i := floats(raw, limit), 0
	return func() float32 {
		if len(x) == 0 {
			return 0
		}
		i++
		return x[i%len(x)]
	}
}

// addBlocks adds raw numbers and three sizes.
func addBlocks(f *testing.F) {
	var raw []byte
	for i := range 50 {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(i-20)*1.37))
	}
	f.Add(raw, uint8(11), uint8(17), uint8(5))
	f.Add(raw[:12], uint8(4), uint8(63), uint8(2))
}

func FuzzGemmPanels(f *testing.F) {
	addBlocks(f)
	f.Fuzz(func(t *testing.T, raw []byte, m, k, skew uint8) {
		checkGemmPanels(t, int(m%attendRows)+1, 2*int(skew%3)+2, int(k%64)+1, skew%2 == 0, cycle(raw, 1e15), int(skew))
	})
}

func FuzzExpRows(f *testing.F) {
	addBlocks(f)
	f.Fuzz(func(t *testing.T, raw []byte, rows, n, skew uint8) {
		checkExpRows(t, int(rows%attendRows)+1, int(n%200)+1, float32(skew)/32+0.01, cycle(raw, 1e30), int(skew))
	})
}

func FuzzMoves(f *testing.F) {
	addBlocks(f)
	f.Fuzz(func(t *testing.T, raw []byte, rows, n, skew uint8) {
		checkMoves(t, int(rows%PanelWidth)+1, int(n%80)+1, cycle(raw, 1e15), int(skew))
	})
}

// FuzzProducts wants the same bits from all vector kernels, for inputs so small
// that products stay finite: there is no tolerance that rounding could exceed. A
// failure that writes no input is "context deadline exceeded", by which package
// testing says that -fuzztime ran out amid an input; a -fuzztime of a number of
// inputs, such as 20000x, cannot.
func FuzzProducts(f *testing.F) {
	addBlocks(f)
	f.Fuzz(func(t *testing.T, raw []byte, n, groups, skew uint8) {
		cols := (int(groups%40) + 1) * groupCols
		var exact []int
		for c := int(skew % 5); c < cols && len(exact) < int(skew%9); c += 1 + int(skew%4) {
			exact = append(exact, c)
		}
		checkProducts(t, int(n%30)+1, MatrixRows, cols, exact, cycle(raw, 1e12), int(skew))
	})
}
