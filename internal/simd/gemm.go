package simd

// PanelWidth is the number of columns that kernels compute together.
const PanelWidth = 16

// gemmPortable multiplies by one panel of k×16 elements, k-major: b(r, j) is
// panel[16r+j]. Rows of a start every lda elements and rows of c every ldc.
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
