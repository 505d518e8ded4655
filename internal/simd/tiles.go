//go:build (amd64 || arm64) && !purego

package simd

// Tiles are what vector kernels compute at once; the assembly has them, this file
// covers whole products with them.

// int8Tile multiplies a few rows of activations by one panel of weights, all at
// once. Sums are 32 bits wide and exact; how, the assembly of each tile states.
type int8Tile struct {
	rows int // at most minQuantised

	// compute writes rows × 16 products as floats: of rows of a, lda bytes
	// apart, and a panel b, over 4·groups columns. Rows of c are ldc elements
	// apart. Whether a is q and is added to offsets, or is signed, each tile
	// states.
	compute func(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)
}

// mul writes the n×rows products of w and the n rows of a, which has room for
// a whole tile even if n is less.
func (t int8Tile) mul(dst []float32, a []uint8, n int, w *Matrix, s *Scratch) {
	groups := w.cols / groupCols
	for p := range w.rows / PanelWidth {
		r := p * PanelWidth
		b, offsets := &w.panel(p)[0], &w.offsets[r]
		if n < t.rows {
			// dst has no room for a whole tile.
			s.product = resize(s.product, t.rows*PanelWidth)
			t.compute(groups, &a[0], w.cols, b, offsets, &s.product[0], PanelWidth)
			for i := range n {
				copy(dst[i*w.rows+r:], s.product[i*PanelWidth:(i+1)*PanelWidth])
			}
			continue
		}
		for i := 0; i < n; i += t.rows {
			// The last tile overlaps the one before: it computes the same values again.
			i := min(i, n-t.rows)
			t.compute(groups, &a[i*w.cols], w.cols, b, offsets, &dst[i*w.rows+r], w.rows)
		}
	}
}

// floatTiles multiply a few rows by one panel of k×16: c = a·b, or with add
// c += a·b. Rows of a start every lda elements, those of c every ldc; either may
// be 0. They add one fused multiply-add per step of k, in order.
type floatTiles struct {
	six, four func(k int, a *float32, lda int, b, c *float32, ldc int, add bool)
}

// gemm is for m rows of any number.
func (t floatTiles) gemm(c []float32, ldc int, a []float32, lda int, panel []float32, m, k int, add bool) {
	for i := 0; i < m; {
		switch left := m - i; {
		case left >= 6 && left != 8:
			t.six(k, &a[i*lda], lda, &panel[0], &c[i*ldc], ldc, add)
			i += 6
		case left >= 4:
			t.four(k, &a[i*lda], lda, &panel[0], &c[i*ldc], ldc, add)
			i += 4
		case m >= 4 && !add:
			// A tile that overlaps the one before: it computes the same values again.
			last := m - 4
			t.four(k, &a[last*lda], lda, &panel[0], &c[last*ldc], ldc, false)
			i = m
		default:
			// Four times the same row: wasteful, but rare or short.
			t.four(k, &a[i*lda], 0, &panel[0], &c[i*ldc], 0, add)
			i++
		}
	}
}

// gemmPanels is for several panels; a and c have room for whole fours of rows.
func (t floatTiles) gemmPanels(c []float32, ldc int, a []float32, lda int, panels []float32, stride, m, n, k int, add bool) {
	for j := 0; j < n; j += PanelWidth {
		b := &panels[j/PanelWidth*stride]
		for i, left := 0, roundUp(m, 4); left > 0; {
			if left%6 == 0 {
				t.six(k, &a[i*lda], lda, b, &c[i*ldc+j], ldc, add)
				i, left = i+6, left-6
			} else {
				t.four(k, &a[i*lda], lda, b, &c[i*ldc+j], ldc, add)
				i, left = i+4, left-4
			}
		}
	}
}
