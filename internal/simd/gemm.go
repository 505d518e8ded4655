package simd

import "fmt"

// PanelWidth is the number of columns that kernels compute together.
const PanelWidth = 16

// Gemm computes c = a·b for a of m×k and b of k×n, n a multiple of
// [PanelWidth]. Rows of a start every lda elements and rows of c every ldc.
// b is packed: panels of 16 columns one after the other, each k-major, so that
// b(r, 16p+j) is panels[(p·k+r)·16+j]. It panics if a slice is too short.
func Gemm(c []float32, ldc int, a []float32, lda int, panels []float32, m, n, k int) {
	if m == 0 || n == 0 {
		return
	}
	if n%PanelWidth != 0 || k <= 0 || len(panels) < n*k || len(a) < (m-1)*lda+k || len(c) < (m-1)*ldc+n {
		panic(fmt.Sprintf("simd.Gemm: m=%d n=%d k=%d lda=%d ldc=%d with lengths a %d, panels %d, c %d",
			m, n, k, lda, ldc, len(a), len(panels), len(c)))
	}
	for j := 0; j < n; j += PanelWidth {
		active.gemm(c[j:], ldc, a, lda, panels[j*k:(j+PanelWidth)*k], m, k, false)
	}
}

func gemmPortable(c []float32, ldc int, a []float32, lda int, panel []float32, m, k int, add bool) {
	for i := range m {
		var sums [PanelWidth]float32
		if add {
			copy(sums[:], c[i*ldc:])
		}
		for r, x := range a[i*lda : i*lda+k] {
			b := panel[r*PanelWidth : r*PanelWidth+PanelWidth]
			for j := range sums {
				sums[j] += x * b[j]
			}
		}
		copy(c[i*ldc:], sums[:])
	}
}
